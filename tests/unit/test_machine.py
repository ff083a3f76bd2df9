"""Life and death as a table: what each event makes of an actor in each state, and what is to be done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jactors.life.machine import (
    BACKOFF_MAX,
    INTENSITY,
    LAST_WORDS,
    PERIOD,
    Alive,
    Announce,
    Bury,
    Continued,
    Due,
    Execute,
    Exited,
    Failed,
    Granted,
    Hung,
    Inherited,
    Kill,
    KillProcess,
    Launch,
    Leaving,
    Life,
    Overdue,
    Restart,
    State,
    Stopped,
    Wake,
    step,
)

P, S, A, R, D = State.PENDING, State.STARTING, State.ALIVE, State.RESTARTING, State.DEAD

GRANTED, ALIVE, FAILED, LEAVING = Granted(), Alive(), Failed("ab"), Leaving("exit_actor")
EXITED, KILL, CRASH = (
    Exited(exitcode=3, signal=None),
    Kill(reason="you", for_good=True),
    Kill(reason="you", for_good=False),
)
DUE, OVERDUE, RESTART = Due(), Overdue(2.0), Restart("you")
STOPPED, CONTINUED, HUNG = Stopped(), Continued(), Hung(2.0)
EVENTS = (GRANTED, ALIVE, FAILED, LEAVING, EXITED, KILL, CRASH, DUE, OVERDUE, RESTART, STOPPED, CONTINUED, HUNG)

START = (Launch(), Announce())
END = (KillProcess(), Bury(), Announce())
AGAIN = (KillProcess(), Announce(), Wake(0.0))

#: An actor with one restart left: (state, event) -> (state, instructions). What is not here changes nothing.
TABLE = {
    (P, GRANTED): (S, START),
    (P, EXITED): (R, AGAIN),  # cannot be: there is no process
    (P, KILL): (D, (Bury(), Announce())),
    (P, CRASH): (P, (Announce(),)),  # uses up the restart that is left
    (S, ALIVE): (A, (Announce(),)),
    (S, EXITED): (R, AGAIN),
    (S, KILL): (S, (KillProcess(),)),
    (S, CRASH): (S, (KillProcess(),)),
    (S, OVERDUE): (S, (KillProcess(),)),
    (S, RESTART): (S, (KillProcess(),)),
    (S, STOPPED): (S, (Announce(),)),
    (S, HUNG): (S, (Execute(LAST_WORDS),)),
    (A, STOPPED): (A, (Announce(),)),
    (A, HUNG): (A, (Execute(LAST_WORDS),)),
    (A, EXITED): (R, AGAIN),
    (A, RESTART): (A, (KillProcess(),)),
    (A, KILL): (A, (KillProcess(),)),
    (A, CRASH): (A, (KillProcess(),)),
    (R, DUE): (S, START),
    (R, EXITED): (R, AGAIN),  # cannot be either
    (R, KILL): (D, (Bury(), Announce())),
    (R, CRASH): (R, (KillProcess(),)),
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_in_every_state(state, event):
    life, instructions = step(Life(max_restarts=1, state=state, incarnation=1), event)
    assert (life.state, instructions) == TABLE.get((state, event), (state, ()))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_the_dead_stay_as_they_are(event):
    life = Life(state=D, incarnation=3, killed="once")
    assert step(life, event) == (life, ())


def after(*events, **fields):
    """The last life and instructions of an actor to which all this happens."""
    life, instructions = Life(**fields), ()
    for event in events:
        life, instructions = step(life, event)
    return life, instructions


def died(**how):
    return Exited(**{"exitcode": None, "signal": None} | how)


def test_an_incarnation_is_counted_when_it_is_launched():
    life, _ = after(GRANTED, ALIVE, max_restarts=-1)
    assert (life.incarnation, life.restarts) == (1, 0)
    life, _ = after(GRANTED, ALIVE, EXITED, DUE, max_restarts=-1)
    assert (life.incarnation, life.restarts) == (2, 1)


@pytest.mark.parametrize("allowed", [0, 1, 2, 5])
def test_restarts_are_so_many_and_no_more(allowed):
    life, _ = after(GRANTED, ALIVE, max_restarts=allowed)
    for used in range(allowed):
        life, instructions = step(life, EXITED)
        assert (life.state, life.restarts, instructions) == (R, used + 1, AGAIN)
        life, _ = step(life, DUE)
        life, _ = step(life, ALIVE)
    life, instructions = step(life, EXITED)
    assert (life.state, life.restarts, instructions) == (D, allowed, END)


def test_a_kill_that_may_restart_uses_one_up_before_the_first_start_too():
    life, _ = after(CRASH, max_restarts=1)
    assert (life.state, life.restarts, life.killed, step(life, GRANTED)[0].state) == (P, 1, None, S)
    life, instructions = after(CRASH, CRASH, max_restarts=1)
    assert (life.state, life.killed, instructions) == (D, "you", (Bury(), Announce()))


def test_restarts_without_limit():
    life, _ = after(GRANTED, ALIVE, max_restarts=-1, intensity=-1)
    for _ in range(100):
        for event in (EXITED, DUE, ALIVE):
            life, _ = step(life, event)
    assert (life.state, life.restarts, life.incarnation) == (A, 100, 101)


@pytest.mark.parametrize(
    "how", [died(exitcode=0), died(exitcode=1), died(exitcode=137), died(signal=9), died(signal=11)]
)
def test_any_end_that_nobody_wanted_restarts(how):
    life, instructions = after(GRANTED, ALIVE, how, max_restarts=1)
    assert (life.state, instructions) == (R, AGAIN)
    assert (life.exitcode, life.signal) == (how.exitcode, how.signal)


@pytest.mark.parametrize("last", [FAILED, LEAVING, KILL], ids=["init raised", "it left", "killed"])
def test_wanted_ends_never_restart(last):
    life, instructions = after(GRANTED, ALIVE, last, died(signal=9), max_restarts=-1)
    assert (life.state, instructions) == (D, END)


def test_init_that_raises_never_restarts_at_a_restart_either():
    life, instructions = after(GRANTED, ALIVE, EXITED, DUE, FAILED, died(exitcode=1), max_restarts=-1)
    assert (life.state, instructions, life.failure) == (D, END, "ab")


def test_init_that_kills_its_process_is_tried_so_often_as_restarts_allow():
    life, _ = after(GRANTED, max_restarts=2)
    runs = 1
    while True:
        life, _ = step(life, died(exitcode=1))
        if life.state is D:
            break
        life, _ = step(life, DUE)
        runs += 1
    assert (runs, life.stillborn, life.failure) == (3, 2, None)


def test_the_stillborn_wait_longer_each_time_up_to_a_bound():
    life, _ = after(GRANTED, max_restarts=-1, intensity=-1)
    delays = []
    for _ in range(12):
        life, instructions = step(life, died(signal=9))
        delays += [each.delay for each in instructions if isinstance(each, Wake)]
        life, _ = step(life, DUE)
    assert delays[0] == 0.0 and delays == sorted(delays) and delays[-1] == BACKOFF_MAX
    life, _ = step(life, ALIVE)
    life, instructions = step(life, died(signal=9))
    assert instructions == AGAIN  # it has lived: no wait


def test_a_kill_as_if_it_had_crashed_uses_a_restart():
    life, instructions = after(GRANTED, ALIVE, CRASH, died(signal=9), max_restarts=1)
    assert (life.state, life.restarts, life.killed, instructions) == (R, 1, "you", AGAIN)
    life, _ = step(life, DUE)
    assert (life.state, life.killed) == (S, None)


def test_a_kill_as_if_it_had_crashed_ends_what_has_no_restart_left():
    life, instructions = after(GRANTED, ALIVE, CRASH, died(signal=9), max_restarts=0)
    assert (life.state, life.killed, instructions) == (D, "you", END)


@pytest.mark.parametrize("how", [Restart("you"), Leaving("restart")])
def test_a_restart_on_request_uses_none_up_and_is_none_of_a_stillborn(how):
    life, _ = after(Granted(), Alive(), how, Exited(exitcode=0, signal=None), max_restarts=0)
    assert (life.state, life.restarts, life.asked, life.intent, life.stillborn) == (R, 0, 1, None, 0)
    assert life.killed.startswith("it was restarted")
    assert step(life, Due())[0].state is S


def test_a_kill_for_good_ends_what_was_to_be_restarted():
    assert after(Granted(), Alive(), Restart("you"), KILL, EXITED)[0].state is D
    assert after(Granted(), Alive(), KILL, Restart("you"), EXITED)[0].state is D


def test_for_good_is_not_taken_back():
    life, _ = after(GRANTED, ALIVE, KILL, CRASH, died(signal=9), max_restarts=-1)
    assert life.state is D


def test_killed_before_it_started_nothing_was_launched():
    life, instructions = after(KILL, max_restarts=-1)
    assert (life.state, life.incarnation, instructions) == (D, 0, (Bury(), Announce()))


def test_killed_while_it_waits_for_its_restart_no_process_is_asked_for():
    life, instructions = after(GRANTED, ALIVE, EXITED, KILL, max_restarts=-1)
    assert (life.state, instructions) == (D, (Bury(), Announce()))
    assert step(life, DUE) == (life, ())


def test_one_that_does_not_start_in_time_is_killed_for_good():
    life, _ = after(GRANTED, OVERDUE, died(signal=9), max_restarts=-1)
    assert (life.state, life.overdue) == (D, 2.0)
    assert after(GRANTED, ALIVE, OVERDUE)[0].overdue is None


def test_an_actor_that_is_alive_is_alive_once():
    life, instructions = after(GRANTED, ALIVE, ALIVE)
    assert (life.state, instructions) == (A, ())


def test_what_the_process_had_started_is_ended_too_whatever_follows():
    for allowed in (0, 1):
        _, instructions = after(GRANTED, ALIVE, EXITED, max_restarts=allowed)
        assert instructions[0] == KillProcess()


def test_resources_are_given_back_once():
    life, buried = Life(max_restarts=2), 0
    for event in (GRANTED, ALIVE, EXITED, DUE, ALIVE, KILL, EXITED, EXITED, KILL, DUE, GRANTED):
        life, instructions = step(life, event)
        buried += Bury() in instructions
    assert buried == 1


# ---- too many crashes in too short a time


def crashes(life, times):
    """The life of an actor that is restarted and crashes again at each of these times."""
    for at in times:
        life, _ = step(life, died(exitcode=3, at=at))
        if life.state is R:
            life, _ = step(step(life, DUE)[0], ALIVE)
    return life


def test_one_crash_more_than_the_period_allows_is_the_last():
    life, _ = after(GRANTED, ALIVE, max_restarts=-1, intensity=3, period=10.0)
    life = crashes(life, [0.0, 1.0, 2.0])
    assert (life.state, life.restarts) == (A, 3)
    life, instructions = step(life, died(signal=9, at=2.5))
    assert (life.state, life.looped, instructions) == (D, 2.5, END)


def test_crashes_far_enough_apart_never_add_up():
    life, _ = after(GRANTED, ALIVE, max_restarts=-1, intensity=3, period=10.0)
    life = crashes(life, [4.0 * n for n in range(100)])
    assert (life.state, len(life.crashes)) == (A, 3)


def test_by_default_an_init_that_crashes_each_time_comes_to_an_end_despite_its_back_off():
    life, _ = after(GRANTED, max_restarts=-1)
    now, launches = 0.0, 1
    while life.state is not D:
        life, instructions = step(life, died(exitcode=1, at=now))
        now += sum(each.delay for each in instructions if isinstance(each, Wake)) + 0.1
        if life.state is R:
            life, _ = step(life, DUE)
            launches += 1
    assert launches == INTENSITY + 1 and life.looped < PERIOD


def test_what_somebody_asked_for_is_no_crash():
    life, _ = after(GRANTED, ALIVE, max_restarts=-1, intensity=0)
    life, _ = step(step(life, CRASH)[0], died(signal=9))
    assert (life.state, life.crashes) == (R, ())
    life, _ = step(step(life, DUE)[0], died(exitcode=1))
    assert life.state is D


# ---- stopped, hung


def test_stopped_is_not_dead_and_is_told_once():
    life, _ = after(GRANTED, ALIVE, STOPPED)
    assert (life.state, life.stopped, step(life, STOPPED)[1]) == (A, True, ())
    life, instructions = step(life, CONTINUED)
    assert (life.state, life.stopped, instructions) == (A, False, (Announce(),))


def test_what_dies_while_it_is_stopped_is_not_stopped_any_more():
    life, _ = after(GRANTED, ALIVE, STOPPED, died(signal=9), max_restarts=1)
    assert (life.state, life.stopped) == (R, False)


def test_a_hung_one_is_killed_once_and_restarts_as_after_any_crash():
    life, _ = after(GRANTED, ALIVE, HUNG, max_restarts=1)
    assert step(life, Hung(3.0)) == (life, ())
    life, instructions = step(life, died(signal=9, at=5.0))
    assert (life.state, life.hung, life.crashes, instructions) == (R, 2.0, (5.0,), AGAIN)
    assert step(life, DUE)[0].hung is None


def test_one_that_another_supervisor_takes_over_waits_for_its_resources_and_has_used_a_restart():
    life, told = step(Life(state=A, incarnation=1, max_restarts=1), Inherited("gone"))
    assert (life.state, life.restarts, life.crashes, told) == (P, 1, (), (Announce(),))
    life, told = step(life, GRANTED)
    assert (life.state, life.incarnation, life.killed, told) == (S, 2, None, START)
    life, told = step(replace(life, state=A), Inherited("gone"))
    assert (life.state, life.killed, told) == (D, "gone", (Bury(), Announce()))


def test_one_that_has_never_run_is_taken_over_as_it_was():
    life, told = step(Life(), Inherited("gone"))
    assert (life, told) == (Life(), (Announce(),))
