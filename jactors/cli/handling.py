"""``attach``, ``logs`` and ``kill``: one actor in the hand."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jactors.cli.listing import SHOWN, find
from jactors.errors import JactorsError
from jactors.life.survey import ask

__all__ = ["add"]

#: Seconds between two looks at a log that is followed.
LOOK = 0.1

#: Seconds that an actor has to be gone, or back.
PATIENCE = 10.0

_ACTOR = "a name, namespace/name, or the beginning of an id (four digits or more)"


def _attach(chosen: argparse.Namespace) -> int:
    _, told = find(chosen.actor)
    path = Path(told["connection_file"])
    if not path.exists():
        raise JactorsError(f"{chosen.actor} has no kernel to attach to now: {told['reason'] or told['state']}")
    command = [sys.executable, "-m", "jactors.cli.console", str(path), *chosen.options]
    return subprocess.run(command, check=False).returncode


def _logs(chosen: argparse.Namespace) -> int:
    running, told = find(chosen.actor)
    path = Path(told["log_file"])
    position = 0
    try:
        with path.open("rb") as log:
            lines = log.read().splitlines(keepends=True)
            position = log.tell()
    except FileNotFoundError:
        lines = []
    _write(b"".join(lines[-chosen.lines :] if chosen.lines else lines))
    while chosen.follow:
        time.sleep(LOOK)
        # Asked before reading: what it wrote last is in the file by the time that it is dead.
        try:
            over = ask(running.address, "watch", actor_id=told["actor_id"])["actor"]["state"] == "DEAD"
        except (JactorsError, TypeError):
            over = True
        try:
            with path.open("rb") as log:
                log.seek(position)
                _write(log.read())
                position = log.tell()
        except FileNotFoundError:  # its session has ended
            return 0
        if over:
            return 0
    return 0


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def _kill(chosen: argparse.Namespace) -> int:
    for what in chosen.actors:
        running, told = find(what)
        actor_id, label = told["actor_id"], f"{told['class_name']} {told['name'] or told['actor_id'][:SHOWN]}"
        if chosen.restart:
            ask(running.address, "restart", actor_id=actor_id, reason="`jupyter actors kill --restart`")
        else:
            ask(running.address, "kill", actor_id=actor_id, for_good=True, reason="`jupyter actors kill`")
        deadline = time.monotonic() + PATIENCE
        while not _done(running.address, told, restart=chosen.restart):
            if time.monotonic() > deadline:
                raise JactorsError(f"{label} is not {'back' if chosen.restart else 'gone'} after {PATIENCE:g} s")
            time.sleep(0.02)
        print(f"{label}: {'restarted' if chosen.restart else 'killed'}")
    return 0


def _done(address: str, before: dict[str, Any], *, restart: bool) -> bool:
    """Return whether the actor is dead, or alive in a later incarnation."""
    try:
        now = ask(address, "watch", actor_id=before["actor_id"])["actor"]
    except JactorsError:
        now = None  # it was the last of its session, which has ended with it
    if now is None or now["state"] == "DEAD":
        if restart:
            raise JactorsError("it has ended: its next incarnation did not start")
        return True
    return restart and now["state"] == "ALIVE" and now["incarnation"] > before["incarnation"]


def add(commands: Any) -> None:
    """Add the commands."""
    attach = commands.add_parser(
        "attach",
        help="a console in an actor",
        description="Open a console in an actor: `self` is the actor. It needs jupyter-console. Leaving it, by exit, "
        "quit or Ctrl-D, leaves the actor alive.",
    )
    attach.add_argument("actor", help=_ACTOR)
    attach.add_argument("options", nargs=argparse.REMAINDER, help="options of jupyter console")
    attach.set_defaults(run=_attach)
    logs = commands.add_parser(
        "logs",
        help="what an actor has printed",
        description="Show what an actor has printed, in all its incarnations.",
    )
    logs.add_argument("actor", help=_ACTOR)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the actor ends")
    logs.add_argument("-n", "--lines", type=int, default=0, metavar="N", help="the last N lines only")
    logs.set_defaults(run=_logs)
    kill = commands.add_parser(
        "kill",
        help="end actors, or restart them",
        description="End actors at once, as with kill -9, and all that they have started; their names are free.",
    )
    kill.add_argument("actors", nargs="+", metavar="actor", help=_ACTOR)
    kill.add_argument("--restart", action="store_true", help="let it begin anew, whatever its max_restarts says")
    kill.set_defaults(run=_kill)
