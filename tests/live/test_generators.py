"""Generator methods stream refs while they run (section 7 of the API)."""

from __future__ import annotations

import asyncio
import os
import pickle
import time

import pytest

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


async def exists(path):
    while not os.path.exists(path):  # noqa: ASYNC110, ASYNC240 - only the file system joins the test and the actor
        await asyncio.sleep(0.002)


class Yields:
    def __init__(self):
        self.produced = 0

    def count(self, n, fail_at=None):
        for i in range(n):
            if i == fail_at:
                raise ValueError(f"at {i}")
            self.produced = i + 1
            yield i

    def gated(self, n, folder):
        """Yields i when there is a file of that name."""
        for i in range(n):
            while not os.path.exists(os.path.join(folder, str(i))):
                time.sleep(0.002)
            print("yields", i)
            yield i

    def returns(self):
        yield 1
        return "nobody sees this"

    def errors(self):
        yield ValueError("just a value")
        yield None

    def arrays(self, n):
        for i in range(n):
            yield bytes([i]) * 200_000

    def unpicklable(self):
        yield 1
        yield (i for i in range(3))
        yield 3

    def dies(self, n):
        yield from range(n)
        while True:
            time.sleep(0.002)

    def how_many(self):
        return self.produced

    def plain(self):
        return [1, 2]

    def pid(self):
        return os.getpid()


class YieldsAsync:
    def __init__(self):
        self.produced = 0

    async def count(self, n, fail_at=None):
        for i in range(n):
            await asyncio.sleep(0)
            if i == fail_at:
                raise ValueError(f"at {i}")
            self.produced = i + 1
            yield i

    async def gated(self, n, folder):
        for i in range(n):
            await exists(os.path.join(folder, str(i)))
            yield i

    def sync(self, n):
        yield from range(n)

    async def refs(self, handle, n):
        async for ref in handle.count.remote(n):
            yield await ref * 10

    async def how_many(self):
        return self.produced


Sync = jactors.remote(Yields)
Pool = jactors.remote(max_concurrency=2)(Yields)
Async = jactors.remote(YieldsAsync)

EACH = pytest.mark.parametrize("actor", [Sync, Pool, Async], ids=["sync", "threaded", "async"], indirect=True)


@pytest.fixture
def actor(request, session):
    actor = getattr(request, "param", Sync).remote()
    yield actor
    jactors.kill(actor)


def got(refs):
    return jactors.get(refs, timeout=TIMEOUT)


def taken(generator):
    """The values, and the texts of the errors."""
    values = []
    for ref in generator:
        try:
            values.append(got(ref))
        except Exception as error:
            values.append(type(error.cause).__name__ if isinstance(error, exceptions.TaskError) else error)
    return values


# ---------------------------------------------------------------- streaming


@EACH
def test_refs_come_while_the_method_runs(actor, tmp_path):
    generator = actor.gated.remote(3, str(tmp_path))
    assert type(generator).__name__ == "ObjectRefGenerator" and not generator.next_ready()
    for i in range(3):
        (tmp_path / str(i)).touch()
        ref = next(generator)
        assert isinstance(ref, jactors.ObjectRef) and jactors.wait([ref], timeout=0)[0] == [ref] and got(ref) == i
    with pytest.raises(StopIteration):
        next(generator)


@EACH
def test_many_values_in_order(actor):
    assert taken(actor.count.remote(1000)) == list(range(1000))


@EACH
def test_none_at_all(actor):
    generator = actor.count.remote(0)
    assert taken(generator) == [] and generator.is_finished()


@EACH
def test_the_call_itself_yields_the_values(actor):
    assert list(actor.count(4)) == [0, 1, 2, 3]
    values = actor.count(4, fail_at=1)
    assert next(values) == 0
    with pytest.raises(ValueError, match="at 1"):
        next(values)


def test_large_values(actor):
    assert [len(value) for value in actor.arrays(20)] == [200_000] * 20


def test_refs_of_one_call_are_different_and_name_the_same_task(actor):
    generator = actor.count.remote(3)
    refs = list(generator)
    assert len(set(refs)) == 3 and {ref.task_id() for ref in refs} == {generator.task_id()}


