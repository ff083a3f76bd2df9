"""Leases: worker kernels for tasks, shared by all processes of a session.

A task needs resources while it runs and a process to run in. The lease is the resources; the worker
is an actor without any of its own, reused by the next lease that has the same environment and GPUs.
A process keeps a lease as long as it has tasks for it, and a worker whose holder has gone ends.

::

    wanted ─(ledger has room)─▶ granted: idle worker of the same kind, or a new one ─▶ released ─▶ idle
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    label: str
    actor: Actor | None = None
    paused: bool = False


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
    """

    ledger: _Ledger
    hire: Callable[[dict[str, Any], Any], Actor]
    pin: Callable[[Actor], None]
    dismiss: Callable[[Actor], None]
    tell: Callable[[Channel, dict[str, Any]], None]
    _waiting: list[_Lease] = field(default_factory=list)
    _held: dict[str, _Lease] = field(default_factory=dict)
    _idle: list[tuple[dict[str, Any], tuple[str, ...], Actor]] = field(default_factory=list)

    def want(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process asks for a lease; it is told when it has it."""
        self.ledger.check(request["demand"])
        lease = _Lease(request["lease"], request["demand"], request["worker"], channel, request["label"])
        if not self._grant(lease):
            self._waiting.append(lease)
        return {}

    def release(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process gives a lease back, or wants it no more."""
        lease = self._held.pop(request["lease"], None)
        self._waiting = [each for each in self._waiting if each.id != request["lease"]]
        if lease is not None:
            self._end(lease, keep=True)
        return {}

    def pause(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A task waits for another: others may have what it holds meanwhile."""
        for lease in self._held.values():
            if lease.actor is not None and lease.actor.actor_id == request["worker"] and not lease.paused:
                lease.paused = True
                self.ledger.release(lease.id)
                self.serve()
        return {}

    def resume(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """It goes on, also where all is taken: two tasks share for a while what one of them had."""
        for lease in self._held.values():
            if lease.actor is not None and lease.actor.actor_id == request["worker"] and lease.paused:
                lease.paused = False
                self.ledger.reserve(lease.id, lease.demand, label=lease.label)
        return {}

    def serve(self) -> None:
        """Something has become free: grant what can be granted, first come first served where it fits."""
        self._waiting = [lease for lease in self._waiting if not self._grant(lease)]

    def gone(self, channel: Channel) -> None:
        """A process has gone: what runs for it ends."""
        self._waiting = [lease for lease in self._waiting if lease.channel is not channel]
        for lease in [each for each in self._held.values() if each.channel is channel]:
            del self._held[lease.id]
            self._end(lease, keep=False)

    def buried(self, actor: Actor) -> None:
        """A worker has died: its lease with it. Its holder notices by itself."""
        self._idle = [entry for entry in self._idle if entry[2] is not actor]
        for lease in [each for each in self._held.values() if each.actor is actor]:
            del self._held[lease.id]
            self.ledger.release(lease.id)
            self.serve()

    def _grant(self, lease: _Lease) -> bool:
        grant = self.ledger.reserve(lease.id, lease.demand, label=lease.label)
        if grant is None:
            return False
        gpus = tuple(grant.gpus)
        for index, (worker, its_gpus, actor) in enumerate(self._idle):
            if worker == lease.worker and its_gpus == gpus:
                del self._idle[index]
                lease.actor = actor
                actor.cores = list(grant.cores)
                self.pin(actor)
                break
        else:
            lease.actor = self.hire(lease.worker, grant)
        self._held[lease.id] = lease
        told = {"event": "leased", "lease": lease.id, "actor_id": lease.actor.actor_id, "cores": list(grant.cores)}
        self.tell(lease.channel, told)
        return True

    def _end(self, lease: _Lease, *, keep: bool) -> None:
        if not lease.paused:
            self.ledger.release(lease.id)
        actor = lease.actor
        if actor is not None and actor.life.state is not State.DEAD:
            if keep and len(self._idle) < IDLE:
                self._idle.append((lease.worker, tuple(actor.gpus), actor))
            else:
                self.dismiss(actor)
        self.serve()
