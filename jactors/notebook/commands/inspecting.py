"""``%actor inspect``: the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jactors.notebook.command import command
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse


@command(
    (
        "actor",
        {
            "metavar": "ACTOR",
            "nargs": "?",
            "help": "look into this one: its name, a variable that holds its handle, or the beginning of its id",
        },
    ),
    ("--compact", {"action": "store_true", "help": "only a row for the actor that is named"}),
)
def _inspect(chosen: argparse.Namespace) -> Any:
    """Open the inspector: all actors, live, with buttons that work while a cell is blocked."""
    from jactors.notebook.inspector import inspector  # ipywidgets takes its time

    handle = find(chosen.actor, chosen.variables) if chosen.actor else None
    return inspector(handle, compact=chosen.compact and handle is not None)
