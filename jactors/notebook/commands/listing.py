"""``%actor list`` and ``%actor resources``: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.notebook.command import command
from jactors.notebook.reprs import ActorTable
from jactors.notebook.table import Table

if TYPE_CHECKING:
    import argparse

_NONE = "no session: jactors.init(), or the first .remote(), starts one"


@command(("--all", {"action": "store_true", "help": "the dead ones too, and what they died of"}))
def _list(chosen: argparse.Namespace) -> Any:
    """Show the actors of this session: what runs where, and what the pending ones wait for."""
    if not session.is_initialized():  # asked first: `current` would start one
        print(_NONE)  # noqa: T201
        return None
    return ActorTable(session.current().watch.request("list")["actors"], dead=chosen.all)


@command()
def _resources(chosen: argparse.Namespace) -> Any:
    """Show cores, GPUs and other resources: how many there are, how many are free, who holds the rest."""
    if not session.is_initialized():
        print(_NONE)  # noqa: T201
        return None
    watch = session.current().watch
    told = watch.request("resources")
    holders: dict[str, list[str]] = {}
    for actor in watch.request("list")["actors"]:
        if actor["state"] not in ("DEAD", "PENDING_CREATION") or (actor["cores"] or actor["gpus"]):
            who = actor["name"] or f"{actor['class_name']} {actor['actor_id'][:8]}"
            for resource, amount in (actor["demand"] or {}).items():
                if amount and actor["state"] != "DEAD":
                    holders.setdefault(resource, []).append(f"{who} ({amount:g})")
    rows = [
        (name, _amount(name, told["available"].get(name, 0)), _amount(name, total), ", ".join(holders.get(name, ())))
        for name, total in told["total"].items()
    ]
    return Table(("resource", "free", "of", "held by"), rows)


def _amount(name: str, amount: float) -> str:
    return f"{amount / 2**30:.1f} GiB" if name == "memory" else f"{amount:g}"
