"""Misbehaving doubles: the ways in which user code ends a call, or a process.

A crash matrix is *when* times *how*. `misbehave` is the how, for a method, an ``__init__`` or a thread; the classes
below do it at moments that no method sees: while they are pickled, while they are unpickled.

::

    actor.method.remote(OnPickle("raise"))    # in the caller: nothing is sent
    actor.method.remote(OnUnpickle("exit"))   # in the actor, before the method runs
    return OnUnpickle("raise")                # in the caller's `get`

Guarantees: what happens is what the name says, in the process that calls, and nothing else: no output, no file but
the `sign` that you ask for, no core dump. Everything here can be pickled, except where that is the point.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal, get_args

__all__ = ["HOWS", "EvilRepr", "How", "Misbehaviour", "OnPickle", "OnUnpickle", "Unpicklable", "misbehave"]

#: ``raise``: `Misbehaviour`. ``exit``: ``sys.exit(3)``. ``os._exit``: ``os._exit(3)``. ``SIGKILL``: as ``kill -9``.
#: ``segfault``: a read at address 0. ``hang``: an endless loop in Python, which an interrupt ends. ``hang in C``: a
#: native call that holds the GIL, which nothing but a kill ends.
How = Literal["raise", "exit", "os._exit", "SIGKILL", "segfault", "hang", "hang in C"]

#: All of them.
HOWS: tuple[How, ...] = get_args(How)

#: What ``exit`` and ``os._exit`` leave with.
EXIT_CODE = 3

_AN_HOUR = 3600


class Misbehaviour(Exception):  # noqa: N818 - it is none of ours to catch
    """What ``raise`` raises."""


def misbehave(how: How, sign: str | os.PathLike[str] | None = None) -> None:
    """Do it, here and now.

    Parameters
    ----------
    how : str
        One of `HOWS`.
    sign : path, optional
        A file that is made just before: whoever waits for it knows that it is about to happen.

    Raises
    ------
    Misbehaviour, SystemExit
        Where `how` says so.
    """
    if sign is not None:
        Path(sign).touch()
    match how:
        case "raise":
            raise Misbehaviour("misbehaved, as it was told")
        case "exit":
            sys.exit(EXIT_CODE)
        case "os._exit":
            os._exit(EXIT_CODE)
        case "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(_AN_HOUR)  # the signal may reach another thread first
        case "segfault":
            segfault()
        case "hang":
            # Short sleeps: an interrupt of a pool's thread strikes between two bytecodes, and not in a call.
            until = time.monotonic() + _AN_HOUR
            while time.monotonic() < until:
                time.sleep(0.005)
        case "hang in C":
            hang_in_c()
        case _:
            raise ValueError(f"how must be one of {HOWS}, got {how!r}")


def segfault() -> None:
    """Die of SIGSEGV, without a core dump."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ImportError:  # Windows
        pass
    faulthandler.disable()  # pytest's would write into the middle of its output
    ctypes.string_at(0)


def hang_in_c() -> None:
    """Wait for ever, in a native call that does not let go of the GIL and that no signal interrupts."""
    libc = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(128)  # all zero: glibc's default, which deadlocks with itself
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


class OnPickle:
    """Misbehaves while it is pickled.

    Parameters
    ----------
    how, sign
        As in `misbehave`.
    """

    def __init__(self, how: How, sign: str | os.PathLike[str] | None = None) -> None:
        self.how, self.sign = how, sign

    def __reduce__(self) -> Any:
        misbehave(self.how, self.sign)
        return OnPickle, (self.how, self.sign)  # of those that come back


class OnUnpickle:
    """Pickles like a lamb, and misbehaves while it is unpickled.

    Parameters
    ----------
    how, sign
        As in `misbehave`.
    """

    def __init__(self, how: How, sign: str | os.PathLike[str] | None = None) -> None:
        self.how, self.sign = how, sign

    def __reduce__(self) -> Any:
        return misbehave, (self.how, None if self.sign is None else os.fspath(self.sign))


class Unpicklable:
    """Holds a lock, as so many objects do without knowing; pickle refuses it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class EvilRepr:
    """Has a ``__repr__`` that raises: no message of anybody's may depend on it."""

    def __repr__(self) -> str:
        raise Misbehaviour("a repr that raises")
