"""The checkpoint: an actor's object, taken apart for the disk. dill's one landlord.

::

    object ── __reduce_ex__ ──▶ state ── pickle ──▶ stream, buffers
                                   │ fails
                                   └── each attribute by itself: which is to blame?
                                         ├── none with dill (lambdas, closures, locks): the whole with dill
                                         └── one that dill refuses too is left out, by name; the rest as a whole

``__getstate__``, ``__setstate__``, ``__getnewargs__`` and ``__slots__`` are honoured, and so are
subclasses of list and dict. The object itself is a name in its own state, so that what points back
to it does so afterwards, and not to a copy. So are the process' stdout and stderr.

A class that no module has (a notebook's cell) goes by value, in the way that the actor's own class
came: pickled so that two copies of it that meet in one process are one. Where the actor's class
knows a class of that name today, today's is meant: a cell that was run again does not split a
class in two. What is saved is never the session: no globals, no modules, no threads.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import FunctionType
from typing import Any

from jactors.errors import CheckpointError

__all__ = ["Checkpoint", "Load", "Parts", "Pickled", "capture", "has_slots", "thaw"]

#: Pickles a class by value, and loads it; see `jactors.wire.pack`.
ByValue = Callable[[type], bytes]
Load = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was saved, or brought back: what `jactors.checkpoint` and `jactors.restore` return.

    Parameters
    ----------
    path : str
        The file; the one before it is beside it, its name ending in ``.before``.
    number : int
        Counts the actor's checkpoints, over all its incarnations.
    saved_at : str
        ISO 8601, UTC.
    missing : dict
        Attributes that could not be pickled: name, and why.
    size : int
        Bytes.
    seconds : float
        What it took to save; 0 where it was brought back.
    instead_of : str
        What was wrong with the newest one, where the one before it was brought back.
    """

    path: str
    number: int
    saved_at: str
    missing: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    seconds: float = 0.0
    instead_of: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Pickled:
    """An object's state, pickled."""

    stream: bytes | bytearray
    buffers: Sequence[memoryview | bytearray]
    #: dill's, which it takes dill to load.
    thorough: bool = False
    #: Attributes that cannot be pickled: name, and why.
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parts:
    """An object, taken apart as pickle does it; `make` is None for the usual ``cls.__new__(cls, *args)``."""

    make: Any
    args: tuple[Any, ...]
    state: Any
    items: list[Any] | None
    pairs: dict[Any, Any] | None

    @classmethod
    def of(cls, thing: object) -> Parts:
        """Take `thing` apart."""
        try:
            reduced = thing.__reduce_ex__(4)
        except Exception as error:
            raise CheckpointError(f"a {type(thing).__name__} cannot be taken apart: {error}") from error
        if not isinstance(reduced, tuple):
            raise CheckpointError(f"a {type(thing).__name__} is pickled by name alone: it has no state of its own")
        make, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if make is copyreg.__newobj__ and args and args[0] is type(thing):  # type: ignore[attr-defined]
            make, args = None, args[1:]
        return cls(make, args, state, items and list(items), pairs and dict(pairs))

    def fields(self) -> tuple[Any, ...]:
        """Return what is pickled: builtin types around what is the user's."""
        return (self.make, self.args, self.state, self.items, self.pairs)

    def without(self, names: Mapping[str, str]) -> Parts:
        """Leave attributes out of the state."""
        state = self.state
        if isinstance(state, dict):
            state = _less(state, names)
        elif has_slots(state):
            state = (_less(state[0], names), _less(state[1], names))
        return Parts(self.make, self.args, state, self.items, self.pairs)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes that the state consists of, or nothing where it is something else."""
        if isinstance(self.state, dict):
            return {name: value for name, value in self.state.items() if isinstance(name, str)}
        if has_slots(self.state):
            return {**(self.state[0] or {}), **(self.state[1] or {})}
        return {}


def has_slots(state: Any) -> bool:
    """Return whether `state` is what object.__getstate__ gives where there are slots."""
    return (
        isinstance(state, tuple)
        and len(state) == 2
        and all(part is None or isinstance(part, dict) for part in state)
        and state[1] is not None
    )


def _less(state: dict[Any, Any] | None, names: Mapping[str, str]) -> dict[Any, Any] | None:
    return None if state is None else {name: value for name, value in state.items() if name not in names}


# ---------------------------------------------------------------- saving


def capture(thing: object, by_value: ByValue) -> Pickled:
    """Pickle the state of `thing`; buffers of arrays are views, to be written before it changes.

    Raises
    ------
    CheckpointError
        It cannot be taken apart, or its state is no set of attributes and cannot be pickled.
    """
    parts = Parts.of(thing)
    naming = _Naming(thing, by_value)
    try:
        return Pickled(*_dump(parts.fields(), naming))
    except Exception as error:
        whole = error
    # Which attributes are to blame, and is it for dill? That is 10 to 50 times as slow: it sees the whole once at most.
    missing: dict[str, str] = {}
    thorough = not parts.attributes()
    for name, value in parts.attributes().items():
        try:
            _dump(value, naming)
        except Exception:
            try:
                _dump(value, naming, thorough=True)
                thorough = True
            except Exception as error:
                missing[name] = str(error) if isinstance(value, _LIVE) else f"{type(value).__name__}: {_text(error)}"
    try:
        return Pickled(*_dump(parts.without(missing).fields(), naming, thorough=thorough), thorough, missing)
    except Exception as error:
        raise CheckpointError(f"the state of a {type(thing).__name__} cannot be pickled: {_text(error)}") from whole


def _text(error: BaseException) -> str:
    text = str(error) if isinstance(error, _OfProcess) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0]


def _dump(value: object, naming: _Naming, *, thorough: bool = False) -> tuple[bytes, list[memoryview]]:
    """Pickle `value`, with the pickler that is written in C or with dill."""
    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            buffers.append(buffer.raw())
        except BufferError:  # not contiguous: pickled in band
            return True
        return False

    file = io.BytesIO()
    pickler = _dill_pickler(file, naming, keep) if thorough else _Plain(file, naming, keep)
    pickler.dump(value)
    return file.getvalue(), buffers


#: What is of this process alone. dill would make a thread that does not run, and open a file again, empty.
_LIVE = (
    threading.Thread,
    socket.socket,
    subprocess.Popen,
    io.FileIO,
    io.BufferedReader,
    io.BufferedWriter,
    io.BufferedRandom,
    io.TextIOWrapper,
)


class _OfProcess(pickle.PicklingError):
    """Something would be pickled that is of this process alone; the text says what."""


class _Naming:
    """What a pickle stream names instead of containing: the object, stdout and stderr, classes that no module has."""

    def __init__(self, thing: object, by_value: ByValue) -> None:
        self._thing = thing
        self._by_value = by_value
        #: One tuple a class, so that the pickler's memo knows it again.
        self._classes: dict[type, tuple[str, ...]] = {}
        #: Types whose instances need no second look.
        self._ordinary: set[type] = set()

    def name(self, value: Any) -> tuple[Any, ...] | None:
        if value is self._thing:
            return _SELF
        kind = type(value)
        if kind in self._ordinary:
            return None
        if value is sys.stdout or value is sys.stderr:
            return (_STREAM, "stdout" if value is sys.stdout else "stderr")
        if isinstance(value, _LIVE):
            raise _OfProcess(f"a {kind.__name__} is of its process alone")
        if not issubclass(kind, type):
            self._ordinary.add(kind)
            return None
        if _found(value):
            return None
        name = self._classes.get(value)
        if name is None:
            blob = b"" if value is type(self._thing) else self._by_value(value)
            name = self._classes[value] = (_CLASS, value.__module__, value.__qualname__, blob)  # type: ignore[assignment]
        return name


_SELF = ("jactors:self",)
_CLASS = "jactors:class"
_STREAM = "jactors:stream"


def _found(value: type | FunctionType) -> bool:
    """Return whether another process finds `value` by its name: not what a cell has defined."""
    if value.__module__ in ("__main__", None) or value.__module__ not in sys.modules:
        return value.__module__ == "builtins"
    found: Any = sys.modules[value.__module__]
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value or value.__module__ == "builtins"  # NoneType and its like are nowhere, and pickle knows them


class _Plain(pickle.Pickler):
    """The quick one."""

    def __init__(self, file: io.BytesIO, naming: _Naming, keep: Callable[[pickle.PickleBuffer], bool]) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self._naming = naming

    def persistent_id(self, value: Any) -> Any:
        if type(value) is FunctionType and not _found(value):
            raise pickle.PicklingError(f"{value!r} is to be pickled by value")
        return self._naming.name(value)


def _dill_pickler(file: io.BytesIO, naming: _Naming, keep: Callable[[pickle.PickleBuffer], bool]) -> Any:
    """Return the thorough one."""

    class Thorough(_dill().Pickler):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> Any:
            return naming.name(value)

    return Thorough(file, protocol=5, recurse=True, byref=False, buffer_callback=keep)


def _dill() -> Any:
    """Import dill, which takes 0.1 s: nobody pays for it who does not need it."""
    import dill

    dill.extend(use_dill=False)  # by being imported it changes the standard library's pickler: not ours
    return dill


# ---------------------------------------------------------------- bringing back


def thaw(pickled: Pickled, cls: type, thing: object, load: Load) -> Parts:
    """Load what `capture` pickled; `thing` takes the place of the object that was saved."""
    names = _class_names(cls)
    loaded: dict[Any, Any] = {}

    def named(name: Any) -> Any:
        if name == _SELF:
            return thing
        if isinstance(name, tuple) and name[0] == _STREAM:
            return sys.stdout if name[1] == "stdout" else sys.stderr
        if not (isinstance(name, tuple) and len(name) == 4 and name[0] == _CLASS):
            raise pickle.UnpicklingError(f"the stream names {name!r}, which means nothing")
        if name not in loaded:
            known = cls if name[1:3] == (cls.__module__, cls.__qualname__) else names.get(name[2])
            loaded[name] = known if known is not None and known.__module__ == name[1] else load(name[3])
        return loaded[name]

    kind: Any = pickle.Unpickler
    options = {}
    if pickled.thorough:
        kind, options = _dill().Unpickler, {"ignore": True}

    class Unpickler(kind):  # type: ignore[misc]
        def persistent_load(self, name: Any) -> Any:
            return named(name)

    return Parts(*Unpickler(io.BytesIO(pickled.stream), buffers=pickled.buffers, **options).load())


def _class_names(cls: type) -> dict[str, type]:
    """Return the classes that the methods of `cls` know, by their qualified names."""
    names: dict[str, type] = {}
    for base in cls.__mro__:
        for value in vars(base).values():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if isinstance(function, FunctionType):
                for known in function.__globals__.values():
                    if isinstance(known, type):
                        names.setdefault(known.__qualname__, known)
    return names
