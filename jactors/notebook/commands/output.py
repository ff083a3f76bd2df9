"""``%actor logs`` and ``%actor output``: what actors print."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from jactors import session
from jactors.actors.handle import home_of
from jactors.notebook.command import ACTOR, command
from jactors.notebook.target import find, told_of

if TYPE_CHECKING:
    import argparse

#: Seconds between two looks at a log that is followed.
_LOOK = 0.1


@command(
    ACTOR,
    ("--lines", {"type": int, "metavar": "N", "help": "so many of the last lines; 0 for all (default: log_lines)"}),
    ("--follow", {"action": "store_true", "help": "go on as it prints, until you stop the cell or the actor ends"}),
)
def _logs(chosen: argparse.Namespace) -> None:
    """Show the last lines of an actor's log: all that it, its children and its libraries have printed.

    The log has everything, also what was too much for a cell, and what a dead actor has left.
    """
    handle = find(chosen.actor, chosen.variables)
    path = _log_file(handle, chosen.actor)
    lines = chosen.lines if chosen.lines is not None else chosen.magics.log_lines if chosen.magics is not None else 50
    with path.open("rb") as log:
        text = log.read().decode(errors="replace")
        kept = text.splitlines(keepends=True)
        print("".join(kept[-lines:] if lines else kept), end="")  # noqa: T201
        while chosen.follow and told_of(handle).get("state") != "DEAD":
            more = log.read().decode(errors="replace")
            if more:
                print(more, end="", flush=True)  # noqa: T201
            else:
                time.sleep(_LOOK)


def _log_file(handle: object, word: str) -> Path:
    actor_id = home_of(handle).actor_id  # type: ignore[arg-type]
    here = session.current()
    told = here.links.told.get(actor_id)
    if told is None:
        told = here.links.watch_for(actor_id, here.watch).request("watch", actor_id=actor_id)["actor"]
    if not told or not Path(told["log_file"]).exists():
        raise UsageError(f"%actor logs: {word} has printed nothing yet, or its session has ended")
    return Path(told["log_file"])


@command(
    (
        "how",
        {"choices": ["inline", "quiet"], "nargs": "?", "help": "under the cell, or nowhere; without it: say which"},
    ),
    ("actors", {"metavar": "ACTOR", "nargs": "*", "help": "only these"}),
)
def _output(chosen: argparse.Namespace) -> None:
    """Show what actors print under the cell that called them (inline), or nowhere (quiet).

    Quiet output is in the log all the same, and in ref.stdout. Widgets and errors are shown in any case.
    """
    relay = session.current().links.relay if session.is_initialized() else None
    magics = chosen.magics
    if chosen.how is None:
        quiet = relay.quiet if relay is not None else frozenset()
        print("quiet" if None in quiet else f"inline, but for {len(quiet)} actors" if quiet else "inline")  # noqa: T201
        return
    if not chosen.actors:
        if magics is not None:
            magics.output = chosen.how  # for the sessions to come as well
        if relay is not None:
            relay.quiet = frozenset({None} if chosen.how == "quiet" else ())
        return
    ids = {home_of(find(word, chosen.variables)).actor_id for word in chosen.actors}
    assert relay is not None  # they were found
    relay.quiet = relay.quiet | ids if chosen.how == "quiet" else relay.quiet - ids
