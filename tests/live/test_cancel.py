"""`cancel` and `interrupt`: calls end where they are, and no other is hit (sections 3 and 0 of the API)."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time

import pytest

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


def touch(path):
    open(path, "w").close()


class Works:
    def __init__(self):
        self.runs = []
        self.caught = 0

    def spin(self, ready):
        """Run until somebody ends it."""
        self.runs.append("spin")
        open(ready, "w").close()
        try:
            while True:
                pass
        finally:
            self.runs.append("ended")

    def stubborn(self, ready, times):
        """Catch so many interrupts, then return."""
        caught = 0
        while caught < times:
            try:
                open(f"{ready}{caught}", "w").close()
                while True:
                    time.sleep(0.001)
            except KeyboardInterrupt:
                caught += 1
        return caught

    def wait_for(self, ready, path):
        self.runs.append("wait_for")
        open(ready, "w").close()
        while not os.path.exists(path):
            time.sleep(0.001)
        return "waited"

    def note(self, value):
        self.runs.append(value)
        return value

    def log(self):
        return self.runs

    def count(self, n):
        total = 0
        for i in range(n):
            total += i
        return total

    def polls(self, ready):
        open(ready, "w").close()
        context = jactors.get_runtime_context()
        try:
            while not context.is_canceled():
                time.sleep(0.001)
        except KeyboardInterrupt:
            return context.is_canceled()

    def is_canceled(self):
        return jactors.get_runtime_context().is_canceled()

    def parent(self, child, ready):
        return jactors.get(child.spin.remote(ready))

    def cancels(self, box, recursive=True):
        jactors.cancel(box[0], recursive=recursive)

    def gets(self, box):
        return jactors.get(box[0])

    def pid(self):
        return os.getpid()


@jactors.remote
def spin_for_ever(ready):
    open(ready, "w").close()
    while True:
        pass


class WorksAsync:
    def __init__(self):
        self.runs = []

    async def sleep(self, ready):
        touch(ready)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.runs.append("cancelled inside")
            raise

    async def swallow(self, ready):
        touch(ready)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "swallowed"

    def spin(self, ready):
        open(ready, "w").close()
        while True:
            pass

    async def parent(self, child, ready):
        return await child.spin.remote(ready)

    async def note(self, value):
        self.runs.append(value)
        return value

    async def log(self):
        return self.runs


Sync = jactors.remote(Works)
Pool = jactors.remote(max_concurrency=2)(Works)
Async = jactors.remote(WorksAsync)

EACH = pytest.mark.parametrize("actor", [Sync, Pool], ids=["sync", "threaded"], indirect=True)


@pytest.fixture
def actor(request, session):
    actor = getattr(request, "param", Sync).remote()
    yield actor
    jactors.kill(actor)


@pytest.fixture
def ready(tmp_path):
    return tmp_path / "ready"


def got(refs):
    return jactors.get(refs, timeout=TIMEOUT)


def assert_cancelled(*refs):
    for ref in refs:
        with pytest.raises(exceptions.TaskCancelledError):
            got(ref)


# ---------------------------------------------------------------- what cannot be cancelled


@pytest.mark.parametrize("what", [3, None, [], "ref"])
def test_cancel_of_what_is_no_ref(session, what):
    with pytest.raises(TypeError, match="only supports object refs"):
        jactors.cancel(what)


def test_cancel_by_force_is_not_for_actors(actor):
    with pytest.raises(ValueError, match="force=True is not supported for actor tasks"):
        jactors.cancel(actor.note.remote(1), force=True)


def test_cancel_of_a_finished_call_or_a_put_value_does_nothing(actor):
    ref, put = actor.note.remote(1), jactors.put(2)
    got(ref)
    jactors.cancel(ref)
    jactors.cancel(put)
    assert got([ref, put]) == [1, 2]


# ---------------------------------------------------------------- before it runs


def test_cancel_while_the_actor_is_pending(session):
    holder = Sync.options(num_gpus=4).remote()
    holder.__ray_ready__()
    actor = Sync.options(num_gpus=1).remote()
    refs = [actor.note.remote(i) for i in range(3)]
    jactors.cancel(refs[1])
    assert_cancelled(refs[1])
    jactors.kill(holder)
    assert got([refs[0], refs[2]]) == [0, 2] and actor.log() == [0, 2]


def test_cancel_while_an_argument_is_pending(actor, tmp_path):
    other = Sync.remote()
    argument = other.wait_for.remote(str(tmp_path / "a"), str(tmp_path / "gate"))
    waits, later = actor.note.remote(argument), actor.note.remote("later")
    jactors.cancel(waits)
    assert_cancelled(waits)
    assert got(later) == "later"  # nothing holds it back any more
    (tmp_path / "gate").touch()
    assert got(argument) == "waited" and actor.log() == ["later"]


@EACH
def test_cancel_of_queued_calls_is_known_at_once_and_they_never_run(actor, ready, tmp_path):
    busy = [actor.wait_for.remote(f"{ready}{i}", str(tmp_path / "gate")) for i in range(2)]
    until_exists(tmp_path / "ready0")
    queued = [actor.note.remote(i) for i in range(10)]
    for ref in queued[1::2]:
        jactors.cancel(ref)
    assert_cancelled(*queued[1::2])  # while the running call still runs
    assert jactors.wait(busy, timeout=0)[0] == []
    (tmp_path / "gate").touch()
    assert got(busy) == ["waited"] * 2 and got(queued[::2]) == [0, 2, 4, 6, 8]
    assert sorted(value for value in actor.log() if isinstance(value, int)) == [0, 2, 4, 6, 8]


def test_cancel_of_unsent_calls(actor, ready, tmp_path):
    busy = actor.wait_for.remote(str(ready), str(tmp_path / "gate"))
    until_exists(ready)
    queued = [actor.note.remote(i) for i in range(5000)]  # far more than are sent
    for ref in queued[10:]:
        jactors.cancel(ref)
    assert_cancelled(*queued[10:])
    (tmp_path / "gate").touch()
    assert got([busy, *queued[:10]]) == ["waited", *range(10)] and actor.log() == ["wait_for", *range(10)]


def test_cancel_of_what_waits_for_room_in_an_async_actor(session, tmp_path):
    actor = Async.options(max_concurrency=1).remote()
    running, waiting = actor.sleep.remote(str(tmp_path / "a")), actor.note.remote(1)
    until_exists(tmp_path / "a")
    jactors.cancel(waiting)
    assert_cancelled(waiting)
    jactors.cancel(running)
    assert_cancelled(running)
    assert got(actor.log.remote()) == ["cancelled inside"]


def test_cancel_right_after_the_call(actor):
    for i in range(200):
        ref = actor.note.remote(i)
        jactors.cancel(ref)
        try:
            assert got(ref) == i
        except exceptions.TaskCancelledError:
            pass
    assert actor.note("alive") == "alive"


# ---------------------------------------------------------------- while it runs


@EACH
def test_cancel_of_a_running_call_interrupts_it_and_the_state_is_kept(actor, ready):
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    with pytest.raises(exceptions.TaskCancelledError) as caught:
        got(ref)
    assert isinstance(caught.value, exceptions.TaskError)
    assert actor.log() == ["spin", "ended"]


@EACH
def test_cancel_hits_only_the_call_that_is_meant(actor, ready, tmp_path):
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    next_one = actor.wait_for.remote(str(tmp_path / "next"), str(tmp_path / "gate"))
    jactors.cancel(ref)
    assert_cancelled(ref)
    until_exists(tmp_path / "next")
    jactors.cancel(ref)  # again: it has ended
    (tmp_path / "gate").touch()
    assert got(next_one) == "waited"


@EACH
def test_cancel_of_a_call_that_returns_all_the_same_has_no_result(actor, ready):
    ref = actor.stubborn.remote(str(ready), 1)
    until_exists(ready.with_name("ready0"))
    jactors.cancel(ref)
    assert_cancelled(ref)


@EACH
def test_is_canceled_in_the_cancelled_call_and_only_there(actor, ready):
    assert actor.is_canceled() is False
    ref = actor.polls.remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)
    assert actor.is_canceled() is False


def test_cancel_of_a_running_coroutine(session, ready):
    actor = Async.remote()
    ref = actor.sleep.remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)
    assert got(actor.log.remote()) == ["cancelled inside"]


def test_cancel_of_a_coroutine_that_swallows_it(session, ready):
    actor = Async.remote()
    ref = actor.swallow.remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)


def test_cancel_of_a_sync_method_that_blocks_an_async_actor(session, ready):
    actor = Async.remote()
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)
    assert got(actor.note.remote(1)) == 1


def test_cancel_of_many_coroutines_leaves_the_others(session, tmp_path):
    actor = Async.remote()
    refs = [actor.sleep.remote(str(tmp_path / str(i))) for i in range(50)]
    until_exists(tmp_path / "49")
    for ref in refs[::2]:
        jactors.cancel(ref)
    assert_cancelled(*refs[::2])
    assert jactors.wait(refs[1::2], timeout=0)[0] == []
    for ref in refs[1::2]:
        jactors.cancel(ref)
    assert_cancelled(*refs)


# ---------------------------------------------------------------- recursive, from elsewhere, never retried


@pytest.mark.parametrize("parent", [Sync, Pool, Async], ids=["sync", "threaded", "async"])
def test_cancel_is_recursive(session, ready, parent):
    child, parent = Sync.remote(), parent.remote()
    ref = parent.parent.remote(child, str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)
    assert child.log() == ["spin", "ended"]


@pytest.mark.parametrize("parent", [pytest.param(Sync, id="sync"), pytest.param(Async, id="async")])
def test_cancel_that_is_not_recursive_leaves_the_child(session, ready, parent):
    child, parent = Sync.remote(), parent.remote()
    ref = parent.parent.remote(child, str(ready))
    until_exists(ready)
    jactors.cancel(ref, recursive=False)
    assert_cancelled(ref)
    behind = child.log.remote()
    assert jactors.wait([behind], timeout=0.1)[0] == []  # it still spins
    jactors.interrupt(child)
    assert got(behind) == ["spin", "ended"]


@pytest.mark.parametrize("recursive", [True, False])
def test_cancel_from_another_process_that_got_the_ref(actor, ready, recursive):
    """RAY_API 3: Any process that received the ref may cancel."""
    other = Sync.remote()
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    got(other.cancels.remote([ref], recursive=recursive))
    with pytest.raises(exceptions.TaskCancelledError):
        jactors.get(ref, timeout=TIMEOUT)
    assert actor.log() == ["spin", "ended"]


def test_a_borrower_sees_that_somebody_has_cancelled(actor, ready):
    """RAY_API 3: the ref of a cancelled call raises in every process that has it."""
    other = Sync.remote()
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    waits = other.gets.remote([ref])
    jactors.cancel(ref)
    with pytest.raises(exceptions.TaskCancelledError):
        jactors.get(waits, timeout=TIMEOUT)


def test_cancel_of_a_borrowed_task(session, ready):
    other = Sync.remote()
    ref = spin_for_ever.remote(str(ready))
    until_exists(ready)
    got(other.cancels.remote([ref]))
    with pytest.raises(exceptions.TaskCancelledError):
        jactors.get(ref, timeout=TIMEOUT)


def test_cancel_of_a_borrowed_ref_that_has_ended_does_nothing(actor, session):
    other = Sync.remote()
    put, ended = jactors.put(1), actor.log.remote()
    jactors.get(ended, timeout=TIMEOUT)
    got(other.cancels.remote([put]))
    got(other.cancels.remote([ended]))
    assert jactors.get([put, ended]) == [1, []]


def test_a_cancelled_call_is_never_retried(session, ready):
    actor = Sync.options(max_restarts=-1, max_task_retries=-1).remote()
    ref = actor.spin.options(retry_exceptions=True).remote(str(ready))
    until_exists(ready)
    jactors.cancel(ref)
    assert_cancelled(ref)
    assert actor.log() == ["spin", "ended"]


def test_a_cancelled_call_is_not_sent_again_after_a_death(session, ready):
    actor = Sync.options(max_restarts=1, max_task_retries=-1).remote()
    busy = actor.spin.options(max_task_retries=0).remote(str(ready))
    queued = [actor.note.remote(i) for i in range(4)]
    until_exists(ready)
    jactors.cancel(queued[1])
    assert_cancelled(queued[1])
    jactors.kill(actor, no_restart=False)
    with pytest.raises(exceptions.ActorUnavailableError):
        got(busy)
    assert got([queued[0], *queued[2:]]) == [0, 2, 3] and actor.log() == [0, 2, 3]


# ---------------------------------------------------------------- interrupt


def test_interrupt_ends_the_running_method_and_keeps_the_state(actor, ready):
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    pid = os.getpid()
    jactors.interrupt(actor)
    with pytest.raises(exceptions.TaskCancelledError, match=r"Works\.spin was interrupted") as caught:
        got(ref)
    assert isinstance(caught.value.cause, KeyboardInterrupt)
    assert actor.log() == ["spin", "ended"] and actor.pid() != pid


def test_interrupt_may_be_caught_and_comes_again(actor, ready):
    ref = actor.stubborn.remote(str(ready), 3)
    for i in range(3):
        until_exists(ready.with_name(f"ready{i}"))
        jactors.interrupt(actor)
    assert got(ref) == 3


def test_cancel_of_a_method_that_has_caught_an_interrupt(actor, ready):
    ref = actor.stubborn.remote(str(ready), 2)
    until_exists(ready.with_name("ready0"))
    jactors.interrupt(actor)
    until_exists(ready.with_name("ready1"))
    jactors.cancel(ref)
    assert_cancelled(ref)


def test_interrupt_of_an_idle_actor_hits_nothing(actor):
    for i in range(30):
        jactors.interrupt(actor)
        assert actor.note(i) == i


@pytest.mark.parametrize("what", [None, 3, "actor"])
def test_interrupt_takes_a_handle(session, what):
    with pytest.raises(ValueError, match="takes an actor's handle"):
        jactors.interrupt(what)


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_two_hundred_at_random_moments_each_call_ends_once(actor, how):
    """A cancel hits its own call alone; an interrupt whichever runs; every call has one end, and the actor lives."""
    randomly = random.Random(7)
    ends, told = {}, []

    def submit(i):
        ref = actor.count.remote(20_000)
        ref._on_completed(lambda value: told.append(i))
        return ref

    refs = {i: submit(i) for i in range(600)}
    cancelled = set()
    for _ in range(200):
        i = randomly.randrange(600)
        if how == "cancel":
            cancelled.add(i)
            jactors.cancel(refs[i])
        else:
            jactors.interrupt(actor)
        time.sleep(randomly.random() * 0.002)
    for i, ref in refs.items():
        try:
            ends[i] = got(ref)
        except exceptions.TaskCancelledError:
            ends[i] = None
    expected = sum(range(20_000))
    assert set(ends.values()) <= {expected, None}
    if how == "cancel":
        assert {i for i, end in ends.items() if end is None} <= cancelled
    assert sorted(told) == list(range(600)) and actor.note("alive") == "alive"


def test_two_hundred_cancels_at_random_moments_in_threads(session):
    actor, randomly = Pool.remote(), random.Random(11)
    refs = [actor.count.remote(20_000) for _ in range(600)]
    cancelled = set()
    for _ in range(200):
        i = randomly.randrange(600)
        cancelled.add(i)
        jactors.cancel(refs[i])
        time.sleep(randomly.random() * 0.002)
    for i, ref in enumerate(refs):
        try:
            assert got(ref) == sum(range(20_000))
        except exceptions.TaskCancelledError:
            assert i in cancelled
    assert actor.note("alive") == "alive"


def test_cancel_from_many_threads_at_once(actor, ready):
    ref = actor.spin.remote(str(ready))
    until_exists(ready)
    threads = [threading.Thread(target=jactors.cancel, args=[ref]) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert_cancelled(ref)
    assert actor.note(1) == 1
