"""The main job: actors at work on real kernels, told in plain text.

Everything shown is measured or asked for while it runs, and every answer is compared with what it should be: a demo
that fails says where and ends with status 1.
"""

from __future__ import annotations

import math
import os
import signal
import statistics
import sys
import time
from typing import Any

import jactors
from jactors import session
from jactors.exceptions import RayActorError

__all__ = ["main"]

#: What the training below is to find: y = 3 x + 2.
_SLOPE, _OFFSET = 3.0, 2.0


class Counter:
    """State that lives across calls."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, n: int = 1) -> int:
        """Count on."""
        self.count += n
        return self.count

    def greet(self) -> str:
        """Print something, there; return something, here."""
        say(f"hello from process {os.getpid()}: my count is {self.count}")
        return "and this came back"

    def divide(self, by: int) -> float:
        """Fail, for 0."""
        return self.count / by

    def where(self) -> dict[str, Any]:
        """Say where this runs."""
        return whereabouts()


class Model:
    """Stands for one that needs a GPU."""

    def where(self) -> dict[str, Any]:
        """Say where this runs."""
        return whereabouts()


class ParameterServer:
    """Holds the weights; workers push gradients into it."""

    def __init__(self) -> None:
        self.weights = [0.0, 0.0]
        self.pushes = 0

    def pull(self) -> list[float]:
        """Return the weights."""
        return self.weights

    def push(self, gradient: list[float], rate: float) -> None:
        """Take a step."""
        self.weights = [weight - rate * part for weight, part in zip(self.weights, gradient, strict=True)]
        self.pushes += 1

    def pushed(self) -> int:
        """Return how often a worker pushed."""
        return self.pushes


class Worker:
    """Learns from points of its own, and talks to the server without asking the driver."""

    def __init__(self, server: Any, points: list[float]) -> None:
        self.server = server
        self.points = points

    def train(self, steps: int) -> int:
        """Pull, compute, push; return this process' id."""
        for _ in range(steps):
            slope, offset = self.server.pull()
            misses = [(x, slope * x + offset - (_SLOPE * x + _OFFSET)) for x in self.points]
            gradient = [sum(x * miss for x, miss in misses), sum(miss for _, miss in misses)]
            self.server.push([part / len(misses) for part in gradient], 0.5)
        return os.getpid()


