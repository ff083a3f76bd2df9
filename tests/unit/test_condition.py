"""The words for an actor's condition, which all that show one share."""

from __future__ import annotations

import pytest

from jactors.actors.condition import STATES, crashed, reason_of, restarts_of, state_of

ALIVE = {"state": "ALIVE", "stopped": False, "reason": ""}
RESTS = {"busy": 0, "open": {}}


@pytest.mark.parametrize(
    ("told", "status", "asked", "word"),
    [
        ({}, None, False, "starting"),
        ({"state": "PENDING_CREATION"}, None, False, "pending"),
        ({"state": "STARTING"}, RESTS, True, "starting"),
        (ALIVE, None, False, "alive"),
        (ALIVE, None, True, "silent"),
        (ALIVE, RESTS, True, "idle"),
        (ALIVE, {"busy": 1, "open": {}}, True, "busy"),
        (ALIVE, {"busy": 0, "open": {"driver": (1, 0)}}, True, "busy"),
        ({**ALIVE, "stopped": True}, RESTS, True, "stopped"),
        ({"state": "RESTARTING"}, None, False, "restarting"),
        ({"state": "DEAD", "stopped": True}, RESTS, True, "dead"),
    ],
)
def test_states(told, status, asked, word):
    assert state_of(told, status, asked=asked) == word and word in STATES


def test_reasons_are_of_those_that_wait_and_of_those_that_died():
    assert reason_of(ALIVE) == ""
    assert reason_of({"state": "PENDING_CREATION", "reason": "waits for 1 GPU"}) == "waits for 1 GPU"
    assert reason_of({"state": "RESTARTING", "signal": 11}) == "killed by SIGSEGV"
    assert (
        reason_of({"state": "DEAD", "incarnation": 1, "killed": "`jactors.kill`"}) == "it was killed by `jactors.kill`"
    )


def test_restarts_and_those_on_request():
    told = [restarts_of(0, 0), restarts_of(1, 3), restarts_of(2, -1), restarts_of(0, 0, 2), restarts_of(1, 3, 1)]
    assert told == ["0", "1 of 3", "2 of any", "0, 2 asked", "1 of 3, 1 asked"]


def test_a_crash_is_a_last_death_that_nobody_asked_for():
    assert not crashed(ALIVE) and not crashed({"deaths": []})
    assert crashed({"deaths": [{"kind": "restart"}, {"kind": "crash"}]})
    assert not crashed({"deaths": [{"kind": "crash"}, {"kind": "killed"}]})
