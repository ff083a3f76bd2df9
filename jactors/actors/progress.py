"""Progress: a bar over calls that are under way. In a notebook a widget, in a terminal a line on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from jactors import session
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.wire.link import Link
from jactors.wire.relay import own_kernel
from jactors.wire.waiting import Waiter

__all__ = ["progress", "watch"]

T = TypeVar("T")

#: Seconds between two looks at what runs.
_TICK = 0.1


def progress(
    refs: Sequence[ObjectRef[T]], *, timeout: float | None = None, desc: str | None = None
) -> Sequence[ObjectRef[T]]:
    """Show a bar until all of `refs` have ended: how many are done, how many run, how many have failed.

    A call that fails is counted, and is no reason to stop: `get` raises its error. The stop button interrupts the
    calls, as it does in `get`.

    Parameters
    ----------
    refs : list of ObjectRef
    timeout : float, optional
        Seconds; then the bar stays where it is, and the calls go on.
    desc : str, optional
        Stands before the bar.

    Returns
    -------
    list of ObjectRef
        `refs`, so that it can stand inside: ``jactors.get(jactors.progress(refs))``.
    """
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(
                f"progress() takes a list of ObjectRef, got one that contains {type(ref).__name__}: {ref!r}"
            )
    watch([ref._entry for ref in refs], timeout=timeout, desc=desc, until_failure=False)
    return refs


def watch(entries: Sequence[Entry], *, timeout: float | None, desc: str | None = None, until_failure: bool) -> None:
    """Show a bar until all entries have ended, one has failed (`until_failure`) or `timeout` seconds have passed."""
    if own_kernel() is None:  # `tqdm.auto` takes a script that has imported ipykernel for a notebook
        from tqdm.std import tqdm
    else:
        from tqdm.auto import tqdm

    pending = list({id(entry): entry for entry in entries}.values())
    tally = _Tally(len(pending))
    deadline = None if timeout is None else time.monotonic() + timeout
    for entry in pending:
        entry.on_end(tally.on_end)
    bar = tqdm(total=len(pending), desc=desc, unit="call")
    try:
        with session.waiting(pending):
            while True:
                tally.show(bar, pending)
                if tally.ended == len(pending) or (until_failure and tally.failed):
                    return
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    return
                tally.waiter.wait(now + _TICK if deadline is None else min(deadline, now + _TICK))
    finally:
        tally.show(bar, pending)
        bar.close()
        for entry in pending:
            if not entry.done:
                entry.forget(tally.on_end)


class _Tally:
    """Counts calls as they end, in whichever thread, and wakes who waits for the last."""

    def __init__(self, total: int) -> None:
        self.waiter = Waiter.of_thread()
        self._total = total
        self._lock = threading.Lock()
        #: Under the lock, as the next.
        self.ended = 0
        self.failed = 0

    def on_end(self, entry: Entry) -> None:
        with self._lock:
            self.ended += 1
            self.failed += entry.payload is not None and entry.payload.failed
            last = self.ended == self._total or self.failed == 1
        if last:
            self.waiter.wake()

    def show(self, bar: Any, entries: Sequence[Entry]) -> None:
        """Bring the bar up to date."""
        said = {"running": _running(entries)} if self.ended < self._total else {}
        if self.failed:
            said["failed"] = self.failed
        bar.set_postfix(said, refresh=False)
        bar.update(self.ended - bar.n)
        if self.failed and hasattr(bar, "disp"):
            bar.disp(bar_style="danger", check_delay=False)


def _running(entries: Sequence[Entry]) -> int:
    """Return how many of the calls that have not ended their actors can be running now."""
    by: dict[Link, int] = {}
    others = 0
    for entry in entries:
        if not entry.done:
            origin = entry.origin
            if isinstance(origin, Link):
                by[origin] = by.get(origin, 0) + 1
            else:
                others += 1
    return others + sum(min(waiting, sum(link.traffic.sizes.values())) for link, waiting in by.items())
