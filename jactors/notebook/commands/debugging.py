"""``%actor debug``: pdb in an actor, in the frame that raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from jactors.actors.debug import post_mortem
from jactors.errors import TaskError
from jactors.notebook.command import ACTOR, command
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse


@command(ACTOR)
def _debug(chosen: argparse.Namespace) -> None:
    """Open pdb in the actor, in the frame where one of its methods has raised last.

    The prompt appears under this cell: up, down, p, pp, l and !statements work as in any pdb, q leaves. A breakpoint()
    in a method needs no command: its prompt appears in the cell that called it.
    """
    try:
        post_mortem(find(chosen.actor, chosen.variables))
    except TaskError as error:
        if isinstance(error, LookupError):
            raise UsageError(f"{chosen.actor}: {error.cause}") from None
        raise
