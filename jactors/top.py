"""``jactors top``: the actors of a running session, live in a terminal.

::

    a thread: jactors.statistics() ─▶ View (rows as text) ─▶ the table, once every so many seconds
    keys: i interrupt, r restart, k kill (asks), s stack, o order, q quit ─▶ the session

It joins the session as another driver, and only looks: it makes no actor, and what it asks is
answered beside the calls. `textual` draws it (``pip install 'jactors[top]'``); without it, and where
there is no terminal, the same table is printed once.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import jactors
from jactors import session
from jactors.actors.condition import STATES, restarts_of
from jactors.actors.insight import stack_of, statistics_of_all
from jactors.actors.records import ActorStatistics, Stacks, Statistics, table
from jactors.amounts import duration, size
from jactors.errors import JactorsError

__all__ = ["COLUMNS", "View", "add_to", "run"]

COLUMNS = (
    "actor",
    "class",
    "state",
    "runs",
    "for",
    "queued",
    "done",
    "failed",
    "calls/s",
    "p50",
    "p95",
    "CPU %",
    "memory",
    "restarts",
    "cores",
    "GPUs",
    "up",
    "note",
)

#: Orders of the rows, by the name of a column; what is worth a look comes first.
ORDERS = ("actor", "state", "queued", "calls/s", "CPU %", "memory")


class View:
    """Rows of text, made of one `Statistics` after the other: rates need two."""

    def __init__(self) -> None:
        #: Of the last look: calls done, seconds of CPU, when.
        self._before: dict[str, tuple[int, float, float]] = {}
        self.order = "actor"
        self.statistics = Statistics(actors=(), total={}, available={})
        self.rows: list[tuple[str, ...]] = []
        #: The actors' ids, in the order of the rows.
        self.ids: list[str] = []

    def take(self, statistics: Statistics, *, now: float) -> None:
        """Take a new look; `now` in monotonic seconds. Dead actors are left out, unless they crashed."""
        self.statistics = statistics
        shown = []
        for number, actor in enumerate(statistics):
            if actor.state == "dead" and not actor.crashed:
                continue
            rate, share = self._rates(actor, now)
            shown.append((self._key(actor, rate, share, number), actor.actor_id, _row(actor, rate, share)))
        shown.sort(key=lambda each: each[0])
        self.ids = [actor_id for _, actor_id, _ in shown]
        self.rows = [row for _, _, row in shown]

    def _rates(self, actor: ActorStatistics, now: float) -> tuple[float | None, float | None]:
        """Return calls a second, and percent of a core, since the last look at this incarnation."""
        if actor.done is None or actor.failed is None or actor.cpu is None:
            self._before.pop(actor.actor_id, None)
            return None, None
        ended = actor.done + actor.failed
        before = self._before.get(actor.actor_id)
        self._before[actor.actor_id] = (ended, actor.cpu, now)
        if before is None or ended < before[0] or actor.cpu < before[1] or now <= before[2]:
            return None, None
        took = now - before[2]
        return (ended - before[0]) / took, 100 * (actor.cpu - before[1]) / took

    def _key(self, actor: ActorStatistics, rate: float | None, share: float | None, number: int) -> tuple[Any, ...]:
        keys: dict[str, Any] = {
            "state": STATES.index(actor.state) if actor.state in STATES else 0,
            "queued": -actor.queued,
            "calls/s": -(rate or 0.0),
            "CPU %": -(share or 0.0),
            "memory": -(actor.rss or 0),
        }
        return keys.get(self.order, 0), number

    def headline(self) -> str:
        """Return the totals in a line."""
        told = self.statistics
        states = ", ".join(f"{number} {state}" for state, number in sorted(told.states.items()))
        used = [
            f"{told.total[name] - told.available.get(name, 0):g} of {told.total[name]:g} {name}"
            for name in ("CPU", "GPU")
            if told.total.get(name)
        ]
        memory = sum(actor.rss or 0 for actor in told)
        parts = [f"{len(told)} actors" + (f" ({states})" if states else ""), f"{told.queued} calls queued"]
        return " · ".join([*parts, *(f"{each} reserved" for each in used), size(memory)])

    def __str__(self) -> str:
        return "\n".join([self.headline(), "", table([COLUMNS, *self.rows])] if self.rows else [self.headline()])


def _row(actor: ActorStatistics, rate: float | None, share: float | None) -> tuple[str, ...]:
    runs = actor.running[0] if actor.running else None
    return (
        actor.name or actor.actor_id[:8],
        actor.class_name,
        actor.state,
        (runs.method + (f" +{len(actor.running) - 1}" if len(actor.running) > 1 else "")) if runs else "-",
        "-" if runs is None else duration(round(runs.ran, 1)) if runs.ran >= 0.1 else "< 0.1 s",
        str(actor.queued),
        _or_dash(actor.done),
        _or_dash(actor.failed),
        "-" if rate is None else f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}",
        "-" if actor.p50 is None else duration(actor.p50),
        "-" if actor.p95 is None else duration(actor.p95),
        "-" if share is None else f"{share:.0f}",
        size(actor.rss) if actor.rss else "-",
        restarts_of(actor.restarts, actor.max_restarts, actor.restarts_asked),
        ",".join(map(str, actor.cores)) or "any",
        ",".join(actor.gpus) or "-",
        "-" if actor.uptime is None else duration(round(actor.uptime)) if actor.uptime >= 1 else "< 1 s",
        actor.reason if actor.state in ("pending", "stopped", "restarting", "dead") else "",
    )


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)


# ---------------------------------------------------------------------- what the keys do


def interrupt(actor_id: str) -> None:
    """Interrupt the method that runs."""
    _link(actor_id).interrupt()


def restart(actor_id: str) -> None:
    """Let an actor begin anew."""
    session.current().restart(actor_id, reason="`jactors top`")


def kill(actor_id: str) -> None:
    """End an actor for good."""
    session.current().kill(actor_id, for_good=True, reason="`jactors top`")


def stack(actor_id: str) -> str:
    """Return what an actor does at this moment."""
    told = _link(actor_id).ask("actor_stack_request", {}, timeout=2.0).result()
    return repr(Stacks(stacks=tuple(stack_of(each) for each in told["stacks"])))


def _link(actor_id: str) -> Any:
    here = session.current()
    told = here.watch.request("watch", actor_id=actor_id)["actor"]
    if told is None:
        raise JactorsError(f"actor {actor_id[:8]} is not known any more")
    return here.links.observe(told, here.watch)


# ---------------------------------------------------------------------- the command


def add_to(commands: Any) -> None:
    """Add ``top`` to the subcommands of a parser."""
    parser = commands.add_parser(
        "top",
        help="the actors of a running session, live",
        description="Show what the actors of a running session do, hold and wait for, and let them be interrupted, "
        "restarted and killed. Without a terminal, or with --once, the table is printed once.",
    )
    parser.add_argument("session", nargs="?", default="auto", help="its id (default: the one that was started last)")
    parser.add_argument("--once", action="store_true", help="print the table once")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="between two looks (default: 1)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Show a session; return the exit status: 1 where there is none."""
    try:
        jactors.init(chosen.session)
    except ConnectionError as error:
        print(f"jactors top: {error}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        if chosen.once or not sys.stdout.isatty():
            return _once()
        try:
            from jactors.screen import Screen
        except ImportError:
            print("A live view needs textual: pip install 'jactors[top]'. This is one look.\n")  # noqa: T201
            return _once()
        Screen(View(), every=max(0.2, chosen.every)).run()
        return 0
    finally:
        jactors.shutdown()


def _once(pause: float = 0.3) -> int:
    """Print the table; it takes two looks, since rates do."""
    view = View()
    for last in (False, True):
        view.take(statistics_of_all(), now=time.monotonic())
        if not last:
            time.sleep(pause)
    print(view)  # noqa: T201
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``jactors top`` by itself."""
    parser = argparse.ArgumentParser(prog="jactors")
    add_to(parser.add_subparsers(required=True))
    chosen = parser.parse_args(["top", *(sys.argv[1:] if arguments is None else arguments)])
    return int(chosen.run(chosen))
