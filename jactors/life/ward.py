"""The ward: births and deaths of a supervisor's actors. Performs what `machine` decides.

::

    Granted, Kill, reports, SIGCHLD ─▶ step() ─▶ launch, signal, bury, announce
"""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from jactors import injection
from jactors.life import estate, machine
from jactors.life.actor import Actor
from jactors.life.loop import Loop
from jactors.life.machine import State
from jactors.life.oom import OomCounters
from jactors.life.sweep import end_processes
from jactors.objects.blocks import sweep
from jactors.places import clear_desks, shared_dir
from jactors.vitals import STACK_SIGNAL
from jactors.wire.channel import Channel

__all__ = ["Ward"]

#: Dead actors that are remembered, for `list_actors` and late watchers.
_MEMORY = 1000

#: Signs of life that are due within one `hang_timeout`.
BEATS = 4

#: That a child was stopped, or goes on, is told by waitpid too, where there are such signals.
_STOPS = os.WUNTRACED | os.WCONTINUED if hasattr(os, "WUNTRACED") else 0

#: Seconds until the shared memory of a process that has ended is removed: a result may be about to be taken.
BLOCKS_TIMEOUT = 2.0


#: Descriptors here: of each actor that starts, in reserve, and so many that nobody need count them.
_EACH, _SPARE, _MANY = 2, 8, 4096


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
    def changed(self) -> bool: ...

    later: Callable[[float, Callable[[], object]], object] | None


