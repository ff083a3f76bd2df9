"""``%actor list`` and ``%actor resources``: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.notebook.command import command
from jactors.notebook.reprs import ActorTable

if TYPE_CHECKING:
    import argparse


@command(("--all", {"action": "store_true", "help": "the dead ones too, and what they died of"}))
def _list(chosen: argparse.Namespace) -> Any:
    """Show the actors of this session: what runs where, and what the pending ones wait for."""
    if not session.is_initialized():  # asked first: `current` would start one
        print("no session: jactors.init(), or the first .remote(), starts one")  # noqa: T201
        return None
    return ActorTable(session.current().watch.request("list")["actors"], dead=chosen.all)
