"""The outbox: which results share a message, and that none is held longer than it has to be."""

from __future__ import annotations

import threading

import pytest

from jactors.kernel.incoming import Incoming
from jactors.kernel.outbox import LARGE, ROWS, Outbox
from jactors.wire import messages
from jactors.wire.payload import Packed

KEY = b"k" * 32


class Socket:
    """Takes frames; gives them back a message at a time."""

    def __init__(self):
        self.sent = [[]]

    def send(self, frame, flags, copy):
        self.sent[-1].append(bytes(frame))
        if not flags:
            self.sent.append([])


class Box:
    def __init__(self):
        self.socket, self.later, self.mark = Socket(), [], 0
        signer = messages.Signer(KEY, "actor")
        later = lambda delay, function: self.later.append(function)
        self.outbox = Outbox(self.socket, threading.Lock(), signer, 1, lambda: self.mark, later)
        self.reader = messages.Signer(KEY, "caller")

    def answer(self, number, *, to=b"caller", value=b"v", hold=True, last=True):
        call = Incoming([to], b"{}", {}, "c" * 32, number, "m", 1, None, [])
        return self.outbox.send(call, [(0, Packed(value, []))], hold=hold, last=last)

    def sent(self):
        """Return (to whom, numbers of the calls, mark) of each message so far."""
        found = []
        for frames in self.socket.sent[:-1]:
            idents, signed = messages.split(frames)
            message = self.reader.unpack(signed)
            messages.check_digest(message, message.buffers)
            numbers = [row[0] for row in message.content["results"]]
            found.append((idents[0], numbers, message.content.get("mark", 0)))
        self.socket.sent = [[]]
        return found


@pytest.fixture
def box():
    return Box()


def test_a_result_that_may_not_be_held_goes_at_once(box):
    assert box.answer(1, hold=False) is False
    assert box.sent() == [(b"caller", [1], 0)] and not box.later


def test_held_results_share_a_message_in_order(box):
    assert all(box.answer(number) for number in (1, 2, 3))
    assert box.sent() == []
    box.outbox.flush()
    assert box.sent() == [(b"caller", [1, 2, 3], 0)]
    box.outbox.flush()
    assert box.sent() == []


def test_one_that_may_not_wait_takes_those_before_it_along(box):
    box.answer(1)
    box.answer(2, hold=False)
    assert box.sent() == [(b"caller", [1, 2], 0)]


def test_a_message_has_so_many_results_and_no_more(box):
    held = [box.answer(number) for number in range(ROWS)]
    assert held == [True] * (ROWS - 1) + [False]
    assert box.sent() == [(b"caller", list(range(ROWS)), 0)]


def test_each_caller_gets_its_own(box):
    box.answer(1, to=b"a")
    box.answer(2, to=b"b")
    box.outbox.flush()
    assert box.sent() == [(b"a", [1], 0), (b"b", [2], 0)]


def test_a_large_result_is_not_held(box):
    assert not box.answer(1, value=bytes(LARGE))
    assert len(box.sent()) == 1


def test_the_mark_of_any_of_them_is_the_marks_of_all(box):
    box.mark = 7
    box.answer(1)
    box.mark = 0
    box.answer(2)
    box.outbox.flush()
    box.answer(3)
    box.outbox.flush()
    assert box.sent() == [(b"caller", [1, 2], 7), (b"caller", [3], 0)]


def test_somebody_else_sends_what_is_held_for_too_long(box):
    box.answer(1)
    box.answer(2)
    assert len(box.later) == 1  # once for all that are held
    box.later.pop()()
    assert box.sent() == [(b"caller", [1, 2], 0)]
    box.answer(3)
    assert len(box.later) == 1  # and again


def test_the_answer_to_a_roll_call_comes_behind_what_is_held(box):
    box.answer(1)
    box.outbox.call_roll([b"caller"], b"{}", 1, [5])
    assert [numbers for _, numbers, _ in box.sent()] == [[1], []]
