"""The condition of an actor, in the words that all show it with: handles, lists, inspector, ``top``, `statistics`.

==========  ==========================================================
pending     waits for resources, or for its turn
starting    its process runs, ``__init__`` has not returned
idle        alive, nothing runs
busy        alive, a call runs
alive       alive, and not asked what it does
silent      alive, was asked, and does not answer: it holds the GIL
stopped     alive, its process stopped by a signal (SIGSTOP)
restarting  died, and comes back
dead        died for good
==========  ==========================================================

`util.state` has Ray's words instead. Nothing here asks anybody: ``told`` is what the supervisor has said
(`life.actor.Actor.describe`), ``status`` what the actor has said of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jactors import certificate

__all__ = ["STATES", "crashed", "label_of", "reason_of", "restarts_of", "state_of"]

#: All words, those that are worth a look first.
STATES = ("silent", "stopped", "restarting", "dead", "pending", "starting", "busy", "alive", "idle")


def state_of(told: Mapping[str, Any], status: Mapping[str, Any] | None = None, *, asked: bool = False) -> str:
    """Return an actor's state in a word.

    Parameters
    ----------
    told
        What its supervisor says; an empty one is that of an actor that has just been asked for.
    status, optional
        What it says of itself.
    asked : bool
        It was asked: no status is no answer.
    """
    state = str(told.get("state", "starting")).lower()
    if state != "alive":
        return {"pending_creation": "pending"}.get(state, state)
    if told.get("stopped"):
        return "stopped"
    if status is None:
        return "silent" if asked else "alive"
    return "busy" if status["busy"] or status["open"] else "idle"  # also between two calls


def reason_of(told: Mapping[str, Any]) -> str:
    """Return what one died of, or what it waits for; "" where there is nothing to say."""
    if told.get("state") in ("DEAD", "RESTARTING"):
        return certificate.cause(told)
    return str(told.get("reason") or "")


def restarts_of(restarts: int, allowed: int, asked: int = 0) -> str:
    """Return ``0``, ``1 of 3``, ``2 of any``; behind it those on request, which use up none: ``1 of 3, 2 asked``."""
    used = f"{restarts} of {'any' if allowed < 0 else allowed}" if allowed else str(restarts)
    return f"{used}, {asked} asked" if asked else used


def crashed(told: Mapping[str, Any]) -> bool:
    """Return whether the last death of an actor was one that nobody had asked for."""
    deaths = told.get("deaths") or [{}]
    return bool(deaths[-1].get("kind") == "crash")


def label_of(told: Mapping[str, Any]) -> str:
    """Return ``tally`` or ``Counter 3fa2c1d0``."""
    return str(told.get("name") or f"{told['class_name']} {told['actor_id'][:8]}")
