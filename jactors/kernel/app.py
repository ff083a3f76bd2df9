"""`ActorApp`: the application that makes an `ActorKernel` and its sockets.

ipykernel's own, with what an actor does not want left out: the shell-channel thread (calls are
read on the main loop), the TCP port for output of forked children (they write to the watched
pipe), history (a file lock a kernel), startup files of the IPython profile (they belong to the
notebook).
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from psutil import virtual_memory
from traitlets import Type, Unicode
from traitlets.config import Config

from jactors.kernel.kernel import ActorKernel

__all__ = ["ActorApp"]


#: Bytes of the largest frame on control, stdin and iopub's subscriptions.
_LARGEST = 1 << 26

#: Seconds that the control thread has, at the end, for what it is about.
_PATIENCE = 2.0


class _Subscribed(IOPubThread):
    """An iopub thread that says when somebody subscribes, and to what."""

    on_subscriber: Any = None
    #: One has come already: of a restarted actor's, some come before anybody asks.
    subscribed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Frames that say who subscribes to what, kept until somebody listens. Of this thread, as `_on_topic`.
        self._early: list[bytes] = []
        self._on_topic: Callable[[bytes], None] = self._early.append

    def listen(self, on_topic: Callable[[bytes], None]) -> None:
        """Tell of every subscription, in this thread; of those that have come already, too."""

        def begin() -> None:
            self._on_topic = on_topic
            for frame in self._early:
                on_topic(frame)

        self.io_loop.add_callback(begin)

    def _handle_subscription(self, frames: list[bytes]) -> None:
        super()._handle_subscription(frames)
        self.subscribed = True
        if self.on_subscriber is not None:
            self.on_subscriber()
        for frame in frames:
            self._on_topic(frame)


class _NoThread:
    """Stands where ipykernel has its shell-channel thread: false, but 7.4 asks it for its parent without looking."""

    parent_thread = threading.main_thread()

    def __bool__(self) -> bool:
        return False


class ActorApp(IPKernelApp):
    """The application of one actor's process."""

    name = Unicode("jactors-kernel")
    kernel_class = Type(ActorKernel)
    outstream_class = Unicode("jactors.kernel.output.ActorStream")
    kernel: Any

    @classmethod
    def build(cls, connection_file: str, *, notebook: bool) -> ActorApp:
        """Return the application, its sockets bound and its kernel made; nothing is read yet.

        Parameters
        ----------
        notebook : bool
            What it shows is seen on a page, not in a terminal.
        """
        config = Config()
        if notebook:
            config.IPKernelApp.connection_file = connection_file  # tqdm.auto looks whether there is such a section
        config.HistoryManager.enabled = False
        app: ActorApp = cls.instance(connection_file=connection_file, config=config, log_level=logging.WARNING)
        app.initialize([])
        return app

    def parse_command_line(self, argv: Any = None) -> None:
        """Nothing to parse: building the parser dirties 1 MB of the memory shared with the fork server."""

    def _bind_socket(self, s: Any, port: int) -> Any:
        """Bind without high-water mark: past 1000 unread messages a ROUTER drops replies without a word."""
        if s.type == zmq.ROUTER:
            s.hwm = 0  # has no effect once the socket is bound
        # The peer whose frame is larger is disconnected before there is memory for it. Arguments may be large.
        s.maxmsgsize = virtual_memory().total if s is getattr(self, "shell_socket", None) else _LARGEST
        return super()._bind_socket(s, port)

    def init_control(self, context: Any) -> None:
        """Make the control channel, without the shell-channel thread."""
        super().init_control(context)
        self.shell_channel_thread.io_loop.close(all_fds=True)
        self.shell_channel_thread = _NoThread()

    def init_iopub(self, context: Any) -> None:
        """Make the iopub channel, without the TCP port for forked children."""
        socket = context.socket(zmq.XPUB)
        socket.xpub_verbose = True  # each subscriber is welcomed, not only the first: see `wire.window`
        socket.linger = 1000
        socket.sndhwm = 100_000
        self._apply_curve_server_options(socket)
        self.iopub_port = self._bind_socket(socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = _Subscribed(socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        atexit.register(self._end_control)  # what is registered last comes first: `start` has registered its end
        self.iopub_socket = self.iopub_thread.background_socket

    def _end_control(self) -> None:
        """End the control thread, at the end of the process, before the iopub thread ends.

        In ipykernel's order, iopub first, a request that comes meanwhile waits for that thread for ever, and the
        process for the request.
        """
        if self.control_thread is not None and self.control_thread.is_alive():
            self.control_thread.io_loop.add_callback(self._answer_the_last)
            self.control_thread.join(_PATIENCE)

    async def _answer_the_last(self) -> None:
        """Read no more requests, answer those that were read, and end; in the control thread."""
        self.kernel.control_stream.stop_on_recv()
        left = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__name__", "") == "dispatch_control"]
        if left:
            await asyncio.wait(left, timeout=_PATIENCE / 2)
        self.control_thread.stop()

    def init_signal(self) -> None:
        """Drop interrupts until there is a method to interrupt."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def init_code(self) -> None:
        """Run no startup files."""

    def log_connection_info(self) -> None:
        """Record the ports; say nothing on the terminal."""
        self._ports = {name: getattr(self, f"{name}_port") for name in ("shell", "iopub", "stdin", "hb", "control")}
