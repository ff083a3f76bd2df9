"""A call as the actor has read it, and what comes of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from jactors.wire.payload import Failed, Packed

__all__ = ["STREAM", "Incoming", "Outcome", "Room"]

#: As a number of returns: a stream of values, each sent when it is there.
STREAM = -1

#: One result: its index (-1: all that have not come), and the payload; None is the end of a stream.
Outcome = tuple[int, Packed | Failed | None]


class Room:
    """How far ahead of its caller a generator may be: it waits where nobody takes what it has yielded."""

    def __init__(self, size: int, taken: int) -> None:
        self._size = size
        self._taken = taken
        self._moved = threading.Event()

    def move(self, taken: int) -> None:
        """So many values were taken, in all. From the control thread."""
        self._taken = max(self._taken, taken)
        self._moved.set()

    def wait(self, yielded: int) -> None:
        """Block until there is room for one more; KeyboardInterrupt gets through, in a pool thread within `_STEP`."""
        while yielded - self._taken >= self._size:
            self._moved.clear()
            if yielded - self._taken >= self._size:
                self._moved.wait(_STEP)


#: Seconds after which a thread that waits looks whether it was told to stop.
_STEP = 0.05


@dataclass(slots=True, eq=False)
class Incoming:
    """One call: verified, not unpickled."""

    idents: list[bytes]
    #: The header of the request, as it came.
    header: bytes
    #: Its parent header: the cell; the same object for calls of the same cell in a row.
    parent: Any
    #: The process that submitted it.
    caller: str
    number: int
    method: str
    returns: int
    group: str | None
    groups: list[list[bytes]]
    #: When the caller submitted it, and when it began to run: monotonic, in seconds; 0.0 where it has not.
    submitted: float = 0.0
    began: float = 0.0
    #: What it is called, where that is not the method.
    name: str | None = None
    #: Of a generator that must not be too far ahead.
    room: Room | None = None
    #: ``cancelled``: somebody wants it to end. Shared with the call's context, set by the control thread.
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """The process that submitted it, and its number there."""
        return self.caller, self.number

    @property
    def task_id(self) -> str:
        """The identifier, as hex: that of its ref."""
        return f"{self.caller}{self.number:016x}"
