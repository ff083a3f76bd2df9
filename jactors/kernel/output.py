"""Output of an actor: into the cell that made the call, and in order with its result.

The streams are ipykernel's, with three differences:

* they note that something was written, so that a call that printed nothing pays nothing;
* they write a copy to the process' log file at once: the last lines of a process that dies are in
  there, also those that had not been published yet;
* a forked child (multiprocessing) writes into the pipe that ipykernel watches anyway, so no TCP
  port is opened for it;
* where a process has started children, what they have written by the time that a call ends is read
  before its mark is made. (Whether it has is told by an audit hook, so that other calls pay nothing.)

A *mark* is a number published on iopub behind all output so far. The reply to a call that printed
carries the mark, and the caller's link holds the result until it has seen it.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from ipykernel.iostream import OutStream
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell
from traitlets import Type

from jactors.context import CallContext, current_call
from jactors.wire.messages import STATUS

__all__ = ["ActorDisplayPublisher", "ActorShell", "ActorStream", "Output"]


#: Seconds that a mark waits for the output of children.
_PATIENCE = 0.02

#: What has started children so far.
_children: set[str] = set()

_STARTS = frozenset({"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"})


def notice_children() -> None:
    """Take note, from now on, when this process starts another one."""

    def hook(event: str, _: Any) -> None:
        if event in _STARTS:
            _children.add(event)

    sys.addaudithook(hook)


#: Seconds that `flush` waits.
FLUSH_TIMEOUT = 0.5


class ActorStream(OutStream):
    """stdout or stderr of an actor."""

    #: Something was written since the last mark. Written by any thread, reset by the one that marks.
    dirty = False
    #: The call on the main thread, for what its children write. Of the main thread.
    call: CallContext | None = None
    #: The watching thread is about to read, or has read and not published yet.
    _passing = False

    def __init__(self, session: Any, pub_thread: Any, name: str, echo: Any = None) -> None:
        # "force": ipykernel does not watch the descriptors under pytest, whose variables are inherited.
        super().__init__(session, pub_thread, name, watchfd="force")

    def write(self, string: str) -> int:
        """Publish `string` under the current call's cell and log it."""
        if os.getpid() != self._master_pid:
            os.write(self._original_stdstream_fd, string.encode(errors="replace"))
            return len(string)
        ActorStream.dirty = True
        call = current_call.get()
        if call is not None and (header := self.parent_header).get("call") != call.task_id:
            # Whoever relays it keeps what a call has printed: `ref.stdout`. Until the next call: see `Output.enter`.
            self.set_thread_parent({"header": {"msg_id": "", **header, "call": call.task_id}})
        super().write(string)
        self._log(string.encode(errors="replace"))
        return len(string)

    def flush(self) -> None:
        """Send what was written; wait for the thread that sends, but not for long.

        A logging handler flushes with its lock held. Where that thread logs something itself it waits for us, and we
        for it: ipykernel's ten seconds are a long time for an actor.
        """
        thread = self.pub_thread
        if thread.thread is None or not thread.thread.is_alive() or thread.thread is threading.current_thread():
            self._flush()
            return
        sent = threading.Event()
        thread.schedule(self._flush)
        thread.schedule(sent.set)
        sent.wait(FLUSH_TIMEOUT)

    def _log(self, data: bytes) -> None:
        """Write to the log file; a full disk must not become an error of whoever prints."""
        try:
            os.write(self._original_stdstream_copy, data)
        except OSError:
            pass  # it has been published

    def _watch_pipe_fd(self) -> None:
        """Publish and log what children, and native code, write to the descriptor. In a thread of its own."""
        fd: int = self._fid  # type: ignore[assignment]
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        while True:
            poller.poll()
            self._passing = True  # before it is read: `settled` sees it in the pipe, or here
            read = os.read(fd, 1 << 16)
            if not read or not self._should_watch:
                self._passing = False
                return
            self._publish(read)
            self._passing = False

    def _publish(self, read: bytes) -> None:
        """Write what a child wrote, under the call that runs on the main thread."""
        ActorStream.dirty = True
        call, header = ActorStream.call, self.parent_header
        token = None
        if call is not None:
            token = self.set_thread_parent({"header": {"msg_id": "", **header, "call": call.task_id}})
        super().write(read.decode(errors="replace"))
        if token is not None:
            self.reset_thread_parent(token)
        self._log(read)

    def settled(self) -> bool:
        """Return whether all that was written to the descriptor has been published."""
        fd: int = self._fid  # type: ignore[assignment]
        return not select.select([fd], [], [], 0)[0] and not self._passing


