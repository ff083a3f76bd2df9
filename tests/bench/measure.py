"""The measurements, the same for every system. Standard library only: a subject may run in any interpreter."""

from __future__ import annotations

import os
import statistics
from time import perf_counter

#: Calls before the clock runs: connections, caches, adaptive interpreter.
WARM_UP = 200


def calls(one, many, *, sync, pipelined):
    """Time ``one()`` call `sync` times, then ``many(pipelined)`` calls in one go.

    Returns microseconds (``p50``, ``p95``) and calls a second (``rate``, the best of three: what the system can do).
    """
    for _ in range(WARM_UP):
        one()
    many(WARM_UP)
    times = []
    for _ in range(sync):
        start = perf_counter()
        one()
        times.append(perf_counter() - start)
    rates = []
    for _ in range(3):
        start = perf_counter()
        many(pipelined)
        rates.append(pipelined / (perf_counter() - start))
    return {"p50": percentile(times, 50) * 1e6, "p95": percentile(times, 95) * 1e6, "rate": max(rates)}


def spawn(init, create, answer, kill, *, one_by_one, at_once):
    """Time the way to a first result.

    ``first``: from ``init()`` to the first answer; ``next``: create + first call once that is done, one after the
    other; ``burst``: until all of `at_once` actors, created in one go, have answered. All in seconds.
    """
    start = perf_counter()
    init()
    actors = [create()]
    answer(actors)
    figures = {"first": perf_counter() - start}
    times = []
    for _ in range(one_by_one):
        start = perf_counter()
        actors.append(create())
        answer(actors[-1:])
        times.append(perf_counter() - start)
    kill(actors)
    if times:
        figures |= {"next": percentile(times, 50), "next95": percentile(times, 95)}
    if at_once:
        start = perf_counter()
        actors = [create() for _ in range(at_once)]
        answer(actors)
        figures["burst"] = perf_counter() - start
        kill(actors)
    return figures


def memory(pids):
    """Proportional set size of idle processes, and what else hangs on this one, in MB.

    ``pss`` is the median of `pids`; ``rest`` the sum of this process and all its other descendants, once a session.
    """
    import psutil

    me = psutil.Process()
    others = [process for process in [me, *me.children(recursive=True)] if process.pid not in pids]
    return {"pss": statistics.median(map(pss, pids)), "rest": sum(pss(process.pid) for process in others)}


def pss(pid):
    """Proportional set size in MB: what is shared by n processes counts one n-th in each."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def own_pid():
    return os.getpid()
