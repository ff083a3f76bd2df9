"""Faults at points that no test can hit from outside: see `jactors.injection`."""

from __future__ import annotations

import os
import signal

import pytest

import jactors
from tests.faults.test_table import Saved, got
from tests.faults.witness import KINDS, Sync, until

E = jactors.exceptions


POINTS = ("bound", "init", "born", "reply", "reply#5", "replied", "replied#5")


@pytest.mark.parametrize(
    ("kind", "point"), [*(("sync", point) for point in POINTS), ("threaded", "reply#5"), ("async", "replied#5")]
)
def test_an_actor_that_dies_at_a_point_comes_back_and_every_call_is_answered(book, kind, point):
    options = {"max_restarts": 1, "max_task_retries": 1, "env": {"JACTORS_TEST_DIE_AT": f"{point}@1"}}
    actor = KINDS[kind].options(**options).remote(book.ledger)
    answers = got([book.submit(actor, "work") for _ in range(30)])
    assert answers[-1][1] == 2
    twice = len(book.runs()) - 30
    assert point.startswith("repl") or twice == 0
    if point == "reply#5" and kind == "sync":
        # What was not flushed yet when it died runs again as well, and nothing else.
        assert 1 <= twice <= 5


@pytest.mark.parametrize("point", ["reply#5", "replied#5"])
def test_without_retries_what_had_run_is_not_run_again(book, point):
    actor = Sync.options(max_restarts=1, env={"JACTORS_TEST_DIE_AT": f"{point}@1"}).remote(book.ledger)
    refs = [book.submit(actor, "work") for _ in range(30)]
    ended = [isinstance(error, E.ActorUnavailableError) for error in map(error_of, refs)]
    assert any(ended) and len(book.runs()) <= 30


def error_of(ref):
    try:
        got(ref)
    except Exception as error:
        return error
    return None


def test_a_checkpoint_that_was_not_renamed_does_not_count(book):
    """Killed between writing and renaming the third one: what the second one holds is there."""
    options = {"max_restarts": 1, "checkpoint": "on_demand", "env": {"JACTORS_TEST_DIE_AT": "checkpoint#3@1"}}
    actor = jactors.remote(Saved).options(**options).remote(book.ledger)
    for _ in range(2):
        got(book.submit(actor, "add"))
        jactors.checkpoint(actor)
    got(book.submit(actor, "add"))
    with pytest.raises(E.ActorUnavailableError, match="SIGKILL"):
        jactors.checkpoint(actor)
    assert got(actor.count.options(max_task_retries=1).remote()) == 2


def test_a_supervisor_that_dies_while_it_starts_an_actor(run, environment):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class A:
            def one(self): return 1
        first = A.remote()
        print(first.one())
        print(A.remote().one())  # asks the next supervisor
        try: first.one()
        except jactors.exceptions.ActorDiedError as error: print("supervisor" in str(error))
        jactors.shutdown()
        """,
        env={**environment, "JACTORS_TEST_DIE_AT": "launch#2"},
    )
    assert (code, out.split()) == (0, ["1", "1", "True"]), err


def test_a_supervisor_that_dies_while_it_writes_the_machines_ledger(run):
    """What was written before is whole, and what the dead one had is free."""
    code, out, err = run(
        """
        import json, os, jactors
        from jactors.places import base_dir
        ledger = base_dir() / "ledger.json"
        os.environ["JACTORS_TEST_DIE_AT"] = f"ledger#{2 + ledger.exists()}"
        session = jactors.init(INIT)["address"]
        def mine():
            return next(each for each in json.loads(ledger.read_text())["sessions"] if each["session"] == session)
        @jactors.remote(num_cpus=1)
        class A:
            def one(self): return 1
        first = A.remote()
        first.one()
        before = mine()
        del os.environ["JACTORS_TEST_DIE_AT"]  # the next one lives
        second = A.remote()
        print(second.one(), before["pid"] != mine()["pid"], len(mine()["grants"]), list(base_dir().glob(".ledger*")))
        """
    )
    assert (code, out.splitlines()) == (0, ["1 True 1 []"]), err
    assert "another one, pid" in err


@pytest.mark.parametrize(("kind", "what"), [("sync", "req=0.2"), ("threaded", "rep=0.2"), ("async", "req=0.1,rep=0.1")])
def test_lost_messages_end_every_call_and_run_none_twice_unasked(run, environment, kind, what):
    code, out, err = run(
        f"""
        import jactors
        from jactors.wire import link
        from tests.faults.witness import KINDS, Book
        link.PERIOD = 0.05
        jactors.init(INIT)
        book = Book("ledger", ordered=False)
        actor = KINDS[{kind!r}].remote(book.ledger)
        again = KINDS[{kind!r}].options(max_task_retries=-1).remote(book.ledger)
        sure = [book.submit(again, "work") for _ in range(50)]
        lost = 0
        for _ in range(40):  # a message each
            try: jactors.get(book.submit(actor, "work"), timeout=20)
            except jactors.exceptions.ActorUnavailableError as error:
                assert "lost on its way" in str(error)
                lost += 1
        jactors.get(sure, timeout=20)
        stream = book.submit(again, "values", 40, retries=0)
        values = []
        for ref in stream:
            try: values.append(jactors.get(ref, timeout=20))
            except (jactors.exceptions.ObjectLostError, jactors.exceptions.ActorUnavailableError): values.append(None)
        assert all(value in (i, None) for i, value in enumerate(values)), values
        @jactors.remote
        class Four:
            @jactors.method(num_returns=4)  # a message each, and so many are waited for
            def values(self): yield from range(4)
        four = Four.remote()
        for i, ref in [each for _ in range(10) for each in enumerate(four.values.remote())]:
            try: assert jactors.get(ref, timeout=20) == i
            except (jactors.exceptions.ObjectLostError, jactors.exceptions.ActorUnavailableError): pass
        book.judge()
        print(lost > 0)
        """,
        env={**environment, "JACTORS_TEST_DROP": f"call:{what}", "JACTORS_TEST_SEED": "7"},
    )
    assert (code, out) == (0, "True\n"), err


def test_delays_widen_the_gaps(book):
    env = {"JACTORS_TEST_DELAY": "rep=0.005"}
    actor = Sync.options(max_restarts=-1, max_task_retries=-1, env=env).remote(book.ledger)
    for _ in range(3):
        pid = got(actor.pid.remote())
        lines = len(book.runs())
        refs = [book.submit(actor, "work") for _ in range(20)]
        until(lambda lines=lines: len(book.runs()) > lines + 5)
        os.kill(pid, signal.SIGKILL)
        assert len(got(refs)) == 20
