"""The links of one process: one an actor, whichever session the actor is of.

Turns what supervisors say of actors into what links do, and into errors that say how an actor died.
"""

from __future__ import annotations

import errno
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from jactors import certificate
from jactors.errors import ActorDiedError, ActorStartError, ActorUnavailableError
from jactors.holds import Holds
from jactors.life.watch import Watch
from jactors.wire import failure
from jactors.wire.backlog import Traffic
from jactors.wire.call import Call
from jactors.wire.channel import connect
from jactors.wire.connection import Connection
from jactors.wire.io import IOThread
from jactors.wire.link import Link
from jactors.wire.relay import Relay

__all__ = ["Links", "death_of"]

log = logging.getLogger("jactors")

#: Seconds for replies that a dead actor had still sent to arrive.
GRACE = 0.01

#: Seconds between two tries to connect where descriptors are lacking.
RETRY = 0.5
#: Of an actor that is only observed.
_UNKNOWN = Traffic()

#: What an actor restarts after whose supervisor was killed.
LOST = "the supervisor of its session was killed, and the actor with it"

#: Actors of which the last state is remembered.
_MEMORY = 2000


class Links:
    """All links of this process, by actor id."""

    def __init__(self, io: IOThread, relay: Relay, sender: str, holds: Holds) -> None:
        self._io = io
        self._holds = holds
        self.relay = relay
        self._sender = sender
        self._lock = threading.Lock()
        self._links: dict[str, Link] = {}
        #: Supervisors of other sessions, by address.
        self._others: dict[str, Watch] = {}
        self._watches: dict[str, Watch] = {}
        #: What was last said of each actor. Written by the I/O thread.
        self.told: dict[str, dict[str, Any]] = {}
        #: Which actor a caller is: its process' token -> actor id; what actors have said of themselves.
        self.processes: dict[str, str] = {}
        #: Incarnations that have died and are about to end their calls. Of the I/O thread.
        self._ends: dict[str, Callable[[], None]] = {}
        #: Told in the I/O thread that another session's supervisor has gone, and its address.
        self.on_bereaved: Callable[[Watch, str], None] = lambda watch, _: self.give_up(watch, LOST)
        #: Told of every event, in the I/O thread: must not block.
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        #: Who is told of an actor's new shape. Under the lock.
        self._reshape: dict[str, Callable[[bytes], None]] = {}
        self._closed: str | None = None

    def observe(self, told: dict[str, Any], watch: Watch) -> Link:
        """Return the link to an actor that `watch` has told of, to ask and to watch it, not to call it."""
        actor_id = told["actor_id"]
        if actor_id not in self._links:
            event = "bound" if told["state"] == "STARTING" else "state"
            self.link(actor_id, watch, _UNKNOWN)
            self._io.call_soon(lambda: self.on_event({**told, "event": event}))
        return self.link(actor_id, watch, _UNKNOWN)

    def link(self, actor_id: str, watch: Watch, traffic: Traffic) -> Link:
        """Return the link to an actor of the session that `watch` watches; made if need be."""
        with self._lock:
            link = self._links.get(actor_id)
            if link is not None:
                if link.traffic is _UNKNOWN and traffic is not _UNKNOWN:
                    link.settle(traffic)
                return link
            link = self._links[actor_id] = self._new(actor_id, traffic)
            self._watches[actor_id] = watch
        if self._closed is not None:
            self._bury(actor_id, link, {"reason": self._closed})
        else:
            self._io.call_soon(lambda: self._ask(actor_id, watch))
        return link

    def heard(self, actor_id: str, process: str | None) -> None:
        """An actor has said what it is called as a caller; None: it has not called anybody yet. From any thread."""
        if process is not None and process not in self.processes:
            self.processes[process] = actor_id
            while len(self.processes) > _MEMORY:
                self.processes.pop(next(iter(self.processes)), None)

    def expect(self, actor_id: str, traffic: Traffic) -> Link:
        """Return the link to an actor that is about to be spawned; its events come by themselves."""
        with self._lock:
            return self._links.setdefault(actor_id, self._new(actor_id, traffic))

    def _new(self, actor_id: str, traffic: Traffic) -> Link:
        return Link(
            self._io, self.relay, actor_id=actor_id, sender=self._sender, traffic=traffic, take=self._holds.take
        )

    def forget(self, actor_id: str) -> None:
        """The actor was not spawned after all."""
        with self._lock:
            self._links.pop(actor_id, None)

    def lost(self, actor_id: str, reason: str) -> Link:
        """Return the link to an actor that has ended."""
        link = self.expect(actor_id, Traffic())
        self._bury(actor_id, link, {"reason": reason})
        return link

    def all(self) -> list[tuple[str, Link]]:
        """Return the links to actors that live, as far as is known, by actor id."""
        with self._lock:
            return list(self._links.items())

    def calls(self) -> list[tuple[str, Call, bool]]:
        """Return the calls that have not ended: the actor's id, the call, and whether it was sent."""
        return [(actor_id, call, sent) for actor_id, link in self.all() for call, sent in link.calls()]

    def on_reshaped(self, actor_id: str, reshape: Callable[[bytes], None]) -> None:
        """Tell `reshape` the pickled shape of an actor that has been reloaded; at once, where that was before."""
        with self._lock:
            if actor_id in self._links:
                self._reshape[actor_id] = reshape
            shape = self.told.get(actor_id, {}).get("shape")
        if shape:
            reshape(bytes.fromhex(shape))

    def watch_for(self, actor_id: str, own: Watch) -> Watch:
        """Return the watch that was asked for an actor, `own` where it was none of another session's."""
        return self._watches.get(actor_id, own)

    def watch_of(self, address: str) -> Watch:
        """Return the watch on another session's supervisor; OSError where it has gone."""
        with self._lock:
            watch = self._others.get(address)
            if watch is None or watch.gone:
                watch = Watch(
                    self._io,
                    connect(address),
                    on_event=self.on_event,
                    on_gone=lambda: self._on_gone(address),
                )
                watch.tell("introduce", process=self._sender)
                self._others[address] = watch
            return watch

    def _on_gone(self, address: str) -> None:
        watch = self._others.get(address)
        if watch is not None and self._closed is None:
            self.on_bereaved(watch, address)

    def _ask(self, actor_id: str, watch: Watch) -> None:
        """Ask for the state of an actor, and for all that comes after."""

        def answer(told: dict[str, Any]) -> None:
            known = told.get("actor")
            if known is None and told.get("expected"):
                # A name can be found before its actor is spawned: whoever claimed it is about to.
                self._io.call_later(0.02, lambda: self._ask(actor_id, watch))
                return
            if known is None:
                why = told.get("message") or "its supervisor does not know it: it has ended"
                self._bury(actor_id, self._links[actor_id], {"reason": why})
                return
            if known["state"] == "ALIVE":
                self.on_event(known)
            elif known["state"] == "STARTING":
                self.on_event({**known, "event": "bound"})
            else:
                self.on_event(known)

        watch.ask("watch", answer, actor_id=actor_id)

    # ------------------------------------------------------------------ events, in the I/O thread

    def on_event(self, event: dict[str, Any]) -> None:
        """A supervisor says something about an actor."""
        actor_id = event["actor_id"]
        with self._lock:
            before = self.told.get(actor_id, {}).get("shape")
            self.told[actor_id] = {**event, "event": "state"}
            reshape = self._reshape.get(actor_id)
        for listener in self.listeners:
            listener(event)
        shape = event.get("shape")
        if shape and shape != before and reshape is not None:
            reshape(bytes.fromhex(shape))
        link = self._links.get(actor_id)
        if link is None:
            return
        self._end(actor_id)
        state = event["state"]
        if event["event"] == "bound" or (state == "ALIVE" and link.incarnation != event["incarnation"]):
            link.window.label = f"{event['class_name']} pid={event['pid']}"
            try:
                link.connect(Connection.read(event["connection_file"]))
            except (OSError, ValueError, KeyError) as error:
                if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                    self._starve(link, event, error)
                else:  # it has died meanwhile: that event follows
                    log.debug("cannot connect to %s: %s", link.window.label, error)
                return
        if event.get("stopped"):
            who = event["name"] or actor_id[:8]
            log.warning("%s %s %s: its calls wait till then", event["class_name"], who, event["reason"])
        if state == "ALIVE" and event["event"] == "state":
            if event.get("repr"):
                link.window.label = f"{event['repr']} pid={event['pid']}"
            link.window.when_joined(link.open)  # nothing that its calls print is missed
        elif state == "RESTARTING":
            self._end_later(event, lambda: link.fail(_unavailable(event), for_good=False))
        elif state == "DEAD":
            self._end_later(event, lambda: self._bury(actor_id, link, event))

    def _starve(self, link: Link, event: dict[str, Any], error: OSError) -> None:
        """Say that there is no descriptor left to talk to an actor with, and try again while nothing newer is known."""
        reason = f"this process cannot talk to it: {error.strerror}; let go of some actors, or raise `ulimit -n`"
        link.fail(_unavailable({**event, "reason": reason}), for_good=False, unborn=False)
        link.incarnation = 0  # not connected, so that "alive" connects
        actor_id = event["actor_id"]
        told = self.told[actor_id]

        def again() -> None:
            if self.told.get(actor_id) is told:
                self.on_event(event)

        self._io.call_later(RETRY, again)

    def _end_later(self, event: dict[str, Any], end: Callable[[], None]) -> None:
        """End an incarnation when its last replies have had time to arrive, or the next one is there."""
        actor_id = event["actor_id"]

        def end_all() -> None:
            end()
            self._holds.void(actor_id, event["incarnation"])

        self._ends[actor_id] = end_all
        self._io.call_later(GRACE, lambda: self._end(actor_id))

    def _end(self, actor_id: str) -> None:
        end = self._ends.pop(actor_id, None)
        if end is not None:
            end()

    def _bury(self, actor_id: str, link: Link, event: dict[str, Any]) -> None:
        link.fail(death_of({"actor_id": actor_id, **self.told.get(actor_id, {}), **event}), for_good=True)
        if self._links.get(actor_id) is link:  # handles keep it, and with it the certificate
            del self._links[actor_id]
        self._watches.pop(actor_id, None)
        self._reshape.pop(actor_id, None)
        while len(self.told) > _MEMORY:
            self.told.pop(next(iter(self.told)))

    def bereave(self, watch: Watch, reason: str) -> None:
        """A supervisor was killed, and its actors with it: those that may restart wait for what the next one says."""
        for _, told in self._told_by(watch):
            if not _may_restart(told):
                self.on_event({**told, "event": "state", "state": "DEAD", "reason": reason})

    def reunite(self, watch: Watch) -> None:
        """There is another supervisor: ask it for the actors of the first."""
        for actor_id, told in self._told_by(watch):
            if _may_restart(told):
                self.on_event({**told, "event": "state", "state": "RESTARTING", "reason": LOST})
                self._ask(actor_id, watch)

    def _told_by(self, watch: Watch) -> list[tuple[str, dict[str, Any]]]:
        """Return the living actors that a supervisor has told of, and what it was."""
        found = []
        for actor_id, _ in self.all():
            told = self.told.get(actor_id)
            theirs = self._watches.get(actor_id, self._holds.own) is watch
            if theirs and told is not None and told["state"] != "DEAD":
                found.append((actor_id, {**told, "stopped": False}))
        return found

    def give_up(self, watch: Watch, reason: str) -> None:
        """There will be no other supervisor."""
        watch.close()
        for actor_id, link in self.all():
            if self._watches.get(actor_id, self._holds.own) is watch:
                self._bury(actor_id, link, {"reason": reason})

    def close(self, reason: str) -> None:
        """End all links: calls that have not ended fail, and all later ones."""
        self._closed = reason
        for actor_id, link in list(self._links.items()):
            self._bury(actor_id, link, {"reason": reason})
        for watch in self._others.values():
            watch.close()


