"""An exhibit: one actor in the gallery. What its supervisor and it itself have said last, and what follows from it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from jactors.actors.condition import label_of, reason_of, state_of
from jactors.errors import ActorUnavailableError
from jactors.wire.io import IOThread
from jactors.wire.lookout import Lookout

__all__ = ["Exhibit"]

#: Seconds over which calls a second are counted.
_WINDOW = 5.0

#: Seconds after which one that was asked and has not answered is silent.
_PATIENCE = 2.0

_Names = Mapping[str, tuple[str, str]]


class Exhibit:
    """One actor. Written by the I/O thread, each attribute in one step; read by any.

    Parameters
    ----------
    touch : callable
        Called when it has said something.
    """

    def __init__(self, io: IOThread, actor_id: str, touch: Callable[[], None]) -> None:
        self.actor_id = actor_id
        self.lookout = Lookout(io, actor_id, self._on_news)
        self._touch = touch
        self.told: dict[str, Any] = {}
        self.status: Mapping[str, Any] | None = None
        #: What it is called as a caller, once it has called somebody.
        self.process: str | None = None
        #: When it was last asked what it does, in monotonic seconds.
        self._asked = 0.0
        #: Counts of calls that had been received, in all (under "") and by caller, at monotonic times; oldest first.
        self._counts: deque[tuple[float, dict[str, int]]] = deque(maxlen=64)

    @property
    def pid(self) -> int | None:
        """Its process; None where it has none now."""
        return self.told.get("pid") if self.told["state"] in ("STARTING", "ALIVE") else None

    @property
    def holds(self) -> bool:
        """Whether it has what it demands."""
        return self.told["state"] not in ("DEAD", "PENDING_CREATION") or bool(self.pid)

    @property
    def heard(self) -> bool:
        """Whether it has said what there is to say now."""
        return self.told["state"] != "ALIVE" or self.status is not None or bool(self.told.get("stopped"))

    # ------------------------------------------------------------------ the I/O thread

    def on_event(self, event: dict[str, Any]) -> None:
        """The supervisor says something."""
        if event["incarnation"] != self.told.get("incarnation"):
            self.status = None
            self._counts.clear()
        self.told = event
        state = event["state"]
        if event["event"] == "bound" or state == "ALIVE":
            try:
                self.lookout.connect(event["connection_file"])
                self._asked = time.monotonic()
            except (OSError, ValueError, KeyError):  # it has gone meanwhile: that event follows
                pass
        elif state in ("DEAD", "RESTARTING"):
            self.lookout.close()
            self.status = None

    def _on_news(self, status: Mapping[str, Any]) -> None:
        if status["incarnation"] not in (0, self.told.get("incarnation")):  # 0: it is being born
            return
        if self.status is not None and status["cpu"] < self.status["cpu"]:
            return  # an answer, overtaken by what was pushed since; its CPU time is a clock that nobody sets back
        self.status = status
        self.process = status["process"] or self.process
        self._counts.append((time.monotonic(), {"": status["counts"]["received"], **status["callers"]}))
        self._touch()

    def close(self) -> None:
        """Stop watching it."""
        self.lookout.close()

    # ------------------------------------------------------------------ any thread

    def ask(self, msg_type: str, *, timeout: float) -> Future[Mapping[str, Any]]:
        """Ask it something on its control channel; one that is stopped is not asked, since it does not answer."""
        if not self.told.get("stopped"):
            return self.lookout.ask(msg_type, timeout=timeout)
        answer: Future[Mapping[str, Any]] = Future()
        answer.set_exception(ActorUnavailableError(actor_id=self.actor_id, reason=self.told["reason"]))
        return answer

    def _rates(self) -> dict[str, float]:
        """Return calls a second, over the last `_WINDOW` seconds, in all (under "") and by caller."""
        counts = list(self._counts)
        if not counts:
            return {}
        now = time.monotonic()
        # What it had counted when the window began; it says nothing while nothing changes.
        begin = next((entry for entry in reversed(counts) if entry[0] <= now - _WINDOW), counts[0])
        over = min(_WINDOW, max(now - begin[0], 1.0))
        return {who: max(0, number - begin[1].get(who, 0)) / over for who, number in counts[-1][1].items()}

    def describe(self, names: _Names, pending: int, me: str | None) -> dict[str, Any]:
        """Return its part of a picture; `pending` are this process' calls that have not ended."""
        told, status = self.told, self.status
        counts = status["counts"] if status is not None else {}
        latency = (status["latency"] if status is not None else None) or (None, None)
        opened: Mapping[str, tuple[int, int]] = status["open"] if status is not None else {}
        mine = max(0, pending - opened.get(me or "", (0, 0))[1])
        return {
            "id": self.actor_id,
            "label": label_of(told),
            "class": told["class_name"],
            "name": told.get("name"),
            "namespace": told["namespace"],
            "owner": told.get("owner"),
            "detached": told["detached"],
            "state": state_of(told, status, asked=time.monotonic() - self._asked > _PATIENCE),
            "reason": reason_of(told),
            "pid": self.pid,
            "incarnation": told["incarnation"],
            "restarts": told["restarts"],
            "max_restarts": told["max_restarts"],
            "asked": told.get("asked", 0),
            "started_at": told.get("started_at"),
            "up": time.time() - status["alive_since"] if status is not None and status["alive_since"] else None,
            "cores": told["cores"],
            "gpus": told["gpus"],
            "demand": told["demand"],
            "running": [_running(each, names) for each in status["running"]] if status is not None else [],
            "busy": status["busy"] if status is not None else 0,
            "queued": mine + sum(queued for who, (queued, _) in opened.items() if who != me),
            "done": counts.get("done"),
            "failed": counts.get("failed"),
            "rate": self._rates().get("", 0.0),
            "p50": latency[0],
            "p95": latency[1],
        }

    def edges(self, names: _Names) -> list[dict[str, Any]]:
        """Return who calls it: one edge for each process that has."""
        status = self.status
        if status is None:
            return []
        rates = self._rates()
        return [
            {
                "from": names.get(who, (f"process {who[:8]}", ""))[0],
                "to": self.actor_id,
                "calls": calls,
                "rate": rates.get(who, 0.0),
                "waiting": status["open"].get(who, (0, 0))[0],
            }
            for who, calls in status["callers"].items()
        ]


def _running(told: Mapping[str, Any], names: _Names) -> dict[str, Any]:
    node, label = names.get(told["caller"], ("", f"process {told['caller'][:8]}" if told["caller"] else ""))
    return {"method": told["method"], "caller": label, "caller_id": node, "since": told["began"]}
