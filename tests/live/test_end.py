"""Ends: nothing outlives its driver, however it ends, nor an actor what it has made (section 4)."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

import jactors
from tests.live.conftest import gone, until_exists
from tests.live.remains import CLEAN, FEW, TWENTY, assert_clean, left_of, told_by

TIMEOUT = 30

pytestmark = pytest.mark.usefixtures("swept")


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


# ---------------------------------------------------------------- an actor ends


@jactors.remote
class Parent:
    def pid(self):
        return os.getpid()

    def child(self):

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
