"""The backlog: which calls go out when, in which messages and order, and what becomes of them when an actor dies."""

from __future__ import annotations

import pytest

from jactors.objects.store import Entry
from jactors.wire.backlog import BATCH, BATCH_BYTES, WINDOW, Backlog, Traffic
from jactors.wire.call import Call

POOL = {None: 1, "io": 3}


def call(number, *, group=None, retries=0, blocked=0, size=1, parent=b"{}"):
    made = Call(
        number=number,
        method="m",
        groups=[(bytes(size),)],
        entries=[Entry(number.to_bytes(28, "big"))],
        group=group,
        retries=retries,
    )
    made.blocked = blocked
    made.parent = parent
    return made


def ordered(sizes=None):
    return Backlog(Traffic(sizes or {None: 1}, ordered=True))


def unordered(sizes=None):
    return Backlog(Traffic(sizes or {None: 2}, ordered=False))


def filled(backlog, numbers, **options):
    calls = [call(number, **options) for number in numbers]
    for each in calls:
        backlog.add(each)
    return calls


def sent(backlog):
    """What goes out now: the numbers of each message."""
    return [[each.number for each in batch] for batch in backlog.batches()]


# ---------------------------------------------------------------- windows


def test_one_call_is_one_message_at_once():
    backlog = ordered()
    filled(backlog, [1])
    assert sent(backlog) == [[1]] and sent(backlog) == [] and len(backlog) == 1


def test_at_most_a_window_of_messages_is_unanswered():
    backlog = ordered()
    for number in range(10):
        backlog.add(call(number))
        sent(backlog)
    assert [backlog.sent(number) is not None for number in range(10)] == [True] * WINDOW + [False] * (10 - WINDOW)


def test_an_answer_makes_room_and_what_waited_goes_in_one_message():
    backlog = ordered()
    for number in range(10):
        backlog.add(call(number))
        sent(backlog)
    backlog.finish(backlog.sent(0))
    assert sent(backlog) == [[4, 5, 6, 7, 8, 9]]


def test_a_message_is_answered_when_all_its_calls_are():
    backlog = ordered()
    first = filled(backlog, [0, 1])
    assert sent(backlog) == [[0, 1]]
    for number in range(2, 1 + WINDOW):
        backlog.add(call(number))
        assert sent(backlog) == [[number]]
    backlog.add(call(9))
    backlog.finish(first[0])
    assert sent(backlog) == []
    backlog.finish(first[1])
    assert sent(backlog) == [[9]]


@pytest.mark.parametrize("size", [2, 7, 1000])
def test_all_that_could_run_at_once_has_been_sent(size):
    backlog = unordered({None: size})
    for number in range(2 * size + 2 * WINDOW):
        backlog.add(call(number))
        sent(backlog)
    assert sum(backlog.sent(number) is not None for number in range(len(backlog))) == size + WINDOW


def test_a_message_carries_a_batch_at_most():
    backlog = ordered()
    filled(backlog, range(3 * BATCH))
    assert [len(batch) for batch in sent(backlog)] == [BATCH, BATCH, BATCH]


