"""The side door: what a busy, stopped, restarting or dead actor answers on its control channel, and when."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from concurrent.futures import CancelledError

import pytest
from ipykernel.iostream import OutStream

import jactors
from jactors.exceptions import ActorDiedError, ActorUnavailableError
from jactors.wire.sidedoor import ControlError

PATIENCE = 30

CANCEL_NOTHING = {"sender": "0" * 32, "number": 1}


@pytest.fixture(scope="module", autouse=True)
def session(launcher):
    jactors.init(num_cpus=4, launcher=launcher)
    yield
    jactors.shutdown()


@jactors.remote(num_cpus=0, max_restarts=1)
class Busy:
    def pid(self):
        return os.getpid()

    def sleep(self, seconds):
        time.sleep(seconds)

    def flush_while_the_sender_waits_for_us(self):
        """What logging does on two threads at once; return the seconds that it took."""
        handler = logging.StreamHandler(sys.stderr)
        with handler.lock:
            sys.stderr.pub_thread.schedule(lambda: handler.handle(logging.makeLogRecord({"msg": "from the sender"})))
            begun = time.monotonic()
            sys.stderr.flush()
            return time.monotonic() - begun


@pytest.fixture
def busy():
    actor = Busy.remote()
    yield actor
    jactors.kill(actor)


def ask(actor, msg_type="actor_cancel_request", content=CANCEL_NOTHING, **options):
    return actor._home.link.ask(msg_type, content, **options)


def test_a_busy_actor_answers(busy):
    busy.pid()
    call = busy.sleep.remote(PATIENCE)
    assert ask(busy).result(PATIENCE)["was"] == "queued"
    jactors.cancel(call)


def test_a_handler_that_raises_is_answered_with_an_error(busy):
    busy.pid()
    with pytest.raises(ControlError, match="actor_cancel failed in the actor: KeyError: 'number'"):
        ask(busy, content={"sender": ""}).result(PATIENCE)


def test_an_actor_that_has_not_started_says_so():
    waiting = Busy.options(num_cpus=4).remote()
    jactors.get(waiting.pid.remote())
    pending = Busy.options(num_cpus=1).remote()
    with pytest.raises(ActorUnavailableError, match="it has not started yet"):
        ask(pending).result(PATIENCE)
    jactors.kill(pending)
    jactors.kill(waiting)


def test_requests_end_with_their_incarnation_and_the_next_one_answers(busy):
    os.kill(pid := busy.pid(), signal.SIGSTOP)
    asked = [ask(busy, timeout=PATIENCE) for _ in range(3)]
    os.kill(pid, signal.SIGKILL)
    for each in asked:
        with pytest.raises(ActorUnavailableError, match="SIGKILL"):
            each.result(PATIENCE)
    while True:
        try:
            assert busy.pid() != pid
            break
        except ActorUnavailableError:  # it restarts
            time.sleep(0.01)
    assert ask(busy).result(PATIENCE)["was"] == "queued"


def test_a_dead_actor_says_how_it_died(busy):
    busy.pid()
    jactors.kill(busy)
    with pytest.raises(ActorDiedError, match=r"jactors\.kill"):
        ask(busy).result(PATIENCE)


def test_a_stopped_actor_is_given_up_in_time(busy):
    os.kill(pid := busy.pid(), signal.SIGSTOP)
    with pytest.raises(ActorUnavailableError, match="stopped, or holds the GIL"):
        ask(busy, timeout=0.1).result(PATIENCE)
    os.kill(pid, signal.SIGCONT)


def test_one_may_stop_waiting(busy):
    os.kill(pid := busy.pid(), signal.SIGSTOP)
    asked = ask(busy)
    assert asked.cancel()
    os.kill(pid, signal.SIGCONT)
    assert ask(busy).result(PATIENCE)["was"] == "queued"  # the answer of the first came before
    with pytest.raises(CancelledError):
        asked.result()


def test_logging_on_two_threads_does_not_hold_up_an_actor(busy):
    """Ipykernel's flush waits for ten seconds, with the handler's lock held that the other side needs."""
    assert busy.flush_while_the_sender_waits_for_us() < OutStream.flush_timeout
