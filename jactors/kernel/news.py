"""The news: the actor's status on iopub, while somebody listens and something changes.

::

    subscribed to NEWS ─▶ publish ─▶ look again after INTERVAL ─┬─ changed ─▶ publish ─▶ …
                                      ▲                          └─ the same ─▶ wait for `Accounts.rouse`
                                      └─────────── the next call comes or goes ◀─┘

An idle actor does nothing at all, a busy one publishes at most once an interval. Lives on the loop
of the iopub thread; the calls' own thread only ever hands it one callback an interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jactors.wire.messages import STATUS
from jactors.wire.window import NEWS

if TYPE_CHECKING:
    from jactors.kernel.kernel import ActorKernel

__all__ = ["News"]

#: Seconds between two pushes: five a second is as much as an eye follows, and 100 actors make 500.
INTERVAL = 0.2

#: Seconds between a call's end and the first look: the next one has begun by then.
PAUSE = 0.01


class News:
    """Publishes one kernel's status. All methods but `start` run in the iopub thread."""

    def __init__(self, kernel: ActorKernel) -> None:
        self._kernel = kernel
        self._accounts = kernel.accounts
        self._loop = kernel.iopub_thread.io_loop
        self._listeners = False
        self._looking = False
        self._last: Any = None

    def on_subscription(self, frame: bytes) -> None:
        """Somebody subscribes to a topic (first byte 1), or nobody does any more (0)."""
        if frame[1:] != NEWS:
            return
        self._listeners = frame[:1] == b"\1"
        self._accounts.wake = None
        self._last = None
        if self._listeners and not self._looking:
            self._look()

    def _look(self) -> None:
        """Publish what is new, and look again; or wait for the next call."""
        self._looking = False
        if not self._listeners:
            return
        if self._accounts.version() == self._last:
            self._accounts.wake = self._roused
            if self._accounts.version() == self._last:  # what has come before that was set is not missed
                return
            self._accounts.wake = None
        self._last = self._accounts.version()
        kernel = self._kernel
        kernel.session.send(kernel.iopub_thread, STATUS, kernel.status(), ident=NEWS)
        self._looking = True
        self._loop.call_later(INTERVAL, self._look)

    def _roused(self) -> None:
        """In the main thread: something has changed."""
        self._loop.add_callback(self._loop.call_later, PAUSE, self._wake)

    def _wake(self) -> None:
        if not self._looking:
            self._look()
