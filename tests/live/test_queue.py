"""Queue (section 9 of the API)."""

from __future__ import annotations

import asyncio
import queue

import pytest

import jactors
from jactors import util
from jactors.util.queue import Empty, Full, Queue
from tests.live.worker import TIMEOUT


@pytest.fixture
def jobs(session):
    jobs = Queue(3)
    yield jobs
    jobs.shutdown(force=True)


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
