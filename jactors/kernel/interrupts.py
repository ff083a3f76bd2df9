"""Interrupts: into the running method, and nowhere else.

SIGINT becomes KeyboardInterrupt only while a method is on the main thread's stack; at any other
time it is dropped, so that it can neither tear a message nor hit the next call. (With ipykernel's
own handling, 5 of 60 randomly timed interrupts left no reply at all.) One that is meant for a
certain call is dropped where another runs by now, and kept where that call is about to begin or
pauses. A method that catches it and goes on can be interrupted again. A method in a pool thread is
hit by an asynchronous exception, which strikes at its next bytecode; one that has not struck when
the method ends is taken back. A coroutine is on the stack from one ``await`` to the next: one that
loops without any can be interrupted as well.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Awaitable, Generator
from types import FrameType, coroutine
from typing import Any

from jactors.kernel.incoming import Incoming

__all__ = ["Interrupts", "awaited", "raise_in", "steps"]

#: Calls that were to be stopped and did not run: so many are remembered. Most were queued, and never begin.
_MEMORY = 1000


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise `error` in a thread at its next bytecode; None takes back what has not struck."""
    what = None if error is None else ctypes.py_object(error)  # None is NULL
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


class Interrupts:
    """Which call runs where, and how to stop it."""

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        #: The call on the main thread's stack. Of the main thread and its signal handler. Set it to None, which is
        #: one bytecode, before anything that must not be torn: `leave` can still be interrupted on its way in.
        self.call: Incoming | None = None
        #: The call that the next SIGINT is meant for; None: any. Set by the control thread.
        self._meant: tuple[str, int] | None = None
        self._lock = threading.Lock()
        #: Calls on pool threads, and which of them were told to stop. Under the lock.
        self._threads: dict[int, Incoming] = {}
        self._told: set[int] = set()
        #: Calls that are to be stopped when they begin, or go on. A dict operation at a time, from any thread.
        self._wanted: dict[tuple[str, int], None] = {}

    def enter(self, call: Incoming) -> None:
        """User code of `call` begins on this thread, or goes on after a pause; CancelledError where it must not."""
        thread = threading.get_ident()
        if thread == self._main:
            self.call = call
        else:
            with self._lock:
                self._threads[thread] = call
        if self._wanted and call.key in self._wanted:
            self._wanted.pop(call.key, None)
            call.flags["cancelled"] = True
            raise asyncio.CancelledError

    def resume(self, call: Incoming) -> None:
        """A task of the main thread goes on: what was to stop it reaches it as the cancellation of the task."""
        if self._wanted:
            self._wanted.pop(call.key, None)
        self.call = call

    def leave(self, call: Incoming) -> None:
        """It has ended, or pauses; what is meant for it must not strike any more."""
        thread = threading.get_ident()
        if thread == self._main:
            self.call = None
            return
        while True:
            try:
                with self._lock:
                    self._threads.pop(thread, None)
                    if thread in self._told:
                        self._told.discard(thread)
                        raise_in(thread, None)  # taken back, if it has not struck
                        self._want(call.key)  # it may only pause
                return
            except KeyboardInterrupt:  # it struck right here: the method has ended, and the lane knows of the cancel
                pass

    def on_stack(self) -> bool:
        """Return whether a method is on the main thread's stack."""
        return self.call is not None

    def in_threads(self) -> bool:
        """Return whether a method runs in a pool thread."""
        return bool(self._threads)

    def running(self) -> dict[int, Incoming]:
        """Return the calls whose user code is on a thread's stack, by thread; from any thread."""
        with self._lock:
            running = dict(self._threads)
        call = self.call
        if call is not None and self._main is not None:
            running[self._main] = call
        return running

    def on_sigint(self, signum: int, frame: FrameType | None) -> None:
        """Interrupt the running method, if it is the one that is meant."""
        call = self.call
        meant = self._meant
        self._meant = None
        if call is not None and meant in (None, call.key):
            raise KeyboardInterrupt
        if meant is not None:
            self._want(meant)  # it has ended, or pauses

    def _want(self, key: tuple[str, int]) -> None:
        self._wanted[key] = None
        if len(self._wanted) > _MEMORY:
            self._wanted.pop(next(iter(tuple(self._wanted))), None)

    def stop(self, key: tuple[str, int]) -> Incoming | None:
        """Interrupt the call with this key wherever it runs, and return it; from the control thread.

        None where it does not run: if it is about to, or pauses, it is stopped then.
        """
        self._want(key)  # before looking: a call that begins now sees it, or is seen here
        call = self.call
        if call is not None and call.key == key:
            self._wanted.pop(key, None)
            call.flags["cancelled"] = True
            self._meant = key
            assert self._main is not None
            signal.pthread_kill(self._main, signal.SIGINT)
            return call
        with self._lock:
            for thread, each in self._threads.items():
                if each.key == key:
                    self._wanted.pop(key, None)
                    each.flags["cancelled"] = True
                    self._told.add(thread)
                    raise_in(thread, KeyboardInterrupt)
                    return each
        return None


@coroutine
def steps(interrupts: Interrupts, call: Incoming, value: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Await `value`, and say of each of its steps that it is on the stack: 1 µs an ``await``."""
    inner: Any = value.__await__() if hasattr(value, "__await__") else value
    thrown: BaseException | None = None
    while True:
        try:
            interrupts.resume(call)
            waits_for = next(inner) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            return stop.value
        finally:
            interrupts.call = None
        try:
            thrown = None
            yield waits_for
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # the task was cancelled
            thrown = error


def awaited(frame: FrameType) -> Any:
    """Return what a frame of `steps` awaits, for whoever walks down a task's stack; None for any other frame."""
    return frame.f_locals["value"] if frame.f_code is _STEPS else None  # `inner` does not say what it wraps


_STEPS = steps.__wrapped__.__code__ if hasattr(steps, "__wrapped__") else steps.__code__
