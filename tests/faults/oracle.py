"""The one oracle of all faults: what was promised to callers, held against what ran.

::

    callers ─▶ Fate, one a call ─┐
                                 ├─▶ complaints(fates, runs) ─▶ [] where all promises were kept
    actors ──▶ Run, one a run ───┘   (an O_APPEND file: the order of the lines is the order of the runs)

The promises:

* every call ends, in a value or in an error, exactly once;
* answered: it ran exactly once; failed: at most once; where n retries were asked for, 1 + n times at most;
* the answer is the call's own, and of a run that was written down;
* calls of one caller start in the order of their submission (ordered actors, runs for the first time);
* no incarnation runs anything once its successor has, and an incarnation is one process.

Pure: it reads no file and knows nothing of jactors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Fate", "Run", "complaints"]


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the ledger: an actor begins to run a call."""

    call: str
    actor: str
    incarnation: int
    pid: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What the caller saw of a call."""

    call: str
    actor: str
    #: Who called, and as which of its calls: the order that was promised.
    caller: str
    seq: int
    #: Times it may be run again; -1 without limit.
    retries: int = 0
    #: Each time that its ref ended: (True, call, incarnation, pid) of the answer, (True,) where nobody has looked at
    #: it, or (False, name of the error).
    ends: tuple[tuple[object, ...], ...] = ()
    #: Nobody can say how it ended: the caller was killed.
    orphaned: bool = False
    #: Calls of this actor start in order.
    ordered: bool = True


def complaints(fates: Iterable[Fate], runs: Sequence[Run]) -> list[str]:
    """Return one line for each promise that was not kept; `runs` in the order of the ledger."""
    fates = list(fates)
    known = {fate.call: fate for fate in fates}
    of_call: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        of_call[run.call].append(run)
    lines = [f"{call}: two calls of this name" for call, n in Counter(fate.call for fate in fates).items() if n > 1]
    lines += [f"{call}: ran, and nobody has called it" for call in of_call if call not in known]
    for fate in fates:
        lines += [f"{fate.call}: {line}" for line in _of_call(fate, of_call[fate.call])]
    return lines + _order(known, runs) + _incarnations(runs)


def _of_call(fate: Fate, runs: Sequence[Run]) -> list[str]:
    lines = []
    if any(run.actor != fate.actor for run in runs):
        lines.append("ran in another actor than it was sent to")
    if 0 <= fate.retries < len(runs) - 1:
        lines.append(f"ran {len(runs)} times, {1 + fate.retries} at most were allowed")
    if fate.orphaned:
        return lines
    if len(fate.ends) != 1:
        return [*lines, f"ended {len(fate.ends)} times" if fate.ends else "never ended"]
    answered, *said = fate.ends[0]
    if answered:
        if not runs:
            lines.append("answered, and never ran")
        elif said and said[0] != fate.call:
            lines.append(f"got the answer of {said[0]}")
        elif said and tuple(said[1:]) not in [(run.incarnation, run.pid) for run in runs]:
            lines.append(f"its answer is of a run that is not in the ledger: incarnation {said[1]}, pid {said[2]}")
    return lines


def _order(known: dict[str, Fate], runs: Sequence[Run]) -> list[str]:
    lines = []
    last: dict[tuple[str, str], Fate] = {}
    seen: set[str] = set()
    for run in runs:
        fate = known.get(run.call)
        if fate is None or run.call in seen or not fate.ordered:
            continue
        seen.add(run.call)
        before = last.get((fate.actor, fate.caller))
        if before is not None and before.seq > fate.seq:
            lines.append(f"{run.call}: ran after {before.call}, which was submitted later")
            continue
        last[fate.actor, fate.caller] = fate
    return lines


def _incarnations(runs: Sequence[Run]) -> list[str]:
    lines = []
    newest: dict[str, int] = {}
    pids: dict[tuple[str, int], int] = {}
    for run in runs:
        if run.incarnation < newest.get(run.actor, 0):
            lines.append(f"{run.call}: ran in incarnation {run.incarnation} after {newest[run.actor]} had begun")
        newest[run.actor] = max(run.incarnation, newest.get(run.actor, 0))
        if pids.setdefault((run.actor, run.incarnation), run.pid) != run.pid:
            lines.append(f"{run.call}: ran in pid {run.pid}, but incarnation {run.incarnation} is another process")
    return lines
