"""ActorPool (section 9 of the API)."""

from __future__ import annotations

import pytest

import jactors
from jactors import util
from jactors.util import ActorPool
from tests.live.worker import TIMEOUT, Worker

double = lambda actor, value: actor.double.remote(value)


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
