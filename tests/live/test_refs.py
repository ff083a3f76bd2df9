"""Refs and their futures (section 6 of the API)."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

import jactors
from tests.live.counter import TIMEOUT, Counter


def test_ref_identity(counter):
    a, b = counter.echo.remote(), counter.echo.remote()
    assert a == a and a != b and {a: 1}[a] == 1 and a  # noqa: PLR0124
    assert len(a.hex()) == 56 and len(a.binary()) == 28 and not a.is_nil()
    assert repr(a) == f"ObjectRef({a.hex()})"
    with pytest.raises(TypeError):
        iter(a)
    assert jactors.ObjectRef[int] is not None


def test_ref_pickles_to_the_same(counter):
    ref = counter.echo.remote(3)
    again = pickle.loads(pickle.dumps(ref))
    assert again == ref and hash(again) == hash(ref) and jactors.get(again) == ((3,), {})
    jactors.get(ref)
    assert jactors.get(pickle.loads(pickle.dumps(ref))) == ((3,), {})


def test_ref_future(counter, gate):
    hangs = Counter.remote()
    ref = hangs.wait_for.remote(str(gate))
    future = ref.future()
    assert not future.done()
    gate.touch()
    assert future.result(TIMEOUT) == str(gate)
    with pytest.raises(ValueError, match="boom"):
        counter.boom.remote().future().result(TIMEOUT)


def test_cancelling_a_future_does_not_cancel_the_call(counter, gate):
    hangs = Counter.remote()
    ref = hangs.wait_for.remote(str(gate))
    assert ref.future().cancel()
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT) == str(gate)


def test_await(counter):
    async def main():
        first = await counter.echo.remote(1)
        many = await asyncio.gather(*[counter.echo.remote(i) for i in range(10)])
        with pytest.raises(ValueError, match="boom"):
            await counter.boom.remote()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(counter.wait_for.remote("/nonexistent/first"), 0.01)
        return first, many

    # its last call never returns: an actor of its own
    counter = Counter.remote()
    first, many = asyncio.run(main())
    assert first == ((1,), {}) and many == [((i,), {}) for i in range(10)]
    jactors.kill(counter)


def test_on_completed(counter):
    done = threading.Event()
    seen = []
    counter.boom.remote()._on_completed(lambda value: (seen.append(value), done.set()))
    assert done.wait(TIMEOUT) and isinstance(seen[0], ValueError)


def test_task_id_of_a_ref_is_the_contexts(counter):
    ref = counter.context.remote()
    assert jactors.get(ref)["task_id"] == ref.task_id().hex()


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
