"""`register_serializer`: another way to pickle a class of somebody else's."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

__all__ = ["deregister_serializer", "register_serializer"]


def register_serializer(cls: type, *, serializer: Callable[[Any], Any], deserializer: Callable[[Any], object]) -> None:
    """Pickle instances of `cls` as what `serializer` makes of them, in this process.

    Parameters
    ----------
    cls : type
        Not its subclasses.
    serializer : callable
        Takes an instance, returns something that can be pickled.
    deserializer : callable
        Takes that, returns an instance; travels along, so it must be picklable itself.

    Notes
    -----
    It is Python's own table, `copyreg`: ``pickle.dumps`` and ``copy.copy`` use it too.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register_serializer takes a class, got {type(cls).__name__}: {cls!r}")
    copyreg.pickle(cls, lambda value: (deserializer, (serializer(value),)))


def deregister_serializer(cls: type) -> None:
    """Pickle instances of `cls` as before `register_serializer`; no error where there was none."""
    copyreg.dispatch_table.pop(cls, None)
