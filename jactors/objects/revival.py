"""Revival: an object, put together again from what a checkpoint has kept of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from jactors.errors import CheckpointError
from jactors.objects.checkpoint import Load, Parts, Pickled, has_slots, thaw

__all__ = ["overlay", "rebuild"]


def rebuild(cls: Any, pickled: Pickled, load: Load) -> Any:
    """Make an object of `cls` from its saved state; its ``__init__`` does not run."""
    try:
        thing = cls.__new__(cls)
    except TypeError:  # it takes arguments, which are saved with the state
        thing = None
    parts = thaw(pickled, cls, _Shell() if thing is None else thing, load)
    if parts.make is not None:
        thing = parts.make(*parts.args)
    elif thing is None or parts.args:
        thing = cls.__new__(cls, *parts.args)
        parts = thaw(pickled, cls, thing, load)  # once more: it may name the object that there is only now
    _lay(thing, parts)
    return thing


class _Shell:
    """Stands in for the object while its arguments are read."""


def _lay(thing: Any, parts: Parts) -> None:
    """Lay a saved state over `thing`."""
    if parts.items is not None:
        thing.extend(parts.items)
    for key, value in (parts.pairs or {}).items():
        thing[key] = value
    state = parts.state
    if state is None:
        return
    if hasattr(type(thing), "__setstate__"):
        thing.__setstate__(state)
        return
    own, slots = state if has_slots(state) else (state, None)
    if own:
        vars(thing).update(own)
    for name, value in (slots or {}).items():
        setattr(thing, name, value)


def overlay(thing: Any, parts: Parts, *, keep: Collection[str] | None) -> Callable[[], None]:
    """Give a living object the saved state in place of its own; what fails changes nothing.

    Parameters
    ----------
    keep : collection of str, optional
        Attributes that stay as they are where the state has none; None: all.

    Returns
    -------
    callable
        Undoes it.

    Raises
    ------
    CheckpointError
        Its class reduces itself: such an object is made anew, not changed.
    """
    if parts.make is not None:
        name = type(thing).__name__
        raise CheckpointError(
            f"a {name} has a __reduce__ of its own: its state comes back when it restarts, not before"
        )
    own = getattr(thing, "__dict__", {})
    before = dict(own)
    slots = [name for name in _slots(type(thing)) if hasattr(thing, name)]
    slots_before = {name: getattr(thing, name) for name in slots}
    content = thing.copy() if parts.items is not None or parts.pairs is not None else None

    def clear() -> None:
        own.clear()
        for name in _slots(type(thing)):
            if hasattr(thing, name):
                delattr(thing, name)
        if content is not None:
            thing.clear()

    def undo() -> None:
        clear()
        own.update(before)
        for name, value in slots_before.items():
            setattr(thing, name, value)
        if content is not None:
            (thing.extend if isinstance(content, list) else thing.update)(content)

    clear()
    own.update({name: value for name, value in before.items() if keep is None or name in keep})
    for name, value in slots_before.items():
        if keep is None or name in keep:
            setattr(thing, name, value)
    try:
        _lay(thing, parts)
    except BaseException:
        undo()
        raise
    return undo


def _slots(cls: type) -> list[str]:
    names: list[str] = []
    for base in cls.__mro__:
        own = vars(base).get("__slots__", ())
        names += [own] if isinstance(own, str) else own
    return [name for name in names if not name.startswith("__")]
