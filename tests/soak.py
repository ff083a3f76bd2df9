"""Rolling chaos: ``python -m tests.soak --minutes 10 --seed 1``.

Callers in threads, in other processes and in actors make random calls; meanwhile actors are killed, stopped,
interrupted, killed for good and replaced, calls are cancelled, supervisors are killed, and drivers come and go, some
of them by kill -9: these leave detached actors behind, which the next ones find by name. All that is decided by the
seed; what happens at the same moment is not. In the end nothing may be lost (a call that has not ended), doubled (one
that ran more often than its retries allow) or leaked (a process, a file, a thread).

    0 lost, 0 doubled, 0 other complaints, 0 leaked
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

NAMESPACE = "soak"

#: Seconds for the last calls to end, and for all processes to be gone.
PATIENCE = 20

#: Descriptors that stay for good: zmq's own context for frames that are not copied, a waiter of the main thread.
SPARE = 20

#: kind, max_restarts, max_task_retries; the first ones have names, by which other drivers find them.
SLOTS = [
    ("sync", -1, 0),
    ("sync", -1, -1),
    ("threaded", -1, 2),
    ("async", -1, 1),
    ("sync", 3, 0),
    ("sync", 0, 0),
    ("threaded", 0, 0),
    ("async", -1, 0),
]
NAMED = 4

#: Detached ones: made by drivers that come and go, by whichever is first.
LASTING = [("sync", -1, -1), ("threaded", -1, 0), ("async", 5, 2), ("sync", 0, 0)]

#: Seconds between two kills of a supervisor: a session that loses more than ten in a minute gives up.
REIGN = 8.0


class Stage:
    """The actors there are: a slot's actor is replaced when it has died."""

    def __init__(self, ledger):
        from tests.faults.witness import KINDS

        self._kinds = KINDS
        self._ledger = str(ledger)
        self._lock = threading.Lock()
        self._handles = [None] * len(SLOTS)
        self.made = 0
        for slot in range(len(SLOTS)):
            self.replace(slot, None)

    def replace(self, slot, dead):
        """Put another actor in the place of `dead`, unless somebody has."""
        if slot >= len(SLOTS):
            return  # the next driver makes another
        kind, restarts, retries = SLOTS[slot]
        with self._lock:
            if self._handles[slot] is not dead:
                return
            options = {"max_restarts": restarts, "max_task_retries": retries, "namespace": NAMESPACE}
            if slot < NAMED:
                options |= {"name": f"actor{slot}", "get_if_exists": True}
            self._handles[slot] = self._kinds[kind].options(**options).remote(self._ledger)
            self.made += 1

    def handle(self, slot):
        return self._handles[slot]


def lasting(number):
    """Return the detached actor of this number; None where nobody has made one, or it has just ended."""
    import jactors

    try:
        return jactors.get_actor(f"lasting{number}", namespace=NAMESPACE)
    except ValueError:
        return None