def test_what_is_printed_before_a_yield_comes_before_its_value(session, run):
    code, out, err = run("""
        import sys

        import jactors

        @jactors.remote
        class Speaks:
            def words(self, n):
                for i in range(n):
                    print("says", i)
                    yield i

        jactors.init(INIT, num_cpus=2)
        for ref in Speaks.remote().words.remote(5):
            sys.stdout.write(f"got {jactors.get(ref)}\\n")
    """)
    assert code == 0, err
    for i in range(5):  # lines of two threads may come in pieces, but in this order
        assert out.index(f"says {i}") < out.index(f"got {i}")


@EACH
def test_async_for(actor):
    async def main():
        return [await ref async for ref in actor.count.remote(20)]

    assert asyncio.run(main()) == list(range(20))


@EACH
def test_async_for_meets_an_error(actor):
    async def main():
        values = []
        async for ref in actor.count.remote(5, fail_at=2):
            try:
                values.append(await ref)
            except ValueError as error:
                values.append(str(error.cause))
        return values

    assert asyncio.run(main()) == [0, 1, "at 2"]


def test_giving_up_an_anext_loses_nothing(actor, tmp_path):
    generator = actor.gated.remote(2, str(tmp_path))

    async def too_short():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(generator), 0.05)

    asyncio.run(too_short())
    (tmp_path / "0").touch()
    (tmp_path / "1").touch()
    assert taken(generator) == [0, 1] and actor.pid() > 0


def test_generators_that_run_at_once_in_one_async_actor(session, tmp_path):
    actor = Async.remote()
    generators = [actor.gated.remote(2, str(tmp_path)) for _ in range(5)]
    (tmp_path / "0").touch()
    assert [got(next(each)) for each in generators] == [0] * 5
    (tmp_path / "1").touch()
    assert [taken(each) for each in generators] == [[1]] * 5


def test_sync_generator_of_an_async_actor(session):
    assert taken(Async.remote().sync.remote(5)) == list(range(5))


def test_generator_over_another_actors_generator(actor):
    assert list(Async.remote().refs(actor, 4)) == [0, 10, 20, 30]


# ---------------------------------------------------------------- the end, errors in the middle


@EACH
def test_an_error_in_the_middle_is_one_more_ref_then_the_end_for_ever(actor):
    generator = actor.count.remote(5, fail_at=3)
    assert taken(generator) == [0, 1, 2, "ValueError"]
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(generator)
    assert generator.is_finished()


def test_an_error_at_the_very_start(actor):
    assert taken(actor.count.remote(5, fail_at=0)) == ["ValueError"]


def test_a_value_that_cannot_be_pickled_ends_it(actor):
    generator = actor.unpicklable.remote()
    assert got(next(generator)) == 1
    with pytest.raises(TypeError, match=r"value 1 of Yields\.unpicklable"):
        got(next(generator))
    assert list(generator) == []


def test_an_exception_that_is_yielded_is_a_value(actor):
    first, second = got(list(actor.errors.remote()))
    assert isinstance(first, ValueError) and first.args == ("just a value",) and second is None


def test_the_return_value_is_ignored(actor):
    assert taken(actor.returns.remote()) == [1]


def test_wrong_arguments_are_said_at_once(actor):
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        actor.count.remote()


def test_completed_is_a_ref_of_the_whole_call(actor, tmp_path):
    generator = actor.gated.remote(2, str(tmp_path))
    done = generator.completed()
    assert jactors.wait([done], timeout=0)[0] == []
    for i in range(2):
        (tmp_path / str(i)).touch()
    assert got(done) is None and taken(generator) == [0, 1] and got(generator.completed()) is None


def test_completed_raises_what_the_method_raised(actor):
    generator = actor.count.remote(3, fail_at=2)
    with pytest.raises(ValueError, match="at 2"):
        got(generator.completed())
    assert taken(generator) == [0, 1, "ValueError"]


def test_next_ready_and_is_finished(actor, tmp_path):
    generator = actor.gated.remote(1, str(tmp_path))
    assert not generator.next_ready() and not generator.is_finished()
    (tmp_path / "0").touch()
    got(generator.completed())
    assert generator.next_ready() and not generator.is_finished()
    next(generator)
    assert generator.is_finished() and not generator.next_ready()


