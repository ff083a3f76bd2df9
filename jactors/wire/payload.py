"""Payloads: values as they travel.

A `Packed` value is a pickle stream and its raw buffers. It can be loaded again and again, and
forwarded to another process as it is, without being unpickled on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jactors.objects.luggage import Held
from jactors.wire import failure, pack

__all__ = ["Failed", "Packed", "from_frames", "tell_unread"]

#: Told what a method raised and nobody has looked at.
on_unread: Callable[[bytes], None] | None = None


def tell_unread(function: Callable[[bytes], None] | None) -> None:
    """Say who is told of failures that go without that anybody has looked; a function that may be called anywhere."""
    global on_unread  # noqa: PLW0603
    on_unread = function


class Packed:
    """A value."""

    __slots__ = ("buffers", "failed", "luggage", "stream")

    def __init__(self, stream: bytes, buffers: Sequence[pack.Buffer], luggage: Sequence[Held] = ()) -> None:
        self.stream = stream
        self.buffers = buffers
        #: What it names and must not go before it does.
        self.luggage = luggage
        self.failed = False

    def load(self) -> Any:
        """Rebuild the value; its arrays are read-only views of the buffers."""
        return pack.loads(self.stream, self.buffers)

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.stream) + sum(map(len, self.buffers))


class Failed:
    """An exception that a method raised, encoded where it was raised."""

    __slots__ = ("buffers", "failed", "luggage", "stream", "unread")

    def __init__(self, stream: bytes, luggage: Sequence[Held] = (), *, unread: bool = False) -> None:
        self.stream = stream
        #: Somebody should look at it before it goes.
        self.unread = unread
        self.buffers = ()
        self.luggage = luggage
        self.failed = True

    def load(self) -> Any:
        """Raise the exception as `TaskError`, which is also of its own type."""
        self.unread = False
        raise failure.decode(self.stream) from None

    def __del__(self) -> None:
        if self.unread and on_unread is not None:
            on_unread(self.stream)

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.stream)


def from_frames(failed: bool, frames: Sequence[bytes], luggage: Sequence[Held] = ()) -> Packed | Failed:  # noqa: FBT001
    """Make the payload of one group of frames: a stream and its buffers."""
    return Failed(frames[0], luggage, unread=True) if failed else Packed(frames[0], frames[1:], luggage)
