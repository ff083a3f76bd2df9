"""Who refuses to be pickled: a search for the smallest part, and the sentence that names it.

Pickle says "cannot pickle '_thread.lock' object" and not where the lock is. So the value is taken
apart and its parts are tried one by one, breadth first: a part that refuses, and has no part that
does, is the culprit. The search is bounded, never raises and never calls a property.
"""

from __future__ import annotations

import re
import threading
import types
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from jactors.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["blame", "find_culprit", "searches_paused"]

_MAX_TRIALS = 2000
_MAX_DEPTH = 6
_MAX_SECONDS = 2.0
#: They always pickle; trying them would use up the bounds.
_ATOMS = (type(None), bool, int, float, complex, str, bytes, bytearray, types.EllipsisType)
_CURE = (
    "Cure: leave it out and make it in the actor (in __init__, or when a method first needs it), "
    "or give its class a __getstate__ that drops it."
)
_CURE_DEPTH = "Cure: it is nested too deeply (or refers to itself through __reduce__); pass a flatter structure."

#: Its `active` is true in a thread that is searching: what is tried may pickle, and fail, itself.
_search = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    value: Any
    path: str  # an expression: model.cfg['lock']
    within: str = ""  # how a function got hold of the path's first name
    depth: int = 0
    steps: tuple[str, ...] = ()  # all names on the way, functions included
    parent: Any = None

    def part(self, value: Any, step: str) -> _Part:
        return self._next(value, path=self.path + step, within=self.within, step=step.lstrip("."))

    def captured(self, value: Any, name: str) -> _Part:
        return self._next(value, path=name, within=f"captured variable {name!r} of {self.path}", step=name)

    def _next(self, value: Any, *, path: str, within: str, step: str) -> _Part:
        steps = (*self.steps, step.strip())
        return _Part(value=value, path=path, within=within, depth=self.depth + 1, steps=steps, parent=self.value)

    def __str__(self) -> str:
        if not self.within:
            return self.path
        return self.within if self.path.isidentifier() else f"{self.path} ({self.within})"


def blame(value: object, *, what: str, error: BaseException, trial: Callable[[object], object] | None = None) -> str:
    """Say which part of `value` cannot be pickled.

    Parameters
    ----------
    value : object
    what : str
        How to call it: ``"argument 'model' of Trainer.__init__"``.
    error : BaseException
        What pickling `value` raised.
    trial : callable, optional
        Pickles its argument, or raises. By default `jactors.wire.pack.dumps`.

    Returns
    -------
    str
        ``"cannot pickle argument 'model' of Trainer.__init__: model.cfg['lock'] is a _thread.lock:
        cannot pickle '_thread.lock' object. Cure: ..."``
    """
    reason = _first_line(error)
    if getattr(_search, "active", False):
        return f"cannot pickle {what}: {reason}"
    _search.active = True
    try:
        root = _Part(value=value, path=_path_of(value, what))
        if _too_deep(error):
            return f"cannot pickle {what}: it is {_type_of(value)}: {reason}. {_CURE_DEPTH}"
        part, cause = _find(root, error, trial or _pickle)
        called = "it" if part is root else str(part)
        return f"cannot pickle {what}: {called} is {_type_of(part.value)}: {_first_line(cause)}. {_CURE}"
    except Exception:  # a __class__ or a metaclass that lies; the plain reason is better than none
        return f"cannot pickle {what}: {reason}. {_CURE}"
    finally:
        _search.active = False


def find_culprit(value: object, *, name: str, error: BaseException) -> tuple[Any, tuple[str, ...], Any]:
    """Return the smallest part of `value` that refuses, the names on the way to it, and what holds it.

    Parameters
    ----------
    value : object
    name : str
        How to call it.
    error : BaseException
        What pickling `value` raised.
    """
    root = _Part(value=value, path=name, steps=(name,))
    with searches_paused():  # what is tried may pickle, and fail, itself
        try:
            part = root if _too_deep(error) else _find(root, error, _pickle)[0]
        except Exception:  # a __class__ or a metaclass that lies
            part = root
    return part.value, part.steps, part.parent


@contextmanager
def searches_paused() -> Iterator[None]:
    """In this thread `blame` gives the plain reason only: for who tries many things and expects refusals."""
    before = getattr(_search, "active", False)
    _search.active = True
    try:
        yield
    finally:
        _search.active = before


def _path_of(value: object, what: str) -> str:
    quoted = re.search(r"'([^']+)'", what)
    if quoted:
        return quoted[1]
    if isinstance(value, type | types.FunctionType):
        return value.__name__
    return "result" if "result" in what else "value"


def _pickle(value: object) -> object:
    # Here, because pack, the landlord of cloudpickle, imports this module.
    from jactors.wire import pack

    try:
        return pack.dumps(value, what="it")
    except SerializationError as error:
        raise (error.__cause__ or error) from None


