"""Tasks: remote functions on worker kernels that are leased, reused and given back (RAY_API.md, the stateless half)."""

from __future__ import annotations

import os
import threading

import pytest

import jactors
from jactors.util import state
from tests.live.conftest import texts, until_exists
from tests.live.functions import (
    Tally,
    boom,
    double,
    fails,
    get,
    hold,
    keywords,
    parts,
    total,
    where,
)

exceptions = jactors.exceptions
pytestmark = pytest.mark.usefixtures("given_back")


@pytest.fixture(scope="module")
def cells(notebook):
    notebook("import tests.live.functions")
    return notebook


# ---------------------------------------------------------------------- calling


def test_a_function_runs_elsewhere(session):
    assert get(double.remote(21)) == 42
    assert get(where.remote())["pid"] != os.getpid()


def test_arguments_of_all_kinds(session):
    assert get(keywords.remote(1)) == (1, 2, "none", {})
    # names that the machinery uses too are only names
    assert get(keywords.remote(1, b=3, task="t", name="n", path="p")) == (1, 3, "t", {"name": "n", "path": "p"})


def test_a_function_of_the_test_itself_travels_by_value(session):
    factor = 3
    triple = jactors.remote(lambda value: factor * value)
    assert get(triple.remote(2)) == 6


def test_it_looks_like_the_function(session):
    assert (double.__name__, double.__doc__, double.__module__) == ("double", "Twice as much.", "tests.live.functions")
    assert double.__wrapped__(4) == 8
    assert repr(double) == "RemoteFunction(double)"


@pytest.mark.parametrize(("n", "expected"), [(0, None), (1, [(1, 2, 3)]), (3, [1, 2, 3])])
def test_num_returns(session, n, expected):
    refs = parts.options(num_returns=n).remote(1, 2, 3)
    assert (refs if n == 0 else get([refs] if n == 1 else refs)) == expected


def test_num_returns_by_the_decorator_and_by_remote(session):
    pair = jactors.remote(num_returns=2)(lambda: (1, 2))
    assert get(pair.remote()) == [1, 2]
    assert get(parts._remote((1, 2), num_returns=2)) == [1, 2]


def test_a_wrong_number_of_values(session):
    for ref in parts.options(num_returns=2).remote(1, 2, 3):
        with pytest.raises(ValueError, match="Task returned 3 objects, but num_returns=2"):
            get(ref)


def test_many_tasks(session):
    assert get([double.remote(i) for i in range(300)]) == [2 * i for i in range(300)]


def test_context(session):
    ref = where.remote()
    found = get(ref)
    assert found["task_id"] == ref.task_id().hex()
    assert found["name"] == "where"
    assert get(where.options(name="my own").remote())["name"] == "my own"


def test_output_stays_with_the_cell_that_submitted_it(cells):
    """Also that of tasks which waited for a worker while the next cell ran."""
    _, second, third = cells(
        """
        @jactors.remote(num_cpus=4)
        def says(text):
            print(text)
        refs = [says.remote(f"line {i}") for i in range(3)]
        """,
        "jactors.get(refs); print('second')",
        "jactors.get([says.remote(f'third {i}') for i in range(2)]); print('end')",
    )
    assert texts(second) == "second\n"
    assert texts(third) == "third 0\nthird 1\nend\n"


# ---------------------------------------------------------------------- refs and handles as arguments


def test_a_ref_is_replaced_by_its_value(session):
    assert get(parts.remote(double.remote(double.remote(1)), jactors.put("put"))) == (4, "put")
    assert get(keywords.remote(a=1, b=double.remote(2)))[1] == 4


def test_a_nested_ref_stays_a_ref_also_while_it_is_pending(session, tmp_path):
    waits = hold.options(num_cpus=0).remote(tmp_path / "a")
    nested = parts.remote([waits])
    inner = get(nested)[0][0]
    assert inner == waits
    (tmp_path / "a.go").touch()
    assert get(inner) == "held"
    assert get(total.remote([double.remote(1), double.remote(2)])) == 6


def test_a_failed_argument_fails_the_task(session, tmp_path):
    ref = fails.remote(tmp_path / "runs", 0, boom.remote())
    with pytest.raises(ValueError, match="the user's own line"):
        get(ref)
    assert not (tmp_path / "runs").exists()


def test_a_failed_argument_fails_it_before_the_others_are_there(session, tmp_path):
    ref = parts.remote(hold.options(num_cpus=0).remote(tmp_path / "a"), boom.remote())
    with pytest.raises(ValueError, match="the user's own line"):
        get(ref)
    (tmp_path / "a.go").touch()


def test_handles_travel_and_are_called(session):
    @jactors.remote
    def add(tally, n):
        return get(tally.add.remote(n))

    tally = Tally.remote()
    assert sorted(get([add.remote(tally, 1) for _ in range(3)])) == [1, 2, 3]
    assert get(tally.doubled.remote(4)) == 8  # and the other way round


