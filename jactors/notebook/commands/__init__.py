"""The subcommands of ``%actor``, a file for those that belong together.

A module here registers its functions with `jactors.notebook.command.command`; it is found by being here. None may
import ipywidgets, or anything that takes long, before its function runs: all are imported when the extension is loaded.
"""

from __future__ import annotations

import importlib
import pkgutil

__all__ = ["gather"]


def gather() -> None:
    """Import all modules of this room, so that they register."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