def _find(root: _Part, error: BaseException, trial: Callable[[object], object]) -> tuple[_Part, BaseException]:
    """Return the first refusing part, breadth first, that has no refusing part; and what it raised."""
    deadline = monotonic() + _MAX_SECONDS
    trials = 0
    refused: dict[int, bool] = {id(root.value): True}
    kept = [root.value]  # so that no id is given to a second object
    queue = deque([(root, error)])
    deepest = (root, error)
    while queue:
        part, cause = queue.popleft()
        if part.depth > deepest[0].depth:
            deepest = part, cause
        if part.depth >= _MAX_DEPTH:
            return part, cause
        innocent = True
        for child in _parts(part):
            if isinstance(child.value, _ATOMS):
                continue
            known = refused.get(id(child.value))
            if known is None:
                trials += 1
                if trials > _MAX_TRIALS or monotonic() > deadline:
                    return deepest
                kept.append(child.value)
                trouble = _try(trial, child.value)
                known = refused[id(child.value)] = trouble is not None
                if trouble is not None:
                    queue.append((child, trouble))
            innocent = innocent and not known
        if innocent:
            return part, cause
    return deepest  # a ring of parts that refuse only together


def _try(trial: Callable[[object], object], value: object) -> BaseException | None:
    try:
        trial(value)
    except Exception as error:
        return error
    return None


def _too_deep(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, RecursionError):
        error = error.__cause__
    return error is not None


def _parts(part: _Part) -> Iterator[_Part]:
    """Take a value apart, as far as pickling it would; nothing of the user's runs but what pickle runs too."""
    value = part.value
    kind = type(value)
    if isinstance(value, dict):
        for key, item in list(dict.items(value)):
            yield part.part(key, f" key {_short(key)}")
            yield part.part(item, f"[{_short(key)}]")
    elif isinstance(value, list | tuple | deque):
        for index, item in enumerate(list(value)):
            yield part.part(item, f"[{index}]")
    elif isinstance(value, set | frozenset):
        for item in list(value):
            yield part.part(item, f" element {_short(item)}")
    if isinstance(value, types.FunctionType):
        yield from _function_parts(part, value)
    elif isinstance(value, types.MethodType):
        yield part.part(value.__self__, ".__self__")
        yield part.part(value.__func__, ".__func__")
    elif isinstance(value, staticmethod | classmethod):
        yield replace(part, value=value.__func__, depth=part.depth + 1)
    elif isinstance(value, property):
        for name, function in (("fget", value.fget), ("fset", value.fset), ("fdel", value.fdel)):
            yield part.part(function, f".{name}")
    elif isinstance(value, type):
        for name, item in list(vars(value).items()):
            if name not in {"__dict__", "__weakref__", "__module__", "__doc__"}:
                yield part.part(item, f".{name}")
        for base in value.__bases__:
            yield part.part(base, f"'s base {base.__name__}")
    elif not isinstance(value, types.ModuleType):
        for name, item in _state(value, kind):
            yield part.part(item, f".{name}")


def _function_parts(part: _Part, function: types.FunctionType) -> Iterator[_Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield part.captured(cell.cell_contents, name)
        except ValueError:  # an empty cell: not bound yet
            continue
    for name in _global_names(function.__code__):
        if name in function.__globals__:
            yield part.captured(function.__globals__[name], name)
    for default in function.__defaults__ or ():
        yield part.part(default, f" default {_short(default)}")
    for name, default in (function.__kwdefaults__ or {}).items():
        yield part.part(default, f" default of {name}")
    for name, item in list(function.__dict__.items()):
        yield part.part(item, f".{name}")


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # a nested function, a comprehension
            yield from _global_names(constant)


def _state(value: Any, kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield what pickle would take from an instance, by name."""
    if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            reduced = ""  # it refuses by itself: it has no parts
        if isinstance(reduced, tuple):
            for index, item in enumerate(reduced[1]):
                yield f"__reduce__()[1][{index}]", item
            yield from _named(reduced[2] if len(reduced) > 2 else None)
        return
    if kind.__getstate__ is not object.__getstate__:
        try:
            yield from _named(value.__getstate__())
        except Exception:  # noqa: S110 - it refuses by itself
            pass
        return
    yield from list(getattr(value, "__dict__", {}).items())
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            descriptor = vars(base).get(slot)
            if isinstance(descriptor, types.MemberDescriptorType):
                try:
                    yield slot, descriptor.__get__(value, kind)
                except AttributeError:  # not set
                    continue


def _named(state: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):  # (__dict__, slots)
        yield from _named(state[0])
        state = state[1]
    if isinstance(state, dict):
        yield from [(str(name), item) for name, item in state.items()]
    elif state is not None:
        yield "__getstate__()", state


def _short(value: object) -> str:
    if isinstance(value, _ATOMS):
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    return f"<{type(value).__name__}>"  # not its repr: that may be anybody's code


def _type_of(value: object) -> str:
    kind = type(value)
    name = (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _first_line(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = []
    return lines[0].rstrip(".") if lines else type(error).__name__
