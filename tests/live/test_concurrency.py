"""Where calls run, how many at once and in what order (sections 2 "Ordering" and 5 of the API)."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.002)


async def wait_async(path):
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240 - only the file system joins the test and the actor
        await asyncio.sleep(0.002)


class Quick:
    """A burst of quick calls, and one among them that takes its time."""

    def add(self, n):
        return n + 1

    def hang(self, until):
        wait_for(until)


class QuickAsync(Quick):
    async def add(self, n):
        return n + 1


@pytest.mark.parametrize("kind", [Quick, QuickAsync])
def test_results_of_a_burst_do_not_wait_for_a_slow_call_behind_them(session, tmp_path, kind):
    actor, until = jactors.remote(kind).remote(), tmp_path / "go on"
    before = [actor.add.remote(n) for n in range(40)]
    slow = actor.hang.remote(str(until))
    behind = [actor.add.remote(n) for n in range(40)]
    assert jactors.get(before, timeout=TIMEOUT) == list(range(1, 41))
    assert jactors.wait([slow], timeout=0)[0] == []
    until.touch()
    assert jactors.get([slow, *behind], timeout=TIMEOUT) == [None, *range(1, 41)]


class Meter:
    """Counts what is under way at once, from threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *exc):
        with self.lock:
            self.now -= 1


class Base:
    def __init__(self):
        self.meter = Meter()
        self.local = threading.local()
        self.seen = []

    def meet(self, parties, folder, i):
        """Return when `parties` calls are under way at once."""
        with self.meter:
            open(os.path.join(folder, f"here{i}"), "w").close()
            while len(os.listdir(folder)) < parties:
                time.sleep(0.002)
            return threading.current_thread().name

    def step(self):
        with self.meter:
            time.sleep(0.001)

    def most(self):
        return self.meter.most

    def count_in_thread(self):
        self.local.count = getattr(self.local, "count", 0) + 1
        return threading.get_ident(), self.local.count

    def wait_for(self, path, value=None):
        self.seen.append(value)
        wait_for(path)
        return value

    def note(self, value):
        self.seen.append(value)
        return value

    def log(self):
        return self.seen

    def thread(self):
        return threading.current_thread() is threading.main_thread()

    def context(self):
        time.sleep(0.001)
        return jactors.get_runtime_context().get_task_id()


Sync = jactors.remote(Base)
Pool = jactors.remote(max_concurrency=3)(Base)


class Groups(Base):
    def __init__(self):
        super().__init__()
        self.meters = {"io": Meter(), "compute": Meter()}

    @jactors.method(concurrency_group="io")
    def io(self, path=None):
        with self.meters["io"]:
            if path:
                wait_for(path)
            else:
                time.sleep(0.001)
            return threading.current_thread().name

    @jactors.method(concurrency_group="compute")
    def compute(self):
        with self.meters["compute"]:
            time.sleep(0.001)
            return threading.current_thread().name

    def plain(self):
        return threading.current_thread().name

    def maxima(self):
        return {name: meter.most for name, meter in self.meters.items()}


GROUPS = {"io": 2, "compute": 4}
Grouped = jactors.remote(concurrency_groups=GROUPS)(Groups)


class AsyncBase:
    def __init__(self):
        self.event = asyncio.Event()  # of the loop that runs the calls
        self.now = self.most = 0
        self.seen = []
        self.background = asyncio.get_running_loop().create_task(self.tick())

    async def tick(self):
        self.ticks = 0
        while True:
            self.ticks += 1
            await asyncio.sleep(0.001)

    async def count_ticks(self):
        return self.ticks

    async def wait(self):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.event.wait()
        finally:
            self.now -= 1

    async def set(self, when=0):
        while self.now < when:  # noqa: ASYNC110 - a condition of its own would be a test of asyncio
            await asyncio.sleep(0.001)
        self.event.set()
        return self.most

    async def wait_for(self, path):
        await wait_async(path)
        return path

    async def note(self, value):
        self.seen.append(value)
        return value

    def block(self, ready, path):
        open(ready, "w").close()
        wait_for(path)
        return threading.current_thread() is threading.main_thread(), asyncio.get_running_loop() is not None

    async def await_ref(self, box):
        return await box[0]

    async def gather(self, box):
        return await asyncio.gather(*box)

    def unpack(self, box):
        return box[0]

    async def context(self):
        before = jactors.get_runtime_context().get_task_id()
        await asyncio.sleep(0.001)
        assert jactors.get_runtime_context().get_task_id() == before
        return before


