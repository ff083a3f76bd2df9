"""Leases: worker kernels for tasks, shared by all processes of a session.

A task needs resources while it runs and a process to run in. The lease is the resources; the worker
is an actor without any of its own, reused by the next lease that has the same environment and GPUs.
A process keeps a lease as long as it has tasks for it, and a worker whose holder has gone ends.

::

    wanted ─(ledger has room)─▶ granted: idle worker of the same kind, or a new one ─▶ released ─▶ idle
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from jactors.life.actor import Actor
from jactors.life.machine import State
from jactors.wire.channel import Channel

__all__ = ["Leases"]

#: Workers that are kept for the next task.
IDLE = 8


class _Ledger(Protocol):
    def check(self, demand: Mapping[str, float]) -> None: ...
    def reserve(self, holder: str, demand: Mapping[str, float], *, label: str) -> Any: ...
    def release(self, holder: str) -> None: ...


@dataclass(slots=True, eq=False)
class _Lease:
    id: str
    demand: dict[str, float]
    #: What a new worker is started with; equal for workers that are interchangeable but for their GPUs.
    worker: dict[str, Any]
    channel: Channel
    #: The request that its grant answers.
    asked: Any
    label: str
    actor: Actor | None = None
    #: Threads of the task that wait for others.
    waits: int = 0

    @property
    def rest(self) -> str:
        """Who holds what is not CPU: kept while the task waits, since there is state on a GPU."""
        return f"{self.id}+"

    def parts(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return its CPUs, and the rest."""
        cpu = {name: amount for name, amount in self.demand.items() if name == "CPU"}
        return cpu, {name: amount for name, amount in self.demand.items() if name != "CPU"}


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Leases:
    """The leases of one supervisor.

    Parameters
    ----------
    ledger
        Shared with the actors.
    hire : callable
        Starts a worker: takes its request and the grant, returns the actor.
    pin : callable
        Pins a worker's process to the cores that it now has.
    dismiss : callable
        Ends a worker.
    tell : callable
        Sends a message to a process.
    offer : callable
        Something has become free: for those who wait for it and are no tasks.
    """

    ledger: _Ledger
    hire: Callable[[dict[str, Any], Any], Actor]
    pin: Callable[[Actor], None]
    dismiss: Callable[[Actor], None]
    tell: Callable[[Channel, dict[str, Any]], None]
    offer: Callable[[], None] = _nothing
    _waiting: list[_Lease] = field(default_factory=list)
    _held: dict[str, _Lease] = field(default_factory=dict)
    _idle: list[tuple[dict[str, Any], tuple[str, ...], Actor]] = field(default_factory=list)

    def want(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process asks for a lease; the answer comes when it has it, or wants it no more."""
        self.ledger.check(request["demand"])
        lease = _Lease(
            id=request["lease"],
            demand=request["demand"],
            worker=request["worker"],
            channel=channel,
            asked=request.get("id"),
            label=request["label"],
        )
        granted = self._grant(lease)
        if granted is not None:
            return granted
        self._waiting.append(lease)
        return {"re": None}  # an answer to nothing: the one to this request comes later

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for a lease."""
        return bool(self._waiting)

    def release(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process gives a lease back, or wants it no more."""
        lease = self._held.pop(request["lease"], None)
        if lease is not None:
            self._end(lease, keep=True)
        for lease in [each for each in self._waiting if each.id == request["lease"]]:
            self._waiting.remove(lease)
            self.tell(lease.channel, {"re": lease.asked, "withdrawn": True})
        return {}

    def pause(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A task waits for another: others may have its CPUs meanwhile."""
        for lease in self._of(request["worker"]):
            lease.waits += 1
            if lease.waits == 1:
                self.ledger.release(lease.id)
                self._freed()
        return {}

    def resume(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """It goes on, also where all is taken: two tasks share for a while what one of them had."""
        for lease in self._of(request["worker"]):
            if lease.waits:
                lease.waits -= 1
                if not lease.waits:
                    grant = self.ledger.reserve(lease.id, lease.parts()[0], label=lease.label)
                    if grant is not None and lease.actor is not None:
                        self._place(lease.actor, grant)
        return {}

    def _of(self, worker: str) -> list[_Lease]:
        return [lease for lease in self._held.values() if lease.actor is not None and lease.actor.actor_id == worker]

    def _freed(self) -> None:
        self.offer()
        self.serve()

    def serve(self) -> None:
        """Something has become free: grant what can be granted, first come first served where it fits."""
        for lease in list(self._waiting):
            granted = self._grant(lease)
            if granted is not None:
                self._waiting.remove(lease)
                self.tell(lease.channel, {"re": lease.asked, **granted})

    def gone(self, channel: Channel) -> None:
        """A process has gone: what runs for it ends."""
        self._waiting = [lease for lease in self._waiting if lease.channel is not channel]
        for lease in [each for each in self._held.values() if each.channel is channel]:
            del self._held[lease.id]
            self._end(lease, keep=False)

    def dismiss_idle(self) -> None:
        """Keep no worker for the next task: who would have asked for one has gone."""
        idle, self._idle = self._idle, []
        for _, _, actor in idle:
            self.dismiss(actor)

    def buried(self, actor: Actor) -> None:
        """A worker has died: its lease with it. Its holder notices by itself."""
        self._idle = [entry for entry in self._idle if entry[2] is not actor]
        for lease in [each for each in self._held.values() if each.actor is actor]:
            del self._held[lease.id]
            lease.actor = None
            self._end(lease, keep=False)

    def _grant(self, lease: _Lease) -> dict[str, Any] | None:
        """Reserve and find a worker; return what its holder is told, or None where there is no room."""
        cpu, rest = lease.parts()
        gpus: tuple[str, ...] = ()
        if rest:
            kept = self.ledger.reserve(lease.rest, rest, label=lease.label)
            if kept is None:
                return None
            gpus = tuple(kept.gpus)
        grant = self.ledger.reserve(lease.id, cpu, label=lease.label)
        if grant is None:
            self.ledger.release(lease.rest)
            return None
        for entry in reversed(self._idle):
            worker, its_gpus, actor = entry
            if worker == lease.worker and its_gpus == gpus:
                self._idle.remove(entry)
                lease.actor = actor
                self._place(actor, grant)
                break
        else:
            lease.actor = self.hire(lease.worker, replace(grant, gpus=gpus, demand=lease.demand))
        self._held[lease.id] = lease
        return {"lease": lease.id, "actor_id": lease.actor.actor_id, "cores": list(grant.cores)}

    def _place(self, actor: Actor, grant: Any) -> None:
        if actor.cores != list(grant.cores):
            actor.cores = list(grant.cores)
            self.pin(actor)

    def _end(self, lease: _Lease, *, keep: bool) -> None:
        self.ledger.release(lease.id)
        self.ledger.release(lease.rest)
        actor = lease.actor
        if actor is not None and actor.life.state is not State.DEAD:
            if not keep:
                self.dismiss(actor)
            else:
                self._idle.append((lease.worker, tuple(actor.gpus), actor))
                if len(self._idle) > IDLE:  # the one that has waited longest, maybe of a kind that nobody asks for
                    self.dismiss(self._idle.pop(0)[2])
        self._freed()
