"""Large values: through shared memory, copied once, mapped by all who read them, gone when nobody does."""

from __future__ import annotations

import errno
import gc
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import jactors
from jactors import places
from jactors.objects import blocks

SIZE = 4 << 20  # bytes; large enough for a block


@jactors.remote(max_restarts=1)
class Keeper:
    def total(self, array):
        return float(array.sum())

    def keep(self, array):
        self.array = array

    def kept(self):
        return float(self.array.sum())

    def writes(self, array):
        array[0] = 5

    def mapped(self):
        """Blocks that this process maps."""
        return sum("jactors-" in line and "/free/" not in line for line in Path("/proc/self/maps").open())

    def make(self, size=SIZE, value=1):
        return np.full(size // 8, value, dtype=np.int64)

    def several(self, number):
        for value in range(number):
            yield self.make(value=value)

    def total_of(self, box):
        return float(jactors.get(box[0]).sum())

    def pass_on(self, other, box):
        return jactors.get(other.total.remote(box[0]))

    def fails_once(self, array):
        if not jactors.get_runtime_context().was_current_actor_reconstructed:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(array.sum())

    def die(self):
        os._exit(3)


@pytest.fixture
def keeper(session):
    keeper = Keeper.remote()
    yield keeper
    jactors.kill(keeper)


def shared(session):
    """The blocks in use, and the free ones."""
    folder = places.shared_dir(session["address"])
    assert folder is not None
    return [p for p in folder.iterdir() if p.is_file()], list((folder / "free").iterdir())


def wait_until(true, patience=30):
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def array(value=1):
    return np.full(SIZE // 8, value, dtype=np.int64)


def test_a_put_array_is_one_block_that_every_actor_maps(session, keeper):
    other = Keeper.remote()
    before = len(shared(session)[0])
    ref = jactors.put(array())
    assert len(shared(session)[0]) == before + 1
    assert jactors.get([each.total.remote(ref) for each in (keeper, other, keeper)]) == [SIZE / 8] * 3
    assert len(shared(session)[0]) == before + 1
    assert jactors.get(ref).sum() == SIZE // 8


def test_a_value_goes_with_its_last_ref_and_its_memory_is_used_again(session, keeper):
    assert jactors.get(keeper.total.remote(array(2))) == SIZE / 4
    gc.collect()
    wait_until(lambda: not shared(session)[0])
    free = {path.stat().st_ino for path in shared(session)[1]}
    ref = jactors.put(array(3))
    used = shared(session)[0]
    assert len(used) == 1 and used[0].stat().st_ino in free
    assert jactors.get(ref)[0] == 3


def test_arrays_arrive_read_only_and_the_error_says_what_to_do(keeper):
    with pytest.raises(ValueError, match="read-only") as caught:
        jactors.get(keeper.writes.remote(array()))
    assert "work on a .copy()" in str(caught.value)
    mine = jactors.get(keeper.make.remote())
    with pytest.raises(ValueError, match="read-only"):
        mine[0] = 1


def test_what_an_actor_keeps_stays_as_it_is_whatever_comes_after(keeper):
    jactors.get(keeper.keep.remote(array(7)))
    for value in range(3):
        jactors.get(keeper.total.remote(array(value)))
    assert jactors.get(keeper.kept.remote()) == 7 * SIZE / 8


def test_what_a_caller_changes_after_the_call_does_not_travel(keeper):
    mine = array(1)
    ref = keeper.total.remote(mine)
    mine[:] = 100
    assert jactors.get(ref) == SIZE / 8


def test_results_outlive_their_actor_and_can_be_passed_on(session):
    keeper, other = Keeper.remote(), Keeper.remote()
    ref = keeper.make.remote(value=4)
    jactors.wait([ref])
    jactors.kill(keeper)
    assert jactors.get(other.total.remote(ref)) == 4 * SIZE / 8
    assert jactors.get(ref)[0] == 4
    jactors.kill(other)


def test_each_value_of_a_generator_is_its_own(keeper):
    values = [jactors.get(ref)[0] for ref in keeper.several.remote(5)]
    assert values == [0, 1, 2, 3, 4]


def test_a_nested_ref_is_mapped_by_whoever_gets_it_and_passed_on_as_bytes_by_who_does_not_own_it(keeper):
    other = Keeper.remote()
    ref = jactors.put(array(2))
    assert jactors.get(keeper.total_of.remote([ref])) == SIZE / 4
    assert jactors.get(keeper.pass_on.remote(other, [ref])) == SIZE / 4
    jactors.kill(other)


def test_a_call_that_is_sent_again_still_has_its_argument(session):
    keeper = Keeper.options(max_task_retries=1).remote()
    assert jactors.get(keeper.fails_once.remote(array(3))) == 3 * SIZE / 8
    jactors.kill(keeper)


def test_an_argument_of_the_constructor_is_there_again_after_a_restart(session):
    @jactors.remote(max_restarts=1, max_task_retries=1)
    class Model:
        def __init__(self, weights):
            self.weights = weights

        def total(self):
            if not jactors.get_runtime_context().was_current_actor_reconstructed:
                os._exit(1)
            return float(self.weights.sum())

    weights = jactors.put(array(5))
    model = Model.remote(weights)
    del weights
    assert jactors.get(model.total.remote()) == 5 * SIZE / 8


def test_tasks_take_and_give_them_too(session):
    @jactors.remote
    def double(array):
        return array * 2

    ref = jactors.put(array(2))
    assert [value[0] for value in jactors.get([double.remote(ref) for _ in range(3)])] == [4, 4, 4]


def test_small_values_need_no_block(session, keeper):
    before = shared(session)
    assert jactors.get(keeper.total.remote(np.ones(10))) == 10
    assert shared(session) == before


def test_where_dev_shm_is_full_values_travel_in_messages(session, keeper, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blocks.os, "posix_fallocate", full)
    monkeypatch.setattr(blocks.Arena, "_free_blocks", lambda _: [])
    assert jactors.get(keeper.total.remote(array(2))) == SIZE / 4
    assert jactors.get(jactors.put(array(3)))[0] == 3


def test_what_a_dead_actor_has_made_and_nobody_has_taken_is_swept(session):
    keeper = Keeper.remote()
    pid = jactors.get(keeper.__ray_call__.remote(lambda self: os.getpid()))
    # As if it had died with an answer under way.
    left = places.shared_dir(session["address"]) / f"{pid}.feed.1"
    left.write_bytes(b"left")
    jactors.kill(keeper)
    wait_until(lambda: not left.exists())


def test_a_killed_driver_leaves_no_shared_memory(start):
    driver = start(
        """
        import jactors, numpy as np
        ctx = jactors.init(INIT, num_cpus=2)
        @jactors.remote
        class A:
            def keep(self, a):
                self.a = a
            def make(self):
                return np.ones(1 << 20)
        a = A.remote()
        ref = jactors.put(np.ones(1 << 20))
        jactors.get(a.keep.remote(ref))
        made = a.make.remote()
        jactors.wait([made])
        print(ctx["address"])
        input()
        """
    )
    address = driver.stdout.readline().strip()
    folder = places.shared_dir(address)
    assert folder is not None and len([p for p in folder.iterdir() if p.is_file()]) == 2
    driver.kill()
    wait_until(lambda: not folder.exists())
