"""Leases with the real arithmetic, and fakes for processes: who gets what, when, and which worker."""

from __future__ import annotations

import itertools

import pytest

from jactors.errors import InsufficientResourcesError
from jactors.ledger import Ledger
from jactors.life import leases as module
from jactors.life.actor import Actor
from jactors.life.leases import Leases
from jactors.life.machine import Life, State

PLAIN = {"env": {}, "cwd": "/"}


class World:
    """A supervisor without processes."""

    def __init__(self, tmp_path, **stated):
        self.ledger = Ledger(cores=range(4), gpus=["0", "1"], **stated)
        self.hired, self.pinned, self.dismissed, self.offers = [], [], [], 0
        self.told = {}
        self.ids = itertools.count(1)
        self.folder = tmp_path
        self.leases = Leases(
            ledger=self.ledger,
            hire=self.hire,
            pin=lambda actor: self.pinned.append((actor.actor_id, actor.cores)),
            dismiss=self.dismiss,
            tell=self.tell,
            offer=self.offer,
        )

    def hire(self, template, grant):
        request = {**template, "actor_id": f"w{len(self.hired)}"}
        life = Life(state=State.ALIVE)
        actor = Actor(request, "s", self.folder, life, cores=list(grant.cores), gpus=list(grant.gpus))
        self.hired.append(grant)
        return actor

    def dismiss(self, actor):
        self.dismissed.append(actor.actor_id)

    def tell(self, channel, message):
        self.told[message["re"]] = message

    def offer(self):
        self.offers += 1

    def want(self, channel="A", worker=PLAIN, **demand):
        """Ask; returns the number of the request."""
        number = next(self.ids)
        request = {"id": number, "lease": f"l{number}", "demand": demand, "worker": worker, "label": f"task {number}"}
        told = self.leases.want(channel, request)
        if "lease" in told:
            self.told[number] = told
        else:
            assert told == {"re": None}
        return number

    def worker(self, number):
        """The worker of a request, or None while it waits."""
        return self.told[number]["actor_id"] if number in self.told else None

    def release(self, number, channel="A"):
        assert self.leases.release(channel, {"lease": f"l{number}"}) == {}

    def pause(self, worker):
        self.leases.pause("worker's", {"worker": worker})

    def resume(self, worker):
        self.leases.resume("worker's", {"worker": worker})

    def actor(self, worker):
        held = {lease.actor.actor_id: lease.actor for lease in self.leases._held.values()}
        idle = {actor.actor_id: actor for _, _, actor in self.leases._idle}
        return {**held, **idle}[worker]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


# ---- wanted, granted, released


def test_what_is_free_is_granted_at_once(world):
    number = world.want(CPU=1.0, GPU=1.0)
    assert world.told[number] == {"lease": "l1", "actor_id": "w0", "cores": [0]}
    assert world.hired[0].gpus == ("0",) and world.hired[0].demand == {"CPU": 1.0, "GPU": 1.0}
    assert world.ledger.available() == {"CPU": 3.0, "GPU": 1.0}


def test_what_can_never_be_is_refused(world):
    with pytest.raises(InsufficientResourcesError, match="5 CPU"):
        world.want(CPU=5.0)
    assert not world.leases._waiting


def test_the_answer_comes_when_there_is_room(world):
    first, second = world.want(CPU=3.0), world.want("B", CPU=2.0)
    assert world.worker(second) is None
    world.release(first)
    assert world.told[second] == {"re": second, "lease": "l2", "actor_id": "w0", "cores": [0, 1]}


def test_a_small_one_does_not_wait_behind_a_large_one(world):
    first = world.want(CPU=3.0)
    large, small = world.want(CPU=2.0), world.want(CPU=1.0)
    assert (world.worker(large), world.worker(small)) == (None, "w1")
    world.release(first)
    assert world.worker(large) == "w0"


def test_first_come_first_served(world):
    first = world.want(CPU=4.0)
    waiting = [world.want(CPU=4.0) for _ in range(3)]
    for served, number in enumerate([first, *waiting[:-1]], 1):
        world.release(number)
        assert [world.worker(each) is not None for each in waiting] == [True] * served + [False] * (3 - served)


def test_what_is_half_free_is_not_half_taken(world):
    world.want(CPU=4.0)
    waits = world.want(CPU=1.0, GPU=2.0)  # the GPUs are free
    assert world.worker(waits) is None
    assert world.ledger.available() == {"GPU": 2.0}


def test_one_that_waits_is_withdrawn_and_told_so(world):
    first, waits = world.want(CPU=4.0), world.want(CPU=4.0)
    world.release(waits)
    assert world.told.pop(waits) == {"re": waits, "withdrawn": True}
    world.release(first)
    assert waits not in world.told and len(world.hired) == 1


def test_releasing_twice_or_what_was_never_there_does_nothing(world):
    number = world.want(CPU=1.0)
    for each in (number, number, 77):
        world.release(each)
    assert world.ledger.available() == world.ledger.total()


def test_others_hear_first_that_something_is_free(world):
    first, waits = world.want(CPU=4.0), world.want(CPU=4.0)
    world.leases.offer = lambda: world.ledger.reserve("an actor that waits", {"CPU": 1.0})
    world.release(first)
    assert world.worker(waits) is None
    world.ledger.release("an actor that waits")
    world.leases.serve()
    assert world.worker(waits) == "w0"


# ---- workers


def test_a_worker_is_reused_and_pinned_anew(world):
    one, two = world.want(CPU=1.0), world.want(CPU=2.0)
    world.release(one)
    world.release(two)
    three = world.want(CPU=1.0)
    assert world.worker(three) == "w1"  # the one that was last in use
    assert world.pinned == [("w1", [0])]
    assert len(world.hired) == 2


