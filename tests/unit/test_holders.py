"""Who holds what, as the supervisor counts it: `jactors.life.holders`, without a process."""

from __future__ import annotations

import random
from itertools import count

import pytest

from jactors.life.holders import Holders

ACTOR = "a" * 32
OTHER = "b" * 32
OWNER, TAKER = "1" * 32, "2" * 32
VALUE = OWNER + "0" * 24


class World:
    """Holders, and what they say; a channel is any object."""

    def __init__(self):
        self.ended, self.told = [], []
        self.holders = Holders(
            unheld=self.ended.append, tell=lambda channel, message: self.told.append((channel, message))
        )

    def __getattr__(self, operation):
        return lambda channel, **request: getattr(self.holders, operation)(channel, request)

    def settled(self):
        """What has ended by now."""
        if self.holders.in_doubt():
            self.holders.settle()
        return self.ended


@pytest.fixture
def world():
    world = World()
    world.introduce("P", process=OWNER)
    world.introduce("Q", process=TAKER)
    return world


def test_an_actor_ends_with_its_last_hold_and_not_before(world):
    world.holders.spawned("P", ACTOR, counted=True, named=[])
    world.hold("Q", key=ACTOR)
    world.drop("P", key=ACTOR)
    assert world.settled() == []
    world.drop("Q", key=ACTOR)
    assert world.settled() == [ACTOR]
    assert len(world.holders) == 0


def test_a_count_that_rises_again_before_all_was_heard_was_never_zero(world):
    world.holders.spawned("P", ACTOR, counted=True, named=[])
    world.drop("P", key=ACTOR)
    assert world.holders.in_doubt()
    world.hold("Q", key=ACTOR)
    assert world.settled() == []


def test_a_process_that_dies_gives_back_all_it_holds(world):
    world.holders.spawned("P", ACTOR, counted=True, named=[])
    for _ in range(3):
        world.hold("Q", key=ACTOR)
    world.drop("P", key=ACTOR)
    assert world.settled() == []
    world.holders.gone("Q")
    assert world.settled() == [ACTOR]


def test_what_nobody_is_known_to_hold_cannot_be_dropped(world):
    world.hold("P", key=ACTOR)
    world.drop("Q", key=ACTOR)
    world.drop("P", key=OTHER)
    assert world.settled() == []


def test_a_result_under_way_holds_what_it_names(world):
    world.hold("Q", key=ACTOR)
    world.hand_over("Q", key=ACTOR, token="t", to=OWNER, by=[OTHER, 1])
    world.drop("Q", key=ACTOR)
    assert world.settled() == []
    world.take("P", key=ACTOR, token="t", keep=True)
    assert world.settled() == []
    world.drop("P", key=ACTOR)
    assert world.settled() == [ACTOR]


def test_a_result_that_is_taken_by_somebody_who_has_a_hold_adds_none(world):
    world.hold("P", key=ACTOR)
    world.hand_over("Q", key=ACTOR, token="t", to=OWNER, by=None)
    world.take("P", key=ACTOR, token="t", keep=False)
    world.drop("P", key=ACTOR)
    assert world.settled() == [ACTOR]


def test_a_result_may_be_taken_before_it_is_heard_that_it_was_handed_over(world):
    world.hold("Q", key=ACTOR)
    world.take("P", key=ACTOR, token="t", keep=True)
    world.hand_over("Q", key=ACTOR, token="t", to=OWNER, by=None)
    world.drop("Q", key=ACTOR)
    world.drop("P", key=ACTOR)
    assert world.settled() == [ACTOR]


def test_what_an_incarnation_had_handed_over_and_did_not_send_is_void(world):
    world.hand_over("Q", key=ACTOR, token="t", to=OWNER, by=[OTHER, 1])
    world.hand_over("Q", key=ACTOR, token="u", to=OWNER, by=[OTHER, 2])
    world.void("Q", actor_id=OTHER, incarnation=2)  # not the one that it was meant for
    world.void("P", actor_id=OTHER, incarnation=1)
    assert world.settled() == []
    world.void("P", actor_id=OTHER, incarnation=2)
    assert world.holders.in_doubt() and world.settled() == [ACTOR]


def test_a_taker_that_dies_takes_nothing(world):
    world.hand_over("Q", key=ACTOR, token="t", to=OWNER, by=None)
    world.holders.gone("P")
    assert world.settled() == [ACTOR]


def test_a_creation_holds_what_it_names_until_it_is_over(world):
    world.hold("P", key=ACTOR)
    world.holders.spawned("P", OTHER, counted=True, named=[ACTOR])
    world.drop("P", key=ACTOR)
    assert world.settled() == []
    world.holders.buried(OTHER)
    assert world.settled() == [ACTOR]
    world.holders.buried(OTHER)  # again, when it is buried
    assert world.settled() == [ACTOR]


def test_an_actor_that_is_not_counted_is_not_held(world):
    world.holders.spawned("P", ACTOR, counted=False, named=[])
    assert not world.holders.in_doubt()


def test_the_owner_of_a_value_is_told_by_the_mark_of_its_last_hold(world):
    world.hold("P", key=VALUE, mark=1)
    world.hold("Q", key=VALUE)
    world.drop("P", key=VALUE)
    world.hold("P", key=VALUE, mark=2)
    world.drop("P", key=VALUE)
    world.drop("Q", key=VALUE)
    assert world.settled() == []
    assert world.told == [("P", {"event": "unheld", "key": VALUE, "mark": 2})]


def test_an_owner_that_has_died_is_not_told(world):
    world.hold("P", key=VALUE, mark=1)
    world.hold("Q", key=VALUE)
    world.holders.gone("P")
    world.drop("Q", key=VALUE)
    assert world.settled() == []
    assert world.told == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_said_in_whatever_order_nothing_is_left_and_nothing_ends_twice(seed):
    """Random holds, hand-overs and deaths; then everybody dies."""
    dice, tokens = random.Random(seed), count()
    world = World()
    names = {"P": OWNER, "Q": TAKER, "R": "3" * 32}
    for channel, process in names.items():
        world.introduce(channel, process=process)
    held = dict.fromkeys(names, 0)
    flying = []
    world.holders.spawned("P", ACTOR, counted=True, named=[])
    held["P"] = 1
    for _ in range(200):
        channel = dice.choice(sorted(names))
        match dice.choice(["hold", "drop", "hand_over", "take", "settle", "void"]):
            case "hold" if held[channel]:
                world.hold(channel, key=ACTOR)
                held[channel] += 1
            case "drop" if held[channel]:
                world.drop(channel, key=ACTOR)
                held[channel] -= 1
            case "hand_over" if held[channel]:
                to, token = dice.choice(sorted(names)), str(next(tokens))
                world.hand_over(channel, key=ACTOR, token=token, to=names[to], by=[channel * 32, 1])
                flying.append((token, to, channel))
            case "take" if flying:
                token, to, _ = flying.pop(dice.randrange(len(flying)))
                world.take(to, key=ACTOR, token=token, keep=True)
                held[to] += 1
            case "void":
                world.void(channel, actor_id="Q" * 32, incarnation=1)
                world.holders.settle()
                if world.ended:
                    assert not any(held.values()) and all(each[1:] == (channel, "Q") for each in flying)
                    return
                flying = [each for each in flying if each[1:] != (channel, "Q")]
            case "settle":
                alive = any(held.values()) or bool(flying)
                assert world.settled() == ([] if alive else [ACTOR])
                if not alive:
                    return
    for channel in names:
        world.holders.gone(channel)
    assert world.settled() == [ACTOR]
    assert len(world.holders) == 0
