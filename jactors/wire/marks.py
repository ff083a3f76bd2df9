"""Marks: results wait for the output that their call has published. Under the link's lock.

Shell and iopub are two sockets. A reply whose calls have printed names a mark, which the actor
publishes behind that output; the results are held until the mark has been relayed, or `TIMEOUT`
seconds have passed (a subscriber that was overrun misses messages). What comes later of the same
call, a generator's next value or its end, waits behind them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from jactors.objects.store import Entry, Payload

__all__ = ["TIMEOUT", "Marks"]

TIMEOUT = 1.0

_Result = tuple[Entry, Payload]
_Held = tuple[int, float, _Result]  # mark, deadline in monotonic seconds, result


class Marks:
    """The marks of one incarnation."""

    def __init__(self) -> None:
        self._seen = 0
        self._held: deque[_Held] = deque()

    def hold(self, mark: int, results: list[_Result]) -> bool:
        """Keep `results`, of one call, until `mark` is seen; False where it has been, and they can be delivered."""
        if mark <= self._seen:
            if not self._held or not results or not self._waits(results[0]):
                return False
            mark, deadline, _ = self._held[-1]
        else:
            deadline = time.monotonic() + TIMEOUT
        self._held.extend((mark, deadline, result) for result in results)
        return True

    def _waits(self, result: _Result) -> bool:
        """Return whether an earlier result of the same call is held."""
        task = result[0].id[:24]
        return any(held[0].id[:24] == task for _, _, held in self._held)

    def seen(self, mark: int) -> list[_Result]:
        """The output before `mark` has been relayed: return the results that waited for it."""
        self._seen = max(self._seen, mark)
        return self._take(lambda held: held[0] <= self._seen)

    def late(self) -> list[_Result]:
        """Return the results that have waited long enough."""
        now = time.monotonic()
        return self._take(lambda held: held[1] <= now)

    def clear(self) -> list[_Result]:
        """The incarnation has ended: return all results, and expect its successor's first mark."""
        self._seen = 0
        return self._take(lambda _: True)

    def __bool__(self) -> bool:
        return bool(self._held)

    def _take(self, due: Callable[[_Held], bool]) -> list[_Result]:
        taken = []
        while self._held and due(self._held[0]):
            taken.append(self._held.popleft()[2])
        return taken
