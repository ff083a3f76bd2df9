"""What `insight` returns: frozen records whose texts can be read.

Units: times are seconds of the wall clock since 1970, durations seconds, sizes bytes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jactors.actors.condition import restarts_of
from jactors.amounts import duration, size

__all__ = [
    "ActorStatistics",
    "Attribute",
    "CallRecord",
    "Calls",
    "Frame",
    "Stack",
    "Stacks",
    "State",
    "Statistics",
    "table",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call: where it is, and since when."""

    method: str
    #: ``"driver"``, an actor's name or ``Counter 3fa2c1d0``, or ``process 9d0c2b1a``.
    caller: str
    submitted: float
    #: None: it waits, or was cancelled while it did.
    began: float | None = None
    #: None: it has not ended.
    ended: float | None = None
    failed: bool = False
    #: The caller's token and the call's number there: what `Link.ask` cancels by.
    key: tuple[str, int] = field(default=("", 0), repr=False)

    @property
    def state(self) -> str:
        """``"queued"``, ``"running"``, ``"done"`` or ``"failed"``."""
        if self.ended is not None:
            return "failed" if self.failed else "done"
        return "queued" if self.began is None else "running"

    @property
    def waited(self) -> float:
        """Seconds between submission and beginning, until now where it waits."""
        end = self.began or self.ended or time.time()
        return max(0.0, end - self.submitted)

    @property
    def ran(self) -> float:
        """Seconds that it has run, until now where it does; 0.0 where it never began."""
        if self.began is None:
            return 0.0
        return max(0.0, (self.ended or time.time()) - self.began)

    def __repr__(self) -> str:
        took = f", ran {duration(self.ran)}" if self.began is not None else ""
        return f"<{self.method} of {self.caller}: {self.state}, waited {duration(self.waited)}{took}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one actor."""

    queued: tuple[CallRecord, ...]
    running: tuple[CallRecord, ...]
    #: Those that have ended lately, oldest first.
    ended: tuple[CallRecord, ...]

    def __repr__(self) -> str:
        rows = [("call", "caller", "state", "waited", "ran")]
        rows += [
            (call.method, call.caller, call.state, duration(call.waited), duration(call.ran) if call.began else "-")
            for call in (*self.ended, *self.running, *self.queued)
        ]
        return table(rows) if len(rows) > 1 else "no calls yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorStatistics:
    """One actor at one moment. What the actor did not say, since it is not alive or does not answer, is None."""

    actor_id: str
    class_name: str
    name: str | None
    #: ``pending``, ``starting``, ``idle``, ``busy``, ``stopped`` (by a signal), ``silent`` (it does not answer),
    #: ``restarting``, ``dead``.
    state: str
    #: What a pending one waits for, what a dead one died of.
    reason: str
    pid: int | None
    restarts: int
    #: -1: any number.
    max_restarts: int
    #: Numbers of the cores that it is pinned to; empty: any.
    cores: tuple[int, ...]
    gpus: tuple[str, ...]
    demand: Mapping[str, float]
    #: Calls that run; at most eight are named.
    running: tuple[CallRecord, ...]
    #: Calls that wait: those of this process, and those of others that the actor has read.
    queued: int
    done: int | None
    failed: int | None
    #: Seconds from submission to result, of the last 200 calls.
    p50: float | None
    p95: float | None
    #: Seconds since ``__init__`` ended.
    uptime: float | None
    #: Seconds of CPU time used by this incarnation.
    cpu: float | None
    rss: int | None
    #: Restarts on request, of which `restarts` counts none.
    restarts_asked: int = 0
    #: It is dead, and nobody had asked for that.
    crashed: bool = False

    @property
    def label(self) -> str:
        """``tally`` or ``Counter 3fa2c1d0``."""
        return self.name or f"{self.class_name} {self.actor_id[:8]}"

    def __repr__(self) -> str:
        facts = [self.state + (f" ({self.reason})" if self.reason and self.state in ("pending", "dead") else "")]
        if self.running:
            first = self.running[0]
            more = f" and {len(self.running) - 1} more" if len(self.running) > 1 else ""
            facts.append(f"runs {first.method}{more} for {duration(first.ran)}")
        facts.append(f"{self.queued} queued")
        if self.done is not None:
            facts.append(f"{self.done} done, {self.failed} failed")
        if self.p50 is not None and self.p95 is not None:
            facts.append(f"p50 {duration(self.p50)}, p95 {duration(self.p95)}")
        if self.restarts:
            facts.append(f"{self.restarts} restarts")
        if self.rss:
            facts.append(size(self.rss))
        name = f" {self.name!r}" if self.name else ""
        return f"<{self.class_name} {self.actor_id[:8]}{name}: {', '.join(facts)}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Sequence[ActorStatistics]):
    """All actors of a session, and its resources; a sequence of `ActorStatistics`."""

    actors: tuple[ActorStatistics, ...]
    #: Resources in all, and those that are free.
    total: Mapping[str, float]
    available: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.actors)

    def __getitem__(self, index: int) -> ActorStatistics:  # type: ignore[override] # a slice is rarely wanted
        return self.actors[index]

    def __iter__(self) -> Iterator[ActorStatistics]:
        return iter(self.actors)

    @property
    def states(self) -> dict[str, int]:
        """How many actors are in which state."""
        return dict(Counter(actor.state for actor in self.actors))

    @property
    def queued(self) -> int:
        """Calls that wait, in all."""
        return sum(actor.queued for actor in self.actors)

    def __repr__(self) -> str:
        if not self.actors:
            return "no actors"
        rows = [("actor", "class", "state", "runs", "queued", "done", "failed", "p50", "p95", "restarts", "memory")]
        rows += [
            (
                actor.name or actor.actor_id[:8],
                actor.class_name,
                actor.state,
                actor.running[0].method if actor.running else "-",
                str(actor.queued),
                "-" if actor.done is None else str(actor.done),
                "-" if actor.failed is None else str(actor.failed),
                "-" if actor.p50 is None else duration(actor.p50),
                "-" if actor.p95 is None else duration(actor.p95),
                restarts_of(actor.restarts, actor.max_restarts, actor.restarts_asked),
                size(actor.rss) if actor.rss else "-",
            )
            for actor in self.actors
        ]
        return table(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of an actor's object."""

    name: str
    type: str
    #: Its value where that is short and of a known type; else what can be said without asking it.
    text: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    #: ``cuda:0``.
    device: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The attributes of an actor's object; ``state["count"]`` is one of them."""

    #: False while ``__init__`` runs.
    made: bool
    attributes: tuple[Attribute, ...]
    #: How many more there are.
    hidden: int = 0

    def __getitem__(self, name: str) -> Attribute:
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise KeyError(name)

    def __repr__(self) -> str:
        if not self.made:
            return "not made yet: __init__ runs"
        if not self.attributes:
            return "no attributes"
        rows = [("attribute", "type", "size", "value")]
        rows += [
            (each.name, each.type, "-" if each.size is None else size(each.size), each.text) for each in self.attributes
        ]
        return table(rows) + (f"\nand {self.hidden} more" if self.hidden else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a stack."""

    #: A path, or ``Cell In[3]``.
    file: str
    line: int
    function: str
    text: str
    #: Neither of jactors, nor of Python, nor of an installed package.
    yours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What one thread does, or where one coroutine waits."""

    name: str
    #: ``"thread"`` or ``"coroutine"``.
    kind: str
    #: The method that it runs.
    call: str | None
    #: Whether a frame of it is yours.
    yours: bool
    #: The innermost one last.
    frames: tuple[Frame, ...]

    def own(self) -> tuple[Frame, ...]:
        """Return the frames from your first one on; all where none is yours."""
        first = next((index for index, frame in enumerate(self.frames) if frame.yours), 0)
        return self.frames[first:]

    def __repr__(self) -> str:
        lines = [f"{self.kind} {self.name}" + (f", runs {self.call}" if self.call else "")]
        for frame in self.own():
            lines.append(f"  {frame.file}, line {frame.line}, in {frame.function}")
            if frame.text:
                lines.append(f"    {frame.text}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """The stacks of an actor; those that run your code come first, and its text shows only them if there are any."""

    stacks: tuple[Stack, ...]

    def __repr__(self) -> str:
        shown = [stack for stack in self.stacks if stack.yours or stack.call is not None]
        if not shown:
            return f"nothing of yours runs ({len(self.stacks)} threads wait)"
        return "\n".join(map(repr, shown))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the first one a heading, as text in columns; the last column may be of any length."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    widths[-1] = min(widths[-1], max(len(rows[0][-1]), 8))
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