Async = jactors.remote(AsyncBase)


def got(refs):
    return jactors.get(refs, timeout=TIMEOUT)


# ---------------------------------------------------------------- sync, one at a time


def test_sync_runs_on_the_main_thread_one_at_a_time(session):
    actor = Sync.remote()
    assert actor.thread() is True
    got([actor.step.remote() for _ in range(50)])
    assert actor.most() == 1


def test_sync_calls_start_in_the_order_of_submission_from_one_thread_and_from_several(session):
    actor = Sync.remote()
    got([actor.note.remote((0, i)) for i in range(500)])
    turn, lock = [0], threading.Lock()

    def submit():
        for _ in range(100):
            with lock:
                actor.note.remote((1, turn[0]))
                turn[0] += 1

    threads = [threading.Thread(target=submit) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert actor.log() == [(0, i) for i in range(500)] + [(1, i) for i in range(400)]


# ---------------------------------------------------------------- threads


def test_threaded_never_more_than_n_and_all_n_at_once(session, tmp_path):
    actor = Pool.remote()
    names = got([actor.meet.remote(3, str(tmp_path), i) for i in range(3)])
    assert len(set(names)) == 3
    got([actor.step.remote() for _ in range(200)])
    assert actor.most() == 3


def test_threaded_runs_off_the_main_thread(session):
    assert Pool.remote().thread() is False


def test_threaded_keeps_its_threads_and_their_locals(session):
    actor = Pool.remote()
    counts = {}
    for ident, count in got([actor.count_in_thread.remote() for _ in range(100)]):
        counts.setdefault(ident, []).append(count)
    assert len(counts) <= 3 and sum(max(each) for each in counts.values()) == 100
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in counts.values())


def test_threaded_max_concurrency_may_be_given_at_the_creation(session, tmp_path):
    actor = Sync.options(max_concurrency=2).remote()
    assert len(set(got([actor.meet.remote(2, str(tmp_path), i) for i in range(2)]))) == 2


def test_threaded_calls_know_who_they_are(session):
    actor = Pool.remote()
    refs = [actor.context.remote() for _ in range(50)]
    assert got(refs) == [ref.task_id().hex() for ref in refs]


# ---------------------------------------------------------------- async


def test_async_methods_are_all_under_way_at_once(session):
    actor = Async.remote()
    waiting = [actor.wait.remote() for _ in range(100)]
    assert got(actor.set.remote(100)) == 100
    got(waiting)


def test_async_one_event_loop_for_init_methods_and_background_tasks(session):
    actor = Async.remote()
    before = actor.count_ticks()
    deadline = time.monotonic() + TIMEOUT
    while actor.count_ticks() <= before:
        assert time.monotonic() < deadline
    assert before >= 0


def test_async_ten_thousand_coroutines_in_flight(session):
    actor = Async.options(max_concurrency=10_001).remote()
    waiting = [actor.wait.remote() for _ in range(10_000)]
    assert got(actor.set.remote(10_000)) == 10_000
    assert got(waiting) == [None] * 10_000


def test_async_default_is_a_thousand_at_once(session):
    actor = Async.remote()
    waiting = [actor.wait.remote() for _ in range(1200)]
    probe = actor.set.remote()
    ready, _ = jactors.wait([probe], timeout=0.2)
    assert ready == []  # it has no room
    for ref in waiting[:300]:
        jactors.cancel(ref)
    assert 900 <= got(probe) <= 1000  # it got room somewhere among the cancelled, and there were never more
    ends = [cancelled(ref) for ref in waiting]
    assert all(ends[:200]) and not any(ends[300:])  # those between may have been woken first


def cancelled(ref):
    try:
        got(ref)
    except exceptions.TaskCancelledError:
        return True
    return False


def test_async_max_concurrency_is_kept(session):
    actor = Async.options(max_concurrency=5).remote()
    waiting = [actor.wait.remote() for _ in range(4)]
    assert got(actor.set.remote(4)) == 4
    got(waiting)
    assert got([actor.note.remote(i) for i in range(100)]) == list(range(100))


