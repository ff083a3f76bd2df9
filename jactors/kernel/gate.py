"""The gate: calls of a threaded actor pass it, and it can be closed until none is under way.

A checkpoint wants a moment between two calls. A sync actor's main thread has one after each call,
and so has an event loop at each await; threads have one only if somebody sees to it. A closed gate
holds back calls that have not begun. It is closed for `HOLD` seconds at most: a call that goes on
for ever, or waits for another of the same actor, must not stop the rest. Then they go on, and
after `PAUSE` seconds, or when by chance none is under way, it is tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Gate"]

HOLD = 1.0
PAUSE = 5.0


class Gate:
    """Counts who is inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        #: One at a time has it quiet.
        self._one = threading.Lock()
        # --- under _changed
        self._inside = 0
        #: Those inside that wait for quiet themselves.
        self._parked = 0
        self._closed = False
        #: How many want it quiet.
        self._wanted = 0

    def enter(self) -> None:
        """A call begins, as soon as the gate is open."""
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        """It has ended."""
        with self._changed:
            self._inside -= 1
            if self._wanted:
                self._changed.notify_all()

    def busy(self) -> bool:
        """Return whether a call is under way."""
        return self._inside > self._parked

    @contextmanager
    def quiet(self, *, inside: bool, timeout: float | None = None) -> Iterator[None]:
        """Wait until no call is under way, and hold all back for the length of the block.

        Parameters
        ----------
        inside : bool
            The one who asks is such a call itself.
        timeout : float, optional
            Seconds.

        Raises
        ------
        TimeoutError
            Within `timeout` seconds there was no such moment.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._wanted += 1
            self._parked += inside
            self._changed.notify_all()
        try:
            if not self._one.acquire(timeout=-1 if timeout is None else timeout):
                raise TimeoutError("somebody else has held the calls back all the time")
            try:
                self._wait(deadline)
                yield
            finally:
                self._open()
                self._one.release()
        finally:
            with self._changed:
                self._wanted -= 1
                self._parked -= inside

    def _wait(self, deadline: float | None) -> None:
        with self._changed:
            while True:
                self._closed = True
                if self._changed.wait_for(self._is_quiet, _left(HOLD, deadline)):
                    return
                self._closed = False
                self._changed.notify_all()
                if self._changed.wait_for(self._is_quiet, _left(PAUSE, deadline)):
                    self._closed = True
                    return
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError("calls were under way all the time: there was no moment between two of them")

    def _is_quiet(self) -> bool:
        return self._inside <= self._parked

    def _open(self) -> None:
        with self._changed:
            self._closed = False
            self._changed.notify_all()


def _left(seconds: float, deadline: float | None) -> float:
    return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))
