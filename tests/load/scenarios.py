"""The scenarios: each a function of the size, run in a process of its own, and returning what it has measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

import jactors
from jactors.exceptions import ActorDiedError


@dataclass(frozen=True)
class Scenario:
    """A function, the sizes of the large run and of the small one."""

    function: Callable[[int], dict]
    large: int
    small: int
    mounts: bool


SCENARIOS: dict[str, Scenario] = {}

MB = 1e6


def scenario(large, small, *, mounts=False):
    """Enter a function into the table; `mounts`: it needs root, and a mount namespace of its own."""

    def enter(function):
        SCENARIOS[function.__name__] = Scenario(function, large, small, mounts)
        return function

    return enter


def rss(pid=None):
    """Resident memory of a process, in MB."""
    return psutil.Process(pid).memory_info().rss / MB


class Worker:
    def __init__(self):
        self.count = 0

    def add(self, by=1):
        self.count += by
        return self.count

    def pid(self):
        return os.getpid()

    def wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.001)


class Peak:
    """Watches the memory of some processes; `mb` is what they had at most, all together."""

    def __init__(self, *pids):
        self._processes = [psutil.Process(pid) for pid in pids]
        self.before = self.mb = self._now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _now(self):
        return sum(process.memory_info().rss - process.memory_info().shared for process in self._processes) / MB

    def _watch(self):
        while not self._stop.wait(0.02):
            try:
                self.mb = max(self.mb, self._now())
            except psutil.NoSuchProcess:
                return

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    @property
    def grown(self):
        return self.mb - self.before


# ---------------------------------------------------------------- many calls


@scenario(100_000, 5_000)
def queued(n):
    """So many calls submitted before the first is answered; none is lost, their order is kept."""
    actor = jactors.remote(Worker).remote()
    pid = actor.pid()
    with tempfile.TemporaryDirectory() as folder, Peak(os.getpid(), pid) as peak:
        gate = f"{folder}/gate"
        actor.wait_for.remote(gate)
        begun = time.perf_counter()
        refs = [actor.add.remote() for _ in range(n)]
        submitted = time.perf_counter() - begun
        open(gate, "w").close()
        assert jactors.get(refs) == list(range(1, n + 1))
        done = time.perf_counter() - begun
    return {"submitted_s": submitted, "done_s": done, "bytes_a_call": peak.grown * MB / n}


@scenario(100_000, 5_000)
def killed_in_the_middle(n):
    """So many calls are queued, the actor is killed: each ref fails, none before it ran, none hangs."""
    actor = jactors.remote(Worker).remote()
    pid = actor.pid()
    answered = n // 4
    refs = [actor.add.remote() for _ in range(answered)]
    refs += [actor.wait_for.remote("/nowhere"), *(actor.add.remote() for _ in range(n - answered))]
    assert jactors.get(refs[:answered]) == list(range(1, answered + 1))
    with Peak(os.getpid()) as peak:
        begun = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        first = None
        for ref in refs[answered:]:
            try:
                jactors.get(ref, timeout=30)
                raise AssertionError("a call was answered behind one that never ended")
            except ActorDiedError:
                first = first or time.perf_counter() - begun
        seconds = time.perf_counter() - begun
    assert actor._home.link.pending() == 0
    return {"answered": answered, "died": n - answered + 1, "first_s": first, "all_s": seconds, "grown_mb": peak.grown}


@scenario(20, 4)
def drivers(n):
    """So many drivers call one named actor at once."""
    actor = jactors.remote(name="shared", namespace="load")(Worker).remote()
    actor.add(0)
    code = (
        "import jactors, sys\n"
        "jactors.init(num_cpus=0)\n"
        "actor = jactors.get_actor('shared', namespace='load')\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "got = jactors.get([actor.add.remote() for _ in range(1000)])\n"
        "assert got == sorted(got) and len(set(got)) == 1000\n"
        "jactors.shutdown()\n"
    )
    begun = time.perf_counter()
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(n)
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    ready = time.perf_counter() - begun
    begun = time.perf_counter()
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(120) for process in processes] == [0] * n
    seconds = time.perf_counter() - begun
    for process in processes:
        process.stdout.close()
    assert actor.add(0) == 1000 * n
    return {"drivers_ready_s": ready, "calls": 1000 * n, "calls_a_second": 1000 * n / seconds}


@scenario(200, 12)
def actors(n):
    """So many actors at once, each called; then all ended."""
    before = psutil.Process().num_fds()
    begun = time.perf_counter()
    made = [jactors.remote(Worker).remote() for _ in range(n)]
    pids = jactors.get([actor.pid.remote() for actor in made])
    assert len(set(pids)) == n
    alive = time.perf_counter() - begun
    begun = time.perf_counter()
    assert jactors.get([actor.add.remote() for actor in made for _ in range(10)]) == list(range(1, 11)) * n
    called = time.perf_counter() - begun
    pss = sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / MB
    descriptors = psutil.Process().num_fds() - before
    begun = time.perf_counter()
    for actor in made:
        jactors.kill(actor)
    while any(psutil.pid_exists(pid) for pid in pids):
        time.sleep(0.01)
    return {
        "all_answered_s": alive,
        "10_calls_each_s": called,
        "pss_mb_each": pss / n,
        "driver_descriptors_each": descriptors / n,
        "all_killed_s": time.perf_counter() - begun,
    }


# ---------------------------------------------------------------- large values


class Large(Worker):
    def take(self, array):
        return len(array), int(array[0]), int(array[-1])

    def give(self, size):
        import numpy as np

        return np.full(size, 7, dtype=np.uint8)


@scenario(2_200_000_000, 60_000_000)
def large_values(n):
    """An argument and a result of so many bytes; meanwhile control answers. Memory in copies of the value."""
    import numpy as np

    array = np.full(n, 3, dtype=np.uint8)
    actor = jactors.remote(Large).remote()
    pid = actor.pid()
    slowest = []
    stop = threading.Event()

    def ask():
        from jupyter_client import BlockingKernelClient

        told = jactors.session.current().links.told[actor._actor_id.hex()]
        client = BlockingKernelClient(connection_file=told["connection_file"])
        client.load_connection_file()
        client.start_channels()
        while not stop.is_set():
            begun = time.perf_counter()
            client.control_channel.send(client.session.msg("kernel_info_request", {}))
            client.get_control_msg(timeout=60)
            slowest.append(time.perf_counter() - begun)
            time.sleep(0.02)
        client.stop_channels()
        client.context.destroy(linger=0)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        with Peak(os.getpid()) as here, Peak(pid) as there:
            begun = time.perf_counter()
            assert actor.take(array) == (n, 3, 3)
            out = time.perf_counter() - begun
        sent = here.grown * MB / n, there.grown * MB / n
        with Peak(os.getpid()) as here, Peak(pid) as there:
            begun = time.perf_counter()
            back = actor.give(n)
            assert len(back) == n and int(back[-1]) == 7
            home = time.perf_counter() - begun
        got = there.grown * MB / n, here.grown * MB / n
    finally:
        stop.set()
        thread.join()
    assert max(slowest) < 2, f"control answered after {max(slowest):.1f} s"
    return {
        "gb": n / 1e9,
        "argument_s": out,
        "argument_copies": f"{sent[0]:.1f} + {sent[1]:.1f}",
        "result_s": home,
        "result_copies": f"{got[0]:.1f} + {got[1]:.1f}",
        "control_slowest_s": max(slowest),
    }
