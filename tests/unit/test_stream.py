"""Streams: the entries of a generator's call, whoever is quicker, whatever comes twice."""

from __future__ import annotations

import logging

import pytest

from jactors.objects.store import Entry, Raised
from jactors.objects.stream import END, Stream


class Value:
    failed = False

    def __init__(self, value):
        self.value = value

    def load(self):
        return self.value

    def size(self):
        return 1


class Consumed:
    """A stream with its producer and its consumer."""

    def __init__(self):
        self.stream = Stream(lambda index: Entry(bytes(24) + index.to_bytes(4, "big")))

    def arrives(self, index, payload):
        ended = self.stream.results(index, payload)
        for entry, each in ended:
            entry.end(each)
        return len(ended)

    def values(self, *values, start=0):
        return [self.arrives(start + at, Value(value)) for at, value in enumerate(values)]

    def take_all(self):
        """All that can be consumed now; an error stands as its text."""
        taken = []
        while (entry := self.stream.peek()).done and entry.payload is not END:
            self.stream.take()
            try:
                taken.append(entry.load())
            except Exception as error:
                taken.append(str(error))
        return taken

    @property
    def finished(self):
        return self.stream.peek().payload is END


@pytest.fixture
def consumed():
    return Consumed()


def boom():
    return Raised(ValueError("boom"))


def test_values_then_the_end(consumed):
    consumed.values("a", "b")
    assert consumed.take_all() == ["a", "b"] and not consumed.finished
    consumed.arrives(2, None)
    assert consumed.take_all() == [] and consumed.finished


def test_an_empty_one(consumed):
    consumed.arrives(0, None)
    assert consumed.take_all() == [] and consumed.finished and consumed.stream.end.load() is None


def test_the_consumer_may_be_first(consumed):
    entry = consumed.stream.peek()
    woken = []
    entry.on_end(woken.append)
    assert not entry.done
    consumed.values("a")
    assert woken == [entry] and entry.load() == "a" and consumed.take_all() == ["a"]


def test_peek_takes_nothing(consumed):
    consumed.values("a", "b")
    assert consumed.stream.peek() is consumed.stream.peek()
    assert consumed.take_all() == ["a", "b"]


def test_entries_are_numbered_by_their_identifiers(consumed):
    consumed.values("a", "b")
    ids = []
    for _ in range(2):
        ids.append(consumed.stream.peek().id)
        consumed.stream.take()
    assert [int.from_bytes(each[24:], "big") for each in ids] == [0, 1]
    assert consumed.stream.end.id not in ids


def test_an_error_is_one_more_ref_and_then_the_end_for_ever(consumed):
    consumed.values("a")
    consumed.arrives(-1, boom())
    assert consumed.take_all() == ["a", "boom"]
    for _ in range(3):
        assert consumed.finished
        consumed.stream.take()


def test_the_whole_call_ends_in_none_or_in_the_error(consumed):
    consumed.values("a")
    assert not consumed.stream.end.done
    consumed.arrives(1, None)
    assert consumed.stream.end.load() is None
    failing = Consumed()
    failing.arrives(-1, boom())
    with pytest.raises(ValueError, match="boom"):
        failing.stream.end.load()


def test_the_end_is_never_consumed(consumed):
    consumed.arrives(0, None)
    consumed.stream.take()
    assert consumed.finished and consumed.stream.consumed == 0


def test_what_is_consumed_is_let_go_and_what_is_not_is_kept(consumed):
    consumed.values(*range(100))
    assert consumed.take_all() == list(range(100)) and len(consumed.stream._entries) <= 1


# ---------------------------------------------------------------- what comes twice


def test_a_replay_delivers_nothing_twice(consumed):
    assert consumed.values("a", "b") == [1, 1]
    assert consumed.values("a", "b", "c") == [0, 0, 1]
    consumed.arrives(3, None)
    assert consumed.take_all() == ["a", "b", "c"] and consumed.finished


def test_a_replay_that_ends_earlier_ends_all_the_same(consumed):
    consumed.values("a", "b", "c")
    consumed.values("a")
    consumed.arrives(1, None)
    assert consumed.take_all() == ["a", "b", "c"] and consumed.finished


def test_a_replay_that_fails_earlier_fails_all_the_same(consumed):
    consumed.values("a", "b", "c")
    consumed.arrives(-1, boom())
    assert consumed.take_all() == ["a", "b", "c", "boom"] and consumed.finished


def test_behind_the_end_comes_nothing(consumed):
    consumed.values("a")
    consumed.arrives(1, None)
    assert consumed.arrives(2, Value("late")) == consumed.arrives(2, None) == consumed.arrives(-1, boom()) == 0
    assert consumed.take_all() == ["a"] and consumed.finished


def test_behind_an_error_comes_nothing(consumed):
    consumed.arrives(-1, boom())
    assert consumed.arrives(-1, Raised(KeyError("the second"))) == consumed.arrives(0, Value("late")) == 0
    assert consumed.take_all() == ["boom"] and consumed.finished


# ---------------------------------------------------------------- entries


def test_an_entry_ends_once():
    entry = Entry(bytes(28))
    told = []
    entry.on_end(told.append)
    assert entry.end(Value(1)) and not entry.end(Value(2))
    assert entry.load() == 1 and told == [entry]
    entry.on_end(told.append)
    assert told == [entry, entry]


def test_a_callback_that_is_taken_back_is_not_called():
    entry = Entry(bytes(28))
    told = []
    entry.on_end(told.append)
    entry.forget(told.append)
    entry.end(Value(1))
    entry.forget(told.append)
    assert told == []


def test_a_callback_that_raises_keeps_nobody_from_their_result(caplog):
    entry = Entry(bytes(28))
    told = []
    entry.on_end(lambda entry: 1 / 0)
    entry.on_end(told.append)
    with caplog.at_level(logging.ERROR, "jactors"):
        assert entry.end(Value(1))
    assert told == [entry] and "ZeroDivisionError" in caplog.text
