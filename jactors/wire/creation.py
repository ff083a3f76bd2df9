"""The creation file: everything a kernel needs to become the actor, first time or tenth.

Written by the process that calls ``.remote()`` into the session's 0700 directory (mode 0600),
read by the kernel when it starts. So a restart needs nobody alive but the supervisor.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jactors.objects.blocks import views
from jactors.places import read_private, write_private

__all__ = ["Creation", "Slot"]


class Slot:
    """Stands in pickled arguments where a top-level ref was; `index` counts the refs."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __reduce__(self) -> tuple[type[Slot], tuple[int]]:
        return Slot, (self.index,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Class, arguments and what belongs to them, all still pickled."""

    class_name: str
    class_pickle: bytes
    #: Pickled arguments, then one group (stream, buffers) for each top-level ref among them.
    groups: Sequence[Sequence[Any]]
    #: Source text of files that exist only in the driver (cells), by file name: for tracebacks.
    sources: dict[str, str] = field(default_factory=dict)
    #: The parent header of the cell that made the actor: output of ``__init__`` goes there.
    parent: bytes = b"{}"
    #: Calls that run at once, by concurrency group; None is the default group.
    sizes: dict[str | None, int] = field(default_factory=lambda: {None: 1})
    is_async: bool = False
    #: Arm the debugger before ``__init__``.
    debug: bool = False
    #: When its state is saved; see `jactors.options.ActorOptions`.
    checkpoint: tuple[str, float] | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        # What lies in shared memory is its caller's, who may be gone when the actor restarts.
        fields["groups"] = [tuple(map(bytes, views(group))) for group in self.groups]
        write_private(path, pickle.dumps(fields, protocol=5))

    @classmethod
    def read(cls, path: Path | str) -> Creation:
        """Read the file; builtin types only, so nothing of the user's is imported by it."""
        return cls(**pickle.loads(read_private(path)))  # noqa: S301 - our own 0600 file
