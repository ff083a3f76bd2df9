"""The lobby: actors that wait for cores, GPUs or other resources. A `get` of theirs just waits, so a warning says why.

::

    remote() ── pending ──▶ lobby ── PATIENCE seconds ──▶ still pending? one warning for all of them
"""

from __future__ import annotations

import logging
import weakref

from jactors.actors.condition import label_of, reason_of, state_of
from jactors.session import Session

__all__ = ["enter"]

log = logging.getLogger("jactors")

#: Seconds that an actor waits unnoticed.
PATIENCE = 10.0

#: How many a warning names.
_NAMED = 5

#: Ids of those of whom nothing was said yet. Of the I/O thread.
_waiting: weakref.WeakKeyDictionary[Session, list[str]] = weakref.WeakKeyDictionary()


def enter(here: Session, actor_id: str) -> None:
    """An actor was made and has to wait; from any thread."""
    here.io.call_soon(lambda: _waiting.setdefault(here, []).append(actor_id))
    here.io.call_later(PATIENCE, lambda: _warn(here))


def _warn(here: Session) -> None:
    told = [here.links.told.get(actor_id, {}) for actor_id in _waiting.pop(here, ())]
    pending = [each for each in told if state_of(each) == "pending"]
    if not pending:
        return
    said = [f"{label_of(each)} {reason_of(each) or 'waits for its turn'}" for each in pending[:_NAMED]]
    if len(pending) > _NAMED:
        said.append(f"{len(pending) - _NAMED} more")
    log.warning(
        "%s not started yet, and calls of %s wait: %s. `jactors.kill`, or dropping a handle, frees what one holds.",
        "An actor has" if len(pending) == 1 else f"{len(pending)} actors have",
        "it" if len(pending) == 1 else "them",
        "; ".join(said),
    )
