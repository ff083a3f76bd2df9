"""Interrupts: into the running method, and nowhere else.

SIGINT becomes KeyboardInterrupt only while a method is on the main thread's stack, once; at any
other time it is dropped, so that it can neither tear a message nor hit the next call. (With
ipykernel's own handling, 5 of 60 randomly timed interrupts left no reply at all.) One that is meant
for a certain call is dropped where another runs by now. A method in a pool thread is hit by an
asynchronous exception, which strikes at its next bytecode; one that has not struck when the method
ends is taken back.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from types import FrameType

from jactors.kernel.incoming import Incoming

__all__ = ["Interrupts"]


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise `error` in a thread at its next bytecode; None takes back what has not struck."""
    what = None if error is None else ctypes.py_object(error)  # None is NULL
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


class Interrupts:
    """Which call runs where, and how to stop it."""

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        #: The call on the main thread's stack. Of the main thread and its signal handler.
        self._call: Incoming | None = None
        #: The call that the next SIGINT is meant for; None: any. Set by the control thread.
        self._meant: tuple[str, int] | None = None
        self._lock = threading.Lock()
        #: Calls on pool threads, and which of them were told to stop. Under the lock.
        self._threads: dict[int, Incoming] = {}
        self._told: set[int] = set()

    def enter(self, call: Incoming) -> None:
        """User code of `call` begins on this thread."""
        thread = threading.get_ident()
        if thread == self._main:
            self._call = call
            return
        with self._lock:
            self._threads[thread] = call

    def leave(self, call: Incoming) -> None:
        """It has ended, or pauses; what is meant for it must not strike any more."""
        thread = threading.get_ident()
        if thread == self._main:
            self._call = None
            return
        with self._lock:
            self._threads.pop(thread, None)
            if thread in self._told:
                self._told.discard(thread)
                _raise_in(thread, None)  # taken back, if it has not struck

    def on_stack(self) -> bool:
        """Return whether a method is on the main thread's stack."""
        return self._call is not None

    def in_threads(self) -> bool:
        """Return whether a method runs in a pool thread."""
        return bool(self._threads)

    def on_sigint(self, signum: int, frame: FrameType | None) -> None:
        """Interrupt the running method, if it is the one that is meant."""
        call, self._meant, meant = self._call, None, self._meant
        if call is not None and meant in (None, call.key):
            self._call = None
            raise KeyboardInterrupt

    def stop(self, key: tuple[str, int]) -> Incoming | None:
        """Interrupt the call with this key wherever it runs, and return it; from the control thread."""
        call = self._call
        if call is not None and call.key == key:
            call.flags["cancelled"] = True
            self._meant = key
            assert self._main is not None
            signal.pthread_kill(self._main, signal.SIGINT)
            return call
        with self._lock:
            for thread, each in self._threads.items():
                if each.key == key:
                    each.flags["cancelled"] = True
                    self._told.add(thread)
                    _raise_in(thread, KeyboardInterrupt)
                    return each
        return None