def whereabouts() -> dict[str, Any]:
    """Return what a process knows of its place."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {
        "pid": os.getpid(),
        "cores": ",".join(map(str, cores)) or "any",
        "gpu": repr(os.environ.get("CUDA_VISIBLE_DEVICES", "not set")),
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def say(text: str = "") -> None:
    """Print a line at once, so that lines of driver and actors come in order through a pipe too."""
    print(text, flush=True)  # noqa: T201 - a demo prints


def title(text: str) -> None:
    """Open a chapter."""
    say(f"\n== {text} " + "=" * max(0, 76 - len(text)))


def expect(what: str, found: Any, wanted: Any) -> None:
    """Say what was found; stop where it is not what was wanted."""
    say(f"  {what:<52} {found!r}")
    if found != wanted:
        raise AssertionError(f"{what} gave {found!r} instead of {wanted!r}")


def ms(seconds: float) -> str:
    """Return milliseconds as text."""
    return f"{seconds * 1e3:.0f} ms"


def main() -> int:
    """Run the demo; return the exit status."""
    if jactors.is_initialized():
        say("this process has a session already: run the demo in a process of its own, `jactors demo`")
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    say(f"jactors {jactors.__version__} on Python {sys.version.split()[0]}: every actor is a Jupyter kernel of its own")
    say(f"init(num_cpus={max(2, cores)}, num_gpus=2): GPUs are stated, so that there are some to give out anywhere")
    begin = time.perf_counter()
    jactors.init(num_cpus=max(2, cores), num_gpus=2)
    try:
        _run(begin)
    except AssertionError as error:
        say(f"\nThis is not as it should be: {error}")
        return 1
    finally:
        jactors.shutdown()
    say(f"\nDone in {time.perf_counter() - begin:.1f} s. All actors have ended with their session.")
    return 0


def _run(begin: float) -> None:
    counter = jactors.remote(num_cpus=1)(Counter).remote(10)
    first_answer = counter.add(0)
    first = time.perf_counter() - begin
    assert first_answer == 10

    title("state lives in the actor; get() returns results in order")
    expect("counter = Counter.remote(10)", jactors.get(counter.add.remote(0)), 10)
    refs = [counter.add.remote(1) for _ in range(3)]
    expect("get([counter.add.remote(1) for _ in range(3)])", jactors.get(refs), [11, 12, 13])
    expect("counter.add(10), a call that waits", counter.add(10), 23)

    _what_runs_where(counter)

    title("what an actor prints arrives here; what it returns, too")
    expect("counter.greet()", counter.greet(), "and this came back")

    title("an error keeps its type and shows where it happened")
    try:
        counter.divide(0)
    except ZeroDivisionError as error:
        say("  except ZeroDivisionError: caught as its own type")
        for line in str(error).splitlines():
            say(f"  | {line}")
    expect("the actor lives on: counter.add()", counter.add(), 24)

    _parameter_server()
    _death()
    _timings(counter, first)


def _what_runs_where(counter: Any) -> None:
    title("what runs where: cores and GPUs are set before your code is imported")
    models = [jactors.remote(num_gpus=1)(Model).remote() for _ in range(2)]
    rows = [("this process", whereabouts())]
    rows += [("Counter, num_cpus=1", counter.where())]
    places = jactors.get([model.where.remote() for model in models])
    rows += [(f"Model {number}, num_gpus=1", place) for number, place in enumerate(places)]
    say(f"  {'':<22} {'pid':>8}   {'cores':<12} {'CUDA_VISIBLE_DEVICES':<22} OMP_NUM_THREADS")
    for who, place in rows:
        say(f"  {who:<22} {place['pid']:>8}   {place['cores']:<12} {place['gpu']:<22} {place['threads']}")
    waiting = jactors.remote(num_gpus=1)(Model).remote()
    told = session.current().watch.request("list")["actors"]
    pending = [actor for actor in told if actor["actor_id"] == waiting._actor_id.hex()]  # noqa: SLF001 - as in Ray
    say(f"  A third Model is pending: it {pending[0]['reason']}.")
    jactors.kill(models[0])
    expect("the first is killed, and the third sees GPU", waiting.where()["gpu"], "'0'")


def _parameter_server() -> None:
    title("a parameter server: two workers call it directly, actor to actor")
    server = jactors.remote(ParameterServer).remote()
    shards = [[-1.0, -0.5, 0.5], [0.0, 0.25, 1.0]]
    workers = [jactors.remote(Worker).remote(server, shard) for shard in shards]
    start = time.perf_counter()
    pids = jactors.get([worker.train.remote(40) for worker in workers])
    took = time.perf_counter() - start
    slope, offset = server.pull()
    expect("processes that worked", len({*pids, os.getpid()}) - 1, 2)
    expect(f"pushes, in {ms(took)}", server.pushed(), 80)
    say(f"  {'learned':<52} y = {slope:.2f} x + {offset:.2f}")
    if not (math.isclose(slope, _SLOPE, abs_tol=0.2) and math.isclose(offset, _OFFSET, abs_tol=0.2)):
        raise AssertionError(f"learned y = {slope} x + {offset} instead of y = {_SLOPE} x + {_OFFSET}")


def _death() -> None:
    title("a death has a certificate")
    victim = jactors.remote(Counter).options(name="victim").remote()
    pid = victim.where()["pid"]
    say(f"  kill -9 {pid}")
    os.kill(pid, signal.SIGKILL)
    try:
        victim.add()
    except RayActorError as error:
        for line in str(error).splitlines():
            say(f"  | {line}")
    else:
        raise AssertionError("a killed actor answered")


def _timings(counter: Any, first: float) -> None:
    title("how fast")
    creations, others = [], []
    for _ in range(5):
        start = time.perf_counter()
        others.append(jactors.remote(Counter).remote())  # kept: an end costs time too
        others[-1].add()
        creations.append(time.perf_counter() - start)
    calls = []
    for _ in range(500):
        start = time.perf_counter()
        counter.add()
        calls.append(time.perf_counter() - start)
    many = 5000
    start = time.perf_counter()
    last = jactors.get([counter.add.remote() for _ in range(many)])[-1]
    rate = many / (time.perf_counter() - start)
    say(f"  {'init() to the first actor and its first result':<52} {ms(first)}")
    say(f"  {'the next actor and its first result, median of 5':<52} {ms(statistics.median(creations))}")
    say(f"  {'a call that waits for its result, median of 500':<52} {statistics.median(calls) * 1e3:.2f} ms")
    say(f"  {'calls in a row, then one get':<52} {rate:,.0f} a second")
    expect("and none was lost: the count is", last, 24 + 500 + many)
