"""Source text that exists only in this process: cells, whose code travels by value.

An actor needs it for tracebacks and breakpoints. Only what a class refers to is taken along.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

__all__ = ["sources_of"]

#: How many functions and classes are looked through.
_LIMIT = 500


def sources_of(user_class: type) -> dict[str, str]:
    """Return the text of each file that code of `user_class` comes from and that is not on disk."""
    texts: dict[str, str] = {}
    for code in _codes(user_class):
        filename = code.co_filename
        if filename not in texts and not Path(filename).exists():
            text = "".join(linecache.getlines(filename))
            if text:
                texts[filename] = text
    return texts


def _codes(start: Any) -> Iterator[CodeType]:
    """Yield the code of a class or function, and of the functions and classes of its module that it names."""
    todo, seen = [start], {id(start)}

    def visit(thing: Any) -> None:
        if isinstance(thing, (FunctionType, type)) and id(thing) not in seen and len(seen) < _LIMIT:
            seen.add(id(thing))
            todo.append(thing)

    while todo:
        thing = todo.pop()
        if isinstance(thing, type):
            for base in thing.__mro__[:-1]:
                visit(base)
            for member in vars(thing).values():
                visit(getattr(member, "__func__", member))
                visit(getattr(member, "fget", None))
        elif isinstance(thing, FunctionType):
            yield thing.__code__
            for name in thing.__code__.co_names:
                visit(thing.__globals__.get(name))
            visit(getattr(thing, "__wrapped__", None))
