"""Deadlocks: who waits for whom, when a `get` has waited for too long.

An actor that waits for itself, or for one that waits for it, waits for ever. Nobody watches for that; but a
`get` whose time is over asks the actors that it waited for what they wait for, through their side doors, and
says so where it goes round. What a coroutine awaits, or a borrowed ref stands for, is not known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from jactors import session
from jactors.context import current_actor
from jactors.errors import JactorsError
from jactors.objects.store import Entry
from jactors.wire.backlog import Traffic
from jactors.wire.waiting import makers

__all__ = ["explain"]

#: Seconds that the search may take, and how many actors it asks.
LIMIT = 0.3
MOST = 20

#: Whoever polls with a shorter timeout, in seconds, knows better, and is not held up.
SHORTEST = 0.2


def explain(entries: Iterable[Entry], timeout: float | None) -> str:
    """Return a sentence that names the cycle which `entries` are part of; "" where none is known."""
    here = session.current()
    if timeout is None or timeout < SHORTEST or here.io.is_current():
        return ""
    me = current_actor()
    start = [me.actor_id] if me is not None else []
    cycle = _search(start, makers(entries), time.monotonic() + LIMIT, set())
    if cycle is None:
        return ""
    chain = ", which waits for ".join(_label(here, actor_id) for actor_id in cycle[1:])
    return f" A deadlock: {_label(here, cycle[0])} waits for {chain}. Do not wait inside, or use max_concurrency."


def _search(path: list[str], awaited: Iterable[str], deadline: float, asked: set[str]) -> list[str] | None:
    for actor_id in awaited:
        if actor_id in path:
            return [*path[path.index(actor_id) :], actor_id]
        if actor_id in asked or len(asked) >= MOST:
            continue
        asked.add(actor_id)
        found = _search([*path, actor_id], _waits(actor_id, deadline), deadline, asked)
        if found is not None:
            return found
    return None


def _waits(actor_id: str, deadline: float) -> Iterator[str]:
    """Yield the actors that one waits for."""
    here = session.current()
    link = here.links.link(actor_id, here.watch, Traffic())
    while (left := deadline - time.monotonic()) > 0:
        try:
            yield from link.ask("actor_waits_request", {}, timeout=left).result(left).get("waits", ())
        except TimeoutError:
            pass
        except JactorsError:  # not connected yet, or dead
            time.sleep(min(left, 0.01))
            continue
        return


def _label(here: session.Session, actor_id: str) -> str:
    me = current_actor()
    told = here.links.told.get(actor_id, {})
    if me is not None and me.actor_id == actor_id:
        told = {"class_name": me.class_name, "name": me.name}
    return f"{told.get('class_name', 'actor')} {told.get('name') or actor_id[:8]}"