class Ward:
    """The actors of one supervisor, dead ones included.

    Parameters
    ----------
    send : callable
        Tells a watcher something.
    buried : callable
        Told of an actor that is dead for good; its resources are free by then.
    """

    def __init__(
        self,
        loop: Loop,
        *,
        session: str,
        folder: Path,
        address: str,
        tcp: bool,
        ledger: Resources,
        launcher: Launching,
        send: Callable[[Channel, dict[str, Any]], None],
        buried: Callable[[Actor], None],
    ) -> None:
        self._loop = loop
        self._session = session
        self._folder = folder
        self._address = address
        self._tcp = tcp
        self._ledger = ledger
        self._launcher = launcher
        self._send = send
        self._buried = buried
        #: By id, oldest first.
        self.actors: dict[str, Actor] = {}
        #: Who is told of every actor.
        self.audience: set[Channel] = set()
        self._processes: dict[int, Actor] = {}
        self._grants: dict[str, Any] = {}
        self._oom = OomCounters()

    def admit(self, actor: Actor) -> None:
        """Take in a new actor, and start it when its resources are free."""
        self.actors[actor.actor_id] = actor
        estate.keep(actor)
        self._grant(actor)
        if self.audience:
            self.tell(actor, actor.describe())
        while len(self.actors) > _MEMORY:
            dead = next((a for a in self.actors.values() if a.life.state is State.DEAD), None)
            if dead is None:
                break
            del self.actors[dead.actor_id]

    def inherit(self, actors: Iterable[Actor]) -> None:
        """Take over, oldest first, the actors of a supervisor that was killed; they start as `admit` says."""
        for actor in actors:
            self.actors[actor.actor_id] = actor
            self.step(actor, machine.Inherited(estate.REASON))
        self.offer()

    def admit_granted(self, actor: Actor, grant: Any) -> None:
        """Take in a new actor that runs on somebody else's resources, and start it."""
        self.actors[actor.actor_id] = actor
        self._grants[actor.actor_id] = grant
        self.step(actor, machine.Granted())

    def waiting(self) -> bool:
        """Return whether an actor waits for resources."""
        return any(actor.life.state is State.PENDING for actor in self.actors.values())

    def offer(self) -> None:
        """Something has become free: start who has waited for it."""
        for waiting in list(self.actors.values()):
            if waiting.life.state is State.PENDING:
                self._grant(waiting)

    def _grant(self, actor: Actor) -> None:
        demand = actor.request["demand"]
        grant = self._ledger.reserve(actor.actor_id, demand, label=actor.label)
        if grant is None:
            before, actor.reason = actor.reason, self._ledger.explain(demand)
            if before not in ("", actor.reason):
                self.tell(actor, actor.describe())
            return
        actor.reason = ""
        actor.cores, actor.gpus = list(grant.cores), list(grant.gpus)
        self._grants[actor.actor_id] = grant
        self.step(actor, machine.Granted())

    # ------------------------------------------------------------------ events

    def step(self, actor: Actor, event: machine.Event) -> None:
        """Let `event` happen to `actor`."""
        actor.life, instructions = machine.step(actor.life, event)
        if isinstance(event, machine.Exited) or (isinstance(event, machine.Inherited) and actor.life.incarnation):
            actor.certify()
        if actor.life.released or actor.life.for_good:
            estate.forget(actor)
        for instruction in instructions:
            match instruction:
                case machine.Launch():
                    self._launch(actor)
                case machine.Wake(delay):
                    # Not all at once, where many have died of the same; and never later than the machine says.
                    self.later(delay * random.uniform(0.75, 1.0), actor, machine.Due())  # noqa: S311
                case machine.Execute(delay):
                    self._execute(actor, delay)
                case machine.KillProcess():
                    if actor.pid in self._processes:
                        os.kill(actor.pid, signal.SIGKILL)
                case machine.Retire():
                    self.retire(actor)
                case machine.Announce():
                    self.tell(actor, actor.describe())
                case machine.Bury():
                    self._bury(actor)

    def later(self, delay: float, actor: Actor, event: machine.Event) -> None:
        """Let `event` happen to this incarnation of `actor` in `delay` seconds, if it still lives then."""
        incarnation = actor.life.incarnation

        def due() -> None:
            if actor.life.incarnation == incarnation:
                self.step(actor, event)

        self._loop.later(delay, due)

    def reap(self) -> None:
        """Children may have ended: look, say so, and end what they had started."""
        for pid in list(self._processes):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG | _STOPS)
            except ChildProcessError:
                ended, status = pid, 0
            if not ended:
                continue
            if _STOPS and os.WIFSTOPPED(status):
                self.step(self._processes[pid], machine.Stopped())
            elif _STOPS and os.WIFCONTINUED(status):
                self.step(self._processes[pid], machine.Continued())
            else:
                self._ended(self._processes.pop(pid), pid, os.waitstatus_to_exitcode(status))

    def _ended(self, actor: Actor, pid: int, code: int) -> None:
        actor.pid = pid  # kept for the certificate
        exited = machine.Exited(
            exitcode=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            at=time.monotonic(),
            oom=code == -signal.SIGKILL and self._oom.struck(),
        )
        self.step(actor, exited)
        end_processes(f"{self._session}:{actor.actor_id}", pid)
        clear_desks(self._folder, pid)
        self.sweep_blocks_later()

    def sweep_blocks_later(self) -> None:
        """A process has ended: remove its blocks of shared memory, when who takes its results has had time to."""
        folder = shared_dir(self._session)
        if folder is not None:
            self._loop.later(BLOCKS_TIMEOUT, lambda: sweep(folder))

    def tell(self, actor: Actor, message: dict[str, Any]) -> None:
        """Tell all who watch `actor`, and those who watch them all."""
        audience = () if actor.request.get("worker") else self.audience
        for channel in {*actor.watchers, *audience}:
            self._send(channel, message)

    # ------------------------------------------------------------------ instructions

    def _launch(self, actor: Actor) -> None:
        actor.line = None
        try:
            self._check_descriptors()
            actor.write_connection_file(tcp=self._tcp)
            actor.started_at = time.time()
            estate.keep(actor)
            injection.reach("launch")
            actor.pid = self._launcher.launch(actor, self._grants[actor.actor_id], self._address)
        except OSError as error:  # a full disk; no descriptor, no process left
            reason = f"its process cannot be started: {error}"
            self.later(0.0, actor, machine.Kill(reason=reason, for_good=False))
            self.later(0.0, actor, machine.Exited(exitcode=None, signal=None))
            return
        self._processes[actor.pid] = actor
        actor.beat = None
        hang = actor.request.get("hang_timeout")
        if hang is not None:
            actor.stack_file.unlink(missing_ok=True)
            self._listen(actor, hang, time.monotonic() + hang / BEATS)
        patience = actor.request["start_timeout"]
        if patience is not None:
            self.later(patience, actor, machine.Overdue(patience))

    def _listen(self, actor: Actor, hang: float, due: float) -> None:
        """Look, from time to time, whether an incarnation still gives signs of life."""
        incarnation = actor.life.incarnation

        def look() -> None:
            now = time.monotonic()
            if actor.life.incarnation != incarnation or actor.life.state not in (State.STARTING, State.ALIVE):
                return
            if now - due > hang / 2 and actor.beat is not None:
                actor.beat = now  # it is we who were stopped, or starved: nobody is guilty
            elif actor.beat is not None and now - actor.beat > hang:
                self.step(actor, machine.Hung(now - actor.beat))
                return
            self._listen(actor, hang, now + hang / BEATS)

        self._loop.later(due - time.monotonic(), look)

    def _execute(self, actor: Actor, delay: float) -> None:
        """Ask a hung process for its stack, and kill it."""
        pid = actor.pid
        if pid not in self._processes:
            return
        if STACK_SIGNAL is not None and actor.beat is not None:  # with its first beat it has said that it listens
            os.kill(pid, STACK_SIGNAL)

        def kill() -> None:
            if self._processes.get(pid) is actor:
                os.kill(pid, signal.SIGKILL)

        self._loop.later(delay, kill)

    def _check_descriptors(self) -> None:
        """Raise OSError where the processes that are about to report would find no descriptor here."""
        if resource is None or not Path("/proc/self/fd").is_dir():
            return
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        starting = sum(actor.life.state is State.STARTING for actor in self.actors.values())
        if 0 <= limit < _MANY and sum(1 for _ in Path("/proc/self/fd").iterdir()) + _EACH * starting + _SPARE > limit:
            raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)} in the supervisor, which may have {limit}")

    def _bury(self, actor: Actor) -> None:
        actor.remove_files()
        self._ledger.release(actor.actor_id)
        self._grants.pop(actor.actor_id, None)
        for child in list(self.actors.values()):
            if child.owner == actor.actor_id and child.alive:
                self.step(child, machine.Kill(reason="its owner has died", for_good=True))
        self._buried(actor)

    def lasting(self) -> dict[str, Actor]:
        """Return, by id, the living actors that outlive the driver: detached ones, and what works for them."""
        found: dict[str, Actor] = {}
        for actor in self.actors.values():  # oldest first: an owner comes before what it has made
            if actor.alive and (actor.detached or actor.request.get("worker") or actor.owner in found):
                found[actor.actor_id] = actor
        return found

    def dismiss(self, actors: Iterable[Actor], reason: str) -> None:
        """End actors for good, and return when their processes have ended."""
        doomed = []
        for actor in actors:
            if actor.alive:
                actor.release_name()
                self.step(actor, machine.Kill(reason=reason, for_good=True))
                if actor.pid in self._processes:
                    doomed.append(actor.pid)
        for pid in doomed:
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self.reap()

    def retire(self, actor: Actor) -> None:
        """Tell the process of `actor` to end; one that does not listen yet is told when it does."""
        if actor.line is not None:
            self._send(actor.line, {"event": "retire"})

    def finish(self) -> None:
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
        for actor in self.actors.values():
            actor.remove_files()
