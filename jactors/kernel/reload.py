"""Reload: new code for the object that an actor is, its state as it was.

::

    class pickle, sources ─▶ modules that have changed on disk are executed again
                          ─▶ unpickle ─▶ may it take the old one's place? ─▶ swap ─▶ creation file
                                             └─ no: ReloadError, and nothing has changed

A reload is a call like any other: it waits its turn, so that it happens between two calls of a sync
actor. Calls that run meanwhile, in threads or tasks, end on the code that they began with. The
creation file gets the new class, so that a restart runs it too.

Guarantees: where the new class cannot take the place of the old one, or a module raises, the object,
its class and that module are what they were. The swap itself cannot be interrupted.

Objects inside the state follow: those whose own class comes along with new code (a helper of the
same cell) get it as well.
"""

from __future__ import annotations

import gc
import inspect
import linecache
import sys
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jactors.context import set_user_class
from jactors.errors import ReloadError
from jactors.kernel.instance import Instance
from jactors.kernel.modules import Modules
from jactors.wire import pack
from jactors.wire.creation import Creation

__all__ = ["RELOAD", "Reloader"]

#: The built-in method that reloads.
RELOAD = "__jactors_reload__"

#: How many functions and classes are looked through for helpers of a class.
_LIMIT = 500

#: What a method is, for "has it changed".
_Print = tuple[Any, ...]


class Reloader:
    """Gives the instance of this process new code.

    Parameters
    ----------
    creation_file : str
        Rewritten, so that a restart has the new class.
    """

    def __init__(self, instance: Instance, creation_file: str) -> None:
        self._instance = instance
        self._file = Path(creation_file)
        self._modules = Modules()

    def reload(self, class_pickle: bytes, sources: Mapping[str, str]) -> dict[str, Any]:
        """Swap the class; return the new shape, pickled, and what has changed; or ``refused``: why it cannot be."""
        try:
            return self._reload(class_pickle, sources)
        except ReloadError as error:
            return {"refused": str(error)}

    def _reload(self, class_pickle: bytes, sources: Mapping[str, str]) -> dict[str, Any]:
        from jactors.actors.shape import ClassShape  # root: the class, as changed on disk, is only here

        instance = self._instance
        old = type(instance.self)
        before, family = _prints(old), _family(old)
        modules = self._modules.refresh(self._fits)
        for filename, source in sources.items():
            linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        new = pack.loads(class_pickle)
        shape = ClassShape.of(new)
        self._check(new, shape)
        instance.interrupts.call = None  # from here to the end in one go
        _become(instance.self, new)
        notes = _follow(family, _family(new))
        creation = instance.creation
        if _signature(old) != _signature(new):
            notes.append("its __init__ takes other arguments now; a restart would pass it those of its creation")
        instance.creation = replace(
            creation, class_name=new.__name__, class_pickle=class_pickle, sources={**creation.sources, **sources}
        )
        instance.forget_methods()
        set_user_class(new)
        instance.creation.write(self._file)
        after = _prints(new)
        return {
            "shape": pack.dumps_inband(shape, what="the shape of a class"),
            "added": sorted(after.keys() - before.keys()),
            "removed": sorted(before.keys() - after.keys()),
            "changed": sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
            "modules": modules,
            "notes": notes,
        }

    def _fits(self, module: ModuleType) -> None:
        """Refuse a module whose classes cannot take the old ones' place."""
        held = self._instance.self
        new = vars(module).get(type(held).__name__) if type(held).__module__ == module.__name__ else None
        if isinstance(new, type):
            _probe(held, new)

    def _check(self, new: Any, shape: Any) -> None:
        """Refuse what would run elsewhere, or cannot be the object's class."""
        creation: Creation = self._instance.creation
        if not isinstance(new, type):
            raise ReloadError(f"{new!r} is no class")
        if shape.is_async != creation.is_async:
            now, was = ("async", "sync") if shape.is_async else ("sync", "async")
            raise ReloadError(
                f"{new.__name__} is {now} now and was {was}: its calls would have to run elsewhere (on the event "
                "loop, or on the main thread), which is settled when an actor starts: make a new one"
            )
        for name, method in shape.methods.items():
            group = method.options.concurrency_group
            if group is not None and group not in creation.sizes:
                known = [each for each in creation.sizes if each is not None] or "none"
                raise ReloadError(
                    f"{new.__name__}.{name} is in the concurrency group {group!r}, and the actor has {known}: groups "
                    "are made when an actor starts, so make a new one"
                )
        _probe(self._instance.self, new)


# ---------------------------------------------------------------------- classes


def _probe(held: Any, new: type) -> None:
    """Refuse a class that cannot be that of `held`: put it there and take it back."""
    old = type(held)
    if new is old:
        return
    _become(held, new)
    object.__setattr__(held, "__class__", old)


def _become(held: Any, new: type) -> None:
    if type(held) is not new:
        try:
            object.__setattr__(held, "__class__", new)
        except TypeError as error:
            reason = str(error)
            if "layout" in reason:
                reason += " (other __slots__, or another base with storage of its own)"
            raise ReloadError(f"{new.__name__} cannot take the place of the actor's class: {reason}") from None


def _prints(cls: type) -> dict[str, _Print]:
    """Return what each method of a class is made of."""
    found: dict[str, _Print] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, member in vars(base).items():
            plain = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(plain, FunctionType):
                found[name] = (*_print(plain.__code__), repr(plain.__defaults__), repr(plain.__kwdefaults__))
    return found


def _print(code: CodeType) -> _Print:
    """Return what a code object does, wherever in a file it stands."""
    constants = [_print(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, code.co_freevars, tuple(constants)


def _signature(cls: type) -> str:
    try:
        return str(inspect.signature(cls))
    except (TypeError, ValueError):
        return ""


def _family(cls: type) -> dict[str, type]:
    """Return the classes by value that a class is made of or names: by qualified name, without itself."""
    found: dict[str, type] = {}
    todo: list[Any] = [cls]
    seen = {id(cls)}

    def visit(thing: Any) -> None:
        if isinstance(thing, (FunctionType, type)) and id(thing) not in seen and len(seen) < _LIMIT:
            seen.add(id(thing))
            todo.append(thing)

    while todo:
        thing = todo.pop()
        if isinstance(thing, type):
            module = sys.modules.get(thing.__module__)
            if thing is not cls and getattr(module, thing.__qualname__, None) is thing:
                continue  # by import: whoever reloads the module sees to it
            if thing is not cls and thing.__flags__ & _HEAP:
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
            for base in thing.__mro__[1:-1]:
                visit(base)
            for member in vars(thing).values():
                visit(getattr(member, "fget", None) or getattr(member, "__func__", member))
        else:
            for name in thing.__code__.co_names:
                visit(thing.__globals__.get(name))
    return found


#: Py_TPFLAGS_HEAPTYPE: made by a class statement.
_HEAP = 1 << 9


def _follow(old: Mapping[str, type], new: Mapping[str, type]) -> list[str]:
    """Give objects of helper classes the new class of the same name; return what could not follow."""
    notes = []
    for name, before in old.items():
        after = new.get(name)
        if after is None or after is before:
            continue
        if issubclass(before, Enum):
            notes.append(f"members of the enumeration {before.__name__} in its state are those of the old one")
            continue
        for held in gc.get_referrers(before):
            if type(held) is before:
                try:
                    object.__setattr__(held, "__class__", after)
                except TypeError as error:
                    notes.append(f"objects of {before.__name__} in its state keep their old class: {error}")
                    break
    return notes
