"""Output of an actor: into the cell that made the call, and in order with its result.

The streams are ipykernel's, with three differences:

* they note that something was written, so that a call that printed nothing pays nothing;
* they write a copy to the process' log file at once: the last lines of a process that dies are in
  there, also those that had not been published yet;
* a forked child (multiprocessing) writes into the pipe that ipykernel watches anyway, so no TCP
  port is opened for it.

A *mark* is a number published on iopub behind all output so far. The reply to a call that printed
carries the mark, and the caller's link holds the result until it has seen it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from contextvars import Token
from typing import Any

from ipykernel.iostream import OutStream
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell
from traitlets import Type

from jactors.wire.messages import STATUS

__all__ = ["ActorDisplayPublisher", "ActorShell", "ActorStream", "Output"]


class ActorStream(OutStream):
    """stdout or stderr of an actor."""

    #: Something was written since the last mark. Written by any thread, reset by the one that marks.
    dirty = False

    def __init__(self, session: Any, pub_thread: Any, name: str, echo: Any = None) -> None:
        # "force": ipykernel does not watch the descriptors under pytest, whose variables are inherited.
        super().__init__(session, pub_thread, name, watchfd="force")

    def write(self, string: str) -> int:
        """Publish `string` under the current call's cell and log it."""
        if os.getpid() != self._master_pid:
            os.write(self._original_stdstream_fd, string.encode(errors="replace"))
            return len(string)
        ActorStream.dirty = True
        super().write(string)
        if threading.current_thread() is not self.watch_fd_thread:  # which logs what it reads itself
            os.write(self._original_stdstream_copy, string.encode(errors="replace"))
        return len(string)


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

    def enter_thread(self, parent: Mapping[str, Any]) -> list[tuple[Any, Token[Any]]]:
        """Publish under `parent` in this thread or task alone; return what `leave_thread` takes."""
        message = {"header": parent}
        streams = (sys.stdout, sys.stderr, self._kernel.shell.display_pub)
        return [(stream, stream.set_thread_parent(message)) for stream in streams]  # type: ignore[union-attr]

    @staticmethod
    def leave_thread(tokens: list[tuple[Any, Token[Any]]]) -> None:
        """Undo `enter_thread`."""
        for stream, token in tokens:
            stream.reset_thread_parent(token)

    def mark(self) -> int:
        """Return the mark behind the output so far; 0 where there was none since the last mark.

        Nothing waits: the iopub thread flushes the streams and publishes the mark.
        """
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
