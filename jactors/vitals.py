"""Which process is it, and does it live: a pid alone does not say, since pids are used again.

A process is named by its pid and its *start*: where there is ``/proc``, the boot of the machine and
the clock ticks after it, which no change of the clock touches; elsewhere what psutil says.

>>> import os
>>> process_alive(os.getpid(), start_time(os.getpid()))
True
"""

from __future__ import annotations

import signal
from functools import cache
from pathlib import Path

import psutil

__all__ = ["STACK_SIGNAL", "process_alive", "start_time"]

#: Makes an actor that is watched for hanging write down its stack. A realtime signal: no program uses it by accident.
STACK_SIGNAL = int(signal.SIGRTMIN) + 12 if hasattr(signal, "SIGRTMIN") else None


def start_time(pid: int) -> str:
    """Return when process `pid` started, for `process_alive`; "" where there is none.

    A zombie is none: a supervisor that was killed stays one until its driver reaps it.
    """
    boot = _boot()
    if not boot:
        return _elsewhere(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    # The command may hold blanks and brackets: what follows its last bracket is state, parent, ..., start.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else f"{boot}:{fields[19].decode()}"


def process_alive(pid: int, started: object) -> bool:
    """Return whether `pid` is still the process that `start_time` said this of."""
    return bool(started) and start_time(pid) == started


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return ""


def _elsewhere(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""
