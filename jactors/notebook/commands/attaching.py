"""``%actor console`` and ``connect``: other Jupyter clients at an actor."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from jactors import session
from jactors.actors.handle import home_of
from jactors.notebook.command import ACTOR, command
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse


def _connection_file(chosen: argparse.Namespace) -> Path:
    handle = find(chosen.actor, chosen.variables)
    home = home_of(handle)
    here = session.current()
    told = here.links.told.get(home.actor_id)
    if told is None:
        told = here.links.watch_for(home.actor_id, here.watch).request("watch", actor_id=home.actor_id)["actor"]
    path = Path(told["connection_file"]) if told else None
    if path is None or not path.exists():
        raise UsageError(f"%actor: {chosen.actor} has no kernel to attach to now: it has ended, or has not started")
    return path


@command(ACTOR)
def _console(chosen: argparse.Namespace) -> None:
    """Open a console at an actor: `self` is the actor. In a notebook: say with which command.

    Leaving it, by exit or Ctrl-D, leaves the actor alive.
    """
    command = [sys.executable, "-m", "jactors.cli.console", str(_connection_file(chosen))]
    if chosen.shell is not None and getattr(chosen.shell, "kernel", None) is None and sys.stdin.isatty():
        subprocess.run(command, check=False)
        return
    print("in a terminal (leaving it, by exit or Ctrl-D, leaves the actor alive):")  # noqa: T201
    print(f"  {shlex.join(command)}")  # noqa: T201


@command(ACTOR)
def _connect(chosen: argparse.Namespace) -> None:
    """Say how a console, a notebook or a program attaches to an actor."""
    path = _connection_file(chosen)
    print(f"connection file: {path}")  # noqa: T201
    print(f"console:         jupyter console --existing {path}")  # noqa: T201
    print(f"Qt console:      jupyter qtconsole --existing {path}")  # noqa: T201
    print(f"program:         jupyter_client.BlockingKernelClient(connection_file={str(path)!r})")  # noqa: T201
    print("It is readable by you alone, and lets whoever has it run code in the actor.")  # noqa: T201
