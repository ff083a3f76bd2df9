"""Ctrl-C, or the stop button, while waiting: the calls that are waited for end too, and their actors live on.

::

    SIGINT ─▶ KeyboardInterrupt where a `get` waits ─▶ `stop`: cancel each call ─▶ wait for PATIENCE seconds
                                                                                    │ a second Ctrl-C: no longer
              KeyboardInterrupt, in one line: what it has ended, and what not  ◀────┘

A cell that waits by ``await`` gets no KeyboardInterrupt: its kernel cancels its task. So refs are noted while they are
awaited, and whoever has the kernel's signal handler in hand (`jactors.notebook.stopping`) stops those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jactors.errors.interrupt import interrupted
from jactors.objects.store import Entry
from jactors.wire.link import Link
from jactors.wire.waiting import wait_entries

__all__ = ["PATIENCE", "stop"]

#: Seconds that interrupted methods have to end; within them a second Ctrl-C gives up waiting.
PATIENCE = 2.0

#: What is said of what does not end.
_DEAF = "a long call of native code ends when it returns to Python"


class _Awaited:
    """One call that was waited for, as it is told of; an entry forgets its origin when it ends."""

    def __init__(self, entry: Entry, told: Mapping[str, Mapping[str, Any]]) -> None:
        self.entry = entry
        self.number = int.from_bytes(entry.id[16:24], "big")
        self.origin: Any = entry.origin
        self.what, self.whose = "a task", ""
        if isinstance(self.origin, Link):
            known = told.get(self.origin.actor_id, {})
            self.whose = known.get("name") or self.origin.actor_id[:8]
            methods = (call.method for call, _ in self.origin.calls() if call.number == self.number)
            self.what = f"{known.get('class_name', 'actor')}.{next(methods, 'call')} of {self.whose}"


def stop(
    entries: Sequence[Entry], told: Mapping[str, Mapping[str, Any]], *, patience: float = PATIENCE
) -> KeyboardInterrupt | None:
    """End the calls that make `entries`; return what is to be raised instead of KeyboardInterrupt.

    Parameters
    ----------
    told : mapping
        What supervisors have said of each actor, by its id.
    patience : float
        Seconds that they have to end.

    Returns
    -------
    KeyboardInterrupt or None
        None where nothing was to be ended.
    """
    calls = [_Awaited(entry, told) for entry in entries if not entry.done and hasattr(entry.origin, "cancel")]
    if not calls:
        return None
    for call in calls:
        call.origin.cancel(call.number)
    pending = [call.entry for call in calls]
    gave_up = ""
    try:
        # So that the next cell finds the actors idle.
        wait_entries(pending, timeout=patience, enough=lambda ended, failed: ended >= len(pending))
    except KeyboardInterrupt:
        gave_up = "gave up waiting: "
    ended = [call for call in calls if call.entry.done]
    deaf = [call for call in calls if not call.entry.done]
    said = []
    if ended:
        said.append(f"interrupted {_list(ended)}; state is kept")
    if deaf:
        did = "goes on" if gave_up or patience == 0 else f"did not stop within {patience:g} s"
        kill = f"%actor kill {deaf[0].whose}, or jactors.kill, ends the actor" if deaf[0].whose else ""
        said.append("; ".join(filter(None, [f"{_list(deaf)} {did}", _DEAF, kill])))
    return interrupted(gave_up + ". ".join(said))


def _list(calls: Sequence[_Awaited]) -> str:
    whats = list(dict.fromkeys(call.what for call in calls))
    if len(calls) == 1:
        return whats[0]
    if len(whats) <= 3:
        return f"{len(calls)} calls ({', '.join(whats)})"
    return f"{len(calls)} calls of {len({call.whose for call in calls})} actors"
