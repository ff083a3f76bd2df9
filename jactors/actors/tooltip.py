"""What tools show of a handle and its methods: the user's signatures and docstrings, known without asking the actor.

IPython, Jupyter and `inspect` look at the function below a bound method, not at the object that it is bound to. So
each method of an actor class has a class of its own, made when it is first asked for, whose functions are copies: the
same code with another signature. A call takes the same steps as without.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any, TypeVar

from jactors.actors.shape import MethodShape

__all__ = ["Doc", "kind_of"]

T = TypeVar("T")


class Doc:
    """A docstring: of the class its own, of a handle that of the class its actor is of."""

    def __init__(self, doc: str | None) -> None:
        self._doc = doc

    def __get__(self, handle: Any, owner: object) -> str | None:
        home = None if handle is None else handle.__dict__.get("_home")
        return self._doc if home is None else home.shape.doc or self._doc


def kind_of(method: type[T], class_name: str, shape: MethodShape) -> type[T]:
    """Return a class like `method`, of one method alone."""
    whose = f"{class_name}.{shape.name}"
    given: Any = method
    members = {
        "__slots__": (),
        "__module__": method.__module__,
        "__doc__": vars(method)["__doc__"],
        "__call__": _copy(given.__call__, shape.signature_of_call(), "", whose),
        "remote": _copy(given.remote, shape.signature_of_remote(), shape.doc, whose),
    }
    return type(method.__name__, (method,), members)


def _copy(given: Any, signature: inspect.Signature, doc: str, whose: str) -> Any:
    copy: Any = FunctionType(given.__code__, given.__globals__, given.__name__)
    copy.__signature__ = signature
    copy.__doc__ = "\n\n".join(filter(None, [doc, given.__doc__.partition("\n")[0]]))
    copy.__qualname__ = f"{whose}.{given.__name__}"
    return copy
