"""Who is asked after, and who counts as lost."""

from __future__ import annotations

import pytest

from jactors.errors import ActorUnavailableError, ObjectLostError
from jactors.objects.store import Entry
from jactors.objects.stream import Stream
from jactors.wire.call import Call
from jactors.wire.payload import Packed
from jactors.wire.rollcall import RollCall, gone


def calls(*numbers):
    return {n: Call(number=n, method="m", groups=[(b"",)], entries=[Entry(bytes(28))]) for n in numbers}


def test_only_what_two_looks_have_seen_is_asked_after():
    roll, sent = RollCall(), calls(1, 2)
    assert roll.look(sent) is None
    sent |= calls(3)
    del sent[1]
    assert roll.look(sent) == [1, [2]]


def test_what_is_missing_was_lost_unless_it_has_been_answered_or_sent_again():
    roll, sent = RollCall(), calls(1, 2, 3, 4)
    roll.look(sent)
    assert roll.look(sent) == [1, [1, 2, 3, 4]]
    lost, again = sent[1], sent[3]
    again.batch = [1]  # another message
    del sent[2]  # its answer came before
    assert roll.answered([1, [1, 2, 3]], sent) == [lost]


def test_one_at_a_time_and_an_old_answer_counts_for_nothing():
    roll, sent = RollCall(), calls(1)
    roll.look(sent)
    roll.look(sent)
    second = next(asked for asked in iter(lambda: roll.look(sent), object()) if asked)
    assert second == [2, [1]]
    assert roll.answered([1, [1]], sent) == []
    assert roll.answered([2, [1]], sent) == [sent[1]]
    assert roll.answered([2, [1]], sent) == []


def test_looks_go_on_while_something_is_unanswered():
    roll = RollCall()
    roll.look(calls(1))
    assert roll.due
    roll.look({})
    assert not roll.due


def test_many_unanswered_calls_are_warned_of_once_and_again_when_twice_as_many(caplog):
    """RAY_API 5: Warning at 5000/10000 pending calls."""
    roll = RollCall()
    for pending in (4999, 5000, 5001, 9999, 10_000, 10_001, 5000):
        roll.look({}, pending, "Counter pid=1")
    assert [record.args for record in caplog.records] == [(5000, "Counter pid=1"), (10_000, "Counter pid=1")]


def test_how_it_ends():
    with pytest.raises(ActorUnavailableError, match=r"(?s)Counter.*lost on its way.*may or may not"):
        gone("ab" * 16, "Counter pid=1").load()


@pytest.mark.parametrize("end", [(3, None), (3, Packed(b"3", ()))])
def test_values_of_a_stream_that_were_lost_end_all_the_same(end):
    stream = Stream(lambda index: Entry(index.to_bytes(28)))
    ended = dict(stream.results(0, Packed(b"0", ())) + stream.results(*end))
    indices = [int.from_bytes(entry.id) for entry in ended]
    assert indices[:4] == [0, 1, 2, 3]
    for hole in list(ended.values())[1:3]:
        with pytest.raises(ObjectLostError, match="lost on its way"):
            hole.load()
