"""The commons: sessions as objects in one process, the file between them real."""

from __future__ import annotations

import fcntl
import json
import os
import random
import subprocess
import sys

import pytest

from jactors import commons
from jactors.commons import Commons
from jactors.ledger import Ledger
from jactors.vitals import start_time


@pytest.fixture
def session(tmp_path):
    """Make a session of the machine; its cores 0..n-1 and GPUs are physical where they are not stated."""

    def session(name, *, cores=4, gpus=(), num_cpus=None, num_gpus=None, pid=None):
        ledger = Ledger(cores=range(cores), gpus=gpus, num_cpus=num_cpus, num_gpus=num_gpus)
        devices = {gpu: f"GPU-uuid-{gpu}" for gpu in gpus}
        made = Commons(ledger, tmp_path, session=name, exclusive=num_cpus is None, devices=devices)
        if pid is not None:
            made._me.update(pid=pid, started=start_time(pid))
        return made

    return session


def recorded(tmp_path):
    return {
        record["session"]: record["grants"] for record in json.loads((tmp_path / "ledger.json").read_text())["sessions"]
    }


# ---- cores


def test_two_sessions_never_have_the_same_core(session):
    a, b = session("a"), session("b")
    assert a.reserve("x", {"CPU": 2}).cores == (0, 1)
    assert b.reserve("y", {"CPU": 1}).cores == (2,)
    assert b.available() == {"CPU": 1}
    assert a.available() == {"CPU": 1}
    assert b.reserve("z", {"CPU": 2}) is None


def test_who_waits_is_told_who_has_it_and_in_which_session(session):
    a, b = session("a"), session("b")
    a.reserve("x", {"CPU": 3}, label="Counter 'tally'")
    assert b.reserve("y", {"CPU": 2}) is None
    why = b.explain({"CPU": 2})
    assert why == f"waits for 2 CPU: 1 of 4 free; held by Counter 'tally' of session a, pid {os.getpid()} (3)"


def test_what_one_gives_back_another_notices(session):
    a, b = session("a"), session("b")
    a.reserve("x", {"CPU": 4})
    assert b.reserve("y", {"CPU": 1}) is None and not b.changed()
    a.release("x")
    assert b.changed()
    assert b.reserve("y", {"CPU": 1}).cores == (0,)


def test_fractions_are_not_pinned_and_concern_nobody_else(session, tmp_path):
    a, b = session("a"), session("b")
    assert a.reserve("x", {"CPU": 0.5}).cores == ()
    assert b.reserve("y", {"CPU": 4}).cores == (0, 1, 2, 3)
    assert list(recorded(tmp_path)) == ["b"]


def test_a_stated_count_waits_for_no_other_session_and_takes_free_cores_first(session):
    a, b, c = session("a", num_cpus=4), session("b", num_cpus=8), session("c")
    assert a.reserve("x", {"CPU": 3}).cores == (0, 1, 2)
    assert b.reserve("y", {"CPU": 2}).cores == (0, 3)
    assert b.reserve("z", {"CPU": 6}).cores == (0, 1, 2, 3)
    assert c.reserve("w", {"CPU": 1}) is None  # but whoever counts cores does not get one that is pinned


def test_sessions_with_other_cores_do_not_meet(session):
    a, b = session("a", cores=2), session("b", cores=4)
    assert b.reserve("y", {"CPU": 1}).cores == (0,)
    assert a.reserve("x", {"CPU": 1}).cores == (1,)
    assert b.reserve("z", {"CPU": 2}).cores == (2, 3)
    assert a.available() == {}


# ---- GPUs


def test_two_sessions_never_have_the_same_gpu(session):
    a, b = session("a", gpus=["0", "1"]), session("b", gpus=["0", "1"])
    assert a.reserve("x", {"GPU": 1}).gpus == ("0",)
    assert b.reserve("y", {"GPU": 1}).gpus == ("1",)
    assert b.reserve("z", {"GPU": 1}) is None
    assert "of session a" in b.explain({"GPU": 1})


def test_fractions_of_one_gpu_may_be_of_two_sessions(session):
    a, b = session("a", gpus=["0"]), session("b", gpus=["0"])
    assert a.reserve("x", {"GPU": 0.5}).gpus == b.reserve("y", {"GPU": 0.5}).gpus == ("0",)
    assert a.reserve("z", {"GPU": 0.25}) is None


def test_one_gpu_under_two_ids_is_one_gpu(session):
    a, b = session("a", gpus=["0", "1"]), session("b", gpus=["GPU-1"])
    b._devices["GPU-1"] = "GPU-uuid-1"
    assert b.reserve("y", {"GPU": 1}).gpus == ("GPU-1",)
    assert a.reserve("x", {"GPU": 1}).gpus == ("0",)
    assert a.reserve("z", {"GPU": 1}) is None