def test_a_task_may_submit_and_return_refs(session):
    @jactors.remote
    def submits():
        return [double.remote(i) for i in range(3)]

    assert get(total.remote(get(submits.remote()))) == 6


# ---------------------------------------------------------------------- names


@jactors.remote
def names():
    here = jactors.get_runtime_context()
    return here.get_task_name(), here.get_task_function_name().rpartition(".")[2]


def test_a_task_is_called_as_its_function_or_as_its_caller_says(session):
    """RAY_API 8: get_task_name, get_task_function_name."""
    assert get(names.remote()) == ("names", "names")
    assert get(names.options(name="mine").remote()) == ("mine", "names")


@jactors.remote
def nobody(how):
    here = jactors.get_runtime_context()
    if how == "ids":
        return here.get_actor_id(), here.get_actor_name(), here.get().keys() & {"actor_id", "task_id"}
    if how == "exit":
        jactors.actor.exit_actor()
    return getattr(here, how)


def test_a_task_is_no_actor(session):
    """RAY_API 8: what is known of an actor is not known in a task; 4: exit_actor outside an actor is a TypeError."""
    assert get(nobody.remote("ids")) == (None, None, {"task_id"})
    for how, kind in (("current_actor", RuntimeError), ("was_current_actor_reconstructed", AssertionError)):
        with pytest.raises(kind):
            get(nobody.options(max_retries=0).remote(how))
    with pytest.raises(TypeError, match="exit_actor"):
        get(nobody.options(max_retries=0).remote("exit"))


def test_list_tasks_names_tasks_by_their_function(session, tmp_path):
    """RAY_API 9: list_tasks has tasks as well as calls; none is called after the worker."""
    running = hold.options(name="the first").remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    waiting = hold.remote(tmp_path / "b", running)
    found = {each.task_id: each for each in state.list_tasks(limit=1000)}
    first, second = found[running.task_id().hex()], found[waiting.task_id().hex()]
    assert (first.name, first.func_or_class_name, first.state) == ("the first", "hold", "RUNNING")
    assert (second.name, second.func_or_class_name, second.state) == ("hold", "hold", "PENDING_ARGS_AVAIL")
    assert first.type == second.type == "NORMAL_TASK" and first.worker_pid == int((tmp_path / "a").read_text())
    assert not any("Worker" in each.name for each in found.values())
    (tmp_path / "a.go").touch()
    (tmp_path / "b.go").touch()
    assert get([running, waiting]) == ["held", "held"]
    assert not {running.task_id().hex(), waiting.task_id().hex()} & {each.task_id for each in state.list_tasks()}


# ---------------------------------------------------------------------- bad input


def test_a_direct_call_is_refused():
    with pytest.raises(TypeError, match=r"Remote functions cannot be called directly.*try 'double\.remote\(\)'"):
        double(1)


@pytest.mark.parametrize("how", [jactors.remote, double.options], ids=["decorator", "options"])
def test_an_unknown_option_is_refused(how):
    with pytest.raises(ValueError, match="Invalid option keyword max_retrys for"):
        how(max_retrys=1)(lambda: None) if how is jactors.remote else how(max_retrys=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_returns": -1}, "num_returns"),
        ({"num_returns": "streaming"}, "generator"),
        ({"max_retries": -2}, "max_retries"),
        ({"num_cpus": -1}, "num_cpus"),
        ({"retry_exceptions": ["ValueError"]}, "retry_exceptions"),
        ({"max_restarts": 1}, "max_restarts"),
    ],
    ids=str,
)
def test_bad_values_of_options(options, text):
    with pytest.raises(ValueError, match=text):
        double.options(**options)


def test_a_decorator_says_what_is_wrong_with_a_value_where_actors_do_not_know_the_name():
    with pytest.raises(TypeError, match=r"The type of keyword 'max_retries' must be \(int, None\)"):
        jactors.remote(max_retries=0.5)


def test_a_coroutine_function_is_refused():
    with pytest.raises(ValueError, match=r"'async def' should not be used for remote tasks"):

        @jactors.remote
        async def coroutine():
            pass


@pytest.mark.parametrize(("args", "text"), [((), "value"), ((1, 2), "too many")])
def test_arguments_that_do_not_fit(session, args, text):
    with pytest.raises(TypeError, match=text):
        double.remote(*args)


def test_a_function_that_cannot_be_pickled(session):
    lock = threading.Lock()
    locked = jactors.remote(lambda: lock)
    with pytest.raises(TypeError, match="lock") as caught:
        locked.remote()
    assert isinstance(caught.value, jactors.errors.SerializationError)


def test_an_argument_that_cannot_be_pickled(session):
    with pytest.raises(TypeError, match="the arguments of double"):
        double.remote(threading.Lock())