class Caller:
    """Makes random calls, one after the other, until it is told to stop."""

    def __init__(self, book, handles, randomly, folder):
        self.book, self._handles, self._random, self._folder = book, handles, randomly, folder
        self.errors = Counter()
        self.recent = []

    def act(self):
        """One burst of calls to one actor."""
        import jactors

        randomly = self._random
        slot, handle = self._handles(randomly)
        self.recent = refs = [self._call(handle) for _ in range(randomly.choice([1, 1, 3, 20, 60]))]
        match randomly.randrange(5):
            case 0:
                for ref in randomly.sample(refs, min(3, len(refs))):
                    jactors.cancel(ref)
            case 1:
                jactors.wait([refs[0]], timeout=randomly.random() * 0.02)
            case 2:
                return slot, handle  # they are not waited for
        for ref in refs:
            self._wait(ref)
        return slot, handle

    def _wait(self, ref):
        import jactors

        try:
            if hasattr(ref, "_stream"):
                for each in ref:
                    jactors.get(each, timeout=PATIENCE)
            else:
                jactors.get(ref, timeout=PATIENCE)
        except Exception as error:
            self.errors[type(error).__name__.partition("(")[0]] += 1

    def _call(self, handle):
        randomly, book = self._random, self.book
        dice = randomly.random()
        if dice < 0.70:
            return book.submit(handle, "work", b"x" * randomly.choice([0, 10, 100_000]))
        if dice < 0.85:
            return book.submit(handle, "spin", randomly.random() * 0.01)
        if dice < 0.95:
            return book.submit(handle, "values", randomly.randrange(20))
        if dice < 0.97:
            # Never again: one that kills whoever runs it would do so for ever where retries have no limit.
            return book.submit(handle, "misbehave", randomly.choice(["raise", "os._exit", "exit"]), retries=0)
        if dice < 0.985:
            return book.submit(handle, "child")
        _, other = self._handles(randomly)
        if other._actor_id == handle._actor_id:
            return book.submit(handle, "work")
        diary = str(self._folder / f"relay-{os.getpid()}-{time.monotonic_ns()}.diary")
        return book.submit(handle, "relay", other, randomly.randrange(8), diary)


