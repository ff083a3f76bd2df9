"""The portrait: an object's attributes, taken while its methods run.

Guarantees: nothing of the user's is executed, no property, no ``__repr__``, no ``__len__``, so that
a look can neither change the object nor hang; it is bounded in items, text and time; attributes
that come and go meanwhile are no error. So only values of types known here show their content; of
all others the type is said.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["attributes"]

#: Attributes that are listed, characters of a text, items of a container, seconds for all.
_ATTRIBUTES = 200
_TEXT = 120
_ITEMS = 6
_PATIENCE = 0.5

_Facts = dict[str, Any]


def attributes(subject: object) -> tuple[list[_Facts], int]:
    """Return what is known of each attribute, and how many there are.

    Returns
    -------
    list of dict
        ``name``, ``type``, ``text``; where there are such, ``shape`` (list of int), ``dtype``,
        ``device`` (text) and ``size`` (bytes).
    int
    """
    until = time.monotonic() + _PATIENCE
    found: list[_Facts] = []
    items = _items(subject)
    for name, value in items:
        if len(found) >= _ATTRIBUTES or time.monotonic() > until:
            break
        found.append({"name": str(name)[:_TEXT], **facts(value)})
    return found, len(items)


def _items(subject: object) -> list[tuple[Any, Any]]:
    """Return names and values: of ``__dict__``, and of the slots of its classes."""
    try:
        own: dict[str, Any] = object.__getattribute__(subject, "__dict__")
    except AttributeError:
        own = {}
    items = list(own.copy().items()) if type(own) is dict else []
    for cls in type(subject).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            member: Any = cls.__dict__.get(name)
            if type(member) is _MEMBER:
                try:
                    items.append((name, member.__get__(subject)))
                except AttributeError:
                    pass  # not set
    return items


class _Slotted:
    __slots__ = ("slot",)


_MEMBER: Any = type(_Slotted.__dict__["slot"])


def facts(value: Any) -> _Facts:
    """Return what can be said of a value without running anything of its own."""
    kind = type(value)
    module = kind.__module__
    told: _Facts = {"type": kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"}
    known = _FOREIGN.get((module.partition(".")[0], kind.__name__))
    if known is not None:
        try:
            told |= known(value)
            told.setdefault("text", _shape(told))
        except Exception:  # of a library's: it is being changed at this moment, or not what it was taken for
            told["text"] = f"<{kind.__qualname__}>"
        return told
    told["text"] = text(value)
    if kind in _SIZED:
        told["size"] = sys.getsizeof(value)
    if kind in _CONTAINERS:
        told["shape"] = [len(value)]
    return told


def text(value: Any, depth: int = 2) -> str:
    """Return a short text of a value; its type, where showing more would run its own code."""
    kind = type(value)
    if kind is int and value.bit_length() > _BITS:
        return f"<int of {value.bit_length()} bits>"
    if kind in _PLAIN:
        return repr(value)
    if kind in (str, bytes):
        return repr(value) if len(value) <= _TEXT else f"{value[:_TEXT]!r}… ({len(value)})"
    if kind is bytearray:
        return f"<bytearray of {len(value)} bytes>"
    if kind in _CONTAINERS:
        return _contents(value, depth)
    if kind in _NAMED:
        return f"<{_NAMED[kind]} {value.__name__}>"
    if isinstance(value, type):
        return f"<class {type.__getattribute__(value, '__qualname__')}>"
    if kind.__module__ in _OURS:
        return repr(value)
    return f"<{kind.__qualname__}>"


_BITS = 256
_PLAIN: frozenset[type] = frozenset({int, float, complex, bool, type(None), range, type(...)})
_SIZED = frozenset({int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, deque})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset, deque, defaultdict, OrderedDict})
_NAMED: dict[type, str] = {
    BuiltinFunctionType: "function",
    FunctionType: "function",
    MethodType: "method",
    ModuleType: "module",
}
#: Types of this package whose texts say who they are, and ask nobody.
_OURS = frozenset({"jactors.actors.handle", "jactors.objects.refs", "jactors.ids"})


def _contents(value: Any, depth: int) -> str:
    """Return the first items of a container, and how many there are."""
    number = len(value)
    if depth == 0:
        return f"<{type(value).__name__} of {number}>"
    try:
        items = list(islice(value.items() if isinstance(value, dict) else value, _ITEMS))
    except RuntimeError:  # changed while it was read
        return f"<{type(value).__name__} of {number}>"
    if isinstance(value, dict):
        parts = [f"{text(key, 0)}: {text(item, depth - 1)}" for key, item in items]
    else:
        parts = [text(item, depth - 1) for item in items]
    opening, closing = _BRACKETS.get(type(value), (f"{type(value).__name__}(", ")"))
    shown = ""
    for index, part in enumerate(parts):
        if index and len(shown) + len(part) > _TEXT:
            number = max(number, index + 1)
            parts = parts[:index]
            break
        shown += (", " if index else "") + part
    if number > len(parts):
        return f"{opening}{shown}, …{closing} ({number})"
    return f"{opening}{shown}{',' if type(value) is tuple and number == 1 else ''}{closing}"


_BRACKETS: Mapping[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}"), set: ("{", "}")}

# ---------------------------------------------------------------------- arrays and tables: their own fields only


def _ndarray(value: Any) -> _Facts:
    told: _Facts = {"shape": list(value.shape), "dtype": str(value.dtype), "size": int(value.nbytes)}
    if value.size <= _ITEMS and not value.dtype.hasobject:
        told["text"] = " ".join(str(value.tolist()).split())[:_TEXT]
    return told


def _tensor(value: Any) -> _Facts:
    size = value.element_size() * value.nelement()
    dtype = str(value.dtype).removeprefix("torch.")
    return {"shape": list(value.shape), "dtype": dtype, "device": str(value.device), "size": size}


def _scalar(value: Any) -> _Facts:
    return {"dtype": str(value.dtype), "size": int(value.nbytes), "text": str(value.item())[:_TEXT]}


def _frame(value: Any) -> _Facts:
    return {"shape": list(value.shape), "size": int(value.memory_usage(deep=False).sum())}


def _series(value: Any) -> _Facts:
    return {"shape": list(value.shape), "dtype": str(value.dtype), "size": int(value.memory_usage(deep=False))}


def _polars(value: Any) -> _Facts:
    return {"shape": list(value.shape), "size": int(value.estimated_size())}


def _shape(told: _Facts) -> str:
    dimensions = " × ".join(map(str, told.get("shape", ()))) or "()"
    return " ".join(filter(None, [dimensions, told.get("dtype"), told.get("device")]))


_SCALARS: Iterable[str] = (
    "bool",
    "bool_",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
)

#: Package and type -> what it tells of itself, without computing anything.
_FOREIGN: dict[tuple[str, str], Callable[[Any], _Facts]] = {
    ("numpy", "ndarray"): _ndarray,
    ("torch", "Tensor"): _tensor,
    ("torch", "Parameter"): _tensor,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _series,
    ("polars", "DataFrame"): _polars,
    **{("numpy", name): _scalar for name in _SCALARS},
}
