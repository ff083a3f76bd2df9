"""How tasks end: in errors and retries, as generators, cancelled."""

from __future__ import annotations

import os
import threading

import pytest

import jactors
from tests.live.conftest import gone, until, until_exists
from tests.live.functions import (
    Tally,
    boom,
    count,
    dies,
    double,
    fails,
    get,
    hold,
    note,
    where,
)

exceptions = jactors.exceptions
pytestmark = pytest.mark.usefixtures("given_back")


# ---------------------------------------------------------------------- errors


def test_exceptions_keep_their_type_and_name_the_function(session):
    with pytest.raises(ZeroDivisionError) as caught:
        get(boom.remote(ZeroDivisionError))
    assert isinstance(caught.value, exceptions.RayTaskError)
    assert str(caught.value).startswith("boom raised") and 'raise kind("the user' in str(caught.value)
    assert "in run" not in str(caught.value)  # none of ours


def test_exceptions_are_not_retried_unasked(session, tmp_path):
    with pytest.raises(ValueError, match="run 1"):
        get(fails.remote(tmp_path / "runs", 1))


@pytest.mark.parametrize(
    ("options", "runs", "ends"),
    [
        ({"retry_exceptions": True}, 3, True),
        ({"retry_exceptions": [ValueError]}, 3, True),
        ({"retry_exceptions": [OSError]}, 1, False),
        ({"retry_exceptions": True, "max_retries": 1}, 2, False),
        ({"retry_exceptions": True, "max_retries": 0}, 1, False),
        ({"retry_exceptions": True, "max_retries": -1}, 3, True),
    ],
    ids=str,
)
def test_exceptions_are_retried_where_asked(session, tmp_path, options, runs, ends):
    ref = fails.options(**options).remote(tmp_path / "runs", 2)
    if ends:
        assert get(ref) == runs
    else:
        with pytest.raises(ValueError, match=f"run {runs}"):
            get(ref)
    assert len((tmp_path / "runs").read_text().split()) == runs


@pytest.mark.parametrize(
    ("options", "times", "runs"), [({}, 3, 4), ({"max_retries": 1}, 1, 2), ({"max_retries": -1}, 2, 3)], ids=str
)
def test_a_crash_is_retried(session, tmp_path, options, times, runs):
    assert get(dies.options(**options).remote(tmp_path / "runs", times)) == runs


@pytest.mark.parametrize("retries", [0, 1])
def test_a_crash_with_its_retries_used_up(session, tmp_path, retries):
    with pytest.raises(exceptions.WorkerCrashedError, match="exit code 3"):
        get(dies.options(max_retries=retries).remote(tmp_path / "runs", 9))
    assert len((tmp_path / "runs").read_text().split()) == retries + 1


def test_crashes_and_exceptions_share_the_retries(session, tmp_path):
    @jactors.remote(max_retries=2, retry_exceptions=True)
    def both(path):
        if note(path) % 2:
            raise ValueError("odd")
        os._exit(3)

    with pytest.raises(ValueError, match="odd"):
        get(both.remote(tmp_path / "runs"))
    assert len((tmp_path / "runs").read_text().split()) == 3


@pytest.mark.parametrize("last_words", ["task", "generator"])
def test_a_crash_costs_its_neighbours_nothing(session, tmp_path, last_words):
    """They waited for the worker that died, or for another of its kind; they have no retry to spare."""
    options = {"num_cpus": 4, "max_retries": 0}
    if last_words == "task":
        ref = dies.options(**options).remote(tmp_path / "runs", 9)
    else:
        ref = count.options(**options).remote(4, tmp_path / "runs", how="die").completed()
    others = [double.options(**options).remote(i) for i in range(5)]
    assert get(others) == [0, 2, 4, 6, 8]
    with pytest.raises(exceptions.WorkerCrashedError):
        get(ref)


def test_an_actor_that_dies_under_a_task_is_an_error_of_the_task(session, tmp_path):
    @jactors.remote
    def asks(path):
        note(path)
        tally = Tally.remote()
        jactors.kill(tally)
        return jactors.get(tally.add.remote(1))

    with pytest.raises(exceptions.RayTaskError) as caught:
        get(asks.remote(tmp_path / "runs"))
    assert isinstance(caught.value, exceptions.RayActorError)
    assert len((tmp_path / "runs").read_text().split()) == 1  # no crash of its own, so no retry


def test_a_result_that_cannot_be_pickled(session):
    with pytest.raises(TypeError, match="lock"):
        get(jactors.remote(lambda: [threading.Lock()]).remote())


# ---------------------------------------------------------------------- generators


def test_a_generator_streams_while_it_runs(session, tmp_path):
    stream = count.remote(4, tmp_path / "go", how="wait")
    assert [get(next(stream)), get(next(stream))] == [0, 1]
    assert not stream.is_finished()
    (tmp_path / "go").touch()
    assert [get(ref) for ref in stream] == [2, 3]
    assert get(stream.completed()) is None and stream.is_finished()


