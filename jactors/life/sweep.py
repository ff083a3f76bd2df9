"""The sweep: what an actor has started goes with it.

Subprocesses, pools and daemons inherit the cookie in their environment, forked ones stay in the
actor's Unix session. Both are looked up in ``/proc``; elsewhere psutil answers for the children.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["COOKIE", "end_processes"]

#: ``<session>:<actor id>`` in the environment of actors and of all they start.
COOKIE = "JACTORS_COOKIE"


def end_processes(cookie: str, leader: int | None = None, *, spare: frozenset[int] = frozenset()) -> int:
    """SIGKILL every process whose cookie starts with `cookie`, or whose Unix session is `leader`'s.

    Returns
    -------
    int
        How many were sent a signal. Itself, its ancestors' and `spare` are left alone.
    """
    mark = f"{COOKIE}={cookie}".encode()
    spare |= {os.getpid(), os.getppid()}
    ended = 0
    for pid in _pids():
        if pid in spare or not (_session(pid) == leader or _has(pid, mark)):
            continue
        try:
            os.kill(pid, signal.SIGKILL)
            ended += 1
        except (ProcessLookupError, PermissionError):
            pass
    return ended


def _pids() -> list[int]:
    proc = Path("/proc")
    if proc.is_dir():
        return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
    import psutil

    return list(psutil.pids())


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _has(pid: int, mark: bytes) -> bool:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return _has_elsewhere(pid, mark) if not Path("/proc").is_dir() else False
    return any(entry.startswith(mark) for entry in environ.split(b"\0"))


def _has_elsewhere(pid: int, mark: bytes) -> bool:
    import psutil

    name, _, value = mark.decode().partition("=")
    try:
        return bool(psutil.Process(pid).environ().get(name, "").startswith(value))
    except (psutil.Error, OSError):
        return False