class Soak:
    """The whole of it."""

    def __init__(self, folder, *, seconds, seed, callers=3):
        import jactors
        from tests.faults.witness import Book

        self.folder, self.seconds, self.seed = Path(folder), seconds, seed
        self.ledger = self.folder / "ledger"
        self.random = random.Random(seed)
        jactors.init(num_cpus=64, namespace=NAMESPACE)
        self.stage = Stage(self.ledger)
        self.stop = threading.Event()
        self.callers = [
            Caller(Book(self.ledger, f"main{i}"), self._choose, random.Random(f"{seed}/{i}"), self.folder)
            for i in range(callers)
        ]
        self.done = Counter()
        self.drivers = []
        self.stopped = []
        self.trouble = []
        self.kept = set()
        self.reign = time.monotonic()

    def _choose(self, randomly):
        slot = randomly.randrange(len(SLOTS) + len(LASTING))
        if slot >= len(SLOTS):
            handle = lasting(slot - len(SLOTS))
            if handle is not None:
                self.kept.add(handle._home.actor_id)
                return slot, handle
            slot = randomly.randrange(len(SLOTS))
        return slot, self.stage.handle(slot)

    def _run_caller(self, caller):
        import jactors

        while not self.stop.is_set():
            try:
                slot, handle = caller.act()
                if not self.stop.is_set() and self._dead(handle):
                    self.stage.replace(slot, handle)
            except jactors.exceptions.ActorDiedError:
                continue
            except Exception as error:
                self.trouble.append(f"{caller.book.caller}: {error!r}")
                raise

    @staticmethod
    def _dead(handle):
        import jactors

        return jactors.session.current().links.told.get(handle._home.actor_id, {}).get("state") == "DEAD"

    def _pid(self, handle):
        import jactors

        told = jactors.session.current().links.told.get(handle._home.actor_id, {})
        return told.get("pid") if told.get("state") == "ALIVE" else None

    def run(self):
        threads = [threading.Thread(target=self._run_caller, args=[caller]) for caller in self.callers]
        for thread in threads:
            thread.start()
        until = time.monotonic() + self.seconds
        try:
            while time.monotonic() < until and not self.trouble:
                self._disturb()
                time.sleep(self.random.random() * 0.1)
        finally:
            self.stop.set()
            for pid, _ in self.stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            for thread in threads:
                thread.join(PATIENCE)
            self._see_drivers_off()

    def _disturb(self):
        import jactors

        now = time.monotonic()
        for pid, due in list(self.stopped):
            if due <= now:
                self.stopped.remove((pid, due))
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        slot, handle = self._choose(self.random)
        what = self.random.choices(
            ["SIGKILL", "kill", "kill for good", "interrupt", "cancel", "stop", "driver", "supervisor", "nothing"],
            [6, 4, 1, 20, 20, 2, 2, 2, 5],
        )[0]
        match what:
            case "SIGKILL" | "stop":
                pid = self._pid(handle)
                if pid is None:
                    return
                with suppress(ProcessLookupError):
                    if what == "SIGKILL":
                        os.kill(pid, signal.SIGKILL)
                    else:
                        os.kill(pid, signal.SIGSTOP)
                        self.stopped.append((pid, now + self.random.random()))
            case "kill":
                jactors.kill(handle, no_restart=False)
            case "kill for good":
                jactors.kill(handle)
                self.stage.replace(slot, handle)
            case "interrupt":
                jactors.interrupt(handle)
            case "cancel":
                recent = self.random.choice(self.callers).recent
                if not recent:
                    return
                jactors.cancel(self.random.choice(recent))
            case "driver":
                self._see_drivers_off(wait=False)
                if len(self.drivers) >= 2:
                    return
                self._new_driver()
            case "supervisor":
                if now < self.reign + REIGN or not self._kill_supervisor(slot):
                    return
                self.reign = now
        self.done[what] += 1

    def _kill_supervisor(self, slot):
        """Kill the supervisor of an actor; return whether there was one."""
        import jactors
        from jactors import registry
        from jactors.succession import reigning

        if slot >= len(SLOTS):
            told = registry.lookup(NAMESPACE, f"lasting{slot - len(SLOTS)}")
            pid = told and told["supervisor_pid"]
        else:
            told = reigning(jactors.session.current().folder)
            pid = told and told["pid"]
        with suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def _new_driver(self):
        name = f"driver{self.done['driver']}"
        command = [sys.executable, "-m", "tests.soak", "--driver", name, "--folder", str(self.folder)]
        command += ["--seconds", str(self.random.random() * 4), "--seed", f"{self.seed}"]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        killed_at = time.monotonic() + 1 + self.random.random() * 4 if self.random.random() < 0.4 else None
        self.drivers.append((name, process, killed_at))

    def _see_drivers_off(self, *, wait=True):
        for entry in list(self.drivers):
            name, process, killed_at = entry
            if killed_at is not None and (time.monotonic() >= killed_at or wait):
                process.kill()
            if wait or process.poll() is not None:
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    self.trouble.append(f"{name} did not end")
                    process.kill()
                    process.wait()
                self.drivers.remove(entry)
                if process.returncode == -signal.SIGKILL:
                    self.done["drivers killed"] += 1
                elif process.returncode:
                    self.trouble.append(f"{name} ended with {process.returncode}: see {self.folder / name}.log")

    def end_lasting(self):
        """Detached actors end when somebody ends them."""
        import jactors

        for number in range(len(LASTING)):
            handle = lasting(number)
            if handle is not None:
                jactors.kill(handle)

    def judge(self):
        """Return what is wrong: calls that have not ended, and the oracle's complaints; and the figures."""
        from tests.faults.oracle import complaints
        from tests.faults.witness import read_diary, read_ledger, until

        books = [caller.book for caller in self.callers]
        with suppress(AssertionError):
            until(lambda: not any(book.unended() for book in books), "the end of all calls", PATIENCE)
        fates = [fate for book in books for fate in book.fates()]
        lost = [f"{fate.call}: {self._where(fate)}" for fate in fates if not fate.ends]
        for path in self.folder.glob("*.diary"):
            fates += read_diary(path)
        runs = read_ledger(self.ledger)
        lines = complaints(fates, runs)
        doubled = [line for line in lines if " times, " in line]
        ends = Counter("value" if fate.ends[0][0] else str(fate.ends[0][1]) for fate in fates if fate.ends)
        ends["nobody waits"] = sum(fate.orphaned for fate in fates)
        figures = {
            "calls": len(fates),
            "runs": len(runs),
            "ends": dict(ends.most_common()),
            "actors": self.stage.made,
            "detached": len(self.kept),
            "incarnations": len({(run.actor, run.incarnation) for run in runs}),
            "disturbances": dict(self.done.most_common()),
        }
        return lost, doubled, [line for line in lines if line not in doubled], figures

    @staticmethod
    def _where(fate):
        """Say where a call hangs."""
        import jactors

        links = jactors.session.current().links
        told = links.told.get(fate.actor, {})
        calls = [sent for actor, _, sent in links.calls() if actor == fate.actor]
        known = {name: told.get(name) for name in ("state", "incarnation", "pid", "reason", "killed")}
        return f"one of {sum(calls)} sent and {len(calls) - sum(calls)} waiting calls, {fate}, {known}"


