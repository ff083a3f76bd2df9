"""Iteration, serialisability and names (section 9 of the API)."""

from __future__ import annotations

import io
import threading

import pytest

import jactors
from jactors import util
from tests.live.worker import Worker

# ---------------------------------------------------------------------- as_completed, map_unordered


def test_as_completed_yields_what_is_there(workers, tmp_path):
    held = workers[0].hold.remote(tmp_path / "gate")
    quick = [workers[1].double.remote(i) for i in range(3)]
    results = util.as_completed([held, *quick])
    assert sorted(next(results) for _ in quick) == [0, 2, 4]
    (tmp_path / "gate").touch()
    assert list(results) == [str(tmp_path / "gate")]


def test_as_completed_chunks_keep_the_order_of_the_refs(workers):
    refs = [workers[i % 2].double.remote(i) for i in range(6)]
    assert list(util.as_completed(refs, chunk_size=6)) == [0, 2, 4, 6, 8, 10]
    assert list(util.as_completed(refs, chunk_size=4, yield_obj_refs=True)) == refs
    assert list(util.as_completed([])) == []


def test_as_completed_raises_what_a_call_raised(workers):
    with pytest.raises(ValueError, match="no"):
        list(util.as_completed([workers[0].boom.remote("no")]))


def test_map_unordered(workers):
    assert sorted(util.map_unordered(workers[0].double, range(10))) == [2 * i for i in range(10)]


def test_map_unordered_back_pressure(workers):
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = util.map_unordered(workers[0].double, items(), backpressure_size=3, chunk_size=1)
    assert next(results) in (0, 2, 4)
    assert len(taken) == 3
    results.close()


def test_iteration_misused(workers):
    with pytest.raises(ValueError, match="chunk_size"):
        util.as_completed([], chunk_size=0)
    with pytest.raises(ValueError, match="num_returns"):
        util.as_completed([], num_returns=2)
    with pytest.raises(ValueError, match="backpressure_size"):
        util.map_unordered(workers[0].double, [1], backpressure_size=0)
    with pytest.raises(TypeError, match="remote"):
        util.map_unordered(print, [1])


# ---------------------------------------------------------------------- serialisability, names


class Holder:
    def __init__(self):
        self.lock = threading.Lock()


def test_inspect_serializability_of_what_can_be_pickled():
    report = io.StringIO()
    assert util.inspect_serializability([1, 2], name="numbers", print_file=report) == (True, set())
    assert "Checking Serializability of [1, 2]" in report.getvalue()


def test_inspect_serializability_names_the_culprit(capsys):
    lock = threading.Lock()

    def uses():
        return lock

    ok, failures = util.inspect_serializability(uses, name="uses")
    (failure,) = failures
    assert not ok
    assert (failure.name, failure.obj, failure.parent) == ("lock", lock, uses)
    assert failure.path == ("uses", "lock")
    assert repr(failure).startswith("FailTuple(lock [path=uses -> lock, obj=<unlocked _thread.lock")
    report = capsys.readouterr().out
    assert "!!! FAIL" in report and "FailTuple(lock" in report and "captured variable 'lock'" in report


def test_inspect_serializability_looks_into_values():
    holder = Holder()
    _, failures = util.inspect_serializability({"a": [holder]}, name="config", print_file=io.StringIO())
    (failure,) = failures
    assert (failure.path, failure.obj, failure.parent) == (("config", "['a']", "[0]", "lock"), holder.lock, holder)
    _, failures = util.inspect_serializability(holder.lock, print_file=io.StringIO())
    (failure,) = failures
    assert (failure.name, failure.obj, failure.parent) == ("lock", holder.lock, None)


class Locked:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()


def test_register_serializer(workers):
    util.register_serializer(Locked, serializer=lambda value: value.x, deserializer=int)
    try:
        assert jactors.get(workers[0].double.remote(Locked(4))) == 8
    finally:
        util.deregister_serializer(Locked)
    with pytest.raises(TypeError, match="lock"):
        workers[0].double.remote(Locked(4))
    util.deregister_serializer(Locked)  # no error


def test_list_named_actors(session):
    before = util.list_named_actors()
    kept = [
        Worker.options(name="zoe").remote(),
        Worker.options(name="ann").remote(),
        Worker.options(name="far", namespace="elsewhere").remote(),
        Worker.remote(),
    ]
    assert [name for name in util.list_named_actors() if name not in before] == ["ann", "zoe"]
    everywhere = util.list_named_actors(all_namespaces=True)
    assert {"name": "far", "namespace": "elsewhere"} in everywhere
    assert {"name": "ann", "namespace": jactors.get_runtime_context().namespace} in everywhere
    for handle in kept:
        jactors.kill(handle)
    assert util.list_named_actors() == before