def test_async_sync_methods_run_on_the_loop_and_block_it(session, tmp_path):
    actor = Async.remote()
    actor.__ray_ready__()
    blocking = actor.block.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    until_exists(tmp_path / "ready")
    later = actor.note.remote(1)
    assert jactors.wait([later], timeout=0.1)[0] == []
    (tmp_path / "gate").touch()
    assert got(blocking) == (True, True) and got(later) == 1


def test_async_inherited_coroutines_make_an_async_actor(session):
    class Child(AsyncBase):
        def plain(self):
            return self.most

    actor = jactors.remote(Child).remote()
    waiting = [actor.wait.remote() for _ in range(3)]
    got(actor.set.remote(3))
    got(waiting)
    assert actor.plain() == 3


def test_async_init_is_awaited(session):
    @jactors.remote
    class Late:
        async def __init__(self, value):
            await asyncio.sleep(0)
            self.value = value

        def get(self):
            return self.value

    assert Late.remote(7).get() == 7


def test_async_init_that_raises(session):
    @jactors.remote
    class Broken:
        async def __init__(self):
            await asyncio.sleep(0)
            raise ValueError("not today")

        def get(self):
            return 1

    with pytest.raises(exceptions.ActorDiedError, match="not today"):
        Broken.remote().get()


def test_async_refs_are_awaited_and_gathered_inside(session):
    source, actor = Sync.remote(), Async.remote()
    refs = [source.note.remote(i) for i in range(10)]
    assert got(actor.await_ref.remote([refs[3]])) == 3
    assert got(actor.gather.remote(refs)) == list(range(10))
    assert got(actor.unpack.remote(refs)) == refs[0]  # a ref that is returned is a value, and not awaited
    assert got(actor.gather.remote([actor.note.remote(i) for i in range(5)])) == list(range(5))


def test_async_that_blocks_in_get_is_told_so_once(session, capfd):
    """RAY_API 3: In an async actor `get` works, but blocks the loop (warning)."""

    @jactors.remote
    class Blocks:
        async def fetch(self, box):
            return jactors.get(box[0])

    source, actor = Sync.remote(), Blocks.remote()
    refs = [source.__ray_call__.remote(lambda _: __import__("time").sleep(0.1)) for _ in range(2)]
    assert got([actor.fetch.remote([ref]) for ref in refs]) == [None, None]
    assert capfd.readouterr().err.count("a blocking call, such as jactors.get, in an async actor") == 1


def test_async_calls_know_who_they_are_across_an_await(session):
    actor = Async.remote()
    refs = [actor.context.remote() for _ in range(100)]
    assert got(refs) == [ref.task_id().hex() for ref in refs]


def test_async_exit_actor_from_a_background_task(session):
    @jactors.remote
    class Leaves:
        async def later(self):
            asyncio.get_running_loop().create_task(self.leave())
            return "soon"

        async def leave(self):
            await asyncio.sleep(0)
            jactors.actor.exit_actor()

        async def never(self):
            await asyncio.Event().wait()

    actor = Leaves.remote()
    waits = actor.never.remote()
    assert got(actor.later.remote()) == "soon"
    with pytest.raises(exceptions.ActorDiedError, match="exit_actor"):
        got(waits)


# ---------------------------------------------------------------- order, and arguments that are pending


@pytest.mark.parametrize(
    "cls",
    [Pool, Grouped, Async, Sync.options(allow_out_of_order_execution=True)],
    ids=["pool", "groups", "async", "asked"],
)
def test_unresolved_argument_does_not_hold_back_where_order_is_not_promised(session, tmp_path, cls):
    source, actor = Sync.remote(), cls.remote()
    pending = source.wait_for.remote(str(tmp_path / "gate"), "first")
    first = actor.note.remote(pending)
    assert got([actor.note.remote(i) for i in range(20)]) == list(range(20))
    (tmp_path / "gate").touch()
    assert got(first) == "first"


@pytest.mark.parametrize("cls", [Pool, Grouped, Async], ids=["pool", "groups", "async"])
def test_order_cannot_be_asked_of_those(session, cls):
    with pytest.raises(
        ValueError, match="allow_out_of_order_execution=False needs an actor that runs one call at a time"
    ):
        cls.options(allow_out_of_order_execution=False).remote()