def test_fewer_stated_than_there_are_are_still_devices(session):
    four = ["0", "1", "2", "3"]
    a, b = session("a", gpus=four, num_gpus=2), session("b", gpus=four, num_gpus=2)
    assert a.reserve("x", {"GPU": 2}).gpus == ("0", "1")
    assert a.reserve("x2", {"GPU": 1}) is None
    assert b.reserve("y", {"GPU": 2}).gpus == ("2", "3")


def test_gpus_that_are_only_stated_are_each_sessions_own(session, tmp_path):
    a, b = session("a", num_gpus=4), session("b", num_gpus=4)
    assert a.reserve("x", {"GPU": 4}).gpus == b.reserve("y", {"GPU": 4}).gpus == ("0", "1", "2", "3")
    assert not (tmp_path / "ledger.json").exists() or recorded(tmp_path) == {}


# ---- the dead, the stopped, the broken


def test_what_a_dead_session_had_is_free(session, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    a, b = session("a", pid=child.pid), session("b")
    a.reserve("x", {"CPU": 4})
    assert b.reserve("y", {"CPU": 1}) is None and not b.changed()
    child.communicate()
    session("c").prune()
    assert recorded(tmp_path) == {}
    assert b.changed()
    assert b.reserve("y", {"CPU": 1}).cores == (0,)


def test_a_pid_that_is_used_again_is_no_holder(session):
    a, b = session("a"), session("b")
    a._me["started"] = "another boot:1"
    a.reserve("x", {"CPU": 4})
    assert b.reserve("y", {"CPU": 4}) is not None


def test_a_lock_that_is_held_for_ever_blocks_nobody_for_ever(session, tmp_path, monkeypatch):
    monkeypatch.setattr(commons, "PATIENCE", 0.01)
    a = session("a")
    with (tmp_path / "ledger.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert a.reserve("x", {"CPU": 1}) is None
        assert "holds locked" in a.explain({"CPU": 1}) and a.changed()  # so it is tried again
    assert a.reserve("x", {"CPU": 1}).cores == (0,)
    assert a.explain({"CPU": 1}) == ""


@pytest.mark.parametrize("text", ["", "{", '{"sessions": 1}', "[]"])
def test_a_file_that_makes_no_sense_is_begun_anew(session, tmp_path, text):
    (tmp_path / "ledger.json").write_text(text)
    (tmp_path / "ledger.json").chmod(0o600)
    assert session("a").reserve("x", {"CPU": 1}).cores == (0,)
    assert list(recorded(tmp_path)) == ["a"]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX modes")
def test_the_files_are_for_this_user_alone(session, tmp_path):
    session("a").reserve("x", {"CPU": 1})
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "ledger.json": 0o600,
        "ledger.lock": 0o600,
    }


def test_a_session_that_has_ended_is_not_in_the_file(session, tmp_path):
    a, b = session("a"), session("b")
    a.reserve("x", {"CPU": 1})
    b.reserve("y", {"CPU": 1})
    a.close()
    assert list(recorded(tmp_path)) == ["b"]


# ---- what it costs


def test_a_core_that_is_wanted_again_at_once_is_not_written_twice(session, tmp_path):
    a = session("a")
    due = []
    a.later = lambda delay, function: due.append(function)
    a.reserve("x", {"CPU": 1})
    stamp = a._stamp()
    for n in range(100):
        a.release("x" if n == 0 else f"x{n - 1}")
        assert a.reserve(f"x{n}", {"CPU": 1}).cores == (0,)
    assert a._stamp() == stamp and len(due) == 1
    b = session("b", cores=1)
    assert b.reserve("y", {"CPU": 1}) is None
    a.release("x99")
    due.pop()()
    assert b.reserve("y", {"CPU": 1}).cores == (0,)


# ---- anything goes


@pytest.mark.parametrize("seed", range(20))
def test_whatever_sessions_do_no_core_and_no_gpu_is_given_out_twice(session, seed):
    dice = random.Random(seed)
    sessions = [session(name, gpus=["0", "1", "2"], num_gpus=dice.choice([None, 2])) for name in "abc"]
    held = {}
    for step in range(60):
        one = dice.choice(sessions)
        mine = [key for key in held if key[0] is one]
        if mine and dice.random() < 0.45:
            key = dice.choice(mine)
            one.release(key[1])
            del held[key]
        else:
            demand = {"CPU": dice.randint(0, 3), "GPU": dice.choice([0, 0.5, 1, 2])}
            grant = one.reserve(f"h{step}", demand)
            if grant is not None:
                held[one, f"h{step}"] = grant
        cores = [core for grant in held.values() for core in grant.cores]
        assert len(cores) == len(set(cores))
        for gpu in "012":
            assert sum(min(1, g.demand["GPU"]) for g in held.values() if gpu in g.gpus) <= 1