def driver(name, folder, seconds, seed):
    """Another driver: a session of its own, and calls of the actors that have names."""
    import jactors
    from tests.faults.witness import KINDS, Book

    jactors.init(num_cpus=2, namespace=name)
    randomly = random.Random(f"{seed}/{name}")
    for number, (kind, restarts, retries) in enumerate(LASTING):
        options = {"max_restarts": restarts, "max_task_retries": retries, "lifetime": "detached"}
        options |= {"name": f"lasting{number}", "namespace": NAMESPACE, "get_if_exists": True, "num_cpus": 0}
        KINDS[kind].options(**options).remote(str(Path(folder) / "ledger"))
    book = Book(Path(folder) / "ledger", name, Path(folder) / f"{name}.diary")

    def choose(randomly):
        while True:
            slot = randomly.randrange(NAMED + len(LASTING))
            with suppress(ValueError):  # it is being replaced
                if slot < NAMED:
                    return slot, jactors.get_actor(f"actor{slot}", namespace=NAMESPACE)
                handle = lasting(slot - NAMED)
                if handle is not None:
                    return slot, handle

    caller = Caller(book, choose, randomly, Path(folder))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        caller.act()
    deadline = time.monotonic() + PATIENCE
    while book.unended() and time.monotonic() < deadline:
        time.sleep(0.01)
    left = book.unended()
    jactors.shutdown()
    if left:
        sys.exit(f"{name}: {len(left)} calls did not end: {left[:5]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--driver", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)
    seconds = given.minutes * 60 if given.seconds is None else given.seconds
    if given.driver:
        driver(given.driver, given.folder, seconds, given.seed)
        return 0

    root = Path(tempfile.mkdtemp(prefix="jx"))  # short: unix socket paths end at 107 bytes
    os.environ["JUPYTER_RUNTIME_DIR"] = str(root / "r")
    (root / "r").mkdir(mode=0o700)
    import jactors
    from jactors.places import base_dir
    from jactors.testing import Census, LeakError

    before = Census.take([base_dir()])
    started = time.monotonic()
    soak = Soak(root, seconds=seconds, seed=given.seed)
    try:
        soak.run()
        lost, doubled, other, figures = soak.judge()
    finally:
        soak.end_lasting()
        jactors.shutdown()
    try:
        Census.wait_clean(before, timeout=PATIENCE, spare_descriptors=SPARE)
        leaked = []
    except LeakError as error:
        leaked = str(error).splitlines()[1:]
    errors = sum((caller.errors for caller in soak.callers), Counter())
    figures |= {"seconds": round(time.monotonic() - started), "seed": given.seed, "seen by get": dict(errors)}
    print(json.dumps(figures, indent=2))
    for line in (*soak.trouble, *lost[:20], *doubled[:20], *other[:20], *leaked):
        print(line)
    print(f"{len(lost)} lost, {len(doubled)} doubled, {len(other)} other complaints, {len(leaked)} leaked", flush=True)
    bad = bool(soak.trouble or lost or doubled or other or leaked)
    if bad:
        print(f"see {root}")
    else:
        shutil.rmtree(root)
    return int(bad)


if __name__ == "__main__":
    assert psutil.LINUX, "it stops processes with signals"
    sys.exit(main())
