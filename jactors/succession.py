"""The succession: a session's supervisor, started, and started anew where it was killed.

::

    charter (what init was told) ─▶ found() ─▶ supervisor ─▶ killed ─▶ found() by the driver ─▶ the next one
                                                                └────▶ recover() by anybody, where the driver
                                                                       has gone too and detached actors are left

The session keeps its identifier, its directory and its address; what is in the directory is its
*estate*: see `jactors.life.estate`. At most one supervisor reigns at a time: it holds a lock on the
charter as long as it lives.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from jactors.launch.forkserver import bootstrap
from jactors.life.estate import heirs
from jactors.life.sweep import COOKIE
from jactors.places import CHARTER, base_dir, read_record, write_private
from jactors.vitals import process_alive
from jactors.wire.channel import connect

__all__ = ["found", "reach", "recover", "recover_all", "reigning", "write_charter"]

#: Seconds that a session has to get a new supervisor.
PATIENCE = 10.0

#: Seconds between two looks.
PAUSE = 0.01

#: What the process is called in lists of processes; the rest of its arguments follow.
_RUN = "sys.argv[:] = ['jactors-supervisor', *sys.argv[1:]]; from jactors.supervise import run; run()"


def write_charter(folder: Path, told: dict[str, Any]) -> None:
    """Write down what a session's supervisors have to give out, and how they start actors."""
    write_private(folder / CHARTER, json.dumps(told).encode())


def found(folder: Path, *, driver: bool) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a supervisor of the session in `folder`; return it, and the connection to it.

    Parameters
    ----------
    driver : bool
        This process is the session's driver: the supervisor stays as long as the connection. Without one it stays
        for detached actors alone.

    Raises
    ------
    OSError
        No process can be started; or the directory has gone.
    """
    if driver:  # else somebody else may have been quicker
        (folder / "supervisor").unlink(missing_ok=True)
    mine, theirs = socket.socketpair()
    try:
        with theirs, open(folder / "supervisor.log", "ab", opener=_private) as log:
            process = subprocess.Popen(
                [*bootstrap(_RUN), str(folder), str(theirs.fileno()), str(os.getpid() if driver else 0)],
                env={**os.environ, COOKIE: f"{folder.name}:supervisor"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
    except BaseException:
        mine.close()
        raise
    return process, mine


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def reigning(folder: Path) -> dict[str, Any] | None:
    """Return what the living supervisor of the session in `folder` has said of itself; None where there is none."""
    told = read_record(folder / "supervisor")
    return told if told is not None and process_alive(told["pid"], told["started"]) else None


def recover(folder: Path) -> dict[str, Any] | None:
    """Return what the living supervisor of a session says of itself, once there is one again.

    Where the driver lives, it starts it; where it has gone as well, and detached actors would come back, it is started
    here. None: there will be none.
    """
    deadline = time.monotonic() + PATIENCE
    started = False
    while (told := reigning(folder)) is None and time.monotonic() < deadline:
        driver = read_record(folder / "driver")
        if driver is None:
            return None  # the session is over
        if not started and not process_alive(driver["pid"], driver["started"]):
            if not heirs(folder):
                return None
            started = True
            try:
                process, connection = found(folder, driver=False)
            except OSError:
                return None
            connection.close()
            # Somebody has to reap it, should it end before us.
            threading.Thread(target=process.wait, name="jactors-reaper", daemon=True).start()
        time.sleep(PAUSE)
    return told


def recover_all() -> None:
    """Bring back what may restart of all sessions of this user whose driver and supervisor were killed."""
    for path in base_dir().glob(f"*/{CHARTER}"):
        if reigning(path.parent) is None and heirs(path.parent):
            recover(path.parent)


def reach(folder: Path) -> socket.socket | None:
    """Return a connection to the supervisor of a session, once there is one again; None where there will be none."""
    while (told := recover(folder)) is not None:
        try:
            return connect(told["address"])
        except OSError:  # it is the one that was killed: it listens no more, and is not gone yet
            time.sleep(PAUSE)
    return None
