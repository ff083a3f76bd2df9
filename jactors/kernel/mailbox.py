"""The mailbox: what the shell channel has delivered and nobody has run yet.

First in, first out for each caller; calls and a stock client's cells share one queue, so that an
`%%actor` cell falls into line. Of the main thread; runs inside the event loop's callbacks and goes
back to the loop at least every `SLICE` seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jactors.kernel.incoming import Incoming

__all__ = ["Mailbox"]

SLICE = 0.02


class Mailbox:
    """The queue and the loop that empties it.

    Parameters
    ----------
    start : callable
        Starts a call: runs it, or hands it to its lane.
    stock : callable
        ipykernel's dispatch of one message.
    """

    def __init__(
        self,
        *,
        start: Callable[[Incoming], None],
        stock: Callable[[Sequence[Any]], Awaitable[None]],
    ) -> None:
        self._start = start
        self._stock = stock
        self._items: deque[Incoming | Sequence[Any] | Callable[[], None]] = deque()
        #: The instance is not made yet, a cell runs, or the process is about to leave.
        self._paused = True
        self._running = False
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Incoming | Sequence[Any] | Callable[[], None]) -> None:
        """Queue a call, the raw frames of a stock message, or something to be done when its turn comes."""
        self._items.append(item)

    def resume(self) -> None:
        """Run what is queued."""
        self._paused = False
        self.run()

    def pause(self) -> None:
        """Start nothing more until `resume`."""
        self._paused = True

    def run(self) -> None:
        """Start what is queued, in order, for at most one slice."""
        if self._paused or self._running:
            return
        self._running = True
        until = time.monotonic() + SLICE
        try:
            while self._items and not self._paused:
                item = self._items.popleft()
                if isinstance(item, Incoming):
                    self._start(item)
                elif callable(item):
                    item()
                else:
                    self._cell(item)
                if time.monotonic() > until and self._items:
                    asyncio.get_running_loop().call_soon(self.run)
                    return
        finally:
            self._running = False

    def _cell(self, frames: Sequence[Any]) -> None:
        """Run a stock message; what is behind it waits until it has been answered."""
        self._paused = True

        async def dispatch() -> None:
            try:
                await self._stock(frames)
            finally:
                self.resume()

        task = asyncio.get_running_loop().create_task(dispatch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
