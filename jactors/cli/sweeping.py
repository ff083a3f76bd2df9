"""``sweep``: remove what is provably ours and dead. Every `init` does so too."""

from __future__ import annotations

import argparse
from typing import Any

from jactors.session import sweep

__all__ = ["add"]


def _sweep(chosen: argparse.Namespace) -> int:
    removed = sweep()
    for line in removed:
        print(f"removed {line}")
    if not removed:
        print("nothing to sweep")
    return 0


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="remove what dead sessions have left",
        description="Remove files, names, shared memory and processes of sessions whose driver and supervisor were "
        "killed. Only what is provably yours and dead: a process is known by its pid and its start.",
    )
    parser.set_defaults(run=_sweep)
