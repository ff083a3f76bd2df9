"""Supervision: stopped, hung, out of memory, crashing over and over (FAULTS.md, rows 3, 4, 5 and 12)."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from pathlib import Path

import pytest

import jactors
from jactors import exceptions
from jactors.util.state import list_actors
from tests.live.conftest import PATIENCE, gone, until

HANG = 0.6


@jactors.remote
class Patient:
    def __init__(self, crash=None):
        if crash is not None:
            with open(crash, "a") as runs:
                runs.write("x")
            os._exit(4)
        self.n = 0

    def pid(self):
        return os.getpid()

    def add(self):
        self.n += 1
        return self.n

    def hang(self):
        self.into_native_code()

    def into_native_code(self):
        library = ctypes.PyDLL(None)  # whose functions hold the interpreter's lock
        mutex = ctypes.create_string_buffer(64)
        library.pthread_mutex_lock(mutex)
        library.pthread_mutex_lock(mutex)  # for ever, whatever signals come

    def compute(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        return "computed"

    def eat(self):
        print("eating", flush=True)
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1 << 20)) * 8)

    def die(self, code):
        print("code", code, flush=True)
        os._exit(code)


def told(handle):
    return jactors.session.current().links.told[handle._actor_id.hex()]


def back(handle):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return handle.pid()
        except exceptions.ActorUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.005)


# ---------------------------------------------------------------- stopped


def test_a_stopped_actor_is_no_dead_one(session, caplog):
    actor = Patient.options(name="stopped", max_restarts=1).remote()
    pid = actor.pid()
    with caplog.at_level(logging.WARNING, logger="jactors"):
        os.kill(pid, signal.SIGSTOP)
        until(lambda: told(actor)["stopped"])
    assert f"Patient stopped is stopped: `kill -CONT {pid}` lets it go on" in caplog.text
    refs = [actor.add.remote() for _ in range(3)]
    with pytest.raises(exceptions.GetTimeoutError, match=f"stopped is stopped: `kill -CONT {pid}`"):
        jactors.get(refs, timeout=0.1)
    (state,) = list_actors(filters=[("name", "=", "stopped")], detail=True)
    assert state.state == "ALIVE" and "kill -CONT" in state.pending_reason
    os.kill(pid, signal.SIGCONT)
    assert jactors.get(refs, timeout=PATIENCE) == [1, 2, 3]  # none was lost, none ran twice
    until(lambda: not told(actor)["stopped"])
    assert (actor.pid(), told(actor)["restarts"]) == (pid, 0)
    jactors.kill(actor)


def test_a_stopped_actor_can_be_killed_and_restarted(session):
    actor = Patient.options(max_restarts=1).remote()
    pid = actor.pid()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: told(actor)["stopped"])
    jactors.kill(actor, no_restart=False)
    again = back(actor)
    assert again != pid and gone(pid) == []
    os.kill(again, signal.SIGSTOP)
    ref = actor.add.remote()
    jactors.kill(actor)
    with pytest.raises(exceptions.ActorDiedError, match=r"jactors\.kill"):
        jactors.get(ref, timeout=PATIENCE)
    assert gone(again) == []


# ---------------------------------------------------------------- hung


def test_a_hung_actor_is_killed_with_its_stack_and_restarts(session):
    actor = Patient.options(hang_timeout=HANG, max_restarts=1).remote()
    pid = actor.pid()
    with pytest.raises(exceptions.ActorUnavailableError) as caught:
        actor.hang()
    text = str(caught.value)
    assert "it hung: no Python code ran in it for" in text and "hang_timeout" in text
    assert " in into_native_code" in text and " in hang" in text  # innermost call first, from faulthandler
    assert back(actor) != pid
    with pytest.raises(exceptions.ActorDiedError, match=" in into_native_code"):
        actor.hang()


def test_busy_sleeping_and_waiting_actors_are_not_hung(session):
    actor = Patient.options(hang_timeout=HANG).remote()
    assert actor.compute(3 * HANG) == "computed"
    assert actor.__ray_call__(lambda self: time.sleep(2 * HANG)) is None


def test_a_stopped_actor_with_a_hang_timeout_is_hung_in_the_end(session):
    actor = Patient.options(hang_timeout=HANG).remote()
    os.kill(actor.pid(), signal.SIGSTOP)
    with pytest.raises(exceptions.ActorDiedError, match="it hung"):
        actor.add()


# ---------------------------------------------------------------- out of memory


@pytest.fixture
def small_group():
    """A control group of 150 MB, where this system lets us make one."""
    group = Path("/sys/fs/cgroup/memory") / f"jactors-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(150 << 20))
    except OSError:
        pytest.skip("needs a memory control group (v1) that can be written")
    yield group
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            group.rmdir()
            return
        except OSError:  # its last process is still leaving
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_an_oom_kill_is_called_by_its_name(session, small_group):
    actor = Patient.remote()
    (small_group / "cgroup.procs").write_text(str(actor.pid()))
    with pytest.raises(exceptions.ActorDiedError) as caught:
        actor.eat()
    assert "killed by SIGKILL" in str(caught.value) and "out of memory" in str(caught.value)


def test_a_kill_by_somebody_is_no_oom_kill(session):
    actor = Patient.remote()
    os.kill(actor.pid(), signal.SIGKILL)
    with pytest.raises(exceptions.ActorDiedError) as caught:
        actor.add()
    assert "reason:" not in str(caught.value)


# ---------------------------------------------------------------- over and over


def test_who_crashes_over_and_over_dies_with_the_first_and_the_last_cause(session, tmp_path):
    actor = Patient.options(max_restarts=-1, restart_intensity=2, restart_period=30).remote()
    for code in (3, 4):
        with pytest.raises(exceptions.ActorUnavailableError):
            actor.die(code)
        back(actor)
    with pytest.raises(exceptions.ActorDiedError) as caught:
        actor.die(5)
    text = str(caught.value)
    assert "it died 3 times within" in text and "first: exit code 3; last: exit code 5" in text
    deaths = told(actor)["deaths"]
    assert [(death["incarnation"], death["died_of"]) for death in deaths] == [
        (1, "exit code 3"),
        (2, "exit code 4"),
        (3, "exit code 5"),
    ]
    assert deaths[1]["last_output"].endswith("code 4\n") and deaths[0]["at"] <= deaths[2]["at"] <= time.time()


def test_a_call_that_crashes_whoever_runs_it_comes_to_an_end_whatever_its_retries(session):
    actor = Patient.options(max_restarts=-1, max_task_retries=-1, restart_intensity=2).remote()
    with pytest.raises(exceptions.ActorDiedError, match="it died 3 times within"):
        jactors.get(actor.die.remote(3), timeout=PATIENCE)


def test_an_init_that_crashes_does_not_spin_and_disturbs_nobody(session, tmp_path):
    other = Patient.remote()
    runs = tmp_path / "runs"
    actor = Patient.options(max_restarts=-1, restart_intensity=3).remote(str(runs))
    ref = actor.pid.remote()
    assert [other.add() for _ in range(100)] == list(range(1, 101))
    with pytest.raises(exceptions.ActorDiedError, match="it died 4 times within"):
        jactors.get(ref, timeout=PATIENCE)
    assert runs.read_text() == "xxxx"
