"""Arguments: pickled in the caller's thread, so that a mistake shows on the user's line and nothing is sent."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

from jactors.objects.luggage import Held
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.wire import pack
from jactors.wire.creation import Slot

__all__ = ["pack_arguments"]


def pack_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], *, what: str
) -> tuple[list[tuple[Any, ...]], list[Entry], list[Held]]:
    """Pickle arguments; return their group, the entries of the top-level refs among them, and their luggage."""
    needs: list[Entry] = []
    kinds = {type(value) for value in args}
    if kwargs:
        kinds |= {type(value) for value in kwargs.values()}
    if kinds <= pack.PLAIN:
        return [(pickle.dumps((args, kwargs), 5),)], needs, []
    if ObjectRef not in kinds:
        stream, buffers, luggage = pack.dumps((args, kwargs), what=what)
        return [(stream, *buffers)], needs, luggage

    def slot(value: Any) -> Any:
        if type(value) is not ObjectRef:
            return value
        needs.append(value._entry)
        return Slot(len(needs) - 1)

    args = tuple(slot(value) for value in args)
    kwargs = {name: slot(value) for name, value in kwargs.items()}
    stream, buffers, luggage = pack.dumps((args, kwargs), what=what)
    return [(stream, *buffers)], needs, luggage
