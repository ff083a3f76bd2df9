"""Scenarios of shortage: no shared memory, no disk, no descriptors; and of output that nobody can read so fast.

Those that mount something run in a mount namespace of their own (``unshare -m``), and need root.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jactors
from jactors.exceptions import ActorError, CheckpointError
from tests.load.scenarios import MB, Large, Peak, Worker, scenario


def mount(where, *options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", where], check=True)


# ---------------------------------------------------------------- memory


@scenario(300_000_000, 20_000_000, mounts=True)
def shared_memory_full(n):
    """/dev/shm has no room: values travel as frames, and nothing dies of SIGBUS."""
    import numpy as np

    mount("/dev/shm", "-o", f"size={n // 4},mode=1777")
    jactors.init(num_cpus=2)
    actor = jactors.remote(Large).remote()
    pid = actor.pid()
    array = np.full(n, 3, dtype=np.uint8)
    begun = time.perf_counter()
    assert actor.take(array) == (n, 3, 3)
    sent = time.perf_counter() - begun
    begun = time.perf_counter()
    back = actor.give(n)
    assert len(back) == n and int(back[-1]) == 7
    got = time.perf_counter() - begun
    small = [actor.give.remote(n // 16) for _ in range(8)]  # what finds room, and what does not
    assert [len(each) for each in jactors.get(small)] == [n // 16] * 8
    assert actor.pid() == pid
    return {"mb": n / MB, "argument_s": sent, "result_s": got}


# ---------------------------------------------------------------- disk


class Keeper(Worker):
    def __init__(self, size):
        super().__init__()
        self.data = os.urandom(size)


def names(folder):
    """All files below a folder but sockets, those on their way included."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@scenario(1, 1, mounts=True)
def disk_full(_):
    """The runtime directory fills up: errors say so, no call is lost, nothing half-written; with room all is well."""
    runtime = os.environ["JUPYTER_RUNTIME_DIR"]
    mount(runtime, "-o", "size=1m,mode=700")
    jactors.init(num_cpus=2)
    actor = jactors.remote(max_restarts=-1, checkpoint=1)(Keeper).remote(100_000)
    assert actor.add() == 1
    filler = Path(runtime) / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    before = names(runtime)
    assert [actor.add() for _ in range(5)] == [2, 3, 4, 5, 6]  # each could not be saved
    try:
        jactors.checkpoint(actor)
        raise AssertionError("a full disk took a checkpoint")
    except CheckpointError as error:
        assert "No space left" in str(error)
    try:
        jactors.remote(Keeper).remote(os.urandom(10)).add()
        raise AssertionError("a full disk took an actor")
    except (OSError, ActorError) as error:
        assert "No space left" in str(error), error
    print("a line for the log of a full disk")
    assert names(runtime) == before
    filler.unlink()
    assert actor.add() == 7
    os.kill(actor.pid(), signal.SIGKILL)
    while True:
        try:
            assert actor.add() == 8
            break
        except ActorError:
            pass
    assert jactors.remote(Worker).remote().add() == 1
    jactors.shutdown()
    assert [name for name in names(runtime) if "ledger" not in name] == []
    return {"calls_while_full": 5}


@scenario(1, 1, mounts=True)
def disk_too_small_or_read_only(_):
    """`init` says that there is no room, or no right to write, and leaves nothing."""
    runtime = os.environ["JUPYTER_RUNTIME_DIR"]
    told = []
    for options in ("size=64k,mode=700", "size=1m,mode=700,ro"):
        mount(runtime, "-o", options)
        begun = time.perf_counter()
        try:
            jactors.init(num_cpus=1)
            raise AssertionError("started all the same")
        except OSError as error:
            assert runtime in str(error) and "JUPYTER_RUNTIME_DIR" in str(error), error
            told.append(error.errno)
        assert time.perf_counter() - begun < 5
        assert [name for name in names(runtime) if "ledger" not in name] == []
    assert told == [errno.ENOSPC, errno.EROFS]
    return {"refused": "no room, read-only"}


# ---------------------------------------------------------------- descriptors