@pytest.mark.parametrize("what", ["close", "send", "throw"])
def test_not_supported_on_the_generator(actor, what):
    generator = actor.count.remote(1)
    with pytest.raises(NotImplementedError):
        getattr(generator, what)(*([1] if what != "close" else []))


def test_a_generator_cannot_be_passed_returned_or_pickled(actor):
    generator = actor.count.remote(1)
    with pytest.raises(TypeError, match="generator"):
        pickle.dumps(generator)
    with pytest.raises(TypeError, match="generator"):
        actor.count.remote(generator)
    with pytest.raises(TypeError, match="generator"):
        jactors.put([generator])


def test_dropping_the_generator_does_not_stop_the_method(actor):
    generator = actor.count.remote(50)
    next(generator)
    del generator
    assert actor.how_many() == 50


# ---------------------------------------------------------------- a fixed number of refs


@EACH
@pytest.mark.parametrize("n", [2, 3])
def test_num_returns_are_so_many_refs(actor, n):
    refs = actor.count.options(num_returns=n).remote(n)
    assert len(refs) == n and got(refs) == list(range(n))


@EACH
def test_num_returns_one_is_the_first_value(actor):
    assert got(actor.count.options(num_returns=1).remote(1)) == 0


@EACH
def test_num_returns_zero_returns_nothing_and_runs(actor):
    assert actor.count.options(num_returns=0).remote(7) is None
    assert got(actor.how_many.remote()) in (0, 7)  # an async actor may not have come so far


@EACH
def test_num_returns_are_filled_as_they_come(actor, tmp_path):
    refs = actor.gated.options(num_returns=2).remote(2, str(tmp_path))
    (tmp_path / "0").touch()
    assert got(refs[0]) == 0 and jactors.wait([refs[1]], timeout=0)[0] == []
    (tmp_path / "1").touch()
    assert got(refs[1]) == 1


@EACH
def test_num_returns_too_few_values_the_rest_raises(actor):
    refs = actor.count.options(num_returns=4).remote(2)
    assert got(refs[:2]) == [0, 1]
    for ref in refs[2:]:
        with pytest.raises(ValueError, match="yielded 2 values, but num_returns=4"):
            got(ref)


@EACH
def test_num_returns_too_many_values_are_tolerated(actor):
    assert got(actor.count.options(num_returns=2).remote(5)) == [0, 1]


@EACH
def test_num_returns_and_an_error_in_the_middle(actor):
    refs = actor.count.options(num_returns=3).remote(3, fail_at=1)
    assert got(refs[0]) == 0
    for ref in refs[1:]:
        with pytest.raises(ValueError, match="at 1"):
            got(ref)


def test_num_returns_streaming_needs_a_generator(actor):
    assert taken(actor.count.options(num_returns="streaming").remote(2)) == [0, 1]
    with pytest.raises(ValueError, match="needs a generator method"):
        actor.plain.options(num_returns="streaming")


@EACH
def test_num_returns_dynamic_is_one_ref_of_all(actor):
    """RAY_API 7: "dynamic" deprecated (one ref -> DynamicObjectRefGenerator)."""
    ref = actor.count.options(num_returns="dynamic").remote(3)
    everything = got(ref)
    assert type(everything) is jactors.DynamicObjectRefGenerator and len(everything) == 3
    assert got(list(everything)) == [0, 1, 2]
    *there, failed = got(actor.count.options(num_returns="dynamic").remote(3, fail_at=2))
    assert got(there) == [0, 1]
    with pytest.raises(ValueError, match="at 2"):
        got(failed)


def test_num_returns_of_the_decorator(session):
    @jactors.remote
    class Two:
        @jactors.method(num_returns=2)
        def pair(self):
            yield "a"
            yield "b"

    actor = Two.remote()
    assert got(actor.pair.remote()) == ["a", "b"] and actor.pair() == ["a", "b"]


# ---------------------------------------------------------------- death and replay


def test_the_actor_dies_the_next_ref_raises_then_the_end(session):
    actor = Sync.remote()
    generator = actor.dies.remote(3)
    assert [got(next(generator)) for _ in range(3)] == [0, 1, 2]
    done = generator.completed()
    jactors.kill(actor)
    with pytest.raises(exceptions.ActorDiedError):
        got(next(generator))
    with pytest.raises(StopIteration):
        next(generator)
    with pytest.raises(exceptions.ActorDiedError):
        got(done)


