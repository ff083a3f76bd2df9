"""Ends: nothing outlives its driver, however it ends; nothing hangs when the supervisor does (section 4)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
from jupyter_core.paths import jupyter_runtime_dir

import jactors
from jactors import registry
from jactors.places import base_dir, remove_session
from jactors.vitals import process_alive, start_time
from tests.live.conftest import gone, until_exists

TIMEOUT = 30
#: Seconds that a session has, after its driver, to be gone. What the issue promises, not a timing.
CLEAN = 3.0


def left_of(session):
    """Files of a session that has ended."""
    runtime = Path(jupyter_runtime_dir())
    return [str(path) for path in [*runtime.glob(f"jactors-{session}-*"), *base_dir().glob(session)]]


def assert_clean(told, timeout=CLEAN):
    """No process of `told["pids"]`, no file of its session."""
    deadline = time.monotonic() + timeout
    assert gone(*told["pids"], timeout=timeout) == []
    while left := left_of(told["session"]):
        assert time.monotonic() < deadline, left
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def swept():
    """What a test was about, and has been looked at, does not count against the module."""
    yield
    for path in (base_dir() / "names").glob("*/*.json"):
        if registry.lookup(unquote(path.parent.name), unquote(path.stem)) is None:
            path.unlink()
    for path in base_dir().glob("*/supervisor"):
        known = json.loads(path.read_text())
        if not process_alive(known["pid"], known["started"]):
            remove_session(path.parent.name)


TWENTY = """
import ctypes, json, os, subprocess, sys, time
import jactors

context = jactors.init(INIT, num_cpus=20)

@jactors.remote
class Actor:
    def pid(self):
        return os.getpid()
    def child(self):
        # A child that leaves the process group and the session, with nothing but its environment to know it by.
        self.child = subprocess.Popen(["setsid", "sleep", "1000"])
        return self.child.pid
    def grandchild(self):
        code = "import subprocess as s; print(s.Popen(['sleep', '1000'], stdout=s.DEVNULL, start_new_session=True).pid)"
        return int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE).stdout)
    def hang(self):
        ctypes.PyDLL(None).sleep(1000)  # native, and holds the GIL
    def busy(self):
        while True: pass
    def ignore(self):
        import signal
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(signum, signal.SIG_IGN)

