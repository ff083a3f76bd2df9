"""Marks: a result is delivered behind the output of its call, or when it has waited long enough."""

from __future__ import annotations

import pytest

from jactors.objects.store import Entry, Raised
from jactors.wire import marks as module
from jactors.wire.marks import TIMEOUT, Marks


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def marks():
    return Marks()


def result(name):
    return Entry(name.encode().ljust(28)), Raised(ValueError(name))


def names(results):
    return [entry.id.decode().strip() for entry, _ in results]


def test_no_mark_no_waiting(marks):
    assert not marks.hold(0, [result("a")]) and not marks


def test_a_result_waits_for_its_mark(marks):
    assert marks.hold(1, [result("a"), result("b")]) and marks
    assert names(marks.seen(1)) == ["a", "b"] and not marks
    assert names(marks.seen(1)) == []


def test_a_mark_that_was_seen_before_holds_nothing(marks):
    marks.seen(3)
    assert not marks.hold(3, [result("a")]) and not marks.hold(2, [result("b")])
    assert marks.hold(4, [result("c")])


def test_a_later_mark_says_that_the_earlier_output_is_there(marks):
    marks.hold(1, [result("a")])
    marks.hold(2, [result("b")])
    marks.hold(3, [result("c")])
    assert names(marks.seen(2)) == ["a", "b"] and names(marks.seen(3)) == ["c"]


def test_an_earlier_mark_releases_nothing_later(marks):
    marks.hold(2, [result("b")])
    assert names(marks.seen(1)) == [] and marks


def test_marks_that_come_out_of_order_do_not_go_back(marks):
    marks.seen(5)
    marks.seen(2)
    assert not marks.hold(4, [result("a")])


def test_nothing_to_hold(marks):
    assert marks.hold(1, []) and not marks


def test_what_comes_later_of_the_same_call_waits_behind(marks):
    def value(task, index):
        return Entry(task.encode().ljust(24) + index.to_bytes(4, "big")), Raised(ValueError(index))

    marks.hold(1, [value("generator", 0)])
    assert not marks.hold(0, [value("other", 0)])
    assert marks.hold(0, [value("generator", 1)]) and marks.hold(0, [value("generator", 0xFFFFFFFF)])
    assert [entry.id[24:].hex() for entry, _ in marks.seen(1)] == ["00000000", "00000001", "ffffffff"]
    assert not marks.hold(0, [value("generator", 2)])


def test_results_that_wait_too_long_are_released(marks, clock):
    marks.hold(1, [result("a")])
    clock.now += TIMEOUT / 2
    marks.hold(2, [result("b")])
    assert names(marks.late()) == []
    clock.now += TIMEOUT / 2
    assert names(marks.late()) == ["a"] and marks
    clock.now += TIMEOUT / 2
    assert names(marks.late()) == ["b"] and not marks


def test_the_end_of_an_incarnation_releases_all_and_counts_anew(marks):
    marks.seen(7)
    marks.hold(8, [result("a")])
    marks.hold(9, [result("b")])
    assert names(marks.clear()) == ["a", "b"] and not marks
    assert marks.hold(1, [result("c")])
    assert names(marks.seen(1)) == ["c"]
