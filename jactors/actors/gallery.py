"""The gallery: all actors of a session at once, for whoever watches them: inspector, ``jactors top``, snapshots.

::

    supervisor ── every actor's state ──▶ I/O thread ─┐
    actor ─────── its news, on change ──▶ Lookout ────┼─▶ Exhibit ─┐
    process ───── CPU, memory, GPU ─────▶ Gauges ─────┘            ├─▶ picture()  JSON-ready, asks nobody, does not wait
    supervisor ── resources, asked at the last look ───────────────┘
                                                       closer(id) ─▶ one actor's state, stack, calls, options (asks it)

Costs nothing while nobody looks but what is pushed: an idle actor pushes nothing. `picture` reads
the gauges of the processes at most once a second.

``picture()`` returns ::

    {"session", "at" (wall clock), "version" (grows with whatever changes),
     "driver":    {"pid", "cpu", "rss", "gpu"},
     "actors":    [{"id", "label", "class", "name", "namespace", "owner", "detached",
                    "state": see `condition`,
                    "reason", "pid", "incarnation", "restarts", "max_restarts", "asked" (restarts on request),
                    "started_at", "up" (s, or None), "cores", "gpus", "demand",
                    "running": [{"method", "caller", "caller_id", "since" (wall clock)}], "busy" (how many run),
                    "queued", "done", "failed", "rate" (calls a second), "p50", "p95" (s; None: no call yet),
                    "cpu" (1.0 is a core; None: not known yet), "rss", "gpu" (bytes; None: no GPU)}],
     "edges":     [{"from" (actor's id, "driver" or "process 1a2b3c4d"), "to" (id), "calls", "rate", "waiting"}],
     "resources": [{"name", "total", "free", "held": [{"id", "label", "amount"}]}],
     "gpus":      [{"index", "uuid", "name", "total", "used", "busy"}],
     "deaths":    [{"id", "label", "at", "kind": crash killed restart, "incarnation", "exitcode", "signal", "died_of"}]}
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from jactors import session
from jactors.actors.condition import label_of
from jactors.actors.exhibit import Exhibit
from jactors.context import current_actor
from jactors.errors import JactorsError
from jactors.launch.gauges import Gauge, Gauges
from jactors.life.watch import Watch
from jactors.links import LOST
from jactors.succession import reach
from jactors.wire.channel import connect
from jactors.wire.io import IOThread

__all__ = ["Gallery", "gallery"]

#: Parts of a closer look, and what they are asked with.
_PARTS = {
    "state": "actor_state_request",
    "stack": "actor_stack_request",
    "calls": "actor_calls_request",
    "about": "actor_about_request",
}

#: Seconds that an actor has for each of them.
_PATIENCE = 3.0

#: Bytes of an actor's log that a closer look shows.
_TAIL = 16_000

#: Seconds between two questions about resources.
_RESOURCES = 0.9

#: Dead actors that are shown; all deaths are counted where they are told of.
_DEAD = 50


class Gallery:
    """What is known of a session's actors. Written by the I/O thread; `picture` and `closer` are for any thread.

    Parameters
    ----------
    address : str
        Of the session's supervisor.
    session_id : str
        Its name.
    me : str, optional
        What this process is called as a caller, where it is a member of the session.
    only : set of str, optional
        The ids of the actors that are watched; see `narrow`.
    """

    def __init__(
        self,
        io: IOThread,
        address: str,
        session_id: str,
        *,
        me: str | None = None,
        only: AbstractSet[str] | None = None,
    ) -> None:
        self._io = io
        self.session = session_id
        self._me = me
        self._lock = threading.Lock()
        #: Of the I/O thread: who is watched (None: all), and what was last told of the others.
        self._only = only
        self._passed_over: dict[str, dict[str, Any]] = {}
        #: Under the lock, as `gone` and `version`.
        self._exhibits: dict[str, Exhibit] = {}
        self._drivers: set[str] = set()
        self._driver_pid = 0
        self._gauges = Gauges()
        self._resources: dict[str, Any] = {"total": {}, "available": {}}
        self._resources_at = 0.0
        #: The supervisor has ended: nothing changes any more.
        self.gone = False
        self.version = 0
        self._listed: Future[None] = Future()
        self._folder = Path(address).parent
        self._watch = Watch(io, connect(address), on_event=self._on_event, on_gone=self._on_gone)
        self._watch.ask("follow", self._on_list)
        self._ask_resources()

    # ------------------------------------------------------------------ the I/O thread

    def _on_list(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._drivers = {name for name in told.get("drivers", ()) if name}
            self._driver_pid = told.get("driver_pid", 0)
        for each in told.get("actors", ()):
            self._on_told(each)
        if not self._listed.done():
            self._listed.set_result(None)

    def _on_told(self, told: dict[str, Any]) -> None:
        """That is how an actor stands."""
        self._on_event({**told, "event": "bound" if told["state"] == "STARTING" else "state"})

    def _on_event(self, event: dict[str, Any]) -> None:
        """The supervisor says something of an actor."""
        if "actor_id" not in event:
            return
        actor_id = event["actor_id"]
        if self._only is not None and actor_id not in self._only:
            self._passed_over[actor_id] = event
            return
        exhibit = self._exhibits.get(actor_id) or Exhibit(self._io, actor_id, self._touch)
        exhibit.on_event(event)
        with self._lock:  # not before it knows anything: others look at it
            self._exhibits[actor_id] = exhibit
        self._touch()

    def _narrow(self, only: AbstractSet[str]) -> None:
        self._only = only
        with self._lock:
            left = [self._exhibits.pop(actor_id) for actor_id in self._exhibits.keys() - only]
        for exhibit in left:
            exhibit.close()
            self._passed_over[exhibit.actor_id] = exhibit.told
        for actor_id in only & self._passed_over.keys():
            self._on_told(self._passed_over.pop(actor_id))

    def _on_gone(self) -> None:
        """The supervisor has gone. Whether another comes after it, a thread finds out."""

        def look() -> None:
            connection = reach(self._folder)
            self._io.call_soon(lambda: self._end() if connection is None else self._go_on(connection))

        threading.Thread(target=look, name="jactors-seek", daemon=True).start()

    def _go_on(self, connection: socket.socket) -> None:
        for exhibit in list(self._exhibits.values()):
            if exhibit.told["state"] != "DEAD":  # unless the next supervisor says otherwise
                exhibit.on_event({**exhibit.told, "event": "state", "state": "DEAD", "reason": LOST, "deaths": []})
        self._watch.renew(connection)
        self._watch.ask("follow", self._on_list)

    def _end(self) -> None:
        self._watch.close()
        with self._lock:
            self.gone = True
        for exhibit in self._exhibits.values():
            exhibit.close()
        self._touch()
        if not self._listed.done():
            self._listed.set_result(None)

    def _touch(self) -> None:
        with self._lock:
            self.version += 1

    def _ask_resources(self) -> None:
        self._resources_at = time.monotonic()

        def answer(told: dict[str, Any]) -> None:
            found = {key: told.get(key) for key in ("total", "available")}
            if found["total"] is not None and found != self._resources:
                self._resources = found
                self._touch()

        self._watch.ask("resources", answer)

    # ------------------------------------------------------------------ any thread

    def narrow(self, only: AbstractSet[str]) -> None:
        """Watch these actors, and no others: what is not watched costs nothing, here and there."""
        self._io.call_soon(lambda: self._narrow(only))

    def wait(self, timeout: float = 3.0) -> None:
        """Wait until all actors that live have been heard, `timeout` seconds at most: for a single picture."""
        until = time.monotonic() + timeout
        with contextlib.suppress(TimeoutError):
            self._listed.result(timeout)
        while time.monotonic() < until and not self._heard():
            time.sleep(0.005)

    def _heard(self) -> bool:
        with self._lock:
            return bool(self._resources["total"]) and all(each.heard for each in self._exhibits.values())

    def picture(self) -> dict[str, Any]:
        """Return all that is known, as JSON can have it: see the top of this module."""
        if not self.gone and time.monotonic() - self._resources_at > _RESOURCES:
            self._ask_resources()
        with self._lock:
            exhibits = list(self._exhibits.values())
            version = self.version
            pids = [self._driver_pid, *(each.pid for each in exhibits if each.pid)]
            gauges = self._gauges.read([pid for pid in pids if pid])
        pending = self._pending()
        names = self._names(exhibits)
        dead = [each for each in exhibits if each.told["state"] == "DEAD"]
        hidden = {each.actor_id for each in dead[:-_DEAD]}
        shown = [each for each in exhibits if each.actor_id not in hidden]
        gpus = self._gauges.gpus
        actors = [
            each.describe(names, pending.get(each.actor_id, 0), self._me)
            | _measured(gauges.get(each.pid or 0), has_gpus=bool(gpus))
            for each in shown
        ]
        return {
            "session": self.session,
            "at": time.time(),
            "version": version,
            "driver": {"pid": self._driver_pid, **_measured(gauges.get(self._driver_pid), has_gpus=bool(gpus))},
            "actors": actors,
            "edges": [edge for each in shown for edge in each.edges(names)],
            "resources": self._bars(exhibits),
            "gpus": [asdict(each) for each in gpus],
            "deaths": self._deaths(exhibits),
        }

    def _pending(self) -> dict[str, int]:
        """Return how many calls of this process have not ended, by actor."""
        if self._me is None:
            return {}
        return {actor_id: link.pending() for actor_id, link in session.current().links.all()}

    def _names(self, exhibits: list[Exhibit]) -> dict[str, tuple[str, str]]:
        """Return, by what a process is called as a caller, the node and the label that it has in a picture."""
        names = dict.fromkeys(self._drivers, ("driver", "driver"))
        if self._me is not None and current_actor() is None:
            names[self._me] = ("driver", "driver")
        for each in exhibits:
            if each.process:
                names[each.process] = (each.actor_id, label_of(each.told))
        return names

    def _bars(self, exhibits: list[Exhibit]) -> list[dict[str, Any]]:
        total, free = self._resources["total"], self._resources["available"]
        bars = []
        for name, amount in total.items():
            held = [
                {"id": each.actor_id, "label": label_of(each.told), "amount": each.told["demand"][name]}
                for each in exhibits
                if each.holds and each.told["demand"].get(name)
            ]
            bars.append({"name": name, "total": amount, "free": free.get(name, 0.0), "held": held})
        return bars

    @staticmethod
    def _deaths(exhibits: list[Exhibit]) -> list[dict[str, Any]]:
        found = [
            {
                "id": each.actor_id,
                "label": label_of(each.told),
                **{key: death.get(key) for key in ("at", "kind", "incarnation", "exitcode", "signal", "died_of")},
            }
            for each in exhibits
            for death in each.told.get("deaths", ())
            if death.get("kind") != "end"
        ]
        return sorted(found, key=lambda death: float(death["at"] or 0))

    def closer(self, actor_id: str) -> Future[dict[str, Any]]:
        """Ask one actor for all that it can say of itself; does not wait.

        Returns
        -------
        concurrent.futures.Future
            Ends, in the I/O thread, in a dict: ``told`` (what the supervisor says: files, deaths, demand),
            ``tail`` (the end of its log), and ``state``, ``stack``, ``calls``, ``about`` as the actor answers
            them, or None with ``errors[part]`` where it does not. KeyError where there is no such actor.
        """
        with self._lock:
            exhibit = self._exhibits[actor_id]
            names = self._names(list(self._exhibits.values()))
        found: dict[str, Any] = {"told": dict(exhibit.told), "tail": tail(exhibit.told["log_file"]), "errors": {}}
        whole: Future[dict[str, Any]] = Future()
        left = set(_PARTS)
        lock = threading.Lock()

        def settle(part: str, answer: Future[Mapping[str, Any]]) -> None:
            error = answer.exception()
            with lock:
                found[part] = dict(answer.result()) if error is None else None
                if error is not None:
                    found["errors"][part] = str(error)
                left.discard(part)
                ended = not left
            if ended:
                _name_callers(found["calls"], names)
                whole.set_result(found)

        for part, msg_type in _PARTS.items():
            answer = exhibit.ask(msg_type, timeout=_PATIENCE)
            answer.add_done_callback(lambda answer, part=part: settle(part, answer))  # type: ignore[misc]
        return whole

    def close(self) -> None:
        """Stop watching; returns when the sockets are closed."""
        done = threading.Event()

        def close() -> None:
            for exhibit in self._exhibits.values():
                exhibit.close()
            self._watch.close()
            done.set()

        if self._io.is_current():
            close()
        elif not self._io.stopping:
            self._io.call_soon(close)
            done.wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def gallery(only: AbstractSet[str] | None = None) -> Gallery:
    """Return a new gallery of this process' session, or of some of its actors; close it when nobody looks any more.

    Raises
    ------
    JactorsError
        There is no session; none is started.
    """
    if not session.is_initialized():
        raise JactorsError("there is no session: jactors.init(), or the first .remote(), starts one")
    here = session.current()
    return Gallery(here.io, here.record("")["address"], here.id, me=here.process, only=only)


def tail(path: str, size: int = _TAIL) -> str:
    """Return the end of a log; "" where there is none."""
    try:
        with open(path, "rb") as log:  # noqa: PTH123
            log.seek(max(0, os.fstat(log.fileno()).st_size - size))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return text if len(text) < size else text.partition("\n")[2]


def _measured(gauge: Gauge | None, *, has_gpus: bool) -> dict[str, Any]:
    if gauge is None:
        return {"cpu": None, "rss": None, "gpu": None}
    return {"cpu": gauge.cpu, "rss": gauge.rss, "gpu": sum(gauge.gpus.values()) if has_gpus else None}


def _name_callers(calls: dict[str, Any] | None, names: Mapping[str, tuple[str, str]]) -> None:
    """Put labels in the place of the tokens that callers are told by, which stay as ``sender``."""
    for part in ("queued", "running", "ended") if calls is not None else ():
        assert calls is not None
        for call in calls[part]:
            node, label = names.get(call["caller"], ("", f"process {call['caller'][:8]}"))
            call |= {"sender": call["caller"], "caller_id": node, "caller": label}
