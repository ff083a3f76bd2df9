"""Arguments and results: refs, handles, order, by value, arrays ("Argument passing", "Ordering" of RAY_API.md)."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

import jactors

TIMEOUT = 30


@jactors.remote
class Worker:
    def __init__(self, start=None):
        self.start = start
        self.seen = []

    def echo(self, *args, **kwargs):
        return args, kwargs

    def note(self, value):
        self.seen.append(value)
        return value

    def log(self):
        return self.seen

    def started_with(self):
        return self.start

    def get(self, box):
        return jactors.get(box[0], timeout=TIMEOUT)

    def kind(self, value):
        return type(value).__name__

    def wait_for(self, path, value=None):
        while not os.path.exists(path):
            time.sleep(0.002)
        return value

    def fail(self):
        raise KeyError("the dependency")

    def call(self, handle, method, *args):
        return getattr(handle, method)(*args)

    def submit(self, handle, method, *args):
        return getattr(handle, method).remote(*args)

    def make(self):
        self.child = Worker.remote("child") if not hasattr(self, "child") else self.child
        return self.child

    def put(self, value):
        return jactors.put(value)

    def keep(self, handle):
        self.kept = handle[0]

    def mutate(self, values):
        values.append("changed")
        return values

    def fill(self, array):
        array[0] = 1

    def total(self, array):
        return float(array.sum()), array.flags.writeable, array.flags.owndata

    def zeros(self, n):
        return np.zeros(n)

    def me(self):
        return self


@pytest.fixture(scope="module")
def workers(session):
    return [Worker.remote() for _ in range(3)]


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


# ---------------------------------------------------------------- refs at the top level


def test_top_level_refs_are_values(workers):
    a, b, c = workers
    one, two = a.note.remote(1), b.note.remote(2)
    assert c.echo(one, 5, key=two) == ((1, 5), {"key": 2})
    assert jactors.get(c.echo.remote(one, one, k=one)) == ((1, 1), {"k": 1})


def test_top_level_refs_of_the_actor_itself(workers):
    a = workers[0]
    assert jactors.get(a.echo.remote(a.note.remote(3))) == ((3,), {})


def test_refs_for_the_constructor(workers):
    a = workers[0]
    assert Worker.remote(a.note.remote(4)).started_with() == 4
    assert Worker.remote(start=a.note.remote(5)).started_with() == 5


def test_pending_ref_for_the_constructor(workers, gate):
    ref = Worker.remote().wait_for.remote(str(gate), "late")
    gate.touch()
    assert Worker.remote(ref).started_with() == "late"


def test_put_is_shared(workers):
    ref = jactors.put(np.arange(100_000))
    assert {a.total(ref)[0] for a in workers} == {float(np.arange(100_000).sum())}


def test_chain_of_refs(workers):
    ref = jactors.put(0)
    for i in range(30):
        ref = workers[i % 3].note.remote(ref)
    assert jactors.get(ref, timeout=TIMEOUT) == 0


# ---------------------------------------------------------------- nested refs


def test_nested_refs_stay_refs(workers):
    a, b, _ = workers
    assert b.kind([a.note.remote(1)]) == "list"
    args, _ = b.echo([a.note.remote(7)])
    ref = args[0][0]
    assert isinstance(ref, jactors.ObjectRef) and jactors.get(ref) == 7


def test_nested_ref_is_resolved_by_the_receiver(workers):
    a, b, _ = workers
    ref = a.note.remote("value")
    jactors.get(ref)
    assert b.get([ref]) == "value"
    assert b.get([jactors.put("mine")]) == "mine"


def test_nested_ref_that_is_pending(workers, gate):
    _, b, _ = workers
    hangs = Worker.remote()
    late = b.get.remote([hangs.wait_for.remote(str(gate), "late")])
    assert jactors.wait([late], timeout=0.05)[0] == []
    gate.touch()
    assert jactors.get(late, timeout=TIMEOUT) == "late"


def test_nested_ref_that_failed(workers):
    a, b, _ = workers
    with pytest.raises(KeyError, match="the dependency"):
        b.get([a.fail.remote()])


def test_nested_ref_of_another_actor(workers):
    """Peer to peer: a submits to b, c asks a, the owner."""
    a, b, c = workers
    inner = a.submit(b, "note", "peer")
    assert isinstance(inner, jactors.ObjectRef)
    assert jactors.get(inner) == "peer"
    assert c.get([inner]) == "peer"


def test_ref_put_by_an_actor(workers):
    a, b, _ = workers
    ref = a.put(np.arange(1000))
    assert jactors.get(ref).sum() == b.get([ref]).sum() == 499_500
    assert b.total(ref)[0] == 499_500  # as a top-level argument too


def test_pending_ref_from_an_actor_as_a_top_level_argument(workers, gate):
    a, _, c = workers
    hangs = Worker.remote()
    inner = a.submit(hangs, "wait_for", str(gate), "late")
    ref = c.echo.remote(inner)
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT) == (("late",), {})


def test_value_of_a_dead_owner_is_lost(workers):
    owner = Worker.remote()
    ref = owner.put([1] * 10)
    jactors.kill(owner)
    with pytest.raises(jactors.exceptions.OwnerDiedError):
        jactors.get(ref, timeout=TIMEOUT)


def test_waiting_for_the_ref_of_an_owner_that_dies(workers, gate):
    owner, hangs = Worker.remote(), Worker.remote()
    ref = owner.submit(hangs, "wait_for", str(gate))
    future = ref.future()
    jactors.kill(owner)
    with pytest.raises(jactors.exceptions.OwnerDiedError):
        future.result(TIMEOUT)
    gate.touch()


# ---------------------------------------------------------------- a dependency that failed


def test_failed_dependency_is_the_same_error_and_nothing_runs(workers):
    a, b = workers[0], Worker.remote()
    ref = b.note.remote(a.fail.remote())
    with pytest.raises(KeyError, match="the dependency") as caught:
        jactors.get(ref, timeout=TIMEOUT)
    assert isinstance(caught.value, jactors.exceptions.RayTaskError)
    with pytest.raises(KeyError):
        b.note(value=a.fail.remote())
    assert b.log() == []


def test_failed_dependency_of_the_constructor(workers):
    with pytest.raises(KeyError, match="the dependency"):
        Worker.remote(workers[0].fail.remote()).started_with()


def test_dependency_on_a_dead_actor(workers):
    dead = Worker.remote()
    jactors.kill(dead)
    with pytest.raises(jactors.exceptions.RayActorError):
        workers[0].echo(dead.log.remote())


# ---------------------------------------------------------------- order


def test_a_pending_ref_holds_back_the_later_calls_of_the_caller(workers, gate):
    hangs, b = Worker.remote(), Worker.remote()
    refs = [b.note.remote(0), b.note.remote(hangs.wait_for.remote(str(gate), 1)), b.note.remote(2), b.note.remote(3)]
    assert jactors.get(refs[0], timeout=TIMEOUT) == 0
    assert jactors.wait(refs[2:], timeout=0.05)[0] == []
    gate.touch()
    assert jactors.get(refs, timeout=TIMEOUT) == b.log() == [0, 1, 2, 3]


def test_a_failed_dependency_does_not_hold_back(workers):
    b = Worker.remote()
    refs = [b.note.remote(workers[0].fail.remote()), b.note.remote(1), b.note.remote(2)]
    assert jactors.get(refs[1:], timeout=TIMEOUT) == b.log() == [1, 2]


def test_a_waiting_caller_does_not_hold_back_another(workers, gate):
    hangs, b = Worker.remote(), Worker.remote()
    held = b.note.remote(hangs.wait_for.remote(str(gate), "held"))
    assert workers[0].call(b, "note", "other") == "other"
    gate.touch()
    assert jactors.get(held, timeout=TIMEOUT) == "held" and b.log() == ["other", "held"]


# ---------------------------------------------------------------- handles


def test_handles_are_passed_and_called(workers):
    a, b, _ = workers
    assert a.call(b, "note", "hello") == "hello"
    assert a.echo([b], h={"b": b}) == (([b],), {"h": {"b": b}})
    assert jactors.get(jactors.put(b)) == b


def test_handles_through_refs(workers):
    a, b, _ = workers
    assert a.call(jactors.put(b), "note", "by ref") == "by ref"


def test_an_actor_makes_actors(workers):
    child = workers[0].make()
    assert child.started_with() == "child"
    assert workers[1].call(child, "started_with") == "child"


def test_an_actor_calls_itself_through_a_handle(workers):
    a = Worker.remote()
    ref = a.submit(a, "note", "self")
    assert jactors.get(ref, timeout=TIMEOUT) == "self"


def test_calls_go_round_a_ring(session):
    @jactors.remote
    class Node:
        def join(self, following):
            self.following = following

        def hop(self, n):
            return 0 if n == 0 else 1 + jactors.get(self.following.hop.remote(n - 1))

    nodes = [Node.remote() for _ in range(4)]
    for i, node in enumerate(nodes[:3]):
        node.join(nodes[i + 1])
    assert nodes[0].hop(3) == 3


def test_handle_given_away_keeps_the_actor(workers):
    keeper = Worker.remote()
    given = Worker.remote("given")
    keeper.keep([given])
    actor_id = given._actor_id
    del given
    child = keeper.__ray_call__.remote(lambda self: self.kept)
    assert jactors.get(child)._actor_id == actor_id
    assert jactors.get(child).started_with() == "given"


def test_dead_actor_seen_through_another(workers):
    dead = Worker.remote()
    jactors.kill(dead)
    with pytest.raises(jactors.exceptions.ActorDiedError) as caught:
        workers[0].call(dead, "log")
    assert isinstance(caught.value, jactors.exceptions.RayTaskError)


# ---------------------------------------------------------------- by value


def test_arguments_are_copies(workers):
    values = [1]
    assert workers[0].mutate(values) == [1, "changed"]
    assert values == [1]
    ref = jactors.put(values)
    assert workers[0].mutate(ref) == workers[1].mutate(ref) == [1, "changed"]
    assert jactors.get(ref) == [1]


def test_what_changes_after_the_call_does_not_travel(workers, gate):
    hangs = Worker.remote()
    hangs.wait_for.remote(str(gate))
    values, array = [1], np.zeros(1000)
    refs = hangs.echo.remote(values), hangs.total.remote(array)
    values.append(2)
    array[:] = 1
    gate.touch()
    assert jactors.get(refs[0], timeout=TIMEOUT) == (([1],), {})
    assert jactors.get(refs[1])[0] == 0


def test_two_gets_give_two_objects(workers):
    ref = workers[0].echo.remote([1])
    jactors.get(ref)[0][0].append(2)
    assert jactors.get(ref) == (([1],), {})


def test_self_is_a_copy(session):
    worker = Worker.remote("x")
    copy = worker.me()
    assert copy.start == "x" and not isinstance(copy, jactors.ActorHandle)
    copy.start = "y"
    assert worker.started_with() == "x"


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("n", [3, 100_000])
def test_arrays_are_read_only_and_say_the_cure(workers, n):
    with pytest.raises(ValueError, match="read-only") as caught:
        workers[0].fill(np.zeros(n))
    assert any("copy()" in note for note in getattr(caught.value, "__notes__", [])) or "copy()" in str(caught.value)
    result = workers[0].zeros(n)
    with pytest.raises(ValueError, match="read-only"):
        result[0] = 1
    mine = jactors.get(jactors.put(np.zeros(n)))
    with pytest.raises(ValueError, match="read-only"):
        mine[0] = 1
    result = result.copy()
    result[0] = 1


def test_large_arrays_both_ways(workers):
    array = np.random.default_rng(0).random(2_500_000)  # 20 MB
    total, writeable, _ = workers[0].total(array)
    assert total == pytest.approx(array.sum()) and not writeable
    (back,), _ = workers[0].echo(array)
    assert np.array_equal(back, array)


def test_many_large_arrays_under_way(workers):
    arrays = [np.full(250_000, i, dtype=float) for i in range(20)]  # 2 MB each
    refs = [worker.echo.remote(array) for array in arrays for worker in workers[:2]]
    back = jactors.get(refs, timeout=TIMEOUT)
    assert [args[0][0] for args, _ in back] == [float(i) for i in range(20) for _ in range(2)]


def test_arrays_of_every_layout(workers):
    layouts = [
        np.arange(12).reshape(3, 4).T,
        np.asfortranarray(np.ones((5, 6))),
        np.arange(20)[::2],
        np.array(5.0),
        np.zeros((0, 3)),
        np.array(["a", None], dtype=object),
        np.array([("x", 1)], dtype=[("n", "U1"), ("i", int)]),
    ]
    (back,), _ = workers[0].echo(layouts)
    for ours, theirs in zip(layouts, back, strict=True):
        assert np.array_equal(ours, theirs) and ours.dtype == theirs.dtype
