"""Calls that wait for each other for ever end with the `get` timeout, and the error names the cycle. Issue 3."""

from __future__ import annotations

import pytest

import jactors

PATIENCE = 30
#: Seconds that an inner `get` waits: long enough for all of the cycle to wait.
SHORT = 1.0


class Waits:
    def for_itself(self):
        return jactors.get(jactors.get_runtime_context().current_actor.ping.remote(), timeout=SHORT)

    def for_others(self, others, timeout=PATIENCE):
        """Wait for the first of them, which waits for the next one."""
        first, *rest = others
        return jactors.get(first.for_others.remote(rest) if rest else first.ping.remote(), timeout=timeout)

    def ping(self):
        return "pong"


Waits = jactors.remote(Waits)


@pytest.fixture
def named(session):
    made = {name: Waits.options(name=f"{name}-{id(session)}").remote() for name in "abc"}
    for actor in made.values():
        actor.ping()
    yield made
    for actor in made.values():
        jactors.kill(actor)


def test_an_actor_that_waits_for_itself(named):
    """RAY_API 5: Calling itself and waiting deadlocks (get -> timeout)."""
    name = jactors.util.list_named_actors()[0].partition("-")[2]
    with pytest.raises(jactors.exceptions.GetTimeoutError) as caught:
        named["a"].for_itself()
    assert f"A deadlock: Waits a-{name} waits for Waits a-{name}." in str(caught.value)
    assert named["a"].ping() == "pong"  # and is free again


def test_three_that_wait_in_a_circle(named):
    a, b, c = named.values()
    with pytest.raises(jactors.exceptions.GetTimeoutError, match=r"waits for .*, which waits for .*, which waits"):
        a.for_others([b, c, a], timeout=SHORT)
    jactors.kill(b)


def test_who_waits_outside_of_the_circle_is_told_of_it(named):
    a, b, _ = named.values()
    with pytest.raises(jactors.exceptions.GetTimeoutError) as caught:
        jactors.get(a.for_others.remote([b, a]), timeout=SHORT)
    text = str(caught.value)
    assert "A deadlock: Waits a-" in text and "which waits for Waits a-" in text


def test_what_is_only_slow_is_no_deadlock(named):
    with pytest.raises(jactors.exceptions.GetTimeoutError) as caught:
        jactors.get(named["a"].__ray_call__.remote(lambda self: __import__("time").sleep(2)), timeout=0.3)
    assert "deadlock" not in str(caught.value)