def test_order_may_be_asked_of_a_sync_one(session):
    actor = Sync.options(allow_out_of_order_execution=False).remote()
    got([actor.note.remote(i) for i in range(50)])
    assert actor.log() == list(range(50))


# ---------------------------------------------------------------- concurrency groups


def test_groups_have_threads_of_their_own_and_never_more_than_their_size(session):
    actor = Grouped.remote()
    refs = [getattr(actor, name).remote() for _ in range(60) for name in ("io", "compute", "plain")]
    names = got(refs)
    assert len(set(names[0::3])) <= 2 and len(set(names[1::3])) <= 4 and len(set(names[2::3])) == 1
    assert not set(names[0::3]) & set(names[1::3])
    maxima = actor.maxima()
    assert maxima["io"] <= 2 and maxima["compute"] <= 4


def test_groups_by_the_call(session):
    actor = Grouped.remote()
    default, io = actor.plain(), got(actor.plain.options(concurrency_group="io").remote())
    assert "io" in io and "io" not in default
    assert "compute" in got(actor.io.options(concurrency_group="compute").remote())


def test_a_stuck_group_holds_up_no_other_also_with_two_thousand_queued(session, tmp_path):
    actor = Grouped.remote()
    stuck = [actor.io.remote(str(tmp_path / "gate")) for _ in range(2000)]
    assert len(got([actor.compute.remote() for _ in range(50)])) == 50
    assert got(actor.plain.remote())
    (tmp_path / "gate").touch()
    assert len(got(stuck)) == 2000


def test_a_stuck_group_of_an_async_actor_holds_up_no_other(session, tmp_path):
    @jactors.remote(concurrency_groups={"io": 2})
    class Mixed(AsyncBase):
        @jactors.method(concurrency_group="io")
        async def io(self, path):
            await wait_async(path)
            return path

    actor = Mixed.remote()
    gate = str(tmp_path / "gate")
    stuck = [actor.io.remote(gate) for _ in range(2000)]
    assert got([actor.note.remote(i) for i in range(20)]) == list(range(20))
    (tmp_path / "gate").touch()
    assert set(got(stuck)) == {gate}


def test_an_undeclared_group_of_a_method_is_named_at_the_creation(session):
    @jactors.remote(concurrency_groups={"io": 1})
    class Wrong:
        @jactors.method(concurrency_group="oi")
        def m(self):
            pass

    with pytest.raises(AssertionError, match=r"Wrong\.m .*'oi'.*declared: \['io'\]"):
        Wrong.remote()


def test_an_unknown_group_of_a_call_is_an_error_here_and_the_actor_lives(session):
    actor = Grouped.remote()
    with pytest.raises(ValueError, match=r"Groups has no concurrency group 'oi'; its groups: \['io', 'compute'\]"):
        actor.plain.options(concurrency_group="oi").remote()
    assert actor.plain()


# ---------------------------------------------------------------- max_pending_calls


def test_max_pending_calls_raises_at_the_call_and_counts_what_has_not_ended(session, tmp_path):
    actor = Sync.options(max_pending_calls=3).remote()
    refs = [actor.wait_for.remote(str(tmp_path / "gate"), i) for i in range(3)]
    with pytest.raises(
        exceptions.PendingCallsLimitExceeded, match=r"note could not be submitted to Actor\(Base.*3 tasks"
    ):
        actor.note.remote(4)
    with pytest.raises(exceptions.PendingCallsLimitExceeded):
        jactors.get(jactors.put(actor)).note.remote(4)  # another handle of this process shares the count
    (tmp_path / "gate").touch()
    assert got(refs) == [0, 1, 2]
    assert actor.note(5) == 5


def test_max_pending_calls_of_a_pending_actor(session):
    holder = Sync.options(num_gpus=4).remote()
    holder.__ray_ready__()
    actor = Sync.options(num_gpus=1, max_pending_calls=2).remote()
    refs = [actor.note.remote(i) for i in range(2)]
    with pytest.raises(exceptions.PendingCallsLimitExceeded):
        actor.note.remote(2)
    jactors.cancel(refs[0])
    third = actor.note.remote(3)  # what was cancelled does not count
    jactors.kill(holder)
    assert got([refs[1], third]) == [1, 3]


def test_max_pending_calls_without_limit(session):
    actor = Sync.remote()
    assert got([actor.note.remote(i) for i in range(3000)]) == list(range(3000))
