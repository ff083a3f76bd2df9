"""Payloads: values as they travel.

A `Packed` value is a pickle stream and its raw buffers. It can be loaded again and again, and
forwarded to another process as it is, without being unpickled on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jactors.objects.luggage import Held
from jactors.wire import failure, pack

__all__ = ["Failed", "Packed", "from_frames"]


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

    __slots__ = ("buffers", "failed", "luggage", "stream")

    def __init__(self, stream: bytes, luggage: Sequence[Held] = ()) -> None:
        self.stream = stream
        self.buffers = ()
        self.luggage = luggage
        self.failed = True

    def load(self) -> Any:
        """Raise the exception as `TaskError`, which is also of its own type."""
        raise failure.decode(self.stream) from None

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.stream)


def from_frames(failed: bool, frames: Sequence[bytes], luggage: Sequence[Held] = ()) -> Packed | Failed:  # noqa: FBT001
    """Make the payload of one group of frames: a stream and its buffers."""
    return Failed(frames[0], luggage) if failed else Packed(frames[0], frames[1:], luggage)
