"""``list``: which actors there are, in all sessions. And how a command finds the one that is meant."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from jactors.actors.condition import restarts_of, state_of
from jactors.errors import ActorNotFoundError, JactorsError
from jactors.life.survey import Running, sessions

__all__ = ["add", "find", "surveyed"]

#: Digits of an actor's id that are shown, and are enough to name it.
SHOWN = 8


def surveyed() -> Iterator[tuple[Running, dict[str, Any]]]:
    """Yield every actor of this user with its session; a supervisor that does not answer is passed over, said so."""
    for running in sessions():
        try:
            told = running.actors()
        except JactorsError as error:
            print(f"session {running.session}: {error}")
            continue
        for actor in told:
            yield running, actor


def find(what: str) -> tuple[Running, dict[str, Any]]:
    """Return the living actor that `what` names: a name, ``namespace/name``, or the beginning of an id.

    Raises
    ------
    ActorNotFoundError
        There is none, or there are several.
    """
    living = [(running, told) for running, told in surveyed() if told["state"] != "DEAD"]
    space, _, name = what.rpartition("/")
    found = [each for each in living if each[1]["name"] == name and space in ("", each[1]["namespace"])]
    found = found or [each for each in living if len(what) >= 4 and each[1]["actor_id"].startswith(what)]
    if len(found) == 1:
        return found[0]
    if found:
        ways = ", ".join(f"{told['namespace']}/{told['name']} ({told['actor_id'][:SHOWN]})" for _, told in found)
        raise ActorNotFoundError(f"{what!r} is the name of several actors: {ways}; say which by namespace or id")
    names = [told["name"] or told["actor_id"][:SHOWN] for _, told in living]
    raise ActorNotFoundError(name=what, known=names)


def _row(running: Running, told: Mapping[str, Any]) -> tuple[str, ...]:
    age = ""
    if told["started_at"] and told["state"] != "DEAD":
        seconds = int(time.time() - told["started_at"])
        age = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    belongs = f"driver {running.driver_pid}" if running.driver_pid else "no driver"
    return (
        told["actor_id"][:SHOWN],
        told["class_name"],
        told["name"] or "-",
        told["namespace"] if told["name"] else "-",
        state_of(told),
        str(told["pid"] or "-"),
        ",".join(map(str, told["cores"])) or "-",
        ",".join(told["gpus"]) or "-",
        restarts_of(told["restarts"], told["max_restarts"], told.get("asked", 0)),
        age or "-",
        f"{running.session} ({belongs})",
        "detached" if told["detached"] else told["reason"],
    )


_HEAD = ("ID", "CLASS", "NAME", "NAMESPACE", "STATE", "PID", "CORES", "GPUS", "RESTARTS", "AGE", "SESSION", "")


def _list(chosen: argparse.Namespace) -> int:
    found = [(running, told) for running, told in surveyed() if chosen.all or told["state"] != "DEAD"]
    if chosen.json:
        print(json.dumps([{**told, "session": running.session} for running, told in found], indent=1))
        return 0
    if not found:
        print("no actors: nothing of yours runs")
        return 0
    rows = [_HEAD, *(_row(running, told) for running, told in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "list",
        help="all your actors, in all sessions",
        description="Show the actors of all your sessions: what they are, where they run, and whose they are.",
    )
    parser.add_argument("-a", "--all", action="store_true", help="dead ones too, as long as their session remembers")
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")
    parser.set_defaults(run=_list)
