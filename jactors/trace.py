"""The trace of a process: when it submitted calls, and when it ran some. For `jactors.timeline`.

Two rings of plain tuples, written on the hot path (0.2 µs each) and read by nobody until somebody asks. Times are
nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

from collections import deque
from time import monotonic_ns
from typing import Any

__all__ = ["now", "ran", "remembered", "submitted"]

#: Calls of each kind that a process remembers.
CAPACITY = 10_000

now = monotonic_ns

#: Calls that this process has submitted: task's id, name, actor's id ("" for a task), time.
submitted: deque[tuple[bytes, str, str, int]] = deque(maxlen=CAPACITY)

#: Calls that this process has run to their end: task's id in hex, name, thread, start, end.
ran: deque[tuple[str, str, str, int, int]] = deque(maxlen=CAPACITY)


def remembered() -> dict[str, list[Any]]:
    """Return what this process remembers, as JSON can have it."""
    calls = [(task.hex(), name, actor_id, at) for task, name, actor_id, at in list(submitted)]
    return {"submitted": calls, "ran": list(ran)}
