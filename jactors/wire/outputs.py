"""What single calls have printed: ``ref.stdout`` and ``ref.stderr``.

Written by the I/O thread while output passes by on its way to the cell, read by anybody. The memory is bounded: of a
call, the end of what it printed; of all calls, those that printed last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

__all__ = ["Outputs"]

#: Characters kept of each stream of a call.
KEPT = 1 << 16

#: Characters kept in all.
TOTAL = 1 << 24


class Outputs:
    """The output of the calls of this process, by the identifier of the call."""

    def __init__(self, kept: int = KEPT, total: int = TOTAL) -> None:
        self._kept = kept
        self._total = total
        self._lock = threading.Lock()
        #: Under the lock, as all below.
        self._calls: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._size = 0

    def note(self, call: str, name: str, text: str) -> None:
        """A call has written `text` to the stream `name`."""
        with self._lock:
            streams = self._calls.setdefault(call, {})
            self._calls.move_to_end(call)
            old = streams.get(name, "")
            new = streams[name] = (old + text)[-self._kept :]
            self._size += len(new) - len(old)
            while self._size > self._total:
                _, gone = self._calls.popitem(last=False)
                self._size -= sum(map(len, gone.values()))

    def of(self, call: str, name: str) -> str:
        """Return what is kept of it; "" where it has printed nothing, or so long ago that it was forgotten."""
        with self._lock:
            return self._calls.get(call, {}).get(name, "")
