"""The loop of a supervisor: one thread, one selector, timers. Nothing in it may block."""

from __future__ import annotations

import heapq
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

__all__ = ["Loop"]

#: Seconds by which a sleep must have been too long to mean that the process was stopped, not late.
STOPPED = 1.0


class Loop:
    """Calls back when descriptors are ready, times have come, and signals have arrived."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._stopping = False
        self._quiet: tuple[Callable[[], bool], Callable[[], object]] = (bool, bool)

    def watch(self, fileobj: Any, on_read: Callable[[], object], on_write: Callable[[], object] | None = None) -> None:
        """Call `on_read` whenever there is something to read; `on_write` only after `want_write`."""
        self._selector.register(fileobj, selectors.EVENT_READ, (on_read, on_write))

    def want_write(self, fileobj: Any, wanted: bool) -> None:  # noqa: FBT001
        """Say whether to call `on_write` when there is room to write."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        self._selector.modify(fileobj, events, self._selector.get_key(fileobj).data)

    def forget(self, fileobj: Any) -> None:
        """Watch it no more; before it is closed."""
        self._selector.unregister(fileobj)

    def later(self, delay: float, function: Callable[[], object]) -> None:
        """Call `function` in `delay` seconds."""
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), function))

    def when_quiet(self, wanted: Callable[[], bool], function: Callable[[], object]) -> None:
        """Call `function`, where it is `wanted`, when there is nothing left to read."""
        self._quiet = wanted, function

    def on_signals(self, actions: Mapping[int, Callable[[], object]]) -> None:
        """Call back, between other callbacks, after a signal; several at once may count as one."""
        wake_out, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for signum in actions:
            signal.signal(signum, lambda *_: None)  # its number is in the pipe

        def woken() -> None:
            try:
                arrived = set(wake_out.recv(4096))
            except BlockingIOError:
                return
            for signum in arrived & actions.keys():
                self._call(actions[signum])

        self.watch(wake_out, woken)

    def on_end_of(self, pid: int, ended: Callable[[], object]) -> None:
        """Call `ended` when a process that is no child of ours has ended; nothing where the system cannot tell."""
        if not hasattr(os, "pidfd_open"):
            return
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            ended()
            return

        def gone() -> None:
            self.forget(pidfd)
            os.close(pidfd)
            ended()

        self.watch(pidfd, gone)

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True

    def run(self) -> None:
        """Call back until `stop`. An error of a callback costs that one event, not a session's actors."""
        wanted, quiet = self._quiet
        while not self._stopping:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            asleep = time.monotonic()
            ready = self._selector.select(0 if wanted() else timeout)
            if self._timers and timeout is not None:
                self._catch_up(time.monotonic() - asleep, timeout)
            if not ready and wanted():
                self._call(quiet)
            for key, mask in ready:
                on_read, on_write = key.data
                if mask & selectors.EVENT_WRITE:
                    self._call(on_write)
                if mask & selectors.EVENT_READ:
                    self._call(on_read)
            while self._timers and self._timers[0][0] <= time.monotonic():
                self._call(heapq.heappop(self._timers)[2])

    def _catch_up(self, slept: float, meant: float) -> None:
        """Put off all timers where this process, and maybe all others, had been stopped in its sleep.

        By all the time that it slept: when in it the stop came, nobody knows.
        """
        if slept - meant > STOPPED:
            self._timers = [(due + slept, order, function) for due, order, function in self._timers]

    @staticmethod
    def _call(callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            traceback.print_exc()
