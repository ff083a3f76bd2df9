"""``%actor state``, ``stack``, ``queue`` and ``top``: what an actor has, does and has to do, also while it is busy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import clear_output, display

from jactors.actors import insight
from jactors.amounts import duration, size
from jactors.errors import JactorsError
from jactors.notebook.command import ACTOR, command
from jactors.notebook.table import Table
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from jactors.actors.records import ActorStatistics


def _asked(chosen: argparse.Namespace, question: Callable[..., Any]) -> Any:
    """Return the answer of the actor that was named; what it cannot say in one red line."""
    try:
        return question(find(chosen.actor, chosen.variables))
    except JactorsError as error:
        raise UsageError(f"%actor: {chosen.actor}: {str(error).partition(chr(10))[0]}") from None


@command(ACTOR)
def _state(chosen: argparse.Namespace) -> Any:
    """Show the attributes of an actor's object: type, shape, size, value; also while a method runs.

    Nothing of the object's own is executed: no property, no __repr__.
    """
    state = _asked(chosen, insight.state)
    if not state.made:
        return Table(("attribute", "type", "size", "value"), [], "not made yet: __init__ runs")
    rows = []
    for each in state.attributes:
        extra = [str(each.shape) if each.shape is not None else "", each.dtype or "", each.device or ""]
        rows.append(
            (
                each.name,
                " ".join(filter(None, [each.type, *extra])),
                "-" if each.size is None else size(each.size),
                each.text,
            )
        )
    more = f"and {state.hidden} more" if state.hidden else ""
    return Table(("attribute", "type", "size", "value"), rows, more if rows else "no attributes")


@command(ACTOR, ("--all", {"action": "store_true", "help": "every thread, and every frame of it"}))
def _stack(chosen: argparse.Namespace) -> Any:
    """Show what an actor does at this moment, your own frames first; also while it is busy, without root."""
    stacks = _asked(chosen, insight.stack)
    if not chosen.all:
        print(stacks)  # noqa: T201 - text, with line breaks, in any front end
        return
    for stack in stacks.stacks:
        print(f"{stack.kind} {stack.name}" + (f", runs {stack.call}" if stack.call else ""))  # noqa: T201
        for frame in stack.frames:
            print(f"  {frame.file}, line {frame.line}, in {frame.function}")  # noqa: T201


@command(ACTOR)
def _queue(chosen: argparse.Namespace) -> Any:
    """Show the calls that run, that wait and that have ended lately: what, by whom, for how long."""
    calls = _asked(chosen, insight.calls)
    rows = []
    for each in (*calls.running, *calls.queued, *calls.ended):
        ran = "-" if each.began is None else duration(each.ran)
        rows.append((each.state, each.method, each.caller, duration(each.waited), ran))
    counted = f"{len(calls.running)} running, {len(calls.queued)} waiting, {len(calls.ended)} ended lately"
    return Table(("state", "method", "called by", "waited", "ran"), rows, counted)


@command(
    ("--follow", {"action": "store_true", "help": "look again and again, until you stop the cell"}),
    ("--every", {"type": float, "default": 1.0, "metavar": "SECONDS", "help": "for --follow (default: 1)"}),
)
def _top(chosen: argparse.Namespace) -> Any:
    """Show what all actors do and need: calls, latencies, memory, CPU time."""
    while chosen.follow:
        clear_output(wait=True)
        display(_overview())
        try:
            time.sleep(chosen.every)
        except KeyboardInterrupt:
            return None
    return _overview()


def _overview() -> Table:
    living = [each for each in insight.statistics_of_all() if each.state != "dead"]
    headings = ("actor", "class", "state", "runs", "queued", "done", "failed", "p50", "p95", "memory", "CPU")
    return Table(headings, [_row(each) for each in living], "" if living else "no living actors")


def _row(each: ActorStatistics) -> tuple[str, ...]:
    counts = [each.queued, each.done, each.failed]
    return (
        each.name or each.actor_id[:8],
        each.class_name,
        each.state,
        each.running[0].method if each.running else "-",
        *("-" if count is None else str(count) for count in counts),
        *("-" if seconds is None else duration(seconds) for seconds in (each.p50, each.p95)),
        "-" if each.rss is None else size(each.rss),
        "-" if each.cpu is None else duration(each.cpu),
    )
