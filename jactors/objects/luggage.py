"""Luggage: what a pickle names and what must not go while that pickle lies somewhere or is under way.

A pickled handle or ref is a few identifiers; that its actor, or value, is still there when it is
unpickled is somebody's to see to. So a handle that is pickled leaves a *hold* with whoever pickles,
who keeps it beside the bytes: a call as long as it has not ended, a put value as long as there is a
ref to it, an actor's class as long as actors can be made of it.

What is pickled by anybody else (``pickle.dumps(handle)``) may go anywhere, and come back at any time:
its hold is kept until this process ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Held", "forget_strays", "on_loan", "packing", "take_along", "unpacking_on_loan"]


class Held(Protocol):
    """A hold on an actor or a value: counts as long as the object lives; see `jactors.holds`."""

    #: An actor's identifier or a value's, in hex.
    key: str
    #: Of the supervisor that counts.
    address: str

    def hand_over(self, token: str, to: str) -> None:
        """Let the process `to` have one as well, which it takes by `token`."""


class _Thread(threading.local):
    #: Of the pickling that goes on in this thread.
    packed: list[Held] | None = None
    loan = False


_thread = _Thread()
_strays: dict[str, Held] = {}


def take_along(hold: Held) -> None:
    """What is pickled right now names what `hold` holds."""
    if _thread.packed is None:
        _strays[hold.key] = hold
    else:
        _thread.packed.append(hold)


class packing:  # noqa: N801 - a context manager; as a generator it takes three times as long
    """Collect what is pickled inside names."""

    __slots__ = ("_before",)

    def __enter__(self) -> list[Held]:
        self._before = _thread.packed
        packed: list[Held] = []
        _thread.packed = packed
        return packed

    def __exit__(self, *_: object) -> None:
        _thread.packed = self._before


@contextmanager
def unpacking_on_loan() -> Iterator[None]:
    """What is unpickled inside is held by somebody else for as long as it is used."""
    before, _thread.loan = _thread.loan, True
    try:
        yield
    finally:
        _thread.loan = before


def on_loan() -> bool:
    """Return whether what is unpickled right now is held by somebody else."""
    return _thread.loan


def forget_strays() -> None:
    """The session has ended."""
    _strays.clear()