def _may_restart(told: dict[str, Any]) -> bool:
    return bool(told["max_restarts"] < 0 or told["restarts"] < told["max_restarts"])


def _fields(event: dict[str, Any]) -> dict[str, Any]:
    signum = event.get("signal")
    return {
        "actor_id": event.get("actor_id", ""),
        "name": event.get("name"),
        "class_name": event.get("class_name", "actor"),
        "pid": event.get("pid") or 0,
        "exitcode": event.get("exitcode"),
        "signal": signal.Signals(signum).name if signum else None,
        "restarts": event.get("restarts", 0),
        "max_restarts": event.get("max_restarts", 0),
        "last_output": event.get("last_output", ""),
        "reason": certificate.reason(event),
        "state": certificate.state(event),
    }


def _unavailable(event: dict[str, Any]) -> Callable[[], ActorUnavailableError]:
    return lambda: ActorUnavailableError(**_fields(event))


def death_of(event: dict[str, Any]) -> Callable[[], ActorDiedError]:
    """Return what makes the error of an actor that a supervisor says is dead, one for each call."""
    fields = _fields(event)
    if event.get("failure"):
        error = failure.decode(bytes.fromhex(event["failure"]))
        fields |= {"last_output": "", "exitcode": None, "signal": None}
        return lambda: ActorStartError(cause=error.cause, remote_traceback=error.remote_traceback, **fields)
    if event.get("overdue"):
        return lambda: ActorStartError(**fields)
    return lambda: ActorDiedError(**fields)
