"""The supervisor: parent of all actors of a session. Performs what `machine` decides.

::

    driver, actors, CLI ══ channel ══▶ Door: operations ─┐                ┌─▶ launcher (fork, spawn)
    kernels ══ channel ══▶ bound, alive, failed ─────────┼─▶ Ward: step() ─┼─▶ signals, sweep
    SIGCHLD ─▶ waitpid ──▶ exited ───────────────────────┘                └─▶ watchers: new state

One thread, one selector, nothing that blocks. It ends with its driver: the channel closes, or the
driver's pidfd says so (a forked child of the driver may hold the channel open). Where there are
detached actors it ends all others and stays, an orphan; it leaves when the last of them, and the
last driver that has joined meanwhile, has gone. SIGTERM ends everything, SIGHUP counts as the
driver's end. Where it is killed itself, the next one takes over what `estate` has kept.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jactors.life import machine
from jactors.life.actor import Actor
from jactors.life.door import Door
from jactors.life.holders import Holders
from jactors.life.leases import Leases
from jactors.life.loop import Loop
from jactors.life.ward import Launching, Resources, Ward
from jactors.places import clear_desks
from jactors.wire.channel import Channel

__all__ = ["Supervisor"]

#: Seconds for running calls, shutdown hooks and atexit of an actor that leaves by itself; then it is killed.
LEAVE_TIMEOUT = float(os.environ.get("JACTORS_LEAVE_TIMEOUT", "60"))

#: Seconds that those who held an actor of a supervisor that was killed have to say so to the next.
SETTLING = 5.0

#: Seconds between two looks at what other sessions have given back.
LOOK = 0.2


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
        driver_pid: int | None,
        ledger: Resources,
        launcher: Launching,
        tcp: bool,
        inheritance: Iterable[Actor] = (),
    ) -> None:
        self._session = session
        self._folder = folder
        #: Its driver has gone; it stays for detached actors.
        self.orphaned = False
        #: Processes that have joined the session as drivers.
        self._members: set[Channel] = set()
        #: Actors whose names are claimed and that are about to be spawned, by the process that says so.
        self._expected: dict[str, Channel] = {}
        self._ledger = ledger
        self._loop = loop = Loop()
        port, _, secret = address.partition(":")
        self._door = Door(
            loop, server, secret=secret if port.isdigit() else None, on_report=self._report, on_gone=self._gone
        )
        self._ward = Ward(
            loop,
            session=session,
            folder=folder,
            address=address,
            tcp=tcp,
            ledger=ledger,
            launcher=launcher,
            send=self._door.send,
            buried=self._buried,
        )
        self._leases = Leases(
            ledger=ledger,
            hire=self._hire,
            pin=self._pin,
            dismiss=self._dismiss,
            tell=self._door.send,
            offer=self._ward.offer,
        )
        ledger.later = loop.later
        self._looking = False
        self._driver_pid = driver_pid
        self._driver = self._door.add(driver, known=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # is meant for the driver
        actions: dict[int, Callable[[], object]] = {signal.SIGCHLD: self._ward.reap, signal.SIGTERM: loop.stop}
        loop.on_signals({**actions, signal.SIGHUP: self._driver_left})
        self._door.operations |= {
            "join": self._join,
            "expect": self._expect,
            "spawn": self._spawn,
            "kill": self._kill,
            "restart": self._restart,
            "signal": self._send_signal,
            "watch": self._watch,
            "reshape": self._reshape,
            "list": self._list,
            "follow": self._follow,
            "resources": self._resources,
            "settled": self._settled,
            "check": self._check,
            "lease": self._lease,
            "release": self._leases.release,
            "pause": self._leases.pause,
            "resume": self._leases.resume,
            "shutdown": self._shutdown,
        }
        self._holders = Holders(unheld=self._unheld, tell=self._door.send)
        for operation in ("introduce", "hold", "drop", "hand_over", "take", "void"):
            self._door.operations[operation] = getattr(self._holders, operation)
        loop.when_quiet(self._holders.in_doubt, self._holders.settle)
        self._inherit(inheritance)
        if driver_pid is not None:
            loop.on_end_of(driver_pid, self._driver_left)

    def _inherit(self, inheritance: Iterable[Actor]) -> None:
        """Take over what a supervisor that was killed has left."""
        actors = list(inheritance)
        for actor in actors:
            request = actor.request
            self._holders.inherited(actor.actor_id, counted=request["counted"], named=request["named"])
        self._ward.inherit(actors)
        self._loop.later(SETTLING, self._holders.settle_estate)
        self._look_around()

    def run(self) -> None:
        """Supervise until the driver and the last detached actor have gone."""
        self._loop.run()
        self._ward.finish()

    def _look_around(self) -> None:
        """Other sessions give back without telling us: look, while somebody waits."""
        if not self._looking and (self._leases.waiting or self._ward.waiting()):
            self._looking = True
            self._loop.later(LOOK, self._look)

    def _look(self) -> None:
        self._looking = False
        if self._ledger.changed():
            self._ward.offer()
            self._leases.serve()
        self._look_around()

    def _gone(self, channel: Channel) -> None:
        """A process has gone, or hung up."""
        for actor in list(self._ward.actors.values()):
            if channel in actor.watchers:
                actor.watchers.remove(channel)
            if actor.guest is channel:
                self._ward.step(actor, machine.Kill(reason="its driver has ended", for_good=True))
        self._leases.gone(channel)
        self._ward.audience.discard(channel)
        self._members.discard(channel)
        self._expected = {actor_id: who for actor_id, who in self._expected.items() if who is not channel}
        self._holders.gone(channel)
        self._ward.sweep_blocks_later()
        if channel is self._driver:
            self._driver_left()
        elif self.orphaned:
            self._leave_if_alone()

    def _driver_left(self) -> None:
        """The driver has gone: so do its actors, but for detached ones and what those have made."""
        if self.orphaned:
            return
        self.orphaned = True
        self._leases.gone(self._driver)
        self._leases.dismiss_idle()
        lasting = self._ward.lasting()
        if not any(actor.detached for actor in lasting.values()):
            self._loop.stop()
            return
        others = [actor for actor in self._ward.actors.values() if actor.actor_id not in lasting]
        self._ward.dismiss(others, reason="its driver has ended")
        if self._driver_pid is not None:
            clear_desks(self._folder, self._driver_pid)
        os.chdir(self._folder)  # the driver's folder is no business of ours any more
        self._leave_if_alone()

    def _leave_if_alone(self) -> None:
        busy = any(actor.alive and not actor.request.get("worker") for actor in self._ward.actors.values())
        if not busy and not self._members and not self._expected:
            self._loop.stop()

    def _report(self, channel: Channel, message: dict[str, Any]) -> None:
        """A kernel says something about itself."""
        actor = self._ward.actors.get(message["report"])
        if actor is None or actor.life.incarnation != message["incarnation"]:
            return
        match message["event"]:
            case "bound":
                actor.line = channel
                if actor.life.released:
                    self._ward.retire(actor)
                self._ward.tell(actor, {**actor.describe(), "event": "bound"})
            case "beat":
                actor.beat = time.monotonic()
            case "alive":
                actor.shown = message.get("repr", "")
                self._ward.step(actor, machine.Alive())
            case "failed":
                self._ward.step(actor, machine.Failed(message["failure"]))
            case "leaving":
                self._ward.step(actor, machine.Leaving(message["intent"]))
                reason = f"it was leaving for {LEAVE_TIMEOUT:g} seconds without coming to an end"
                self._ward.later(LEAVE_TIMEOUT, actor, machine.Kill(reason=reason, for_good=False))

    def _unheld(self, actor_id: str) -> None:
        """The last handle of an actor has gone, in whichever process."""
        actor = self._ward.actors.get(actor_id)
        if actor is not None and actor.request.get("counted"):
            actor.release_name()  # nobody can hold it again; it may take its time to end its calls
            self._ward.step(actor, machine.Release())

    def _buried(self, actor: Actor) -> None:
        self._holders.buried(actor.actor_id)
        self._leases.buried(actor)
        self._ward.offer()  # actors that wait come before tasks
        self._leases.serve()
        if self.orphaned:
            self._leave_if_alone()

    # ------------------------------------------------------------------ requests

    def _join(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        self._members.add(channel)
        return {}

    def _expect(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """Somebody has claimed, or is about to claim, a name for an actor; or has thought better of it."""
        if request["spawning"]:
            self._expected[request["actor_id"]] = channel
        else:
            self._expected.pop(request["actor_id"], None)
        return {}

    def _spawn(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        known = self._ward.actors.get(request["actor_id"])
        if known is not None:  # taken over from a supervisor that did not live to say that it has it
            known.watchers.append(channel)
            return {"actor": known.describe()}
        self._ledger.check(request["demand"])
        life = machine.Life(
            max_restarts=request["max_restarts"],
            intensity=request.get("restart_intensity", machine.INTENSITY),
            period=request.get("restart_period", machine.PERIOD),
        )
        actor = Actor(request, self._session, self._folder, life, owner=request.get("owner"))
        self._expected.pop(actor.actor_id, None)
        if actor.detached:
            actor.owner = None
        elif channel is not self._driver and actor.owner is None:
            actor.guest = channel
        actor.watchers.append(channel)
        counted = request["counted"] and not request.get("again")  # else its holder has said so already
        self._holders.spawned(channel, actor.actor_id, counted=counted, named=request["named"])
        self._ward.admit(actor)
        self._look_around()
        return {"actor": actor.describe()}

    def _kill(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._ward.actors.get(request["actor_id"])
        if actor is not None:
            if request["for_good"]:
                actor.release_name()
            self._ward.step(actor, machine.Kill(reason=request["reason"], for_good=request["for_good"]))
        return {"known": actor is not None}

    def _restart(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """Let an actor begin anew, as one that was never restarted; a dead one stays dead."""
        actor = self._ward.actors.get(request["actor_id"])
        if actor is not None:
            self._ward.step(actor, machine.Restart(request["reason"]))
        return {"known": actor is not None}

    def _send_signal(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._ward.actors.get(request["actor_id"])
        if actor is None or actor.pid is None:
            return {"sent": False}
        os.kill(actor.pid, request["signum"])
        return {"sent": True}

    def _watch(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        actor = self._ward.actors.get(request["actor_id"])
        if actor is None:
            return {"actor": None, "expected": request["actor_id"] in self._expected}
        if channel not in actor.watchers:
            actor.watchers.append(channel)
        return {"actor": actor.describe()}

    def _reshape(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """An actor has new code: tell all who hold a handle, and who will."""
        actor = self._ward.actors.get(request["actor_id"])
        if actor is not None:
            actor.reshape(request["shape"], request["named"])
            self._ward.tell(actor, actor.describe())
        return {"known": actor is not None}

    def _list(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        shown = [actor for actor in self._ward.actors.values() if not actor.request.get("worker")]
        return {"actors": [actor.describe() for actor in shown]}

    def _follow(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """Somebody wants to hear of all actors, from now on; it is no member of the session for that."""
        self._ward.audience.add(channel)
        drivers = [self._holders.name_of(each) for each in (self._driver, *self._members)]
        return {**self._list(channel, request), "drivers": drivers, "driver_pid": self._driver_pid or 0}

    def _shutdown(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """The driver leaves in good order; "staying": for whose sake the session goes on."""
        self._driver_left()
        return {"staying": [actor.label for actor in self._ward.actors.values() if actor.alive and actor.detached]}

    def _check(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        self._ledger.check(request["demand"])
        return {}

    def _resources(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        return {"total": self._ledger.total(), "available": self._ledger.available()}

    def _settled(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether all that was let go of has been weighed."""
        return {"settled": not self._holders.in_doubt()}

    def _lease(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._leases.want(channel, request)
        self._look_around()
        return answer

    # ------------------------------------------------------------------ workers, for the leases

    def _hire(self, template: dict[str, Any], grant: Any) -> Actor:
        """Start a worker: an actor whose resources are its lease's."""
        request = {**template, "actor_id": secrets.token_hex(16), "demand": {}, "max_restarts": 0, "worker": True}
        actor = Actor(request, self._session, self._folder, cores=list(grant.cores), gpus=list(grant.gpus))
        self._ward.admit_granted(actor, grant)
        return actor

    def _pin(self, actor: Actor) -> None:
        if actor.pid is not None and hasattr(os, "sched_setaffinity"):
            try:
                os.sched_setaffinity(actor.pid, actor.cores or os.sched_getaffinity(0))
            except OSError:
                pass  # it has just died; its holder will hear of it

    def _dismiss(self, actor: Actor) -> None:
        self._ward.step(actor, machine.Kill(reason="the process that it worked for has gone", for_good=True))
