"""Remote functions that the tests of tasks run, and an actor that calls one."""

from __future__ import annotations

import os

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30


@jactors.remote
def double(value):
    """Twice as much."""
    return 2 * value


@jactors.remote
def parts(*values):
    return values


@jactors.remote
def keywords(a, b=2, *, task="none", **more):
    return a, b, task, more


@jactors.remote
def boom(kind=ValueError):
    raise kind("the user's own line")


@jactors.remote
def where(*names):
    context = jactors.get_runtime_context()
    return {
        "pid": os.getpid(),
        "env": [os.environ.get(name) for name in names],
        "gpus": jactors.get_gpu_ids(),
        "cwd": os.getcwd(),
        "cores": len(os.sched_getaffinity(0)),
        "name": context.get_task_name(),
        "task_id": context.get_task_id(),
        "free": jactors.available_resources(),
    }


@jactors.remote
def hold(path, *needed):
    """Say with a file, in which the pid is, that it runs; end when ``path.go`` is there."""
    say(path)
    until_exists(path.with_suffix(".go"))
    return "held"


@jactors.remote
def total(refs):
    return sum(jactors.get(refs, timeout=TIMEOUT))


@jactors.remote
def dies(path, times):
    """End the process, so many times; then return how often it was begun."""
    begun = note(path)
    if begun <= times:
        os._exit(3)
    return begun


@jactors.remote
def fails(path, times, kind=ValueError):
    begun = note(path)
    if begun <= times:
        raise kind(f"run {begun}")
    return begun


@jactors.remote
def count(n, path=None, *, how=None):
    """Yield 0, 1, ... n - 1; in the middle wait for a file, raise, or end the process once."""
    for i in range(n):
        if i == n // 2 and how == "wait":
            until_exists(path)
        elif i == n // 2 and how == "raise":
            raise ValueError("in the middle")
        elif i == n // 2 and how == "die" and note(path) == 1:
            os._exit(3)
        yield i


@jactors.remote
class Tally:
    def __init__(self):
        self.sum = 0

    def add(self, n):
        self.sum += n
        return self.sum

    def doubled(self, value):
        return jactors.get(double.remote(value))


def note(path):
    """Write one more line; return how many there are."""
    with open(path, "a") as file:
        file.write("x\n")
    return len(path.read_text().split())


def say(path):
    aside = path.with_suffix(".aside")
    aside.write_text(str(os.getpid()))
    aside.rename(path)  # whoever sees it, sees all of it


def get(ref):
    return jactors.get(ref, timeout=TIMEOUT)
