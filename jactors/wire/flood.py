"""Floods: how much of an actor's output a cell shows.

A page that is sent megabytes of text stands still, and the notebook's server drops what comes too fast without saying
what. So each actor has an allowance in each cell: `BURST` bytes at once, then `RATE` bytes a second. What goes beyond
is left out, but for its end, and a line says how much that was and where all of it is. The actor's log has everything.

Of the I/O thread alone; what is kept is bounded.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Flood", "Floods"]

#: Bytes of text and data that an actor may show in one cell at once, and bytes a second after that.
BURST = 1 << 20
RATE = 1 << 14

#: Bytes of the end of what was left out that are shown all the same.
TAIL = 2000

#: What a display costs at least, in bytes: a page is slow with many small ones too.
DISPLAY = 500

#: Cells times actors whose allowance is remembered.
_REMEMBERED = 256


class Flood:
    """The allowance of one actor in one cell.

    Parameters
    ----------
    burst : int
        Bytes.
    """

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._at = clock()
        #: What was left out since the last notice, in characters, lines and displays.
        self.omitted = 0
        self.lines = 0
        self.displays = 0
        self._tail: dict[str, str] = {}

    @property
    def holds(self) -> bool:
        """Whether something was left out that nobody has been told of."""
        return bool(self.omitted or self.displays)

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * RATE)
        self._at = now

    def text(self, name: str, text: str) -> str:
        """Return the part of `text` that is shown; keep the end of the rest of stream `name`."""
        self._refill()
        if self.holds or self._left < len(text):
            shown = 0
            if not self.holds and self._left > 0:
                shown = text.rfind("\n", 0, int(self._left)) + 1 or int(self._left)  # whole lines, where there are
            rest = text[shown:]
            self._left -= shown
            self.omitted += len(rest)
            self.lines += rest.count("\n")
            self._tail[name] = (self._tail.get(name, "") + rest)[-TAIL:]
            return text[:shown]
        self._left -= len(text)
        return text

    def display(self, size: int) -> bool:
        """Return whether a display of `size` bytes is shown."""
        self._refill()
        cost = max(size, DISPLAY)
        # One that is larger than all there is to give is a picture, no flood.
        if self.holds or self._left < min(cost, self._burst // 2):
            self.displays += 1
            return False
        self._left -= cost
        return True

    def settle(self, whose: str, where: str, *, ended: bool) -> list[tuple[str, str]]:
        """Return what is to be said of what was left out, as (stream, text); [] where nothing was, or not yet.

        Parameters
        ----------
        whose : str
            The actor, for people.
        where : str
            What shows all of it.
        ended : bool
            The call has ended: say it now, unless that alone were a flood.
        """
        if not self.holds:
            return []
        self._refill()
        if self._left < (-self._burst / 4 if ended else self._burst / 4):
            return []
        what = []
        if self.omitted:
            size = f"{self.omitted / 1e6:.1f} MB" if self.omitted >= 100_000 else f"{self.omitted} characters"
            what.append(f"{self.lines} lines ({size})")
        if self.displays:
            what.append(f"{self.displays} displays")
        notice = f"[{whose}: {' and '.join(what)} left out here; all text is in its log: {where}]\n"
        told = [(name, "…" + tail.partition("\n")[2] if "\n" in tail else tail) for name, tail in self._tail.items()]
        told.insert(0, (told[0][0] if told else "stderr", notice))
        self._left -= sum(len(text) for _, text in told)
        self.omitted = self.lines = self.displays = 0
        self._tail = {}
        return told


class Floods:
    """The allowances of all cells."""

    def __init__(self) -> None:
        #: Bytes; None shows everything.
        self.burst: int | None = BURST
        self._known: OrderedDict[tuple[str, str], Flood] = OrderedDict()

    def of(self, cell: str, actor: str) -> Flood | None:
        """Return the allowance of an actor in a cell; None where there is no limit."""
        if self.burst is None:
            return None
        flood = self._known.get((cell, actor))
        if flood is None:
            flood = self._known[cell, actor] = Flood(self.burst)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return flood
