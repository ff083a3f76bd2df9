"""Names: which actor a name means, for every process of this user.

A name is a file ``names/<namespace>/<name>.json``, made by link(2), so that of any number of
processes that claim one at the same moment exactly one gets it. A name whose supervisor has died
is free: the supervisor is known by its pid and start time, since pids are used again.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jactors.places import base_dir, name_file, read_record, write_private
from jactors.vitals import process_alive

__all__ = ["claim", "lookup", "names", "release", "remains", "sweep"]


def claim(namespace: str, name: str, record: dict[str, Any]) -> dict[str, Any] | None:
    """Take a name for the actor of `record`.

    Returns
    -------
    dict or None
        None where the name is now ours; else the record of the living actor that has it.
    """
    path = name_file(namespace, name)
    aside = path.with_name(f".{path.name}.{record['actor_id']}")
    write_private(aside, json.dumps(record).encode())
    try:
        while True:
            try:
                os.link(aside, path)
            except FileExistsError:
                taken = _read(path)
                if taken is not None:
                    return taken
                _remove_dead(path)
            else:
                return None
    finally:
        aside.unlink(missing_ok=True)


def lookup(namespace: str, name: str) -> dict[str, Any] | None:
    """Return the record of the living actor with this name, or None."""
    return _read(name_file(namespace, name))


def remains(namespace: str, name: str) -> dict[str, Any] | None:
    """Return the record of an actor with this name whose supervisor has died, or None."""
    return read_record(name_file(namespace, name))


def release(namespace: str, name: str, actor_id: str) -> None:
    """Free a name, if it still is that actor's."""
    path = name_file(namespace, name)
    record = read_record(path)
    if record is not None and record.get("actor_id") == actor_id:
        with suppress(OSError):  # it stays taken by a dead one, which is as good as free
            path.unlink()


def names(namespace: str | None = None) -> list[tuple[str, str]]:
    """Return (namespace, name) of all living named actors, of one namespace or of all, sorted."""
    folder = base_dir() / "names"
    found = []
    for path in folder.glob("*/*.json"):
        space, name = unquote(path.parent.name), unquote(path.stem)
        if namespace in (None, space) and _read(path) is not None:
            found.append((space, name))
    return sorted(found)


def sweep() -> list[tuple[str, str]]:
    """Remove the names whose session has ended, since nobody else will; return namespace and name of each.

    One whose supervisor has died and whose directory is there may get another: its actors keep their names.
    """
    removed = []
    for path in (base_dir() / "names").glob("*/*.json"):
        record = read_record(path)
        if _read(path) is None and (record is None or not (base_dir() / record["session"]).exists()):
            _remove_dead(path)
            removed.append((unquote(path.parent.name), unquote(path.stem)))
    for folder in (base_dir() / "names").glob("*"):
        try:
            folder.rmdir()
        except OSError:
            pass  # in use
    return removed


def _read(path: Path) -> dict[str, Any] | None:
    record = read_record(path)
    if record is None or not process_alive(record["supervisor_pid"], record["supervisor_started"]):
        return None
    return record


def _remove_dead(path: Path) -> None:
    """Remove a dead record, but not a living one that somebody has put there meanwhile."""
    grave = path.with_name(f".{path.name}.dead.{os.getpid()}")
    try:
        path.rename(grave)
    except FileNotFoundError:
        return
    if _read(grave) is not None:
        try:
            os.link(grave, path)
        except FileExistsError:
            pass
    grave.unlink(missing_ok=True)
