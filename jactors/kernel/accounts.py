"""The accounts: which calls the actor has, which it had, how long they took.

The calls themselves pay for a few additions and one tuple, 0.6 µs in all; whoever asks pays for the
rest. Written by the main thread (`began`: by the thread that runs the call), read by any: a reader
takes copies in one step, and what it sees may be a call older than what it sees next.

Status is pushed only to those who listen (see `Window.watch`), at most ten times a second, and only
while something changes: after a look that found nothing new, the next call wakes the accounts up.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from jactors.kernel.incoming import Incoming

__all__ = ["RECENT", "Accounts", "percentile"]

#: Calls that have ended and are remembered.
RECENT = 200

#: Callers that are told apart; what comes from others is not counted by caller.
_CALLERS = 100

#: Calls that a status names, of those that run.
_NAMED = 8

#: Ended calls as they are kept: method, caller, number, times at which it was submitted, began and ended
#: (monotonic, seconds; 0.0: it never began), and whether it failed.
_Ended = tuple[str, str, int, float, float, float, bool]


class Accounts:
    """What is known of the calls of one incarnation."""

    def __init__(self) -> None:
        #: Calls that were received and have not been answered, in the order in which they came.
        self.open: dict[Incoming, None] = {}
        self.received = 0
        self.done = 0
        self.failed = 0
        self.callers: dict[str, int] = {}
        self.recent: deque[_Ended] = deque(maxlen=RECENT)
        #: When the instance was made, in seconds of the wall clock; 0.0 before.
        self.alive_since = 0.0
        #: When the cell that runs began (monotonic, seconds); None where none does.
        self.cell_since: float | None = None
        #: Somebody waits for news: called once, by the next call that comes or goes. From the main thread.
        self.wake: Callable[[], None] | None = None

    # ------------------------------------------------------------------ the main thread

    def came(self, caller: str, calls: list[Incoming]) -> None:
        """A message has brought calls of one caller."""
        for call in calls:
            self.open[call] = None
        number = len(calls)
        self.received += number
        if caller in self.callers or len(self.callers) < _CALLERS:
            self.callers[caller] = self.callers.get(caller, 0) + number
        if self.wake is not None:
            self.rouse()

    def ended(self, call: Incoming, *, failed: bool) -> None:
        """A call is about to be answered."""
        self.open.pop(call, None)
        if failed:
            self.failed += 1
        else:
            self.done += 1
        name, now = call.name or call.method, time.monotonic()
        self.recent.append((name, call.caller, call.number, call.submitted, call.began, now, failed))
        if self.wake is not None:
            self.rouse()

    def rouse(self) -> None:
        """Something has changed: tell whoever waits for it, once."""
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()

    # ------------------------------------------------------------------ any thread

    def version(self) -> tuple[float | None, ...]:
        """Return something that differs once a call has come, begun or gone."""
        began = sum(1 for call in list(self.open) if call.began)
        return self.received, self.done + self.failed, began, self.cell_since, self.alive_since

    def status(self) -> dict[str, Any]:
        """Return what an overview shows. Times are seconds of the wall clock.

        ``open`` has, by caller, how many calls wait and how many run. What a caller has sent while the
        main thread runs a method has not been read: only the caller knows of it.
        """
        wall = time.time() - time.monotonic()
        calls = list(self.open)
        running = [call for call in calls if call.began]
        named = [_call(call, wall) for call in running[:_NAMED]]
        if self.cell_since is not None:
            named.insert(0, {"method": "cell", "caller": "", "number": 0, "began": wall + self.cell_since})
        by: dict[str, list[int]] = {}
        for call in calls:
            by.setdefault(call.caller, [0, 0])[call.began > 0] += 1
        took = sorted(ended - submitted for _, _, _, submitted, _, ended, _ in list(self.recent))
        return {
            "counts": {"received": self.received, "done": self.done, "failed": self.failed},
            "open": by,
            "busy": len(running) + (self.cell_since is not None),
            "running": named,
            "latency": [percentile(took, 50), percentile(took, 95)] if took else None,
            "callers": dict(self.callers),
            "alive_since": self.alive_since,
            "rss": resident(),
            "cpu": time.process_time(),
            "now": time.time(),
        }

    def calls(self, *, limit: int, after: float = 0.0) -> dict[str, Any]:
        """Return the calls that wait, run and have ended; at most `limit` of each, ended ones after a wall time."""
        wall = time.time() - time.monotonic()
        calls = list(self.open)
        queued = [call for call in calls if not call.began]
        running = [call for call in calls if call.began]
        ended = [
            {
                "method": method,
                "caller": caller,
                "number": number,
                "submitted": wall + submitted,
                "began": wall + began if began else None,
                "ended": wall + end,
                "failed": failed,
            }
            for method, caller, number, submitted, began, end, failed in list(self.recent)
            if wall + end > after
        ]
        return {
            "queued": [_call(call, wall) for call in queued[:limit]],
            "queued_in_all": len(queued),
            "running": [_call(call, wall) for call in running[:limit]],
            "running_in_all": len(running),
            "ended": ended[-limit:],
            "now": time.time(),
        }


def _call(call: Incoming, wall: float) -> dict[str, Any]:
    return {
        "method": call.name or call.method,
        "caller": call.caller,
        "number": call.number,
        "submitted": wall + call.submitted,
        "began": wall + call.began if call.began else None,
    }


def percentile(ordered: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of values that are in order; 0.0 where there are none."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def resident() -> int:
    """Return the resident memory of this process in bytes; 0 where nobody knows."""
    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - a tenth of the time that a Path takes
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    try:
        import psutil

        return int(psutil.Process().memory_info().rss)
    except Exception:  # psutil names its errors itself
        return 0
