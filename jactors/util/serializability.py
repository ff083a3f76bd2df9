"""`inspect_serializability`: why something cannot be pickled, as a report."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from jactors.errors import SerializationError
from jactors.wire import pack
from jactors.wire.culprit import find_culprit

__all__ = ["FailureTuple", "inspect_serializability"]


class FailureTuple:
    """What cannot be pickled, and who holds it.

    Attributes
    ----------
    obj : object
        The smallest part that refuses.
    path : tuple of str
        How it is reached, from the name of the whole on.
    parent : object
        What holds it; None where it is the whole.
    """

    __slots__ = ("obj", "parent", "path")

    def __init__(self, obj: Any, path: tuple[str, ...], parent: Any) -> None:
        self.obj = obj
        self.path = path
        self.parent = parent

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path[-1]

    def __repr__(self) -> str:
        way = " -> ".join(self.path)
        return f"FailTuple({self.name} [path={way}, obj={_shown(self.obj)}, parent={_shown(self.parent)}])"


def inspect_serializability(
    base_obj: Any, name: str | None = None, depth: int = 3, print_file: TextIO | None = None
) -> tuple[bool, set[FailureTuple]]:
    """Say whether something can be pickled, and if not, which part of it refuses.

    Parameters
    ----------
    base_obj : object
        A function, a class, or a value.
    name : str, optional
        How the report calls it; by default by its own name, or its type's.
    depth : int
        Without effect: the search is bounded in time, not in depth.
    print_file : file, optional
        Where the report goes; by default to stdout.

    Returns
    -------
    bool
    set of FailureTuple
        Empty, or the part that refuses; there may be others beside it.
    """
    called = name or str(getattr(base_obj, "__name__", None) or type(base_obj).__name__)
    title = f"Checking Serializability of {_shown(base_obj)}"
    line = "=" * min(len(title), 80)
    lines = [line, title, line]
    failures: set[FailureTuple] = set()
    try:
        pack.dumps(base_obj, what=f"'{called}'")
    except SerializationError as error:
        value, path, parent = find_culprit(base_obj, name=called, error=error.__cause__ or error)
        failures.add(FailureTuple(value, path, parent))
        lines += [f"!!! FAIL serialization: {error}", *map(repr, failures), line]
    print(*lines, sep="\n", file=print_file or sys.stdout)
    return not failures, failures


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # a repr that fails must not cost the report
        return f"<{type(value).__name__}>"
