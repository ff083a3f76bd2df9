"""The oracle of the fault tests bites: each broken promise is named, and only that one."""

from __future__ import annotations

import pytest

from tests.faults.oracle import Fate, Run, complaints

ONE = Run("c/1", "a", 1, 100)


def fate(seq=1, *ends, call=None, actor="a", caller="c", **more):
    call = call or f"{caller}/{seq}"
    return Fate(call=call, actor=actor, caller=caller, seq=seq, ends=ends, **more)


def answer(seq=1, incarnation=1, pid=100):
    return True, f"c/{seq}", incarnation, pid


FAILED = (False, "ActorDiedError")


def test_all_promises_kept():
    fates = [
        fate(1, answer(1)),
        fate(2, FAILED),  # never ran
        fate(3, FAILED),  # ran, and died of it
        fate(4, answer(4, 2, 200), retries=1),
        fate(5, orphaned=True),
        fate(6, (True,)),
        fate(1, (True, "d/1", 2, 200), caller="d"),
    ]
    runs = [
        ONE,
        Run("c/3", "a", 1, 100),
        Run("c/4", "a", 1, 100),
        Run("c/4", "a", 2, 200),
        Run("d/1", "a", 2, 200),
        Run("c/5", "a", 2, 200),
        Run("c/6", "a", 2, 200),
    ]
    assert complaints(fates, runs) == []


@pytest.mark.parametrize(
    ("fates", "runs", "line"),
    [
        ([fate(1)], [ONE], "c/1: never ended"),
        ([fate(1, answer(), FAILED)], [ONE], "c/1: ended 2 times"),
        ([fate(1, answer())], [], "c/1: answered, and never ran"),
        ([fate(1, (True,))], [], "c/1: answered, and never ran"),
        ([fate(1, answer())], [ONE, ONE], "c/1: ran 2 times, 1 at most were allowed"),
        ([fate(1, FAILED)], [ONE, ONE], "c/1: ran 2 times, 1 at most were allowed"),
        ([fate(1, FAILED, retries=1)], [ONE] * 3, "c/1: ran 3 times, 2 at most were allowed"),
        ([fate(1, orphaned=True)], [ONE, ONE], "c/1: ran 2 times, 1 at most were allowed"),
        ([fate(1, (True, "c/2", 1, 100))], [ONE], "c/1: got the answer of c/2"),
        (
            [fate(1, answer(pid=101))],
            [ONE],
            "c/1: its answer is of a run that is not in the ledger: incarnation 1, pid 101",
        ),
        ([fate(1, answer(), actor="b")], [ONE], "c/1: ran in another actor than it was sent to"),
        ([], [ONE], "c/1: ran, and nobody has called it"),
        ([fate(1, answer()), fate(1, answer())], [ONE], "c/1: two calls of this name"),
    ],
)
def test_a_broken_promise_is_named(fates, runs, line):
    assert complaints(fates, runs) == [line]


def test_order_of_one_caller():
    fates = [fate(1, answer(1)), fate(2, answer(2))]
    runs = [Run("c/2", "a", 1, 100), ONE]
    assert complaints(fates, runs) == ["c/1: ran after c/2, which was submitted later"]
    assert complaints([fate(1, answer(1), ordered=False), fate(2, answer(2), ordered=False)], runs) == []
    assert complaints([fate(1, answer(1)), fate(2, (True, "d/2", 1, 100), caller="d")], [
        Run("d/2", "a", 1, 100), ONE,
    ]) == []  # fmt: skip


def test_a_second_run_does_not_count_for_the_order():
    fates = [fate(1, answer(1, 2, 200), retries=-1), fate(2, answer(2, 2, 200), retries=-1)]
    runs = [ONE, Run("c/2", "a", 1, 100), Run("c/1", "a", 2, 200), Run("c/2", "a", 2, 200)]
    assert complaints(fates, runs) == []


def test_an_incarnation_that_runs_on_beside_its_successor():
    fates = [fate(1, answer(1, 2, 200)), fate(2, answer(2))]
    runs = [Run("c/1", "a", 2, 200), Run("c/2", "a", 1, 100)]
    assert complaints(fates, runs) == ["c/2: ran in incarnation 1 after 2 had begun"]


def test_an_incarnation_that_is_two_processes():
    fates = [fate(1, answer(1)), fate(2, answer(2, 1, 101))]
    runs = [ONE, Run("c/2", "a", 1, 101)]
    assert complaints(fates, runs) == ["c/2: ran in pid 101, but incarnation 1 is another process"]
