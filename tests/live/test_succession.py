"""The succession: what becomes of a session whose supervisor is killed (section 4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from jactors.places import base_dir
from jactors.vitals import process_alive, start_time
from tests.live.conftest import gone
from tests.live.remains import CLEAN, FEW, left_of, told_by

TIMEOUT = 30

pytestmark = pytest.mark.usefixtures("swept")


def test_kill_9_of_the_supervisor(start):
    driver = start(
        FEW
        + """
sys.stdin.readline()
for ref in [*hanging, *busy, actors[0].pid.remote()]:
    try: jactors.get(ref, timeout=20)
    except jactors.exceptions.ActorDiedError as error: print("supervisor" in str(error), flush=True)
    except BaseException as error: print(repr(error), flush=True)
jactors.shutdown()
jactors.init(INIT)
print(type(Actor.remote().pid()).__name__)
try: actors[0].pid()
except jactors.exceptions.ActorDiedError: print("still dead")
"""
    )
    told = told_by(driver)
    os.kill(told["pids"][-1], signal.SIGKILL)
    assert gone(*told["pids"][:-1], timeout=CLEAN) == []  # the supervisor itself is its driver's to reap
    driver.stdin.write("\n")
    driver.stdin.flush()
    out, err = driver.communicate(timeout=TIMEOUT)
    # three hang, one is busy and one call comes after
    assert out.split("\n") == ["True"] * 5 + ["int", "still dead", ""], err
    assert left_of(told["session"]) == []


def test_a_session_gets_another_supervisor_by_itself(run):
    """What is new works at once, what may restart comes back with its state, what was put or returned is there."""
    code, out, err = run(
        """
        import json, os, jactors
        @jactors.remote
        class A:
            def __init__(self): self.n = 0
            def add(self): self.n += 1; return self.n
            def got(self, box): return jactors.get(box[0])
        @jactors.remote
        def twice(x): return 2 * x
        def kill():
            os.kill(json.load(open(context["session_dir"] + "/supervisor"))["pid"], 9)
        context = jactors.init(INIT, num_cpus=2)
        box, result = [jactors.put("put" * 1_000_000)], twice.remote(2)
        jactors.get(result)
        again = dict(max_restarts=1, max_task_retries=-1)
        a, b, c = A.options(name="a").remote(), A.options(name="b", checkpoint=1, **again).remote(), A.remote()
        big = A.options(num_cpus=2, **again).remote()
        jactors.get([x.add.remote() for x in (a, b, c, big)])
        kill()
        print(A.options(name="a").remote().add(), b.add(), jactors.get_actor("b").add(), big.add())
        print(jactors.available_resources().get("CPU", 0), jactors.get(result), len(jactors.get(box[0])))
        print(len(A.remote().got(box)), type(box).__name__)
        for each in (a, c):
            try: each.add()
            except jactors.exceptions.ActorDiedError as error: print("supervisor" in str(error))
        del big
        print(jactors.get(twice.options(num_cpus=2).remote(4)))
        kill()
        print(jactors.get([twice.remote(i) for i in range(3)]), A.options(name="b").remote().add())
        try: b.add()
        except jactors.exceptions.ActorDiedError as error: print("restarts used: 1 of 1" in str(error))
        """
    )
    assert code == 0, err
    assert out.splitlines() == [
        "1 2 3 1",
        "0 4 3000000",
        "3000000 list",
        "True",
        "True",
        "8",
        "[0, 2, 4] 1",
        "True",
    ]
    assert len([line for line in err.splitlines() if "another one, pid" in line]) == 2, err


def test_a_supervisor_that_is_told_to_end_ends_its_actors_for_good_and_the_session_goes_on(run):
    code, out, err = run(
        """
        import json, os, signal, jactors
        @jactors.remote(max_restarts=-1)
        class A:
            def one(self): return 1
        session = jactors.init(INIT)
        a = A.options(name="a").remote()
        a.one()
        os.kill(json.load(open(session["session_dir"] + "/supervisor"))["pid"], signal.SIGTERM)
        while True:
            try: a.one()
            except jactors.exceptions.ActorUnavailableError: pass
            except jactors.exceptions.ActorDiedError as error:
                print("supervisor" in str(error))
                break
        print(A.options(name="a").remote().one(), os.path.exists(session["session_dir"]))
        """
    )
    assert (code, out.split()) == (0, ["True", "1", "True"]), err


def test_names_are_free_when_the_supervisor_was_killed(run):
    code, out, err = run(
        """
        import json, os, jactors
        @jactors.remote
        class A:
            def one(self): return 1
        context = jactors.init(INIT, namespace="supervisor-killed")
        a = A.options(name="a").remote(); a.one()
        os.kill(json.load(open(context["session_dir"] + "/supervisor"))["pid"], 9)
        try:
            while True: a.one()
        except jactors.exceptions.ActorDiedError: print("died")
        jactors.shutdown()
        jactors.init(INIT, namespace="supervisor-killed")
        print(A.options(name="a").remote().one())
        """
    )
    assert (code, out) == (0, "died\n1\n"), err


def test_names_of_a_killed_supervisor_leave_no_file(run):
    code, _, err = run(
        """
        import json, os, jactors
        @jactors.remote
        class A:
            def one(self): return 1
        context = jactors.init(INIT, namespace="left-behind")
        a = A.options(name="a").remote(); a.one()
        os.kill(json.load(open(context["session_dir"] + "/supervisor"))["pid"], 9)
        try:
            while True: a.one()
        except jactors.exceptions.ActorDiedError: pass
        """
    )
    assert code == 0, err
    assert list((base_dir() / "names" / "left-behind").glob("*.json")) == []


def test_a_supervisor_that_nobody_has_reaped_is_not_alive():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    started = start_time(child.pid)
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.002)
    assert not process_alive(child.pid, started)
    child.wait()


def test_shutdown_right_after_the_supervisor_was_killed_leaves_no_file(run):
    code, out, err = run(
        """
        import json, os, jactors
        @jactors.remote
        class A:
            def one(self): return 1
        context = jactors.init(INIT)
        A.remote().one()
        os.kill(json.load(open(context["session_dir"] + "/supervisor"))["pid"], 9)
        jactors.shutdown()
        print(context["address"])
        """
    )
    assert code == 0, err
    assert left_of(out.strip()) == []
