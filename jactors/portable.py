"""Exceptions as data: taken apart and made again, whatever their constructors think.

Pickle rebuilds an exception by calling ``type(*args)``. That fails, or repeats its text, where
``__init__`` takes something else than it hands to ``super().__init__``: a keyword-only argument, two
arguments of which it makes one message. Such an exception must not lose its type on its way home.
"""

from __future__ import annotations

import traceback
import types
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Portable", "dual_class", "portable_state", "revive", "text_of", "unwrap"]

#: A dual class of these would end the caller's process, task or generator by accident.
_LETHAL = (KeyboardInterrupt, SystemExit, GeneratorExit, CancelledError)
#: One dual class a pair, so that two errors of one type have one type; it goes with its last instance.
_duals: WeakValueDictionary[tuple[type, type], Any] = WeakValueDictionary()
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement


def revive(cls: type[BaseException], args: Sequence[Any], state: Mapping[str, Any]) -> BaseException:
    """Make an exception without running the user's ``__new__`` and ``__init__``; only the built-in base's."""
    args = [unwrap(arg) for arg in args]
    base: Any = cls
    while base.__flags__ & _HEAP_TYPE:
        base = base.__base__
    error: BaseException = base.__new__(cls, *args)
    try:
        base.__init__(error, *args)  # OSError.errno, SystemExit.code: what lives outside of __dict__
    except Exception:
        # UnicodeDecodeError and its like want exactly their own arguments. Not by `error.args =`: a
        # user's __setattr__ may object.
        BaseException.__setattr__(error, "args", tuple(args))
    error.__dict__.update({name: unwrap(value) for name, value in state.items()})
    return error


class Portable:
    """Wraps an exception for pickling, and is the exception itself when it is unpickled.

    The usual way of rebuilding it is tried here first, in the process that pickles; where it does
    not give the same exception again, `revive` goes instead.
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self.error
        cls = type(error)
        if isinstance(error, BaseExceptionGroup):  # its members need the same care
            members = [Portable(member) for member in error.exceptions]
            return revive, (cls, (error.message, members), portable_state(error.__dict__))
        args: Any = error.args
        try:
            reduced = error.__reduce_ex__(4)
            if isinstance(reduced, tuple) and len(reduced) in (2, 3):
                if reduced[0] is cls:
                    args = reduced[1]  # OSError hands out its file name here and only here
                again = reduced[0](*reduced[1])
                if len(reduced) == 3 and reduced[2]:
                    again.__setstate__(reduced[2])
                if type(again) is cls and again.args == error.args:
                    return reduced
        except (Exception, SystemExit):  # noqa: S110 - the user's constructor; what follows does without it
            pass
        return revive, (cls, tuple(args), portable_state(error.__dict__))


def portable_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap the exceptions among an exception's attributes."""
    return {name: Portable(value) if isinstance(value, BaseException) else value for name, value in state.items()}


def unwrap(value: Any) -> Any:
    """Open what is still wrapped, because copy.copy does not pickle what it passes on."""
    if isinstance(value, list):
        return [unwrap(item) for item in value]
    return value.error if isinstance(value, Portable) else value


def dual_class(kind: type, cls: type[BaseException]) -> Any:
    """Return the class that is both `kind`, first, and the exception type `cls`.

    `kind` must have a `cause` attribute, and finds itself as `_kind`.

    Raises
    ------
    TypeError
        Where it would be lethal, or its metaclass, its layout or its ``__init_subclass__`` refuses.
    """
    dual = _duals.get((kind, cls))
    if dual is not None:
        return dual
    if issubclass(cls, _LETHAL):
        raise TypeError(f"a {kind.__name__} that is also a {cls.__name__} would end the caller")
    body: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_kind": kind}
    for base in cls.__mro__[: cls.__mro__.index(BaseException)]:
        for name, value in vars(base).items():
            outside = isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType)
            if outside and not hasattr(kind, name):
                body[name] = _delegate(name)
    if issubclass(cls, SyntaxError):
        body["msg"] = property(str)  # Python and IPython print it in place of the text
    try:
        dual = types.new_class(f"{kind.__name__}({cls.__name__})", (kind, cls), exec_body=lambda new: new.update(body))
    except Exception as error:
        raise TypeError(f"{cls.__name__} cannot be a {kind.__name__} as well") from error
    return _duals.setdefault((kind, cls), dual)


def _delegate(name: str) -> property:
    """Make a property for what a type keeps outside of ``__dict__``: `errno`, `exceptions`, slots."""

    def read(self: Any) -> Any:
        return getattr(self.cause, name)

    def write(self: Any, value: Any) -> None:  # the interpreter sets AttributeError.name
        setattr(self.cause, name, value)

    return property(read, write)


def text_of(error: BaseException) -> str:
    """Return ``ValueError: boom``, also where ``__str__`` raises."""
    return "".join(traceback.format_exception_only(error)).rstrip()
