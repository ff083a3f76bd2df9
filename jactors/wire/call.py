"""A call on its way, as the submitting process keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jactors.objects.store import Entry, Payload

__all__ = ["Call"]


class Call:
    """One call on its way: made by a handle, ended through its entries."""

    __slots__ = ("batch", "blocked", "entries", "groups", "head", "method", "number", "parent")

    def __init__(
        self, *, number: int, method: str, head: list[Any], groups: Sequence[Sequence[bytes]], entries: list[Entry]
    ) -> None:
        self.number = number
        self.method = method
        #: What the actor reads of it in the signed content, see `Link._send`.
        self.head = head
        #: The pickled arguments, then one group for each top-level ref among them.
        self.groups: list[Sequence[bytes]] = list(groups)
        self.entries = entries
        #: Arguments that are still pending; of the link's lock.
        self.blocked = 0
        self.parent = b"{}"
        self.batch: list[int] | None = None

    def fail(self, payload: Payload) -> None:
        """End all entries in `payload`."""
        for entry in self.entries:
            entry.end(payload)

    def size(self) -> int:
        """Return the number of bytes of its arguments."""
        return sum(len(frame) for group in self.groups for frame in group)
