"""The utilities, as RAY_API.md says (9): pool, queue, iteration, names, state; what was left of 6 and 8."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import queue
import subprocess
import sys
import threading

import pytest

import jactors
from jactors import util
from jactors.util import ActorPool, state
from jactors.util.queue import Empty, Full, Queue
from tests.live.conftest import until_exists

TIMEOUT = 30


@jactors.remote
class Worker:
    def double(self, value):
        return 2 * value

    def pair(self, value):
        return value, -value

    def boom(self, value):
        raise ValueError(value)

    def stop(self):
        raise StopIteration(5)

    def die(self, value):
        os._exit(3)

    def hold(self, path):
        """Say that it runs, then wait until `path` exists."""
        path.with_suffix(".runs").touch()
        until_exists(path)
        return str(path)

    def ask(self, other, path):
        """Have another hold; returns the id of that call."""
        ref = other.hold.remote(path)
        jactors.get(ref)
        return ref.task_id().hex()

    def drain(self, jobs, n):
        return [jobs.get(timeout=TIMEOUT) for _ in range(n)]

    def fill(self, jobs, items):
        for item in items:
            jobs.put(item)
        return len(items)

    def context(self):
        here = jactors.get_runtime_context()
        return here.is_canceled(), here.get_task_function_name(), here.get_resource_ids()

    def ids(self):
        here = jactors.get_runtime_context()
        with pytest.warns(DeprecationWarning, match="use get_.*_id"):
            found = here.actor_id, here.task_id, here.job_id, here.node_id
        return [each.hex() for each in found], [
            here.get_actor_id(),
            here.get_task_id(),
            here.get_job_id(),
            here.get_node_id(),
        ]

    def until_canceled(self, path):
        """Hold out against the interrupt, and write down what the context says then."""
        here = jactors.get_runtime_context()
        try:
            path.with_suffix(".runs").touch()
            threading.Event().wait(TIMEOUT)
        except KeyboardInterrupt:
            path.write_text(str(here.is_canceled()))


@jactors.remote
class Async:
    async def is_canceled(self):
        return jactors.get_runtime_context().is_canceled()


double = lambda actor, value: actor.double.remote(value)


@pytest.fixture(scope="module")
def workers(session):
    return [Worker.remote(), Worker.remote()]


@pytest.fixture
def jobs(session):
    jobs = Queue(3)
    yield jobs
    jobs.shutdown(force=True)


# ---------------------------------------------------------------------- ActorPool


def test_pool_map_keeps_the_order(workers):
    pool = ActorPool(workers)
    results = pool.map(double, range(10))
    assert not pool.has_free()  # submitted at once
    assert list(results) == [2 * i for i in range(10)]
    assert pool.has_free() and not pool.has_next()


def test_pool_map_unordered_has_all(workers):
    assert sorted(ActorPool(workers).map_unordered(double, range(10))) == [2 * i for i in range(10)]


def test_pool_actor_pool_is_where_ray_has_it():
    from jactors.util.actor_pool import ActorPool as Again

    assert Again is ActorPool is util.ActorPool is jactors.util.ActorPool


def test_pool_submit_and_get_next(workers):
    pool = ActorPool(workers)
    for value in range(5):
        pool.submit(double, value)
    assert [pool.get_next(timeout=TIMEOUT) for _ in range(5)] == [0, 2, 4, 6, 8]
    with pytest.raises(StopIteration):
        pool.get_next()
    with pytest.raises(StopIteration):
        pool.get_next_unordered()


def test_pool_get_next_unordered_takes_what_is_there(workers, tmp_path):
    pool = ActorPool(workers)
    pool.submit(lambda actor, path: actor.hold.remote(path), tmp_path / "gate")
    pool.submit(double, 21)
    assert pool.get_next_unordered(timeout=TIMEOUT) == 42
    with pytest.raises(TimeoutError):
        pool.get_next_unordered(timeout=0)
    (tmp_path / "gate").touch()
    assert pool.get_next(timeout=TIMEOUT) == str(tmp_path / "gate")  # after an unordered one


def test_pool_timeout_keeps_the_task_or_ignores_it(workers, tmp_path):
    pool = ActorPool(workers[:1])
    hold = lambda actor, path: actor.hold.remote(path)
    pool.submit(hold, tmp_path / "one")
    pool.submit(double, 1)
    with pytest.raises(TimeoutError, match="Timed out"):
        pool.get_next(timeout=0)
    with pytest.raises(TimeoutError, match="has been ignored"):
        pool.get_next(timeout=0, ignore_if_timedout=True)
    (tmp_path / "one").touch()
    assert pool.get_next(timeout=TIMEOUT) == 2


def test_pool_map_discards_earlier_work(workers):
    pool = ActorPool(workers)
    for value in range(5):
        pool.submit(double, 100 + value)
    assert list(pool.map(double, [1, 2])) == [2, 4]


def test_pool_several_returns(workers):
    pool = ActorPool(workers)
    pair = lambda actor, value: actor.pair.options(num_returns=2).remote(value)
    assert list(pool.map(pair, [1, 2, 3])) == [[1, -1], [2, -2], [3, -3]]
    assert sorted(pool.map_unordered(pair, [1, 2, 3])) == [[1, -1], [2, -2], [3, -3]]


def test_pool_push_and_pop_idle(workers):
    first, second = workers
    pool = ActorPool([first])
    with pytest.raises(ValueError, match="already belongs"):
        pool.push(first)
    pool.submit(double, 1)
    pool.submit(double, 2)
    assert pool.pop_idle() is None
    with pytest.raises(ValueError, match="already belongs"):
        pool.push(first)
    pool.push(second)  # takes what waits
    assert [pool.get_next(), pool.get_next()] == [2, 4]
    assert {pool.pop_idle(), pool.pop_idle()} == {first, second}
    assert pool.pop_idle() is None


def test_pool_error_of_a_call_gives_the_actor_back(workers):
    pool = ActorPool(workers[:1])
    pool.submit(lambda actor, value: actor.boom.remote(value), "no")
    pool.submit(double, 4)
    with pytest.raises(ValueError, match="no"):
        pool.get_next()
    assert pool.get_next() == 8


def test_pool_dead_actor_is_not_returned(workers):
    dying = Worker.remote()
    pool = ActorPool([dying])
    pool.submit(lambda actor, value: actor.die.remote(value), 0)
    pool.submit(double, 5)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        pool.get_next()
    assert not pool.has_free()
    with pytest.raises(RuntimeError, match=r"no actor left, and 1 values wait.*push"):
        pool.get_next()
    pool.push(workers[0])
    assert pool.get_next() == 10


def test_pool_misused(workers):
    with pytest.raises(TypeError, match="handles of actors, got int"):
        ActorPool([3])
    pool = ActorPool(workers[:1])
    with pytest.raises(TypeError, match=r"use \.remote"):
        pool.submit(lambda actor, value: value, 1)
    assert pool.has_free()


# ---------------------------------------------------------------------- Queue


def test_queue_first_in_first_out(jobs):
    assert jobs.empty() and not jobs.full() and jobs.maxsize == 3
    for item in ("a", "b", "c"):
        jobs.put(item)
    assert jobs.full() and len(jobs) == jobs.size() == jobs.qsize() == 3
    assert [jobs.get() for _ in range(3)] == ["a", "b", "c"]


def test_queue_nowait_and_timeouts(jobs):
    assert issubclass(Empty, queue.Empty) and issubclass(Full, queue.Full)
    for call in (jobs.get_nowait, lambda: jobs.get(block=False), lambda: jobs.get(timeout=0.01)):
        with pytest.raises(Empty):
            call()
    jobs.put_nowait_batch([1, 2, 3])
    for call in (lambda: jobs.put_nowait(4), lambda: jobs.put(4, block=False), lambda: jobs.put(4, timeout=0.01)):
        with pytest.raises(Full):
            call()
    assert jobs.get_nowait_batch(3) == [1, 2, 3]


def test_queue_batches_are_all_or_nothing(jobs):
    jobs.put(0)
    with pytest.raises(Full, match="Cannot add 3 items to queue of size 1 and maxsize 3"):
        jobs.put_nowait_batch(i for i in range(3))
    with pytest.raises(Empty, match="Cannot get 2 items from queue of size 1"):
        jobs.get_nowait_batch(2)
    assert jobs.get_nowait_batch(1) == [0] and jobs.empty()


def test_queue_misused(jobs):
    for call in (lambda: jobs.get(timeout=-1), lambda: jobs.put(1, timeout=-1), lambda: jobs.get_nowait_batch(-1)):
        with pytest.raises(ValueError, match=r"negative.*-1"):
            call()
    with pytest.raises(TypeError, match="Iterable"):
        jobs.put_nowait_batch(3)
    with pytest.raises(TypeError, match="int"):
        jobs.get_nowait_batch("3")


def test_queue_async(jobs):
    async def main():
        waiting = asyncio.ensure_future(jobs.get_async())
        await jobs.put_async("x")
        assert await waiting == "x"
        with pytest.raises(Empty):
            await jobs.get_async(block=False)
        with pytest.raises(Empty):
            await jobs.get_async(timeout=0.01)
        with pytest.raises(ValueError, match="timeout"):
            await jobs.get_async(timeout=-1)
        await asyncio.gather(*(jobs.put_async(i) for i in range(3)))
        with pytest.raises(Full):
            await jobs.put_async(3, block=False)

    asyncio.run(main())


def test_queue_is_shared_with_actors(jobs, workers):
    one, other = workers
    got = one.drain.remote(jobs, 20)  # waits, and holds up nobody
    assert jactors.get(other.fill.remote(jobs, list(range(20))), timeout=TIMEOUT) == 20  # more than it holds
    assert jactors.get(got, timeout=TIMEOUT) == list(range(20))


def test_queue_actor_options(session):
    jobs = Queue(actor_options={"name": "jobs", "num_cpus": 1})
    jobs.put(1)
    assert "jobs" in util.list_named_actors()
    assert jobs.actor == jactors.get_actor("jobs")
    jobs.shutdown()
    assert jobs.actor is None
    with pytest.raises(jactors.exceptions.RayActorError, match="shut down"):
        jobs.put(1)
    jobs.shutdown()  # again is no error


def test_queue_shutdown_by_force_fails_those_who_wait(session, workers):
    jobs = Queue()
    jobs.put("here")
    waiting = workers[0].drain.remote(jobs, 2)
    while not jobs.empty():
        pass  # until it has taken the first
    jobs.shutdown(force=True)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        jactors.get(waiting, timeout=TIMEOUT)


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


# ---------------------------------------------------------------------- state


@jactors.remote
class Seen:
    def __repr__(self):
        return "Seen(by all)"

    def double(self, value):
        return 2 * value


@pytest.fixture(scope="module")
def seen(session):
    """Two that live, one that was killed, one that waits for cores."""
    alive = [Seen.options(name="Eve").remote(), Seen.options(num_gpus=1).remote()]
    dead = Seen.remote()
    big = Seen.options(num_cpus=4).remote()
    jactors.get([handle.__ray_ready__.remote() for handle in (*alive, dead, big)])
    waits = Seen.options(num_cpus=1).remote()
    jactors.kill(dead)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        dead.double(1)
    yield {"alive": alive, "dead": dead, "big": big, "waits": waits}
    for handle in (*alive, big, waits):
        jactors.kill(handle)


def of_seen(*filters, **options):
    return state.list_actors(filters=[("class_name", "=", "Seen"), *filters], **options)


def test_list_actors(session, seen):
    found = {each.actor_id: each for each in of_seen()}
    eve = found[seen["alive"][0]._actor_id.hex()]
    assert (eve.class_name, eve.state, eve.name) == ("Seen", "ALIVE", "Eve")
    assert eve.pid == seen["alive"][0].__ray_call__(lambda _: os.getpid())
    assert eve.ray_namespace == jactors.get_runtime_context().namespace
    assert eve.job_id == jactors.get_runtime_context().get_job_id()
    assert eve["name"] == eve.get("name") == eve.asdict()["name"] == "Eve"
    assert eve.get("nope") is None and eve.required_resources is None
    with pytest.raises(KeyError):
        eve["nope"]
    states = sorted(each.state for each in found.values())
    assert states == ["ALIVE", "ALIVE", "ALIVE", "DEAD", "PENDING_CREATION"]


def test_list_actors_filters_and_limit(seen):
    assert len(of_seen(("state", "=", "alive"))) == 3  # regardless of case
    assert len(of_seen(("state", "!=", "ALIVE"))) == 2
    (eve,) = of_seen(("name", "=", "eve"))
    assert of_seen(("pid", "=", str(eve.pid))) == of_seen(("pid", "=", eve.pid)) == [eve]
    assert of_seen(("name", "=", "eve"), ("state", "=", "DEAD")) == []
    assert len(of_seen(("repr_name", "=", "seen(by ALL)"))) == 4 and of_seen(("placement_group_id", "=", "x")) == []
    assert len(of_seen(limit=2)) == 2


def test_list_actors_in_detail(seen):
    (gpu,) = of_seen(("actor_id", "=", seen["alive"][1]._actor_id.hex()), detail=True)
    assert gpu.required_resources == {"GPU": 1.0} and len(gpu.gpus) == 1
    assert gpu.num_restarts == 0 and gpu.death_cause is None
    assert gpu.num_restarts_due_to_lineage_reconstruction == gpu.num_restarts_due_to_node_preemption == 0
    assert gpu.is_detached is False and gpu.placement_group_id is None
    assert {gpu.serialized_runtime_env, gpu.call_site, gpu.label_selector, gpu.fallback_strategy} == {None}
    (dead,) = of_seen(("state", "=", "DEAD"), detail=True)
    assert "jactors.kill" in dead.death_cause["error_message"] and dead.death_cause["signal"] == 9
    (waits,) = of_seen(("state", "=", "PENDING_CREATION"), detail=True)
    assert "CPU" in waits.pending_reason and waits.pid == 0


def test_get_actor_by_id(seen):
    found = state.get_actor(seen["big"]._actor_id.hex())
    assert found.state == "ALIVE" and set(found.cores) <= os.sched_getaffinity(0)
    assert state.get_actor("0" * 32) is None


def test_summarize_actors(seen):
    summary = state.summarize_actors()["cluster"]
    assert summary["summary"]["Seen"] == {
        "class_name": "Seen",
        "state_counts": {"ALIVE": 3, "DEAD": 1, "PENDING_CREATION": 1},
    }
    assert summary["total_actors"] >= 5 and summary["summary_by"] == "class"


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ([("nope", "=", "x")], "filter column nope is not supported.*actor_id"),
        ([("required_resources", "=", "x")], "not supported"),
        ([("state", "=", "SLEEPING")], "Invalid state.*'SLEEPING'.*ALIVE"),
        ([("name", ">", "x")], "predicate > "),
        ([("pid", "=", "x")], "pid: 'x' is no whole number"),
        ([("name", "x")], "a filter is"),
    ],
)
def test_bad_filters(session, filters, text):
    with pytest.raises(state.RayStateApiException, match=text):
        state.list_actors(filters=filters)


def test_another_sessions_address_is_refused(session):
    with pytest.raises(state.RayStateApiException, match="not this process' session"):
        state.list_actors(address="elsewhere")
    assert state.list_actors(address="auto") == state.list_actors(address=session["address"])


def test_list_tasks_has_the_calls_of_the_session_and_where_they_are(session, tmp_path):
    one, other = Worker.remote(), Worker.remote()
    held = one.hold.remote(tmp_path / "gate")
    until_exists(tmp_path / "gate.runs")
    needs = other.double.remote(held)
    behind = [one.double.remote(i) for i in range(500)]

    def listed(actor, *filters):
        return state.list_tasks(filters=[("actor_id", "=", actor._actor_id.hex()), *filters], limit=1000)

    found = listed(one)
    assert [each.task_id for each in found] == [ref.task_id().hex() for ref in (held, *behind)]
    assert (found[0].name, found[0].state, found[0].type) == ("Worker.hold", "RUNNING", "ACTOR_TASK")
    assert found[-1].state == "PENDING_NODE_ASSIGNMENT"
    assert listed(other)[0].state == "PENDING_ARGS_AVAIL"
    assert len(state.list_tasks()) == 100
    assert [each.state for each in listed(one, ("name", "=", "worker.HOLD"))] == ["RUNNING"]
    (tmp_path / "gate").touch()
    jactors.get(behind, timeout=TIMEOUT)
    jactors.get(needs, timeout=TIMEOUT)
    with pytest.raises(ValueError):
        jactors.get(other.boom.remote(1), timeout=TIMEOUT)
    assert [(each.name, each.state) for each in listed(other)] == [
        ("Worker.double", "FINISHED"),
        ("Worker.boom", "FAILED"),
    ]
    assert len(listed(one, ("state", "=", "finished"))) == 200  # the last ones


def test_list_tasks_has_what_an_actor_has_asked_of_another(session, tmp_path):
    asked, asking = Worker.remote(), Worker.remote()
    ref = asking.ask.remote(asked, tmp_path / "gate")
    until_exists(tmp_path / "gate.runs")
    found = {each.actor_id: each for each in state.list_tasks(filters=[("state", "=", "RUNNING")])}
    inner, outer = found[asked._actor_id.hex()], found[asking._actor_id.hex()]
    assert (inner.name, outer.name, outer.task_id) == ("Worker.hold", "Worker.ask", ref.task_id().hex())
    (tmp_path / "gate").touch()
    assert inner.task_id == jactors.get(ref, timeout=TIMEOUT)


def test_looking_starts_no_session(environment):
    code = (
        "import jactors as ray; from jactors.util import state; "
        "print(state.list_actors(), state.list_tasks(), state.summarize_actors()['cluster']['total_actors'], "
        "ray.is_initialized(), ray.util.state is state)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[] [] 0 False True\n"


# ---------------------------------------------------------------------- sections 6 and 8, the rest of them


def test_refs_job_and_call_site(workers):
    ref = workers[0].double.remote(1)
    assert ref.job_id().hex() == jactors.get_runtime_context().get_job_id()
    assert isinstance(ref.job_id(), jactors.JobID) and ref.call_site() == ""
    assert jactors.ObjectRef[int]  # for annotations
    assert jactors.ObjectID is jactors.ObjectRef
    assert pickle.loads(pickle.dumps(ref)) == ref


def test_ref_as_future_that_is_cancelled_does_not_poison_the_ref(workers, tmp_path):
    ref = workers[0].hold.remote(tmp_path / "gate")

    async def main():
        future = ref.as_future()
        future.cancel()
        (tmp_path / "gate").touch()
        return await ref

    assert asyncio.run(main()) == str(tmp_path / "gate")


def test_ref_as_future_of_a_loop_that_does_not_run_yet(workers):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        futures = [workers[0].double.remote(n).as_future() for n in (1, 2)]
        assert loop.run_until_complete(asyncio.wait_for(asyncio.gather(*futures), TIMEOUT)) == [2, 4]
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("done", [False, True])
def test_an_awaited_call_that_raised_stop_iteration_says_so(workers, done):
    async def main():
        ref = workers[0].stop.remote()
        if done:
            jactors.wait([ref])
        return await ref

    with pytest.raises(RuntimeError) as raised:  # a coroutine that raised StopIteration would just return
        asyncio.run(main())
    assert isinstance(raised.value.__cause__, StopIteration)


def test_context_of_an_actor(workers):
    assert workers[0].context() == (False, "tests.live.test_util.Worker.context", {"GPU": []})
    old, new = workers[0].ids()
    assert old == new


def test_is_canceled(session, tmp_path):
    worker = Worker.remote()
    ref = worker.until_canceled.remote(tmp_path / "said")
    until_exists(tmp_path / "said.runs")
    jactors.cancel(ref)
    with pytest.raises(jactors.exceptions.TaskCancelledError):
        jactors.get(ref, timeout=TIMEOUT)
    assert (tmp_path / "said").read_text() == "True"
    assert worker.context()[0] is False  # of that call alone
    with pytest.raises(RuntimeError, match="driver"):
        jactors.get_runtime_context().is_canceled()
    with pytest.raises(RuntimeError, match="async actor"):
        jactors.get(Async.remote().is_canceled.remote())


def test_context_of_a_driver(session):
    here = jactors.get_runtime_context()
    assert here.get_task_function_name() is None
    with pytest.warns(DeprecationWarning, match="actor_id"):
        assert here.actor_id is None


def test_the_only_node_is_this_machine(session):
    (node,) = jactors.nodes()
    here = jactors.get_runtime_context().get_node_id()
    assert node["NodeManagerAddress"] == util.get_node_ip_address() == "127.0.0.1"
    assert node["Alive"] and node["NodeID"] == here and node["Resources"]["CPU"] == 4
    on_it = Worker.options(
        scheduling_strategy=util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    )
    assert jactors.get(on_it.remote().double.remote(2)) == 4
    with pytest.raises(jactors.exceptions.ActorUnschedulableError, match=f"only one, and its id is '{here}'"):
        util.scheduling_strategies.NodeAffinitySchedulingStrategy("elsewhere", soft=False)
