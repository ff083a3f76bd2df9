"""The gallery: all actors of this session as the inspector's page shows them, as JSON.

::

    supervisor: events, a list every `LIST` s ─┐
    actors: status, when something changed     ├─▶ picture()   one record for all of them, asks nobody
    /proc, every `WEIGH` s: CPU, memory ───────┘
    one actor's control channel ───────────────▶ detail(id, tab)

What is pushed is kept by the I/O thread; `picture` and `detail` are called by the inspector's own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from jactors import session
from jactors.actors.insight import call_of, caller_of, compose, stack_of, unread
from jactors.actors.records import CallRecord, Stacks
from jactors.errors import JactorsError
from jactors.wire.link import Link

__all__ = ["Gallery"]

#: Seconds between two looks at what the supervisor knows: an actor that another actor makes announces itself to that.
LIST = 2.0
#: Seconds between two looks at a process' CPU time and memory.
WEIGH = 2.0
#: Seconds over which rates are taken.
SPAN = 3.0
#: Dead actors that are shown, and calls of one actor.
_DEAD = 20
_CALLS = 200
#: Seconds that one actor has for an answer, and the bytes of its log that are shown.
_PATIENCE = 1.0
_TAIL = 8000


@dataclass(slots=True)
class _Subject:
    """One actor, as far as it is known."""

    link: Link
    unwatch: Callable[[], None] | None = None
    #: What it has said last. Set by the I/O thread.
    status: Mapping[str, Any] | None = None
    #: (monotonic time, calls done, calls by caller) of the last seconds. Of the I/O thread.
    counts: list[tuple[float, int, Mapping[str, int]]] = field(default_factory=list)
    process: psutil.Process | None = None
    cpu: float | None = None
    rss: int | None = None


class Gallery:
    """What there is to see of a session.

    Parameters
    ----------
    here : Session
    on_change : callable
        Told, in any thread, that a new `picture` would differ.
    """

    def __init__(self, here: session.Session, on_change: Callable[[], None]) -> None:
        self.here = here
        self._on_change = on_change
        self._subjects: dict[str, _Subject] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._resources: dict[str, dict[str, float]] = {"total": {}, "available": {}}
        self._listed = self._weighed = 0.0

    # ------------------------------------------------------------------ all of them

    def version(self) -> tuple[int, ...]:
        """Return something that differs when calls of this process have been submitted or have ended."""
        return tuple(subject.link.pending() for subject in list(self._subjects.values()))

    def picture(self) -> dict[str, Any]:
        """Return all actors, resources and who calls whom; what is asked is the supervisor, at times."""
        now = time.monotonic()
        if now - self._listed >= LIST:
            self._listed = now
            self._list()
        for actor_id in self._told:
            self._told[actor_id] = self.here.links.told.get(actor_id, self._told[actor_id])
        if now - self._weighed >= WEIGH:
            self._weigh()
            self._weighed = now
        actors = [self._actor(told) for told in self._told.values()]
        return {"now": time.time(), "actors": actors, "resources": self._bars(), "edges": self._edges()}

    def _list(self) -> None:
        told: list[dict[str, Any]] = self.here.watch.request("list", timeout=10)["actors"]
        self._resources = self.here.watch.request("resources", timeout=10)
        dead = [each["actor_id"] for each in told if each["state"] == "DEAD"]
        hidden = set(dead[: max(0, len(dead) - _DEAD)])
        self._told = {each["actor_id"]: each for each in told if each["actor_id"] not in hidden}
        for actor_id, each in self._told.items():
            if actor_id not in self._subjects and each["state"] != "DEAD":
                subject = self._subjects[actor_id] = _Subject(self.here.links.observe(each, self.here.watch))
                self.here.io.call_soon(lambda subject=subject: self._watch(subject))  # type: ignore[misc]
        for actor_id in [known for known in self._subjects if known not in self._told]:
            self._leave(self._subjects.pop(actor_id))

    def _watch(self, subject: _Subject) -> None:
        """Listen to an actor; in the I/O thread."""

        def on_status(status: Mapping[str, Any]) -> None:
            now = time.monotonic()
            subject.counts.append((now, status["counts"]["done"] + status["counts"]["failed"], status["callers"]))
            while len(subject.counts) > 2 and subject.counts[1][0] < now - SPAN:
                del subject.counts[0]
            if subject.status is not None and status["incarnation"] != subject.status["incarnation"]:
                del subject.counts[:-1]
            subject.status = status
            self._on_change()

        subject.unwatch = subject.link.window.watch(on_status)

    def _leave(self, subject: _Subject) -> None:
        def unwatch() -> None:
            if subject.unwatch is not None:
                subject.unwatch()

        self.here.io.call_soon(unwatch)

    def close(self) -> None:
        """Listen no more."""
        for subject in self._subjects.values():
            self._leave(subject)
        self._subjects.clear()

    def _weigh(self) -> None:
        for actor_id, subject in self._subjects.items():
            told = self._told.get(actor_id, {})
            pid = told.get("pid") if told.get("state") in ("STARTING", "ALIVE") else None
            if subject.process is None or subject.process.pid != pid:
                subject.process = subject.cpu = subject.rss = None
                if pid is None:
                    continue
                with contextlib.suppress(psutil.Error):
                    subject.process = psutil.Process(pid)
            if subject.process is not None:
                try:
                    with subject.process.oneshot():
                        subject.cpu = subject.process.cpu_percent()  # since the last look
                        subject.rss = subject.process.memory_info().rss
                except psutil.Error:
                    subject.process = None

    def _actor(self, told: dict[str, Any]) -> dict[str, Any]:
        subject = self._subjects.get(told["actor_id"])
        alive = told["state"] == "ALIVE"
        status = subject.status if subject is not None and alive else None
        if status is not None and status["incarnation"] != told["incarnation"]:
            status = None  # of one that has died
        link = subject.link if subject is not None and told["state"] != "DEAD" else None
        known = compose(told, link, status, asked=False)
        running = known.running[0] if known.running else None
        state = "stopped" if told.get("stopped") else {"alive": "idle"}.get(known.state, known.state)
        return {
            "id": known.actor_id,
            "name": known.name,
            "cls": known.class_name,
            "state": state,
            "reason": known.reason,
            "runs": running.method if running is not None else None,
            "since": (running.began or running.submitted) if running is not None else None,
            "more": max(0, status["busy"] - 1) if status is not None else 0,
            "queued": known.queued,
            "done": known.done,
            "failed": known.failed,
            "rate": self._rate(subject) if status is not None else None,
            "p50": known.p50,
            "p95": known.p95,
            "restarts": known.restarts,
            "max_restarts": known.max_restarts,
            "cpu": subject.cpu if subject is not None else None,
            "rss": subject.rss if subject is not None else None,
            "gpumem": None,
            "cores": list(known.cores),
            "gpus": list(known.gpus),
            "started": told.get("started_at"),
            "pid": known.pid,
            "detached": bool(told.get("detached")),
        }

    @staticmethod
    def _rate(subject: _Subject | None) -> float:
        """Return how many calls have ended a second, of late."""
        counts = subject.counts[:] if subject is not None else []
        recent = [each for each in counts if each[0] >= time.monotonic() - SPAN]
        if not recent or len(counts) < 2:
            return 0.0
        first = counts[counts.index(recent[0]) - 1] if recent[0] is not counts[0] else counts[0]
        span = max(SPAN, time.monotonic() - first[0])
        return max(0.0, (counts[-1][1] - first[1]) / span)

    def _bars(self) -> dict[str, Any]:
        """Return, of each resource, how much there is and who holds it."""
        holding = [told for told in self._told.values() if told["state"] not in ("PENDING_CREATION", "DEAD")]
        bars = {}
        for name, total in self._resources["total"].items():
            if not total:
                continue
            held = [
                [told["name"] or f"{told['class_name']} {told['actor_id'][:8]}", told["demand"][name]]
                for told in holding
                if told["demand"].get(name)
            ]
            free = total - sum(amount for _, amount in held)
            tasks = free - self._resources["available"].get(name, 0.0)
            if tasks > 1e-6:
                held.append(["tasks and others", tasks])
                free -= tasks
            bars[name] = {"total": total, "free": free, "holders": held}
        return bars

    def _edges(self) -> list[list[Any]]:
        """Return who calls whom: (caller, actor, calls a second, calls)."""
        edges = []
        now = time.monotonic()
        for actor_id, subject in self._subjects.items():
            if subject.status is None or self._told.get(actor_id, {}).get("state") == "DEAD":
                continue
            counts = [each for each in subject.counts[:] if each[0] >= now - 2 * SPAN]
            for token, calls in subject.status["callers"].items():
                caller = self.here.links.processes.get(token) or caller_of(token)
                before = counts[0][2].get(token, 0) if counts else calls
                span = max(SPAN, now - counts[0][0]) if counts else SPAN
                edges.append([caller, actor_id, max(0.0, (calls - before) / span), calls])
        return edges

    # ------------------------------------------------------------------ one of them

    def told(self, actor_id: str) -> dict[str, Any] | None:
        """Return what the supervisor has said of an actor."""
        return self._told.get(actor_id)

    def link(self, actor_id: str) -> Link | None:
        """Return the link to an actor that lives."""
        subject = self._subjects.get(actor_id)
        return subject.link if subject is not None else None

    def detail(self, actor_id: str, tab: str) -> dict[str, Any]:
        """Return what one page about one actor shows; asks the actor, which has a second for its answer."""
        told = self._told.get(actor_id)
        if told is None:
            return {}
        found: dict[str, Any] = {"id": actor_id, "tab": tab}
        link = self.link(actor_id) if told["state"] != "DEAD" else None
        try:
            if tab in ("queue", "timeline"):
                found |= self._calls(link)
            elif tab == "state" and link is not None:
                found["attributes"] = _answer(link.ask("actor_state_request", {}, timeout=_PATIENCE))["attributes"]
            elif tab == "stack" and link is not None:
                stacks = _answer(link.ask("actor_stack_request", {}, timeout=_PATIENCE))["stacks"]
                found["stack"] = repr(Stacks(stacks=tuple(map(stack_of, stacks))))
            elif tab == "options":
                found["options"] = _options(told)
                if link is not None:
                    found["options"] |= _answer(link.ask("actor_environment_request", {}, timeout=_PATIENCE))[
                        "environment"
                    ]
        except JactorsError as error:
            found["trouble"] = str(error).splitlines()[0]
        if tab in ("state", "stack") and link is None:
            found["trouble"] = f"the actor is {told['state'].lower()}"
        if tab == "output":
            found["output"] = _tail(told["log_file"])
        elif tab == "deaths":
            found["deaths"] = [_death(death) for death in reversed(told.get("deaths", []))]
        return found

    def _calls(self, link: Link | None) -> dict[str, Any]:
        if link is None:
            return {"running": [], "queued": [], "ended": []}
        told = _answer(link.ask("actor_calls_request", {"limit": _CALLS}, timeout=_PATIENCE))
        mine = unread(link, told)
        waiting = [call_of(each) for each in told["queued"]] + mine
        return {
            "running": [_call(call_of(each)) for each in told["running"]],
            "queued": [_call(call) for call in waiting[:_CALLS]],
            "hidden": max(0, told["queued_in_all"] - len(told["queued"])) + max(0, len(waiting) - _CALLS),
            "ended": [_call(call_of(each)) for each in told["ended"]],
        }


def _answer(asked: Future[Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        return asked.result(_PATIENCE)
    except TimeoutError:
        raise JactorsError("it does not answer: its process is stopped, or holds the GIL") from None


def _call(call: CallRecord) -> dict[str, Any]:
    return {
        "key": list(call.key),
        "method": call.method,
        "caller": call.caller,
        "submitted": call.submitted,
        "began": call.began,
        "ended": call.ended,
        "failed": call.failed,
        "fixed": call.method == "cell",
    }


def _tail(path: str) -> str:
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def _death(death: Mapping[str, Any]) -> dict[str, Any]:
    signum = death.get("signal")
    how = signal.Signals(signum).name if signum else f"exit code {death.get('exitcode')}"
    return {
        "when": death.get("at"),
        "how": how,
        "why": str(death.get("died_of") or ""),
        "output": str(death.get("last_output") or "")[-400:],
    }


def _options(told: Mapping[str, Any]) -> dict[str, str]:
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
    return shown