def test_a_message_carries_so_many_bytes_and_one_more_call():
    backlog = ordered()
    filled(backlog, range(4), size=BATCH_BYTES // 2)
    assert sent(backlog) == [[0, 1], [2, 3]]


def test_a_large_call_goes_alone():
    backlog = ordered()
    filled(backlog, range(2), size=2 * BATCH_BYTES)
    assert sent(backlog) == [[0], [1]]


def test_calls_of_two_cells_share_no_message():
    backlog = ordered()
    for number, cell in enumerate([b"a", b"a", b"b", b"a"]):
        backlog.add(call(number, parent=cell))
    assert sent(backlog) == [[0, 1], [2], [3]]


# ---------------------------------------------------------------- groups


def test_a_group_that_is_stuck_holds_up_no_other():
    backlog = unordered(POOL)
    filled(backlog, range(5000), group="io")
    sent(backlog)
    backlog.add(call(9999))
    assert sent(backlog) == [[9999]]


def test_each_group_has_a_window_of_its_own():
    backlog = unordered(POOL)
    for number in range(40):
        backlog.add(call(number, group="io" if number % 2 else None))
        sent(backlog)
    out = [number for number in range(40) if backlog.sent(number) is not None]
    assert sum(number % 2 for number in out) == WINDOW + POOL["io"]
    assert sum(not number % 2 for number in out) == WINDOW


def test_a_group_that_the_actor_lacks_is_the_default_one():
    backlog = ordered()
    backlog.add(call(1, group="no such group"))
    assert sent(backlog) == [[1]]
    backlog.finish(backlog.sent(1))
    assert len(backlog) == 0


# ---------------------------------------------------------------- order and arguments


def test_ordered_calls_wait_behind_one_whose_argument_is_pending():
    backlog = ordered()
    first, blocked, _ = call(1), call(2, blocked=2), call(3)
    for each in (first, blocked, call(3)):
        backlog.add(each)
    assert sent(backlog) == [[1]]
    backlog.unblock(blocked)
    assert sent(backlog) == []
    backlog.unblock(blocked)
    assert sent(backlog) == [[2, 3]]


def test_elsewhere_it_steps_aside():
    backlog = unordered()
    blocked = call(1, blocked=1)
    for each in (blocked, call(2), call(3)):
        backlog.add(each)
    assert sent(backlog) == [[2, 3]] and len(backlog) == 3
    backlog.unblock(blocked)
    assert sent(backlog) == [[1]]


def test_the_first_of_an_ordered_backlog_may_be_the_one_that_waits():
    backlog = ordered()
    blocked = call(1, blocked=1)
    backlog.add(blocked)
    backlog.add(call(2))
    assert sent(backlog) == []
    assert backlog.drop(blocked)
    assert sent(backlog) == [[2]]


# ---------------------------------------------------------------- drop and find


def test_what_waits_can_be_dropped():
    backlog = ordered()
    blocked = call(1, blocked=1)
    backlog.add(blocked)
    waiting = filled(backlog, [2, 3])
    assert backlog.drop(waiting[0]) and len(backlog) == 2 and backlog.find(2) is None
    assert not backlog.drop(waiting[0])


def test_what_has_stepped_aside_can_be_dropped():
    backlog = unordered()
    blocked = call(1, blocked=1)
    backlog.add(blocked)
    assert backlog.drop(blocked) and len(backlog) == 0
    backlog.unblock(blocked)  # its argument comes all the same
    assert sent(backlog) == []


def test_what_was_sent_or_has_ended_cannot():
    backlog = ordered()
    (one,) = filled(backlog, [1])
    sent(backlog)
    assert not backlog.drop(one) and backlog.find(1) is one and backlog.sent(1) is one
    backlog.finish(one)
    assert not backlog.drop(one) and backlog.find(1) is None and backlog.sent(1) is None


def test_a_call_that_waits_is_found_and_was_not_sent():
    backlog = ordered()
    (one,) = filled(backlog, [1])
    assert backlog.find(1) is one and backlog.sent(1) is None and backlog.find(2) is None


def test_a_thousand_that_wait_are_dropped_in_any_order():
    backlog = ordered()
    calls = filled(backlog, range(1000))
    for each in [*calls[::2], *reversed(calls[1::2])]:
        assert backlog.drop(each)
    assert len(backlog) == 0 and sent(backlog) == []


# ---------------------------------------------------------------- again and lose


def test_again_runs_before_all_that_waits():
    backlog = ordered()
    (one,) = filled(backlog, [1])
    sent(backlog)
    filled(backlog, [2, 3], parent=b"{other}")
    backlog.again(one)
    assert len(backlog) == 3 and sent(backlog) == [[1], [2, 3]]


def test_again_gives_the_place_in_the_window_back():
    backlog = ordered()
    (one,) = filled(backlog, [1])
    for _ in range(3 * WINDOW):
        assert sent(backlog) == [[1]]
        backlog.again(one)


def test_lose_ends_what_may_not_be_sent_again():
    backlog = ordered()
    gone = filled(backlog, [1, 2])
    sent(backlog)
    waits = filled(backlog, [3])
    assert backlog.lose() == [*gone, *waits] and len(backlog) == 0


def test_lose_keeps_the_order_of_submission():
    backlog = ordered()
    for number in range(3 * WINDOW):
        backlog.add(call(number, retries=1))
        sent(backlog)
    backlog.again(backlog.sent(1))
    sent(backlog)
    assert backlog.lose() == []
    assert [number for batch in sent(backlog) for number in batch] == list(range(3 * WINDOW))


def test_a_retry_is_used_only_where_the_call_was_sent():
    backlog = ordered()
    for number in range(2 * WINDOW):
        backlog.add(call(number, retries=2))
        sent(backlog)
    out = [backlog.sent(number) is not None for number in range(2 * WINDOW)]
    backlog.lose()
    assert [backlog.find(number).retries for number in range(2 * WINDOW)] == [1 if was else 2 for was in out]


def test_retries_without_limit_stay_so():
    backlog = ordered()
    filled(backlog, [1], retries=-1)
    for _ in range(5):
        assert sent(backlog) == [[1]] and backlog.lose() == []
    assert backlog.find(1).retries == -1


def test_n_retries_are_n_more_runs():
    backlog = ordered()
    (one,) = filled(backlog, [1], retries=3)
    ends = []
    while len(backlog):
        assert sent(backlog) == [[1]]
        ends.append(backlog.lose())
    assert ends == [[], [], [], [one]]


def test_a_mixed_backlog_is_parted():
    backlog = ordered()
    for number in range(6):
        backlog.add(call(number, retries=number % 2))
    sent(backlog)
    assert [each.number for each in backlog.lose()] == [0, 2, 4]
    assert sent(backlog) == [[1, 3, 5]]


def test_a_call_that_waits_for_its_argument_does_so_after_a_death():
    for backlog in (ordered(), unordered()):
        blocked = call(1, blocked=1, retries=1)
        backlog.add(blocked)
        assert backlog.lose() == [] and sent(backlog) == []
        backlog.unblock(blocked)
        assert sent(backlog) == [[1]]


def test_windows_are_empty_after_a_death():
    backlog = ordered()
    for number in range(3 * WINDOW):
        backlog.add(call(number))
        sent(backlog)
    backlog.lose()
    filled(backlog, [100])
    assert sent(backlog) == [[100]]


def test_clear_returns_all_in_order_and_forgets_them():
    backlog = unordered(POOL)
    aside = call(1, blocked=1)
    backlog.add(aside)
    rest = filled(backlog, [2, 3], group="io") + filled(backlog, [4])
    sent(backlog)
    assert backlog.clear() == [aside, *rest] and len(backlog) == 0 and backlog.clear() == []


def test_the_length_counts_each_call_once_wherever_it_is():
    backlog = unordered(POOL)
    backlog.add(call(1, blocked=1))
    filled(backlog, range(10, 40))
    sent(backlog)
    filled(backlog, range(40, 50), group="io")
    assert len(backlog) == 41
    backlog.finish(backlog.sent(10))
    assert len(backlog) == 40
    backlog.again(backlog.sent(11))
    assert len(backlog) == 40