def test_a_generator_that_raises_in_the_middle(session):
    refs = list(count.remote(4, how="raise"))
    assert get(refs[:2]) == [0, 1] and len(refs) == 3
    with pytest.raises(ValueError, match="in the middle"):
        get(refs[2])


def test_a_generator_with_a_fixed_number_of_returns(session):
    assert get(count.options(num_returns=3).remote(3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_returns=3"):
        get(count.options(num_returns=3).remote(2)[2])


def test_a_generator_whose_worker_dies_goes_on_where_it_was(session, tmp_path):
    assert [get(ref) for ref in count.remote(6, tmp_path / "runs", how="die")] == [0, 1, 2, 3, 4, 5]
    assert len((tmp_path / "runs").read_text().split()) == 2


def test_a_generator_whose_worker_dies_for_good(session, tmp_path):
    refs = list(count.options(max_retries=0).remote(6, tmp_path / "runs", how="die"))
    assert get(refs[:-1]) == list(range(len(refs) - 1))  # what it had sent when it died
    with pytest.raises(exceptions.WorkerCrashedError):
        get(refs[-1])


def test_a_generator_takes_refs(session):
    assert [get(ref) for ref in count.remote(double.remote(1))] == [0, 1]
    refs = list(count.remote(boom.remote()))
    with pytest.raises(ValueError, match="the user's own line"):
        get(refs[0])


# ---------------------------------------------------------------------- cancel


def cancelled(ref, name="hold"):
    with pytest.raises(exceptions.TaskCancelledError) as caught:
        get(ref)
    assert name in str(caught.value)


def test_cancel_of_a_running_task(session, tmp_path):
    ref = hold.remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    jactors.cancel(ref)
    cancelled(ref)
    assert get(where.remote())["pid"] == int((tmp_path / "a").read_text())  # its worker lives on


def test_cancel_of_a_task_that_waits_for_cpus(session, tmp_path):
    runs = hold.options(num_cpus=4).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    waits = [hold.remote(tmp_path / str(n)) for n in range(3)]
    for ref in waits:
        jactors.cancel(ref)
    for ref in waits:
        cancelled(ref)
    (tmp_path / "a.go").touch()
    assert get(runs) == "held"
    assert jactors.available_resources() == jactors.cluster_resources()  # nothing is started for them
    assert not any((tmp_path / str(n)).exists() for n in range(3))


def test_cancel_of_a_task_that_waits_for_an_argument(session, tmp_path):
    first = hold.remote(tmp_path / "a")
    second = hold.remote(tmp_path / "b", first)
    jactors.cancel(second)
    cancelled(second)
    (tmp_path / "a.go").touch()
    assert get(first) == "held"
    assert not (tmp_path / "b").exists()


def test_cancel_at_any_moment(session):
    """While its worker starts, or is sent it, or has ended it."""
    refs = [double.options(env={"NEW": str(n)}).remote(n) for n in range(2)]
    refs += [double.remote(n) for n in range(50)]
    for ref in refs:
        jactors.cancel(ref)
    for n, ref in enumerate(refs):
        try:
            assert get(ref) == 2 * (n if n < 2 else n - 2)
        except exceptions.TaskCancelledError:
            cancelled(ref, "double")


def test_cancel_is_recursive(session, tmp_path):
    @jactors.remote
    def outer(path):
        return jactors.get(hold.remote(path))

    for path, recursive in [(tmp_path / "a", True), (tmp_path / "b", False)]:
        ref = outer.remote(path)
        until_exists(path)
        jactors.cancel(ref, recursive=recursive)
        cancelled(ref, "outer")
        if recursive:
            until(lambda: jactors.available_resources() == jactors.cluster_resources())
        else:
            assert jactors.available_resources()["CPU"] == 3
            path.with_suffix(".go").touch()


def test_cancel_of_a_generator(session, tmp_path):
    stream = count.remote(4, tmp_path / "never", how="wait")
    assert get(next(stream)) == 0
    jactors.cancel(stream)
    refs = list(stream)
    assert get(refs[:-1]) in ([], [1])
    cancelled(refs[-1], "count")
    queued = count.remote(double.remote(hold.remote(tmp_path / "a")))
    jactors.cancel(queued)
    cancelled(next(queued), "count")
    (tmp_path / "a.go").touch()


def test_cancel_by_force_ends_the_worker(session, tmp_path):
    ref = hold.remote(tmp_path / "a")  # it has retries, but nobody wants it
    until_exists(tmp_path / "a")
    jactors.cancel(ref, force=True)
    cancelled(ref)
    assert not gone(int((tmp_path / "a").read_text()))


def test_cancel_of_what_has_ended_does_nothing(session):
    ref = double.remote(1)
    assert get(ref) == 2
    jactors.cancel(ref)
    jactors.cancel(ref, force=True)
    assert get(ref) == 2
