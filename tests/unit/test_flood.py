"""The allowance of an actor in a cell, with a clock moved by hand; and what is kept of single calls."""

from __future__ import annotations

from jactors.wire.flood import DISPLAY, RATE, TAIL, Flood, Floods
from jactors.wire.outputs import Outputs


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def flood(burst=1000):
    clock = Clock()
    return Flood(burst, clock), clock


def told(of, *, ended=True):
    return of.settle("Counter pid=1", "%actor logs 3fa2", ended=ended)


def test_what_is_little_is_shown_whole():
    some, _ = flood()
    assert [some.text("stdout", "line\n") for _ in range(100)] == ["line\n"] * 100
    assert told(some) == []


def test_whole_lines_are_shown_the_rest_is_counted_and_its_end_comes_with_a_notice():
    some, clock = flood()
    lines = "".join(f"line {i}\n" for i in range(1000))
    shown = some.text("stdout", lines)
    assert lines.startswith(shown) and shown.endswith("\n") and 900 < len(shown) <= 1000
    assert some.text("stdout", "the end\n") == ""
    clock.now = 1.0
    (name, notice), (_, tail) = told(some)
    left_out = len(lines) - len(shown) + len("the end\n")
    assert name == "stdout"
    assert f"{1001 - shown.count(chr(10))} lines ({left_out} characters) left out" in notice
    assert "%actor logs 3fa2" in notice
    assert tail.startswith("…line ") and tail.endswith("line 999\nthe end\n") and len(tail) <= TAIL
    assert told(some) == []


def test_the_allowance_comes_back_with_time():
    some, clock = flood(burst=10_000)
    assert some.text("stdout", "x" * 50_000) == "x" * 10_000
    clock.now = 60.0
    assert told(some, ended=False)
    clock.now += TAIL / RATE
    assert some.text("stdout", "again\n") == "again\n"


def test_notices_alone_make_no_flood():
    some, _ = flood()
    said = 0
    for _ in range(100):
        some.text("stdout", "line\n" * 1000)
        said += sum(len(text) for _, text in told(some))
    assert 0 < said < 10_000
    assert some.holds


def test_nothing_is_said_while_it_goes_on_and_there_is_no_room():
    some, clock = flood(burst=10_000)
    some.text("stderr", "x" * 50_000)
    assert told(some, ended=False) == []
    clock.now = 1.0
    assert [name for name, _ in told(some, ended=False)] == ["stderr", "stderr"]


def test_displays_cost_and_a_large_one_is_no_flood():
    some, _ = flood(burst=10 * DISPLAY)
    assert [some.display(1) for _ in range(12)].count(True) == 10
    assert "2 displays left out" in told(some)[0][1]
    assert flood()[0].display(10**7)


def test_each_cell_and_actor_has_its_own_and_there_may_be_none():
    floods = Floods()
    assert floods.of("cell", "a") is floods.of("cell", "a") is not floods.of("cell", "b")
    assert floods.of("other", "a") is not floods.of("cell", "a")
    floods.burst = None
    assert floods.of("cell", "a") is None


# ---------------------------------------------------------------- of single calls


def test_the_end_of_what_a_call_printed_is_kept():
    outputs = Outputs(kept=10)
    for text in ("0123456", "789", "abc"):
        outputs.note("call", "stdout", text)
    outputs.note("call", "stderr", "oh")
    assert (outputs.of("call", "stdout"), outputs.of("call", "stderr")) == ("3456789abc", "oh")
    assert outputs.of("other", "stdout") == ""


def test_the_calls_that_printed_longest_ago_are_forgotten():
    outputs = Outputs(kept=10, total=30)
    for i in range(5):
        outputs.note(f"call {i}", "stdout", "0123456789")
        outputs.note("call 0", "stdout", "!")
    assert [bool(outputs.of(f"call {i}", "stdout")) for i in range(5)] == [True, False, False, True, True]
