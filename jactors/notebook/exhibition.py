"""What the inspector's page shows, made of what the gallery knows: its fields, in the page's words."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from jactors.actors.insight import stack_of
from jactors.actors.records import CallRecord, Stacks

__all__ = ["close_up", "panorama"]

#: Calls of one actor that are listed.
_CALLS = 200

#: What is said of ends that somebody had asked for, in the place of a signal.
_ASKED = {"restart": "restarted on request", "killed": "killed on request"}

#: Fields of an actor that page and gallery have the same names for.
_SAME = (
    *("id", "name", "state", "reason", "queued", "done", "failed", "rate", "p50", "p95"),
    *("restarts", "max_restarts", "asked", "rss", "cores", "gpus", "pid", "detached"),
)


def panorama(picture: Mapping[str, Any]) -> dict[str, Any]:
    """Return all actors, resources, and who calls whom; see `jactors.actors.gallery`."""
    actors = [_actor(each) for each in picture["actors"]]
    resources = {
        bar["name"]: {
            "total": bar["total"],
            "free": bar["free"],
            "holders": [[held["label"], held["amount"]] for held in bar["held"]],
        }
        for bar in picture["resources"]
        if bar["total"]
    }
    edges = [[edge["from"], edge["to"], edge["rate"], edge["calls"]] for edge in picture["edges"]]
    return {"now": picture["at"], "actors": actors, "resources": resources, "edges": edges}


def _actor(told: Mapping[str, Any]) -> dict[str, Any]:
    first = told["running"][0] if told["running"] else None
    return {name: told[name] for name in _SAME} | {
        "cls": told["class"],
        "runs": first["method"] if first is not None else None,
        "since": first["since"] if first is not None else None,
        "more": max(0, told["busy"] - 1),
        "cpu": None if told["cpu"] is None else 100 * told["cpu"],
        "gpumem": told["gpu"],
        "started": told["started_at"],
    }


def close_up(actor_id: str, closer: Mapping[str, Any], tab: str, unread: Sequence[CallRecord]) -> dict[str, Any]:
    """Return what one page about one actor shows, of what `Gallery.closer` has found.

    Parameters
    ----------
    unread
        Calls of this process that the actor does not know of yet.
    """
    told, errors = closer["told"], closer["errors"]
    found: dict[str, Any] = {"id": actor_id, "tab": tab}
    part = {"queue": "calls", "timeline": "calls", "options": "about"}.get(tab, tab)
    if part in errors and told["state"] != "DEAD":
        found["trouble"] = str(errors[part]).splitlines()[0]
    elif part in errors:
        found["trouble"] = "the actor is dead"
    if part == "calls" and closer["calls"] is not None:
        found |= _calls(closer["calls"], unread)
    elif tab == "state" and closer["state"] is not None:
        found["attributes"] = closer["state"]["attributes"]
    elif tab == "stack" and closer["stack"] is not None:
        found["stack"] = repr(Stacks(stacks=tuple(map(stack_of, closer["stack"]["stacks"]))))
    elif tab == "output":
        found["output"] = closer["tail"]
    elif tab == "deaths":
        found["deaths"] = [_death(death) for death in reversed(told.get("deaths", []))]
    elif tab == "options":
        found["options"] = _options(told, closer["about"] or {})
    return found


def _calls(told: Mapping[str, Any], unread: Sequence[CallRecord]) -> dict[str, Any]:
    waiting = [_call(each) for each in told["queued"][:_CALLS]]
    waiting += [
        {
            "key": list(call.key),
            "method": call.method,
            "caller": call.caller,
            "submitted": call.submitted,
            "began": None,
            "ended": None,
            "failed": False,
            "fixed": False,
        }
        for call in unread[: _CALLS - len(waiting)]
    ]
    return {
        "running": [_call(each) for each in told["running"]],
        "queued": waiting,
        "hidden": told["queued_in_all"] + len(unread) - len(waiting),
        "ended": [_call(each) for each in told["ended"]],
    }


def _call(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": [told["sender"], told["number"]],
        "method": told["method"],
        "caller": told["caller"],
        "submitted": told.get("submitted", told["began"]),
        "began": told["began"],
        "ended": told.get("ended"),
        "failed": told.get("failed", False),
        "fixed": told["method"] == "cell",
    }


def _death(death: Mapping[str, Any]) -> dict[str, Any]:
    signum = death.get("signal")
    return {
        "when": death.get("at"),
        "kind": death.get("kind", "crash"),
        "how": _ASKED.get(death.get("kind", ""))
        or (signal.Signals(signum).name if signum else f"exit code {death.get('exitcode')}"),
        "why": str(death.get("died_of") or ""),
        "output": str(death.get("last_output") or "")[-400:],
    }


def _options(told: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, str]:
    """Return what the actor was asked to be, what it is, and its environment (secrets masked where they are)."""
    shown = {name: f"{amount:g}" for name, amount in told["demand"].items()}
    shown |= {
        "name": told["name"] or "",
        "namespace": told["namespace"],
        "max_restarts": str(told["max_restarts"]),
        "cores": ", ".join(map(str, told["cores"])) or "any",
        "GPUs": ", ".join(told["gpus"]) or "none",
        "detached": "yes" if told.get("detached") else "no",
        "incarnation": str(told["incarnation"]),
        "connection file": told["connection_file"],
        "log": told["log_file"],
    }
    shown |= {name: str(value) for name, value in about.get("options", {}).items()}
    shown |= {name: str(about[name]) for name in ("python", "executable", "cwd") if name in about}
    return shown | {f"${name}": value for name, value in about.get("environment", {}).items()}