def test_the_same_cores_need_no_pinning(world):
    for _ in range(3):
        world.release(world.want(CPU=1.0))
    assert not world.pinned and len(world.hired) == 1


@pytest.mark.parametrize(
    ("worker", "demand"), [({"env": {"A": "1"}, "cwd": "/"}, {"CPU": 1.0}), (PLAIN, {"CPU": 1.0, "GPU": 0.5})], ids=str
)
def test_another_environment_or_gpu_is_another_worker(world, worker, demand):
    world.release(world.want(CPU=1.0))
    assert world.worker(world.want(worker=worker, **demand)) == "w1"
    assert not world.dismissed


def test_a_worker_on_the_same_gpu_is_reused(world):
    world.release(world.want(GPU=1.0))
    assert world.worker(world.want(GPU=1.0, CPU=2.0)) == "w0"
    assert world.worker(world.want(GPU=1.0)) == "w1"


def test_the_longest_idle_worker_makes_room(world):
    kinds = [{"env": {"N": str(n)}, "cwd": "/"} for n in range(module.IDLE + 2)]
    for kind in kinds:
        world.release(world.want(worker=kind))
    assert world.dismissed == ["w0", "w1"]
    assert world.worker(world.want(worker=kinds[-1])) == f"w{len(kinds) - 1}"


def test_a_dead_worker_is_not_kept(world):
    number = world.want(CPU=1.0)
    world.actor("w0").life = Life(state=State.DEAD)
    world.release(number)
    assert world.worker(world.want(CPU=1.0)) == "w1"


def test_a_worker_that_dies_gives_its_lease_back(world):
    number, waits = world.want(CPU=4.0, GPU=2.0), world.want(CPU=4.0)
    world.leases.buried(world.actor("w0"))
    assert world.worker(waits) == "w1"
    world.release(number)  # its holder may say so too
    assert world.ledger.available() == {"GPU": 2.0}


def test_an_idle_worker_that_dies_is_forgotten(world):
    world.release(world.want(CPU=1.0))
    world.leases.buried(world.actor("w0"))
    assert world.worker(world.want(CPU=1.0)) == "w1"


# ---- a task that waits for others


def test_a_paused_lease_lets_go_of_its_cpus_and_of_nothing_else(tmp_path):
    world = World(tmp_path, resources={"license": 1}, memory=10)
    world.want(CPU=4.0, GPU=1.0, memory=10.0, license=1.0)
    inner, other = world.want(CPU=4.0), world.want(license=1.0)
    world.pause("w0")
    assert world.worker(inner) == "w1" and world.worker(other) is None
    assert world.ledger.available() == {"GPU": 1.0}
    world.release(inner)
    world.resume("w0")
    assert world.ledger.available() == {"GPU": 1.0}


def test_it_keeps_its_very_gpu(world):
    first, second = world.want(GPU=1.0, CPU=1.0), world.want(GPU=1.0, CPU=1.0)
    world.pause(world.worker(second))
    world.release(first)
    third = world.want(GPU=1.0)
    world.resume(world.worker(second))
    assert [grant.gpus for grant in world.hired] == [("0",), ("1",)]
    assert world.worker(third) == world.worker(first)


def test_it_goes_on_though_all_is_taken(world):
    outer = world.want(CPU=4.0)
    world.pause("w0")
    inner = world.want("w0's", CPU=4.0)
    world.resume("w0")  # it waited for something else as well, which has come
    world.release(outer)
    assert world.ledger.available() == {"GPU": 2.0}  # what it had had is the inner one's
    world.release(inner)
    assert world.ledger.available() == world.ledger.total()


def test_on_other_cores_it_is_pinned_anew(world):
    world.want(CPU=1.0)
    world.pause("w0")
    world.want(CPU=1.0)
    world.resume("w0")
    assert world.pinned == [("w0", [1])]


def test_two_threads_of_it_may_wait(world):
    world.want(CPU=4.0)
    world.pause("w0")
    world.pause("w0")
    world.resume("w0")
    assert world.ledger.available()["CPU"] == 4.0
    world.resume("w0")
    assert "CPU" not in world.ledger.available()


def test_pause_and_resume_that_come_too_late_do_no_harm(world):
    number = world.want(CPU=1.0)
    world.pause("w0")
    world.release(number)
    world.want(CPU=2.0)  # the same worker, for somebody else
    world.resume("w0")
    assert world.ledger.available()["CPU"] == 2.0
    world.pause("nobody")
    world.resume("nobody")


def test_released_while_it_waits(world):
    number = world.want(CPU=4.0, GPU=1.0)
    world.pause("w0")
    world.release(number)
    assert world.ledger.available() == world.ledger.total()


# ---- a process that goes


def test_what_ran_for_a_process_that_has_gone_ends(world):
    mine, theirs = world.want("A", CPU=2.0), world.want("B", CPU=2.0)
    waits, theirs_waits = world.want("A", CPU=2.0), world.want("B", CPU=2.0)
    world.leases.gone("A")
    assert world.dismissed == [world.worker(mine)]
    assert world.worker(waits) is None and world.worker(theirs_waits) == "w2"
    assert world.worker(theirs) not in world.dismissed
    world.leases.gone("B")
    assert world.ledger.available() == world.ledger.total()


def test_each_release_is_offered(world):
    first = world.want(CPU=4.0)
    world.pause("w0")
    world.resume("w0")
    world.release(first)
    assert world.offers == 2