@scenario(256, 160)
def descriptors(limit):
    """So many descriptors: what is too much fails with an error that says so, the rest goes on, and it recovers."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    jactors.init(num_cpus=2)
    first = jactors.remote(Worker).remote()
    assert first.add() == 1
    made, refused = [], ""
    while not refused:
        try:
            made.append(jactors.remote(Worker).remote())
        except OSError as error:
            assert error.errno == errno.EMFILE
            refused = str(error)
        if len(made) > limit:  # the supervisor has had its share before the driver: those actors say so
            break
    ends = {"answered": 0, "refused": 0}
    for actor in made:
        try:
            assert jactors.get(actor.add.remote(), timeout=30) == 1
            ends["answered"] += 1
        except ActorError as error:
            assert "Too many open files" in str(error), error
            ends["refused"] += 1
    assert first.add() == 2 and ends["answered"]
    for actor in made:
        jactors.kill(actor)
    made.clear()
    deadline = time.monotonic() + 30
    while True:
        try:
            assert jactors.get(jactors.remote(Worker).remote().add.remote(), timeout=30) == 1
            break
        except (OSError, ActorError):
            assert time.monotonic() < deadline, "it does not recover"
    assert first.add() == 3
    return ends


# ---------------------------------------------------------------- output and results that nobody takes


class Chatty(Worker):
    def flood(self, lines):
        for line in range(lines):
            print("line", line, "of a flood")
        return lines

    def stream(self, n, size):
        for _ in range(n):
            yield bytes(size)


@scenario(1_000_000, 5_000)
def flood(n):
    """So many lines printed by one call: all arrive in a script, in order, and memory stays."""
    code = (
        "import jactors, sys\n"
        "from tests.load.shortages import Chatty, Peak\n"
        "import os, json\n"
        "jactors.init(num_cpus=2)\n"
        "actor = jactors.remote(Chatty).remote()\n"
        "pid = actor.pid()\n"
        "with Peak(os.getpid()) as here, Peak(pid) as there:\n"
        f"    assert actor.flood({n}) == {n}\n"
        "print(json.dumps([here.grown, there.grown]), file=sys.stderr)\n"
        "jactors.shutdown()\n"
    )
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    count = 0
    for line in process.stdout:
        assert f") line {count} of a flood" in line, line
        count += 1
    here, there = json.loads(process.stderr.read().splitlines()[-1])
    assert process.wait() == 0 and count == n
    process.stdout.close()
    process.stderr.close()
    assert max(here, there) < 100, (here, there)
    return {"lines_a_second": n / (time.perf_counter() - begun), "driver_mb": here, "actor_mb": there}


@scenario(20, 0.5)
def slow_consumer(seconds):
    """A driver is stopped (SIGSTOP) while its actor floods and answers: nothing is lost, and the actor goes on."""
    lines = int(seconds * 10_000)
    code = (
        "import jactors, sys, os\n"
        "from tests.load.shortages import Chatty\n"
        "jactors.init(num_cpus=2)\n"
        "actor = jactors.remote(Chatty).remote()\n"
        "print('pid', actor.pid(), flush=True)\n"
        "refs = [actor.add.remote() for _ in range(20_000)]\n"
        f"refs += [actor.flood.remote({lines})]\n"
        "refs += [actor.add.remote() for _ in range(20_000)]\n"
        "got = jactors.get(refs)\n"
        f"assert got == [*range(1, 20_001), {lines}, *range(20_001, 40_001)]\n"
        "print('complete', flush=True)\n"
        "jactors.shutdown()\n"
    )
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=subprocess.STDOUT, text=True)
        pid = None
        while pid is None:
            assert process.poll() is None
            out.seek(0)
            pid = next((int(line.split()[1]) for line in out if line.startswith("pid ") and line.endswith("\n")), None)
            time.sleep(0.01)
        with Peak(pid) as peak:
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(process.pid, signal.SIGCONT)
            assert process.wait(300) == 0
        out.seek(0)
        text = out.read()
    shown = sum("of a flood" in line for line in text.splitlines())
    assert text.rstrip().endswith("complete"), text[-1000:]
    assert peak.grown < 200, peak.grown
    return {"stopped_s": seconds, "actor_mb": peak.grown, "lines_shown": shown, "of": lines}


@scenario(2_000, 400)
def slow_reader_of_a_stream(n):
    """A generator's values are taken slowly: all come; with back-pressure neither side holds more than it says."""
    actor = jactors.remote(Chatty).remote()
    pid = actor.pid()
    size, ahead = 100_000, 50

    def read(**options):
        with Peak(os.getpid(), pid) as peak:
            taken = 0
            for ref in actor.stream.options(**options).remote(n, size):
                assert len(jactors.get(ref)) == size
                taken += 1
                if taken % 100 == 0:
                    time.sleep(0.05)
        assert taken == n
        return peak.grown

    held = read(_generator_backpressure_num_objects=ahead)
    free = read()
    assert held < 10 + 4 * ahead * size / MB, held  # in the actor, on the way and here
    return {"mb": n * size / MB, "grown_mb": held, "without_back_pressure_mb": free}
