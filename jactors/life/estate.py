"""The estate: what a supervisor that is killed leaves to the next one.

A *will* is written for each actor that may restart, when it is admitted and whenever an incarnation
begins: what its creator asked for, and how much of its life is used up. Together with its creation
file and its checkpoint that is all that another supervisor of the session needs to bring it back.
`remove_files` takes it away with the rest; it goes at once when somebody wants the actor to end.

An actor without restarts has no will: it dies with its supervisor, as in any other crash. Nor is one
brought back after the machine has been restarted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jactors.life import machine
from jactors.life.actor import Actor
from jactors.places import clear_desks, connection_files, read_record, write_private
from jactors.vitals import process_alive, start_time

__all__ = ["clear", "forget", "heirs", "keep", "successors", "wills"]

#: What an actor dies of whose supervisor is killed.
REASON = "its supervisor was killed, and the actor with it"


def keep(actor: Actor) -> None:
    """Write, or write anew, the will of an actor that may restart."""
    life = actor.life
    if not life.max_restarts or life.released or life.for_good or actor.request.get("worker"):
        return
    will = {
        "boot": _boot(),
        "made": actor.made,
        "owner": actor.owner,
        "guest": actor.guest is not None,
        "shape": actor.shape,
        "deaths": actor.deaths,
        "life": {name: getattr(life, name) for name in _KEPT},
        "request": dict(actor.request),
    }
    try:
        write_private(actor.will_file, json.dumps(will).encode())
    except OSError as error:  # a full disk: it lives, but would not survive its supervisor
        print(f"no will of {actor.label}: {error}", file=sys.stderr)  # noqa: T201 - the supervisor's log


_KEPT = ("max_restarts", "intensity", "period", "incarnation", "restarts", "asked", "stillborn", "crashes")


def forget(actor: Actor) -> None:
    """It is not to come back."""
    actor.will_file.unlink(missing_ok=True)


def wills(folder: Path) -> list[dict[str, Any]]:
    """Return the wills in a session's directory, oldest actor first; those of before a restart of the machine not."""
    found = []
    for path in folder.glob("*.will"):
        will = read_record(path)
        if will is not None and will["boot"] == _boot():
            found.append(will)
    return sorted(found, key=lambda will: float(will["made"]))


def heirs(folder: Path) -> bool:
    """Return whether actors would come back though their driver has gone as well: detached ones."""
    return any(_lasts(will) and _may_restart(will) for will in wills(folder))


def _lasts(will: dict[str, Any]) -> bool:
    return bool(will["request"].get("lifetime") == "detached")


def _may_restart(will: dict[str, Any]) -> bool:
    life = will["life"]
    return bool(life["max_restarts"] < 0 or life["restarts"] < life["max_restarts"] or not life["incarnation"])


def successors(
    session: str, folder: Path, *, driver: bool, claim: Callable[[str, str, dict[str, Any]], bool]
) -> Iterable[Actor]:
    """Yield the actors that a supervisor takes over, as they were.

    Parameters
    ----------
    driver : bool
        Whether the session has one; without, only detached actors and what those have made are left.
    claim : callable
        Takes a name (namespace, name, its record) for this supervisor; returns whether it is ours.
    """
    taken = set()
    for will in wills(folder):
        life = machine.Life(**{**will["life"], "crashes": tuple(will["life"]["crashes"])})
        state = machine.State.ALIVE if life.incarnation else machine.State.PENDING
        actor = Actor(
            will["request"],
            session,
            folder,
            replace(life, state=state),
            owner=will["owner"],
            shape=will["shape"],
            deaths=will["deaths"],
            made=will["made"],
        )
        orphan = will["guest"] or (actor.owner is not None and actor.owner not in taken)
        wanted = not orphan and (driver or _lasts(will) or actor.owner in taken)
        if not wanted or not _may_restart(will) or not _keeps_name(actor, claim):
            actor.request = {**will["request"], "name_file": None}  # whose record says what has happened
            actor.remove_files()
            continue
        taken.add(actor.actor_id)
        yield actor


def _keeps_name(actor: Actor, claim: Callable[[str, str, dict[str, Any]], bool]) -> bool:
    """Return whether an actor still has its name: while it had no supervisor, it was free."""
    name_file = actor.request.get("name_file")
    if not name_file:
        return True
    record = read_record(name_file)
    if record is None or record.get("actor_id") != actor.actor_id:
        return False
    return claim(actor.request["namespace"], actor.request["name"], record)


def clear(session: str, folder: Path) -> None:
    """Remove what a killed supervisor, and the actors that went with it, listened at."""
    for path in connection_files(session):
        path.unlink(missing_ok=True)
    for socket in folder.glob("??????????-[1-5]"):  # a desk's name is shorter: its owner may live
        socket.unlink(missing_ok=True)
    for path in folder.glob("desk-*.json"):
        told = read_record(path)
        if told is not None and not process_alive(told["pid"], told["started"]):
            clear_desks(folder, told["pid"])


def _boot() -> str:
    return start_time(os.getpid()).partition(":")[0]
