"""Waiting for what has no event to wait for: a file, a process, what another process does by itself."""

from __future__ import annotations

import time

import psutil

#: Seconds after which a driver or an event of the tests counts as hung, also where the machine is slow.
PATIENCE = 60


def until(true, what="it", timeout=PATIENCE):
    """Look until `true()` is; return what it says then."""
    deadline = time.monotonic() + timeout
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout} s"
        time.sleep(0.005)
    return found


def until_exists(path):
    """Wait until an actor has made a file: it says so that it runs."""
    until(path.exists, f"{path}")


def gone(*pids, timeout=PATIENCE):
    """Wait until the processes have ended; returns the pids of those that live on.

    A zombie has ended: where its parent has died before it, somebody else has to reap it.
    """
    deadline = time.monotonic() + timeout
    left = list(pids)
    while left := [pid for pid in left if _lives(pid)]:
        if time.monotonic() >= deadline:
            return left
        time.sleep(0.005)
    return left


def _lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
