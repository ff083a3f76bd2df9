"""The supervisor: parent of all actors of a session. Performs what `machine` decides.

::

    driver, actors, CLI ══ channel ══▶ requests ─┐                      ┌─▶ launcher (fork, spawn)
    kernels ══ channel ══▶ bound, alive, failed ─┼─▶ step() ─▶ perform ─┼─▶ signals, sweep
    SIGCHLD ─▶ waitpid ──▶ exited ───────────────┘                      └─▶ watchers: new state

One thread, one selector, nothing that blocks. It ends with its driver: the channel closes, or the
driver's pidfd says so (a forked child of the driver may hold the channel open).
"""

from __future__ import annotations

import heapq
import os
import secrets
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from jactors.errors import InsufficientResourcesError
from jactors.life import machine
from jactors.life.actor import Actor
from jactors.life.leases import Leases
from jactors.life.machine import State
from jactors.life.sweep import end_processes
from jactors.wire.channel import Channel

__all__ = ["Supervisor"]

#: Dead actors that are remembered, for `list_actors` and late watchers.
_MEMORY = 1000

#: Seconds for running calls, shutdown hooks and atexit of an actor that leaves by itself.
LEAVE_TIMEOUT = 60.0


class Launching(Protocol):
    """What starts processes; see `jactors.launch`."""

    def launch(self, actor: Actor, grant: Any, address: str) -> int:
        """Start the incarnation that ``actor.life`` says; return its pid."""


class Resources(Protocol):
    """The ledger, as the supervisor uses it; see `jactors.ledger`."""

    def check(self, demand: Mapping[str, float]) -> None: ...
    def reserve(self, holder: str, demand: Mapping[str, float], *, label: str) -> Any: ...
    def explain(self, demand: Mapping[str, float]) -> str: ...
    def release(self, holder: str) -> None: ...
    def total(self) -> dict[str, float]: ...
    def available(self) -> dict[str, float]: ...


