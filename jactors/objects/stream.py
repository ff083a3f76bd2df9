"""Streams: the values of one generator call, entry by entry, while it runs.

The entry of the next value exists before the value does, so that whoever wants it waits for it as
for any other. The one behind the last value ends in `END`; so does, behind it, the one that carries
the error of a generator that raised. `Stream.end` is the fate of the call as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from jactors.errors import ObjectLostError
from jactors.objects.store import Entry, Payload, Raised

__all__ = ["END", "LOST", "Stream"]

#: The index that stands for the call as a whole: no value has it.
_WHOLE = 0xFFFFFFFF

#: What is said of a value whose message was.
LOST = "the value was lost on its way: submit the call again"


class _End:
    """The payload behind the last value."""

    failed = False

    def load(self) -> Any:
        """Return None: what a generator's call comes to in the end."""
        return None

    def size(self) -> int:
        """Return 0."""
        return 0


END: Payload = _End()


class Stream:
    """The entries of one call.

    Parameters
    ----------
    make : callable
        Makes the entry of an index.
    room : int
        How many values the producer may be ahead of who takes them; 0: any number.
    """

    def __init__(self, make: Callable[[int], Entry], room: int = 0) -> None:
        self._make = make
        self.room = room
        #: Told how many values were taken, where there is `room` for so many only.
        self.tell: Callable[[int], object] = lambda taken: None
        self._lock = threading.Lock()
        #: Entries that were not consumed.
        self._entries: dict[int, Entry] = {}
        #: Ends with the call: in `END`, or in what it raised.
        self.end = make(_WHOLE)
        #: The index of the next value to be consumed, and of the next to arrive.
        self.consumed = 0
        self._arrived = 0
        self._ended = False

    def results(self, index: int, payload: Payload | None) -> list[tuple[Entry, Payload]]:
        """Return what the arrival of a value (None: of the end) ends; index -1 is the next one, and a failure.

        A value that has arrived before, from an incarnation that died, is passed over; so is all that
        comes behind the end. A generator that yields less the second time ends behind what has arrived.
        """
        with self._lock:
            last = payload is None or payload.failed
            at = max(self._arrived, index) if last else index
            if index < 0:
                at = self._arrived
            if at < self._arrived or self._ended:
                return []
            # Values that were lost on their way: they end all the same.
            ended: list[tuple[Entry, Payload]] = [
                (self._entry(hole), Raised(ObjectLostError(LOST))) for hole in range(self._arrived, at)
            ]
            self._arrived = at + 1
            if payload is None:
                self._ended = True
                return [*ended, (self._entry(at), END), (self.end, END)]
            ended.append((self._entry(at), payload))
            if payload.failed:
                self._ended = True
                ended += [(self._entry(at + 1), END), (self.end, payload)]
            return ended

    def peek(self) -> Entry:
        """Return the entry of the next value, arrived or not."""
        with self._lock:
            return self._entry(self.consumed)

    def take(self) -> None:
        """Consume the next value, which has arrived; the end is never consumed."""
        with self._lock:
            if self._entry(self.consumed).payload is not END:
                self._entries.pop(self.consumed, None)
                self.consumed += 1
        if self.room:
            self.tell(self.consumed)

    def let_go(self) -> None:
        """Nobody will take any more: the producer need not wait for that."""
        if self.room:
            self.room = 0
            self.tell(_WHOLE)

    def _entry(self, index: int) -> Entry:
        entry = self._entries.get(index)
        if entry is None:
            entry = self._entries[index] = self._make(index)
        return entry