def test_values_outlive_the_actor(session):
    actor = Sync.remote()
    refs = list(actor.count.remote(3))
    jactors.kill(actor)
    assert got(refs) == [0, 1, 2]


class Replays:
    """Dies when it is at `at`, the first time."""

    def run(self, n, at, file):
        for i in range(n):
            if i == at and not os.path.exists(file):
                while not os.path.exists(file + ".now"):
                    time.sleep(0.002)
                open(file, "w").close()
                os._exit(1)
            yield i, os.getpid()

    def shorter(self, n, file):
        """Yields `n` values and dies; then, less."""
        if os.path.exists(file):
            yield "again"
            return
        yield from range(n)
        while not os.path.exists(file + ".now"):
            time.sleep(0.002)
        open(file, "w").close()
        os._exit(1)


def test_replay_after_a_restart_delivers_nothing_twice(session, tmp_path):
    actor = jactors.remote(Replays).options(max_restarts=1, max_task_retries=1).remote()
    generator = actor.run.remote(6, 3, str(tmp_path / "died"))
    first = [got(next(generator)) for _ in range(3)]
    (tmp_path / "died.now").touch()
    rest = [got(ref) for ref in generator]
    assert [i for i, _ in first + rest] == list(range(6))
    assert len({pid for _, pid in first}) == 1 and not {pid for _, pid in first} & {pid for _, pid in rest}


def test_replay_that_yields_less_ends(session, tmp_path):
    actor = jactors.remote(Replays).options(max_restarts=1, max_task_retries=1).remote()
    generator = actor.shorter.remote(3, str(tmp_path / "died"))
    first = [got(next(generator)) for _ in range(3)]
    (tmp_path / "died.now").touch()
    assert first == [0, 1, 2] and list(generator) == []


def test_without_retries_the_next_ref_says_unavailable(session, tmp_path):
    actor = jactors.remote(Replays).options(max_restarts=1).remote()
    generator = actor.run.remote(6, 2, str(tmp_path / "died"))
    assert [got(next(generator))[0] for _ in range(2)] == [0, 1]
    (tmp_path / "died.now").touch()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(next(generator))
    assert list(generator) == []


def test_retried_after_an_exception_it_starts_again_and_delivers_nothing_twice(session):
    @jactors.remote
    class Flaky:
        def __init__(self):
            self.runs = 0

        @jactors.method(retry_exceptions=[ValueError], max_task_retries=2)
        def count(self, n):
            self.runs += 1
            for i in range(n):
                if i == self.runs:
                    raise ValueError(i)
                yield i

    assert list(Flaky.remote().count(3)) == [0, 1, 2]


# ---------------------------------------------------------------- cancel


@EACH
def test_cancel_of_a_generator_that_runs(actor, tmp_path):
    generator = actor.gated.remote(5, str(tmp_path))
    (tmp_path / "0").touch()
    assert got(next(generator)) == 0
    jactors.cancel(generator)
    with pytest.raises(exceptions.TaskCancelledError):
        got(next(generator))
    assert list(generator) == []


@EACH
def test_cancel_of_a_generator_in_full_flow(actor):
    generator = actor.count.remote(10**9)
    for _ in range(20):
        next(generator)
    jactors.cancel(generator)
    with pytest.raises(exceptions.TaskCancelledError):
        got(generator.completed())
    assert got(actor.how_many.remote()) < 10**9


def test_cancel_of_a_generator_that_waits_its_turn(actor, tmp_path):
    running = actor.gated.remote(1, str(tmp_path))
    queued = actor.count.remote(5)
    jactors.cancel(queued)
    with pytest.raises(exceptions.TaskCancelledError):
        got(next(queued))
    (tmp_path / "0").touch()
    assert taken(running) == [0] and list(queued) == [] and actor.how_many() == 0


def test_cancel_through_a_ref_of_the_generator(actor, tmp_path):
    generator = actor.gated.remote(3, str(tmp_path))
    (tmp_path / "0").touch()
    jactors.cancel(next(generator))  # of a value that has come: no-op
    until_exists(tmp_path / "0")
    jactors.cancel(generator.completed())
    with pytest.raises(exceptions.TaskCancelledError):
        got(next(generator))
