"""Waiting: how a user's thread blocks, and how Ctrl-C gets through without tearing anything.

* `Waiter`: blocks one thread until some entries have ended, or a socket is readable.
* `Shield`: while held in the main thread, SIGINT is kept back, so that KeyboardInterrupt cannot
  strike in the middle of a multipart message or between reading a reply and delivering it. It is
  raised when the shield is left. Costs 0.6 µs; in other threads, where Python never raises it,
  nothing.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # without the enum conversions of `signal`, which cost 8 µs a shield
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from threading import get_ident
from types import FrameType, TracebackType
from typing import Any

from jactors.objects.store import Entry
from jactors.wire import questions

__all__ = ["Shield", "Waiter", "awaited", "makers", "note", "unnote", "wait_entries"]


_MAIN = threading.main_thread().ident
SIGINT = int(_signal.SIGINT)


class Shield:
    """Keeps SIGINT back while held; for one use."""

    __slots__ = ("_caught", "_old")

    def __enter__(self) -> None:
        self._caught: tuple[int, FrameType | None] | None = None
        self._old: Any = None
        if get_ident() == _MAIN:
            old = _signal.getsignal(SIGINT)
            if callable(old):
                _signal.signal(SIGINT, self._note)
                self._old = old

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._caught = (signum, frame)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._old is not None:
            _signal.signal(SIGINT, self._old)
            if self._caught is not None:
                self._old(*self._caught)


class Waiter:
    """Blocks its thread until woken or until a descriptor is readable.

    One a thread, reused: see `of_thread`.
    """

    _local = threading.local()

    def __init__(self) -> None:
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)
        self._thread = get_ident()
        self._woken = False
        #: A byte may lie in the socket pair.
        self._sent = False
        #: What it waited for last, which is most often what it waits for next.
        self._polled: int | None = None
        self._poller: Any = None

    @classmethod
    def of_thread(cls) -> Waiter:
        """Return this thread's waiter, ready for use."""
        waiter: Waiter | None = getattr(cls._local, "waiter", None)
        if waiter is None:
            waiter = cls._local.waiter = cls()
            questions.join(waiter)
        waiter.clear()
        return waiter

    def __del__(self) -> None:
        if hasattr(self, "_in"):  # a KeyboardInterrupt may have come before it
            self._in.close()  # with its thread
            self._out.close()

    def wake(self, _entry: Entry | None = None) -> None:
        """End the waiting; from any thread."""
        if self._woken:
            return
        self._woken = True
        if get_ident() != self._thread:
            self._sent = True
            try:
                self._in.send(b"\0")
            except OSError:
                pass

    def clear(self) -> None:
        """Forget what woke it; a byte that is still to come costs one look at nothing new."""
        self._woken = False
        if self._sent:
            self._sent = False
            self._drain()

    def _drain(self) -> None:
        try:
            while self._out.recv(64):
                pass
        except BlockingIOError:
            pass

    def wait(self, deadline: float | None, fd: int | None = None) -> None:
        """Block until woken, `fd` is readable or the deadline (monotonic seconds) has passed; at times for less.

        Whoever waits looks after each return whether what it waits for is there, and at the clock.
        """
        if questions.open_questions:
            questions.answer()
        if not self._woken:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            mine = self._out.fileno()
            if hasattr(select, "poll"):
                if self._polled != fd or self._poller is None:
                    self._polled, self._poller = fd, select.poll()
                    for each in (mine,) if fd is None else (mine, fd):
                        self._poller.register(each, select.POLLIN)
                ready = [each for each, _ in self._poller.poll(None if timeout is None else timeout * 1000)]
            else:
                ready = select.select([mine] if fd is None else [mine, fd], [], [], timeout)[0]
            if mine in ready:  # also where the byte comes late, from a wake that was seen before
                self._drain()
        self._woken = False
        if questions.open_questions:
            questions.answer()


def _forget() -> None:
    """Forget the waiters, in a forked child: their sockets are the parent's too, and each would wake the other."""
    Waiter._local = threading.local()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def wait_entries(
    entries: Sequence[Entry],
    *,
    timeout: float | None,
    enough: Callable[[int, bool], bool],
) -> None:
    """Block until `enough(number ended, whether one failed)` or `timeout` seconds have passed.

    The calling thread only; KeyboardInterrupt gets through and leaves nothing behind.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    waiter = Waiter.of_thread()
    lock = threading.Lock()
    ended = 0
    failed = False

    def on_end(entry: Entry) -> None:
        nonlocal ended, failed
        with lock:
            ended += 1
            failed = failed or (entry.payload is not None and entry.payload.failed)
            wake = enough(ended, failed)
        if wake:
            waiter.wake()

    try:
        for entry in entries:
            entry.on_end(on_end)
        while not enough(ended, failed):
            waiter.wait(deadline)
            if deadline is not None and time.monotonic() >= deadline:
                return
    finally:
        for entry in entries:
            if not entry.done:
                entry.forget(on_end)


#: What each thread waits for, by its identifier. Written by the thread itself.
_waits: dict[int, Sequence[Entry]] = {}


def note(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Let others ask what this thread waits for: `entries`, from now on; return what `unnote` takes."""
    thread = get_ident()
    before, _waits[thread] = _waits.get(thread, ()), entries
    return before


def unnote(before: Sequence[Entry]) -> None:
    """It waits no more, or again for what it has waited `before`."""
    if before:
        _waits[get_ident()] = before
    else:
        _waits.pop(get_ident(), None)


def awaited() -> list[str]:
    """Return the ids of the actors that threads of this process wait for. From any thread."""
    return makers(entry for entries in list(_waits.values()) for entry in entries)


def makers(entries: Iterable[Entry]) -> list[str]:
    """Return the ids of the actors that make what is pending among `entries`; each once."""
    found = (getattr(entry.origin, "actor_id", "") for entry in entries if not entry.done)
    return [actor_id for actor_id in dict.fromkeys(found) if actor_id]