actors = [Actor.options(name=f"actor{i}").remote() for i in range(20)]
pids = jactors.get([actor.pid.remote() for actor in actors])
pids += jactors.get([actor.child.remote() for actor in actors[:5]])
pids += jactors.get([actor.grandchild.remote() for actor in actors[5:7]])
jactors.get([actor.ignore.remote() for actor in actors[:8]])
hanging = [actor.hang.remote() for actor in actors[:3] + actors[10:12]]
busy = [actor.busy.remote() for actor in actors[3:5]]
supervisor = json.load(open(context["session_dir"] + "/supervisor"))["pid"]
pids.append(supervisor)
print(json.dumps({"pids": pids, "session": context["address"], "folder": context["session_dir"]}), flush=True)
"""


#: The same with four actors, of which three hang and one is busy.
FEW = TWENTY.replace("range(20)", "range(4)")


def told_by(driver):
    line = driver.stdout.readline()
    assert line, driver.stderr.read()
    return json.loads(line)


# ---------------------------------------------------------------- the driver ends


def test_kill_9_of_the_driver_leaves_nothing(start):
    driver = start(TWENTY + "\nsys.stdin.read()")
    told = told_by(driver)
    assert len(left_of(told["session"])) == 21  # it looks where the files are
    driver.kill()
    driver.wait()
    assert_clean(told)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("", 0),
        ("raise RuntimeError('the driver fails')", 1),
        ("sys.exit(7)", 7),
        ("jactors.shutdown()", 0),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), 15)", -15),
        ("os.kill(os.getpid(), 1)", -1),
    ],
    ids=["end", "exception", "sys.exit", "shutdown", "os._exit", "SIGTERM", "SIGHUP"],
)
def test_however_a_driver_ends_nothing_is_left(start, last, code):
    few = FEW
    driver = start(few + "\n" + last)
    told = told_by(driver)
    _, err = driver.communicate(timeout=TIMEOUT)
    assert driver.returncode == code, err
    assert_clean(told)


def test_a_driver_that_has_only_imported_starts_nothing(run):
    code, out, err = run(
        """
        import os, jactors
        @jactors.remote
        class A: pass
        print(jactors.is_initialized(), os.path.exists(os.environ["JUPYTER_RUNTIME_DIR"] + "/jactors/nothing"))
        jactors.shutdown()
        """
    )
    assert (code, out) == (0, "False False\n"), err


def test_a_forked_child_of_the_driver_ends_nothing(run):
    code, out, err = run(
        """
        import os, jactors
        jactors.init(INIT)
        @jactors.remote
        class A:
            def one(self): return 1
        a = A.remote(); a.one()
        pid = os.fork()
        if pid == 0:
            del a
            jactors.shutdown()
            raise SystemExit(0)
        os.waitpid(pid, 0)
        print(a.one())
        """
    )
    assert (code, out) == (0, "1\n"), err


def test_a_forked_child_that_lives_on_does_not_hold_the_session(start):
    driver = start(FEW + "\nif os.fork() == 0: time.sleep(60)\nsys.stdin.read()")
    told = told_by(driver)
    driver.kill()
    driver.wait()
    assert_clean(told)


def test_init_and_shutdown_again_and_again(run):
    code, out, err = run(
        """
        import os, jactors
        @jactors.remote
        class A:
            def one(self): return 1
        seen = set()
        for _ in range(4):
            seen.add(jactors.init(INIT)["address"])
            actors = [A.remote() for _ in range(2)]
            assert [actor.one() for actor in actors] == [1, 1]
            jactors.shutdown()
        print(len(seen))
        """
    )
    assert (code, out) == (0, "4\n"), err


# ---------------------------------------------------------------- the supervisor ends


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


# ---------------------------------------------------------------- an actor ends


@jactors.remote
class Parent:
    def pid(self):
        return os.getpid()

    def child(self):
        import subprocess

        return subprocess.Popen(["setsid", "sleep", "1000"]).pid

    def pool(self):
        import multiprocessing

        self.pool = multiprocessing.get_context("fork").Pool(2)
        return self.pool.map(_pid, range(8))

    def actor(self):
        self.made = Parent.remote()
        return self.made, self.made.pid()

    def note(self, path, text):
        with open(path, "a") as file:
            file.write(text)
        return text

    def wait_for(self, ready, path):
        open(ready, "w").close()
        while not os.path.exists(path):
            time.sleep(0.002)

    def boom(self):
        raise ValueError("boom")


def _pid(_):
    return os.getpid()


@pytest.mark.parametrize("how", ["kill", "SIGKILL", "exit", "handle"])
def test_what_an_actor_started_dies_with_it(session, how):
    parent = Parent.remote()
    pid, child = parent.pid(), parent.child()
    pool = parent.pool() if how in ("kill", "SIGKILL") else []
    if how == "kill":
        jactors.kill(parent)
    elif how == "SIGKILL":
        os.kill(pid, signal.SIGKILL)
    elif how == "exit":
        parent.__ray_terminate__.remote()
    else:
        del parent
    assert gone(pid, child, *pool, timeout=CLEAN) == []


def test_a_fork_of_an_actor_ends_by_sigterm(session):
    """As multiprocessing ends the workers of a pool: one that does not keeps the actor from leaving."""
    parent = Parent.remote()
    worker = parent.pool()[0]
    os.kill(worker, signal.SIGTERM)
    assert gone(worker, timeout=CLEAN) == []


def test_actors_of_an_actor_die_with_it(session):
    parent = Parent.remote()
    made, pid = parent.actor()
    jactors.kill(parent)
    assert gone(pid) == []
    with pytest.raises(jactors.exceptions.ActorDiedError, match="its owner has died"):
        made.pid()


def test_dropping_the_last_handle_ends_the_actor_after_its_calls(session, tmp_path):
    parent = Parent.remote()
    pid = parent.pid()
    refs = [parent.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))]
    refs += [parent.note.remote(str(tmp_path / "log"), str(i)) for i in range(5)]
    until_exists(tmp_path / "ready")
    del parent
    (tmp_path / "gate").touch()
    assert jactors.get(refs[1:], timeout=TIMEOUT) == list("01234")
    assert gone(pid) == [] and (tmp_path / "log").read_text() == "01234"


def test_a_handle_dropped_at_once_is_no_leak(session):
    before = len([a for a in actors_of(session) if a["state"] != "DEAD"])
    for _ in range(5):
        Parent.remote()
    deadline = time.monotonic() + TIMEOUT
    while len([a for a in actors_of(session) if a["state"] != "DEAD"]) > before:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_handle_that_a_failed_call_holds_is_let_go(session):
    parent = Parent.remote()
    pid = parent.pid()
    with pytest.raises(ValueError, match="boom"):
        parent.boom()
    del parent
    assert gone(pid) == []


def test_weak_handles_keep_nothing(session):
    parent = Parent.options(name="weak").remote()
    pid, found = parent.pid(), jactors.get_actor("weak")
    assert found.pid() == pid
    del parent
    assert gone(pid) == []
    with pytest.raises(jactors.exceptions.ActorDiedError):
        found.pid()
    with pytest.raises(ValueError):
        jactors.get_actor("weak")


def actors_of(session):
    return jactors.session.current().watch.request("list")["actors"]


# ---------------------------------------------------------------- another driver


def test_a_named_actor_is_found_by_another_driver(session, run):
    counter = Parent.options(name="shared", namespace="both").remote()
    pid = counter.pid()
    code, out, err = run(
        f"""
        import jactors
        jactors.init(INIT, namespace="both")
        found = jactors.get_actor("shared")
        print(found.pid() == {pid}, found._actor_id.hex())
        try: jactors.get_actor("sharde")
        except ValueError as error: print("'shared'" in str(error))
        try: found.boom()
        except ValueError as error: print("boom" in str(error))
        """
    )
    assert (code, out.splitlines()) == (0, [f"True {counter._actor_id.hex()}", "True", "True"]), err
    assert counter.pid() == pid  # the other driver's end is not its own


def test_another_driver_joins_the_session(session, run):
    counter = Parent.options(name="joined").remote()
    code, out, err = run(
        f"""
        import jactors
        context = jactors.init(address={session["address"]!r}, namespace={session["namespace"]!r})
        print(context["address"], jactors.get_actor("joined").pid(), jactors.cluster_resources()["GPU"])
        """
    )
    assert (code, out.split()) == (0, [session["address"], str(counter.pid()), "4.0"]), err


def test_a_session_that_is_not_there_cannot_be_joined(run):
    code, out, err = run(
        """
        import jactors
        try: jactors.init(address="nonsense")
        except ConnectionError as error: print("nonsense" in str(error))
        """
    )
    assert (code, out) == (0, "True\n"), err


def test_the_other_driver_dies_and_its_actor_with_it(session, start):
    driver = start(
        """
        import jactors, sys
        jactors.init(INIT, namespace="both")
        @jactors.remote
        class A:
            def one(self): return 1
            def hang(self):
                import time
                time.sleep(1000)
        a = A.options(name="theirs").remote()
        print(a.one(), flush=True)
        sys.stdin.read()
        """
    )
    assert driver.stdout.readline() == "1\n"
    theirs = jactors.get_actor("theirs", namespace="both")
    assert theirs.one() == 1
    ref = theirs.hang.remote()
    driver.kill()
    driver.wait()
    with pytest.raises(jactors.exceptions.ActorDiedError):
        jactors.get(ref, timeout=TIMEOUT)
    with pytest.raises(ValueError):
        jactors.get_actor("theirs", namespace="both")


def test_a_driver_that_joins_shares_resources_and_its_actors_end_with_it(session, run):
    """Sessions: init(address=…) joins another driver's session."""
    Parent.options(name="of-the-host", num_cpus=1).remote().pid()
    code, out, err = run(
        f"""
        import os, jactors
        jactors.init(address={session["address"]!r}, namespace={session["namespace"]!r})
        @jactors.remote(num_cpus=1)
        class Guest:
            def pid(self): return os.getpid()
        guest = Guest.remote()
        print(jactors.cluster_resources()["CPU"], guest.pid(), flush=True)
        os._exit(0)
        """
    )
    assert code == 0, err
    cpus, pid = out.split()
    assert float(cpus) == jactors.cluster_resources()["CPU"]
    assert gone(int(pid), timeout=CLEAN) == []
    with pytest.raises(AssertionError):
        while True:  # the process ends before the supervisor has said so
            told = jactors.session.current().watch.request("list")["actors"]
            assert {each["class_name"]: each["state"] for each in told}["Guest"] != "DEAD"
