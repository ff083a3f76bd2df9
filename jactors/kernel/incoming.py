"""A call as the actor has read it, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jactors.wire.payload import Failed, Packed

__all__ = ["STREAM", "Incoming", "Outcome"]

#: As a number of returns: a stream of values, each sent when it is there.
STREAM = -1

#: One result: its index (-1: all that have not come), and the payload; None is the end of a stream.
Outcome = tuple[int, Packed | Failed | None]


@dataclass(slots=True, eq=False)
class Incoming:
    """One call: verified, not unpickled."""

    idents: list[bytes]
    #: The header of the request, as it came.
    header: bytes
    #: Its parent header: the cell; the same object for calls of the same cell in a row.
    parent: Any
    sender: str
    number: int
    method: str
    returns: int
    group: str | None
    groups: list[list[bytes]]
    #: ``cancelled``: somebody wants it to end. Shared with the call's context, set by the control thread.
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """The process that submitted it, and its number there."""
        return self.sender[:32], self.number

    @property
    def task_id(self) -> str:
        """The identifier, as hex: that of its ref."""
        return f"{self.sender[:32]}{self.number:016x}"
