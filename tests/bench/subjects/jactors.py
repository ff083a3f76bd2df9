"""jactors, by its public names only."""

from __future__ import annotations

import statistics
import subprocess
import sys

import jactors
from tests.bench import measure, page


class Plain:
    def __init__(self):
        self.count = 0

    def add(self, n):
        self.count += n
        return self.count

    def pid(self):
        return measure.own_pid()


Counter = jactors.remote(Plain)


@jactors.remote
class AsyncCounter(Plain):
    async def add(self, n):
        self.count += n
        return self.count


@jactors.remote
def increment(n):
    return n + 1


def calls(**counts):
    return timed(lambda: Counter.remote().add, **counts)


def calls_async(**counts):
    return timed(lambda: AsyncCounter.remote().add, **counts)


def calls_threads(**counts):
    return timed(lambda: Counter.options(max_concurrency=4).remote().add, **counts)


def calls_tasks(**counts):
    return timed(lambda: increment, **counts)


def timed(make, **counts):
    """Time calls of what `make` returns, which has a ``remote``."""
    jactors.init()
    called = make()
    figures = measure.calls(
        lambda: jactors.get(called.remote(1)),
        lambda n: jactors.get([called.remote(1) for _ in range(n)]),
        **counts,
    )
    jactors.shutdown()
    return figures


def spawn(**counts):
    figures = measure.spawn(
        jactors.init,
        Counter.remote,
        lambda actors: jactors.get([actor.add.remote(1) for actor in actors]),
        lambda actors: [jactors.kill(actor) for actor in actors],
        **counts,
    )
    jactors.shutdown()
    return figures


def memory(actors):
    jactors.init()
    counters = [Counter.remote() for _ in range(actors)]
    figures = measure.memory(jactors.get([counter.pid.remote() for counter in counters]))
    jactors.shutdown()
    return figures | {"import": import_seconds("jactors")}


def inspector(**counts):
    return page.measure(**counts)


def import_seconds(name):
    """The median of five imports, each in a fresh interpreter, in seconds."""
    code = f"from time import perf_counter as t; s = t(); import {name}; print(t() - s)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)
