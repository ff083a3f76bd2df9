"""The gate: who passes it, and when it is quiet."""

from __future__ import annotations

import threading

import pytest

from jactors.kernel import gate as gates
from jactors.kernel.gate import Gate


@pytest.fixture
def gate(monkeypatch):
    monkeypatch.setattr(gates, "HOLD", 0.02)
    monkeypatch.setattr(gates, "PAUSE", 0.02)
    return Gate()


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_an_idle_gate_is_quiet_at_once(gate):
    with gate.quiet(inside=False, timeout=0):
        assert not gate.busy()


def test_calls_that_have_not_begun_wait_for_the_end_of_quiet(gate):
    entered = threading.Event()

    def call():
        gate.enter()
        entered.set()
        gate.leave()

    with gate.quiet(inside=False):
        thread = in_thread(call)
        assert not entered.wait(0.05)
    assert entered.wait(5)
    thread.join(5)


def test_quiet_waits_for_the_calls_under_way(gate):
    gate.enter()
    done = threading.Event()

    def save():
        with gate.quiet(inside=False):
            done.set()

    thread = in_thread(save)
    assert not done.wait(0.05)
    gate.leave()
    assert done.wait(5)
    thread.join(5)


def test_a_call_that_does_not_end_holds_the_others_up_for_a_while_only(gate):
    gate.enter()
    thread = in_thread(lambda: _never_quiet(gate))
    for _ in range(5):
        gate.enter()
        gate.leave()
    thread.join(5)
    assert not thread.is_alive() and gate.busy()


def _never_quiet(gate):
    with pytest.raises(TimeoutError), gate.quiet(inside=False, timeout=0.3):
        pass


def test_calls_that_ask_for_quiet_do_not_wait_for_each_other(gate):
    order = []
    ready = threading.Barrier(3)

    def call():
        gate.enter()
        ready.wait(5)
        with gate.quiet(inside=True):
            order.append(gate.busy())
        gate.leave()

    threads = [in_thread(call) for _ in range(3)]
    for thread in threads:
        thread.join(5)
    assert order == [False] * 3 and not gate.busy()


def test_what_raises_in_a_quiet_block_opens_the_gate(gate):
    with pytest.raises(KeyError), gate.quiet(inside=False):
        raise KeyError
    gate.enter()
    gate.leave()