class ActorDisplayPublisher(ZMQDisplayPublisher):
    """Notes that something was displayed."""

    def publish(self, *args: Any, **kwargs: Any) -> None:
        """Publish display data under the current call's cell."""
        ActorStream.dirty = True
        super().publish(*args, **kwargs)

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - IPython's signature
        """Clear the output of the current call's cell."""
        ActorStream.dirty = True
        super().clear_output(wait)


class ActorShell(ZMQInteractiveShell):
    """The shell of an actor."""

    display_pub_class = Type(ActorDisplayPublisher)

    def ask_exit(self) -> None:
        """Let a console that is left go; the actor lives on: `jactors.kill` ends it."""
        self.keepkernel_on_exit = True  # type: ignore[assignment]
        super().ask_exit()


class Output:
    """The output side of an actor's kernel."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._mark = 0

    def enter(self, parent: Mapping[str, Any]) -> None:
        """Publish from now on under `parent`, in this thread or task and where nothing else was said."""
        if sys.stdout.parent_header is parent:  # type: ignore[union-attr]
            return
        message = {"header": parent}
        sys.stdout.set_parent(message)  # type: ignore[union-attr]
        sys.stderr.set_parent(message)  # type: ignore[union-attr]
        self._kernel.shell.display_pub.set_parent(message)
        self._kernel.shell.displayhook.set_parent(message)

    def enter_thread(self, parent: Mapping[str, Any]) -> None:
        """Publish from now on under `parent` in this thread, or context, alone."""
        message = {"header": parent}
        for stream in (sys.stdout, sys.stderr, self._kernel.shell.display_pub):
            stream.set_thread_parent(message)  # type: ignore[union-attr]

    @staticmethod
    def _let_children_speak() -> None:
        """Wait until what children have written so far is published; not for long: some write for ever."""
        until = time.monotonic() + _PATIENCE
        streams = (sys.stdout, sys.stderr)
        while not all(stream.settled() for stream in streams) and time.monotonic() < until:  # type: ignore[union-attr]
            time.sleep(0.0002)

    def idle(self, parent: Mapping[str, Any]) -> None:
        """Publish, behind all output so far, that what was done under `parent` is done."""
        kernel = self._kernel

        def publish() -> None:
            for stream in (sys.stdout, sys.stderr):
                stream._flush()  # type: ignore[union-attr]  # noqa: SLF001 - `flush` waits for this very thread
            kernel.session.send(
                kernel.iopub_thread, "status", {"execution_state": "idle"}, parent={"header": dict(parent)}
            )

        kernel.iopub_thread.schedule(publish)

    def mark(self) -> int:
        """Return the mark behind the output so far; 0 where there was none since the last mark.

        Nothing waits: the iopub thread flushes the streams and publishes the mark.
        """
        if _children:
            self._let_children_speak()
        if not ActorStream.dirty:
            return 0
        ActorStream.dirty = False
        self._mark = mark = self._mark + 1
        kernel = self._kernel

        def publish() -> None:
            for stream in (sys.stdout, sys.stderr):
                stream._flush()  # type: ignore[union-attr]  # noqa: SLF001 - `flush` waits for this very thread
            kernel.session.send(kernel.iopub_thread, STATUS, {"mark": mark}, ident=b"actor_status")

        kernel.iopub_thread.schedule(publish)
        return mark
