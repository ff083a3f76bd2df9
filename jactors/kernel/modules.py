"""The user's modules of this process, and executing those again whose files have changed.

IPython's autoreload does it: it patches functions and classes in place, so that ``from helpers import
f`` elsewhere has the new code too, and objects get the new class. Not used is its way of noticing a
change, which has to look at all modules before anything changes: 10 ms an actor, whether or not it is
ever reloaded. Here a file counts as changed when it was written after this process began.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Modules", "own"]

#: What the import system puts into a module, and autoreload clears.
_FRAME = ("__cached__", "__file__", "__loader__", "__package__", "__path__", "__spec__")


class Modules:
    """Knows when each module's code was read."""

    def __init__(self) -> None:
        #: In seconds since the epoch; others: when this process began.
        self._read: dict[str, float] = {}
        self._began = time.time()

    def refresh(self, check: Callable[[ModuleType], None]) -> list[str]:
        """Execute the modules again that have changed; return their names, sorted.

        Parameters
        ----------
        check : callable
            Told each module when its new code has run and nothing is patched yet. Where it, or the code, raises,
            that module is what it was, and no other is executed.
        """
        from IPython.extensions.autoreload import superreload

        done = []
        # Those that were imported last first: they are what the others are made of.
        for name, module, changed in list(own())[::-1]:
            if changed > self._read.get(name, self._began):
                frame = {key: vars(module)[key] for key in _FRAME if key in vars(module)}

                def again(module: ModuleType, frame: dict[str, Any] = frame) -> ModuleType:
                    _execute(module, frame)
                    check(module)
                    return module

                superreload(module, reload=again)
                self._read[name] = changed
                done.append(name)
        return sorted(done)


def _execute(module: ModuleType, frame: dict[str, Any]) -> None:
    """Run a module's file.

    Not `importlib.reload`: it trusts a cached file of the same second and size, which an edit may have.
    """
    vars(module).update(frame)
    loader = module.__loader__
    assert isinstance(loader, SourceFileLoader)
    source = loader.get_data(loader.path)
    exec(loader.source_to_code(source, loader.path), vars(module))  # noqa: S102 - the module's own code
    linecache.checkcache(loader.path)


def own() -> Iterator[tuple[str, ModuleType, float]]:
    """Yield the modules that are the user's own (of no installed package), and when they were written."""
    theirs = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places = tuple(place + os.sep for place in theirs if place)
    ours = str(Path(__file__).parents[1]) + os.sep
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if name in ("__main__", "__mp_main__") or not isinstance(loader, SourceFileLoader):
            continue
        if loader.path.startswith((*places, ours)) or "site-packages" in loader.path:
            continue
        try:
            yield name, module, os.stat(loader.path).st_mtime  # noqa: PTH116 - a string at hand
        except OSError:
            continue  # deleted: the code in memory is all there is
