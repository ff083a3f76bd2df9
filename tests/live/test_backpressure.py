"""A generator that waits for who takes its values. RAY_API 7: _generator_backpressure_num_objects."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

import jactors
from tests.live.conftest import PATIENCE, until_exists

exceptions = jactors.exceptions
PRESSED = "_generator_backpressure_num_objects"


def produce(folder, n):
    """Yield 0 to n-1; note of each how many values its caller had asked for by then."""
    for i in range(n):
        asked = int((folder / "asked").read_text())
        with (folder / "log").open("a") as log:
            log.write(f"{i} {asked}\n")
        yield i
    (folder / "done").touch()


class Producer:
    def produce(self, folder, n):
        yield from produce(folder, n)

    def spin(self):
        while True:
            yield time.monotonic()

    def pid(self):
        return os.getpid()

    def noted(self, folder):
        return (folder / "log").read_text()


class AsyncProducer:
    async def produce(self, folder, n):
        for i in range(n):
            yield i

    async def pid(self):
        return os.getpid()


Producer, AsyncProducer = jactors.remote(Producer), jactors.remote(AsyncProducer)
task = jactors.remote(produce)


@pytest.fixture
def folder(tmp_path):
    ask(tmp_path, 0)
    return tmp_path


@pytest.fixture(params=["sync", "threads", "task"])
def pressed(session, request):
    """Start `produce` with so much room."""
    if request.param == "task":
        return lambda room, *args: task.options(**{PRESSED: room}).remote(*args)
    actor = Producer.options(max_concurrency=1 if request.param == "sync" else 2).remote()
    return lambda room, *args: actor.produce.options(**{PRESSED: room}).remote(*args)


def ask(folder, number):
    (folder / "new").write_text(str(number))
    (folder / "new").replace(folder / "asked")


def log(folder):
    return [tuple(map(int, line.split())) for line in (folder / "log").read_text().splitlines()]


def produced(folder, number):
    """Wait until so many values were made."""
    deadline = time.monotonic() + PATIENCE
    until_exists(folder / "log")
    while len(log(folder)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("room", [1, 3])
def test_the_producer_is_never_further_ahead(pressed, folder, room):
    values = []
    found = pressed(room, folder, 8)
    produced(folder, room)
    for asked in range(1, 9):
        ask(folder, asked)
        values.append(jactors.get(next(found), timeout=PATIENCE))
    assert values == list(range(8)) and next(found, "over") == "over"
    assert all(i - asked < room for i, asked in log(folder)) and len(log(folder)) == 8


def test_dropping_the_generator_releases_the_producer(pressed, folder):
    found = pressed(1, folder, 5)
    produced(folder, 1)
    assert not (folder / "done").exists()
    del found
    until_exists(folder / "done")
    assert len(log(folder)) == 5


def test_what_was_taken_is_kept_when_the_generator_is_dropped(pressed, folder):
    found = pressed(2, folder, 6)
    refs = [next(found) for _ in range(3)]
    del found
    until_exists(folder / "done")
    assert jactors.get(refs, timeout=PATIENCE) == [0, 1, 2]


def test_cancel_ends_a_producer_that_waits(pressed, folder):
    found = pressed(1, folder, 5)
    produced(folder, 1)
    jactors.cancel(found)
    with pytest.raises(exceptions.TaskCancelledError):
        jactors.get(list(found)[-1], timeout=PATIENCE)
    assert not (folder / "done").exists()


def test_async_for_takes_too(pressed, folder):
    ask(folder, 100)

    async def take():
        return [await ref async for ref in pressed(1, folder, 5)]

    assert asyncio.run(take()) == list(range(5))


def test_an_interrupt_reaches_a_producer_that_waits(session, folder):
    actor = Producer.remote()
    found = actor.produce.options(**{PRESSED: 1}).remote(folder, 5)
    produced(folder, 1)
    jactors.interrupt(actor)
    with pytest.raises(exceptions.TaskCancelledError):
        jactors.get(list(found)[-1], timeout=PATIENCE)
    assert actor.pid()


def test_a_restart_goes_on_where_the_caller_is(session, folder):
    """RAY_API 7: values that were taken count in the next incarnation too, which replays them."""
    actor = Producer.options(max_restarts=1, max_task_retries=1).remote()
    pid = actor.pid()
    found = actor.produce.options(**{PRESSED: 2}).remote(folder, 6)
    first = [jactors.get(next(found), timeout=PATIENCE) for _ in range(2)]
    produced(folder, 4)
    os.kill(pid, signal.SIGKILL)
    ask(folder, 100)
    assert first + jactors.get(list(found), timeout=PATIENCE) == list(range(6))


def test_without_the_option_the_producer_runs_on(session, folder):
    actor = Producer.remote()
    found = actor.produce.remote(folder, 50)
    until_exists(folder / "done")
    assert len(list(found)) == 50


def test_minus_one_switches_it_off(session, folder):
    actor = Producer.remote()
    found = actor.produce.options(**{PRESSED: -1}).remote(folder, 50)
    until_exists(folder / "done")
    del found


def test_an_option_of_the_method(session, folder):
    class Marked:
        @jactors.method(**{PRESSED: 1})
        def produce(self, folder, n):
            yield from produce(folder, n)

    actor = jactors.remote(Marked).remote()
    found = actor.produce.remote(folder, 3)
    produced(folder, 1)
    assert not (folder / "done").exists()
    ask(folder, 100)
    assert jactors.get(list(found), timeout=PATIENCE) == [0, 1, 2]
    assert all(i - asked < 1 for i, asked in log(folder))


def test_async_actors_have_none(session, folder):
    actor = AsyncProducer.remote()
    with pytest.raises(ValueError, match="not supported for an async actor"):
        actor.produce.options(**{PRESSED: 1}).remote(folder, 1)
    assert actor.pid()


@pytest.mark.parametrize("wrong", [0, -2])
def test_room_for_nothing_is_refused(session, wrong):
    with pytest.raises(ValueError, match=PRESSED):
        Producer.remote().produce.options(**{PRESSED: wrong})
    with pytest.raises(ValueError, match=PRESSED):
        task.options(**{PRESSED: wrong})