class Supervisor:
    """The process' main object; `run` returns when the session is over and nothing of it is left."""

    def __init__(
        self,
        *,
        session: str,
        folder: Path,
        server: socket.socket,
        address: str,
        driver: socket.socket,
        driver_pid: int,
        ledger: Resources,
        launcher: Launching,
        tcp: bool,
    ) -> None:
        self._session = session
        self._folder = folder
        self._address = address
        self._secret = address.partition(":")[2] if address.partition(":")[0].isdigit() else None
        self._ledger = ledger
        self._launcher = launcher
        self._tcp = tcp
        self._actors: dict[str, Actor] = {}
        self._processes: dict[int, Actor] = {}
        self._grants: dict[str, Any] = {}
        self._timers: list[tuple[float, int, Actor, int, machine.Event]] = []
        self._order = count()
        self._ending = False
        self._leases = Leases(
            ledger=ledger,
            hire=self._hire,
            pin=self._pin,
            dismiss=self._dismiss,
            tell=self._send,
            offer=self._offer,
        )
        self._selector = selectors.DefaultSelector()
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ, lambda: self._accept(server))
        self._driver = self._add(driver)
        wake_out, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        wake_out.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.register(wake_out, selectors.EVENT_READ, lambda: self._on_signal(wake_out))
        if hasattr(os, "pidfd_open"):
            try:
                self._selector.register(os.pidfd_open(driver_pid), selectors.EVENT_READ, self._end)
            except ProcessLookupError:
                self._ending = True
        self._operations: dict[str, Callable[[Channel, dict[str, Any]], dict[str, Any]]] = {
            "spawn": self._spawn,
            "kill": self._kill,
            "signal": self._send_signal,
            "watch": self._watch,
            "list": self._list,
            "resources": self._resources,
            "check": self._check,
            "lease": self._leases.want,
            "release": self._leases.release,
            "pause": self._leases.pause,
            "resume": self._leases.resume,
            "shutdown": self._shutdown,
        }

    def run(self) -> None:
        """Supervise until the driver has gone."""
        while not self._ending:
            timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, mask in self._selector.select(timeout):
                try:
                    if mask & selectors.EVENT_WRITE:
                        self._flush(key.fileobj)
                    if mask & selectors.EVENT_READ:
                        key.data()
                except Exception:  # a bug here must cost one event, not a session's actors
                    traceback.print_exc()
            while self._timers and self._timers[0][0] <= time.monotonic():
                _, _, actor, incarnation, event = heapq.heappop(self._timers)
                if actor.life.incarnation == incarnation:
                    self._step(actor, event)
        self._finish()

    def _end(self) -> None:
        self._ending = True

    def _finish(self) -> None:
        """End all actors and what they started. Their files are the root's to remove."""
        for pid in self._processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in list(self._processes):
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
            end_processes(f"{self._session}:", pid)
        end_processes(f"{self._session}:")
        for actor in self._actors.values():
            actor.remove_files()

    # ------------------------------------------------------------------ channels

    def _accept(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return
        self._add(connection)

    def _add(self, connection: socket.socket) -> Channel:
        channel = Channel(connection)
        state = {"known": self._secret is None or not hasattr(self, "_driver"), "actor": None}
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._read(channel, state))
        return channel

    def _read(self, channel: Channel, state: dict[str, Any]) -> None:
        try:
            for message in channel.receive():
                if not state["known"]:
                    if message.get("secret") != self._secret:
                        raise EOFError  # noqa: TRY301
                    state["known"] = True
                elif "report" in message:
                    self._report(message)
                else:
                    self._answer(channel, message)
        except (EOFError, ValueError):
            self._selector.unregister(channel)
            channel.close()
            for actor in self._actors.values():
                if channel in actor.watchers:
                    actor.watchers.remove(channel)
                if actor.guest is channel:
                    self._step(actor, machine.Kill(reason="its driver has ended", for_good=True))
            self._leases.gone(channel)
            if channel is self._driver:
                self._end()

    def _answer(self, channel: Channel, message: dict[str, Any]) -> None:
        try:
            answer = self._operations[message["op"]](channel, message)
        except InsufficientResourcesError as error:
            answer = {"error": "InsufficientResourcesError", "message": str(error)}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": f"the supervisor refused {message.get('op')}: {error}"}
        self._send(channel, {"re": message.get("id"), **answer})

    def _send(self, channel: Channel, message: dict[str, Any]) -> None:
        if channel.fileno() >= 0 and channel.send(message):
            key = self._selector.get_key(channel)
            self._selector.modify(channel, selectors.EVENT_READ | selectors.EVENT_WRITE, key.data)

    def _flush(self, channel: Any) -> None:
        if not channel.flush():
            self._selector.modify(channel, selectors.EVENT_READ, self._selector.get_key(channel).data)

    # ------------------------------------------------------------------ requests

    def _spawn(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        self._ledger.check(request["demand"])
        life = machine.Life(max_restarts=request["max_restarts"])
        actor = Actor(request, self._session, self._folder, life, owner=request.get("owner"))
        if channel is not self._driver and actor.owner is None:
            actor.guest = channel
        self._actors[actor.actor_id] = actor
        actor.watchers.append(channel)
        self._grant(actor)
        while len(self._actors) > _MEMORY:
            dead = next((a for a in self._actors.values() if a.life.state is State.DEAD), None)
            if dead is None:
                break
            del self._actors[dead.actor_id]
        return {"actor": actor.describe()}

    def _hire(self, template: dict[str, Any], grant: Any) -> Actor:
        """Start a worker: an actor whose resources are its lease's."""
        request = {**template, "actor_id": secrets.token_hex(16), "demand": {}, "max_restarts": 0, "worker": True}
        actor = Actor(request, self._session, self._folder, cores=list(grant.cores), gpus=list(grant.gpus))
        self._actors[actor.actor_id] = actor
        self._grants[actor.actor_id] = grant
        self._step(actor, machine.Granted())
        return actor

    def _pin(self, actor: Actor) -> None:
        if actor.pid is not None and hasattr(os, "sched_setaffinity"):
            try:
                os.sched_setaffinity(actor.pid, actor.cores or os.sched_getaffinity(0))
            except OSError:
                pass  # it has just died; its holder will hear of it

    def _dismiss(self, actor: Actor) -> None:
        self._step(actor, machine.Kill(reason="the process that it worked for has gone", for_good=True))

    def _grant(self, actor: Actor) -> None:
        demand = actor.request["demand"]
        grant = self._ledger.reserve(actor.actor_id, demand, label=actor.label)
        if grant is None:
            before, actor.reason = actor.reason, self._ledger.explain(demand)
            if before not in ("", actor.reason):
                self._tell(actor, actor.describe())
            return
        actor.reason = ""
        actor.cores, actor.gpus = list(grant.cores), list(grant.gpus)
        self._grants[actor.actor_id] = grant
        self._step(actor, machine.Granted())

    def _kill(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._actors.get(request["actor_id"])
        if actor is not None:
            if request["for_good"]:
                actor.release_name()
            self._step(actor, machine.Kill(reason=request["reason"], for_good=request["for_good"]))
        return {"known": actor is not None}

    def _send_signal(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._actors.get(request["actor_id"])
        if actor is None or actor.pid is None:
            return {"sent": False}
        os.kill(actor.pid, request["signum"])
        return {"sent": True}

    def _watch(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._actors.get(request["actor_id"])
        if actor is None:
            return {"actor": None}
        if channel not in actor.watchers:
            actor.watchers.append(channel)
        return {"actor": actor.describe()}

    def _list(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        shown = [actor for actor in self._actors.values() if not actor.request.get("worker")]
        return {"actors": [actor.describe() for actor in shown]}

    def _shutdown(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        self._end()
        return {}

    def _check(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        self._ledger.check(request["demand"])
        return {}

    def _resources(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        return {"total": self._ledger.total(), "available": self._ledger.available()}

    # ------------------------------------------------------------------ events

    def _report(self, message: dict[str, Any]) -> None:
        """A kernel says something about itself."""
        actor = self._actors.get(message["report"])
        if actor is None or actor.life.incarnation != message["incarnation"]:
            return
        match message["event"]:
            case "bound":
                self._tell(actor, {**actor.describe(), "event": "bound"})
            case "alive":
                self._step(actor, machine.Alive())
            case "failed":
                self._step(actor, machine.Failed(message["failure"]))
            case "leaving":
                self._step(actor, machine.Leaving(message["intent"]))
                reason = f"it was leaving for {LEAVE_TIMEOUT:g} seconds without coming to an end"
                self._later(LEAVE_TIMEOUT, actor, machine.Kill(reason=reason, for_good=False))

    def _on_signal(self, wake: socket.socket) -> None:
        try:
            wake.recv(4096)
        except BlockingIOError:
            pass
        for pid in list(self._processes):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended:
                actor = self._processes.pop(pid)
                actor.pid = pid  # kept for the certificate
                code = os.waitstatus_to_exitcode(status)
                exited = machine.Exited(exitcode=code if code >= 0 else None, signal=-code if code < 0 else None)
                self._step(actor, exited)
                end_processes(f"{self._session}:{actor.actor_id}", pid)

    def _step(self, actor: Actor, event: machine.Event) -> None:
        actor.life, instructions = machine.step(actor.life, event)
        for instruction in instructions:
            match instruction:
                case machine.Launch():
                    self._launch(actor)
                case machine.Wake(delay):
                    self._later(delay, actor, machine.Due())
                case machine.KillProcess():
                    if actor.pid in self._processes:
                        os.kill(actor.pid, signal.SIGKILL)
                case machine.Announce():
                    self._tell(actor, actor.describe())
                case machine.Bury():
                    self._bury(actor)

    def _later(self, delay: float, actor: Actor, event: machine.Event) -> None:
        """Let `event` happen to this incarnation of `actor` in `delay` seconds, if it still lives then."""
        due = time.monotonic() + delay
        heapq.heappush(self._timers, (due, next(self._order), actor, actor.life.incarnation, event))

    def _launch(self, actor: Actor) -> None:
        actor.write_connection_file(tcp=self._tcp)
        actor.pid = self._launcher.launch(actor, self._grants[actor.actor_id], self._address)
        self._processes[actor.pid] = actor
        patience = actor.request["start_timeout"]
        if patience is not None:
            self._later(patience, actor, machine.Overdue(patience))

    def _bury(self, actor: Actor) -> None:
        actor.remove_files()
        self._ledger.release(actor.actor_id)
        self._grants.pop(actor.actor_id, None)
        for child in self._actors.values():
            if child.owner == actor.actor_id and child.life.state is not State.DEAD:
                self._step(child, machine.Kill(reason="its owner has died", for_good=True))
        self._leases.buried(actor)
        self._offer()
        self._leases.serve()

    def _offer(self) -> None:
        """Something has become free: actors that wait for it come first."""
        for waiting in list(self._actors.values()):
            if waiting.life.state is State.PENDING:
                self._grant(waiting)

    def _tell(self, actor: Actor, message: dict[str, Any]) -> None:
        for channel in list(actor.watchers):
            self._send(channel, message)
