"""Membership: one process' part in a session, driver's or actor's.

Composes the rooms: the I/O thread, the links, the desk that serves this process' values, the watch
on the supervisor. `jactors.session` says which membership is this process'.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from jactors import places, registry
from jactors.context import current_actor
from jactors.errors import JactorsError
from jactors.holds import Holds
from jactors.ids import new_token
from jactors.life.estate import heirs
from jactors.life.sweep import end_processes
from jactors.life.watch import Watch, supervisor_gone
from jactors.links import Links
from jactors.objects.luggage import Held, forget_strays, on_loan, take_along
from jactors.objects.store import Entry
from jactors.options import ActorOptions, InitOptions, TaskOptions
from jactors.renewal import REASON, Renewal
from jactors.wire import failure
from jactors.wire.backlog import Traffic
from jactors.wire.creation import Creation
from jactors.wire.desk import Desk, Desks
from jactors.wire.io import IOThread
from jactors.wire.link import Link
from jactors.wire.payload import tell_unread
from jactors.wire.relay import Parents, Relay

__all__ = ["Session"]

log = logging.getLogger("jactors")

#: Seconds that what was let go of has to be weighed.
_SETTLES = 0.5


class Session:
    """One process' part in a session.

    Parameters
    ----------
    folder : Path
        The session's directory.
    own : subprocess.Popen, optional
        The supervisor, where this process started it.
    """

    def __init__(
        self,
        folder: Path,
        connection: socket.socket,
        *,
        namespace: str,
        defaults: InitOptions,
        own: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.folder = folder
        self.id = folder.name
        self.namespace = namespace
        #: What `init` said for all actors: environment, working directory.
        self.defaults = defaults
        self.pid = os.getpid()
        self.process = new_token(16)
        self.renewal = Renewal(self, own, self._on_gone)
        self._numbers = count(1)
        self.io = IOThread()
        self.parents = Parents(self.process)
        self.holds = Holds(self._watch_at)
        self.links = Links(self.io, Relay(self.parents, self.io.call_later), self.process, self.holds)
        self._desk = Desk(self.io, folder)
        self._desks = Desks(self.io, self.holds.claim)
        self.links.on_bereaved = self.renewal.on_others_gone
        # An actor ends with its supervisor, whoever comes after that.
        on_gone = self.renewal.on_gone if current_actor() is None else self._on_gone
        self.watch = self.holds.own = Watch(self.io, connection, on_event=self._on_event, on_gone=on_gone)
        self.watch.tell("introduce", process=self.process)
        self.address = ""
        self.supervisor_pid = own.pid if own is not None else 0
        self._driver = own is not None
        self._supervisor_started = ""
        self._closed = False
        if current_actor() is None:
            tell_unread(self._on_unread)
        #: What there is in all, once somebody has asked: it does not change.
        self._resources: dict[str, float] | None = None

    # ------------------------------------------------------------------ refs

    def new_id(self) -> tuple[int, bytes]:
        """Return the number of a new call or value, and its 24 bytes of identifier."""
        number = next(self._numbers)
        return number, bytes.fromhex(self.process) + number.to_bytes(8, "big")

    def export_ref(self, entry: Entry) -> str:
        """Let other processes ask for `entry`: see `RefRuntime`."""
        if entry.address:  # borrowed itself: the owner stays the owner
            take_along(entry.hold or self._hold_borrowed(entry.id, entry.address))
            return entry.address
        address = self._desk.export(entry)
        key, supervisor = entry.id.hex(), self.record("")["address"]
        take_along(self.holds.claim_own(key, supervisor, lambda mark: self._desk.pin(entry, mark)))
        return address

    def borrow_ref(self, id_: bytes, address: str) -> Entry:
        """Return the entry for a ref that came from elsewhere, or came home: see `RefRuntime`."""
        entry = self._desk.owned(id_)
        if entry is None:
            entry = self._desks.borrow(id_, address)
            if not on_loan():
                entry.hold = self._hold_borrowed(id_, address)
        return entry

    def cancel_borrowed(self, entry: Entry, *, recursive: bool, force: bool) -> None:
        """End the call of another process that makes `entry`."""
        self._desks.cancel(entry, recursive=recursive, force=force)

    def _hold_borrowed(self, id_: bytes, address: str) -> Held:
        """Keep the value of another process there."""
        try:
            supervisor = _supervisor_of(Path(address).parent)["address"]
        except OSError:  # its session has ended: `get` will say so
            supervisor = ""
        return self.holds.claim(id_.hex(), supervisor)

    def _watch_at(self, address: str) -> Watch | None:
        """Return the watch on the supervisor at an address, None where that has gone."""
        try:
            return self.watch if address == self.record("")["address"] else self.links.watch_of(address)
        except OSError:
            return None

    def _on_unread(self, failure_: bytes) -> None:
        """A method has raised, and the ref has gone without that anybody has looked. From anywhere."""
        if not self._closed and not any(os.environ.get(name) == "1" for name in _IGNORE):
            self.io.call_soon(lambda: _log_unread(failure_))

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "unheld":
            self._desk.unpin(event["key"], event["mark"])
        else:
            self.links.on_event(event)

    def printed(self, id_: bytes, name: str) -> str:
        """Return what a call has printed: see `RefRuntime`."""
        return self.links.relay.outputs.of(id_[:24].hex(), name)

    # ------------------------------------------------------------------ actors

    def spawn(
        self,
        *,
        actor_id: str,
        creation: Creation,
        options: ActorOptions,
        luggage: Sequence[Held] = (),
    ) -> dict[str, Any]:
        """Ask the supervisor for an actor; return what it says of it.

        Parameters
        ----------
        luggage
            What its class and arguments name: held as long as it lives, since it can be created again.

        Raises
        ------
        InsufficientResourcesError
            It asks for more than there is in all. Nothing is left behind.
        """
        if self.watch.gone:
            raise supervisor_gone()
        path = self.folder / f"{actor_id[:10]}.create"
        creation.write(path)
        actor = current_actor()
        namespace = options.namespace or self.namespace
        request: dict[str, Any] = {
            "actor_id": actor_id,
            "class_name": creation.class_name,
            "name": options.name,
            "namespace": namespace,
            "name_file": str(places.name_file(namespace, options.name)) if options.name else None,
            "creation_file": str(path),
            **self.base(options),
            "demand": options.demand,
            "max_restarts": options.max_restarts,
            "restart_intensity": options.restart_intensity,
            "restart_period": options.restart_period,
            "hang_timeout": options.hang_timeout,
            "checkpoint": options.checkpoint is not None,
            "start_timeout": options.start_timeout,
            "lifetime": self.lifetime(options),
            "owner": actor.actor_id if actor is not None else None,
            #: Ends with its last handle.
            "counted": self.lifetime(options) != "detached",
            "named": [hold.key for hold in luggage],
        }
        try:
            told = self.watch.request("spawn", **request)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        answer: dict[str, Any] = told["actor"]
        self.links.told.setdefault(actor_id, answer)  # unless more recent news came first
        return answer

    def lifetime(self, options: ActorOptions) -> str:
        """Return ``"detached"`` or ``"non_detached"``."""
        return options.lifetime or self.defaults.default_actor_lifetime or "non_detached"

    @contextmanager
    def expecting(self, actor_id: str) -> Iterator[None]:
        """While a name is claimed for an actor that the supervisor does not know yet: who finds the name waits."""
        self.watch.request("expect", actor_id=actor_id, spawning=True)
        try:
            yield
        finally:
            self.watch.tell("expect", actor_id=actor_id, spawning=False)

    def link_to(self, actor_id: str, address: str, traffic: Traffic) -> Link:
        """Return the link to an actor of the supervisor at `address`."""
        watch = self._watch_at(address)
        if watch is None:
            return self.links.lost(actor_id, "the supervisor of its session has ended")
        return self.links.link(actor_id, watch, traffic)

    def settle(self) -> None:
        """Wait until the supervisor has heard, and weighed, what this process has said so far: handles let go of.

        It weighs when there is nothing to hear. Where all the others never stop talking, that is not waited for.
        """
        until = time.monotonic() + _SETTLES
        while not self.watch.request("settled")["settled"] and time.monotonic() < until:
            pass

    def kill(self, actor_id: str, *, for_good: bool, reason: str) -> None:
        """End an actor, or make it crash; one that has ended is no error."""
        self.links.watch_for(actor_id, self.watch).request("kill", actor_id=actor_id, for_good=for_good, reason=reason)

    def restart(self, actor_id: str, *, reason: str) -> None:
        """Let an actor begin anew, whatever ``max_restarts`` says; one that has ended stays so."""
        self.links.watch_for(actor_id, self.watch).request("restart", actor_id=actor_id, reason=reason)

    def check(self, demand: dict[str, float]) -> None:
        """Raise InsufficientResourcesError where `demand` is more than there is in all."""
        if any(amount > self._total().get(name, 0.0) for name, amount in demand.items()):
            self.watch.request("check", demand=demand)

    def _total(self) -> dict[str, float]:
        if self._resources is None:
            self._resources = self.watch.request("resources")["total"]
        return self._resources

    def base(self, options: ActorOptions | TaskOptions) -> dict[str, Any]:
        """Return what a new process starts from: this one as it stands, and what the options add."""
        return {
            "driver_namespace": self.namespace,
            "driver_lifetime": self.defaults.default_actor_lifetime,
            "env": dict(os.environ),
            "user_env": {**self.defaults.environment, **options.environment},
            "cwd": options.cwd or self.defaults.cwd or str(Path.cwd()),
            "sys_path": [str(entry) for entry in sys.path],
        }

    def record(self, actor_id: str) -> dict[str, Any]:
        """Return what a name's file says of where an actor lives."""
        if not self._supervisor_started:
            if not (self.folder / "supervisor").exists():
                self.watch.request("resources")  # answered as soon as it is up
            told = _supervisor_of(self.folder)
            self.address, self.supervisor_pid = told["address"], told["pid"]
            self._supervisor_started = told["started"]
        return {
            "actor_id": actor_id,
            "session": self.id,
            "address": self.address,
            "supervisor_pid": self.supervisor_pid,
            "supervisor_started": self._supervisor_started,
        }

    # ------------------------------------------------------------------ the end

    def pins(self) -> dict[str, int]:
        """Return the marks of this process' values that others hold."""
        return self._desk.pins()

    def forget_supervisor(self) -> None:
        """Another one has taken over: what was known of the first no longer holds."""
        self._supervisor_started = ""
        self._resources = None
        _supervisor_of.cache_clear()

    def _on_gone(self) -> None:
        """The supervisor has gone without being asked, and there is no other: nothing of the session outlives it."""
        if self._closed:
            return
        self.watch.close()
        self.links.close(REASON)
        if self._driver:
            self._clean_up()

    def _clean_up(self) -> None:
        """Do what the supervisor did not live to do."""
        end_processes(f"{self.id}:")
        places.remove_session(self.id)
        registry.sweep()

    def _leave_behind(self, supervisor: subprocess.Popen[bytes]) -> bool:
        """Ask the supervisor to end the session; return whether it goes on, for the sake of detached actors."""
        try:
            staying = self.watch.request("shutdown", timeout=10)["staying"]
        except JactorsError:  # it has ended, or is stopped
            return False
        if not staying:
            return False
        log.info("the session %s goes on without its driver, for %s", self.id, ", ".join(staying))
        # It stays our child: somebody has to reap it, should it end before us.
        threading.Thread(target=supervisor.wait, name="jactors-reaper", daemon=True).start()
        return True

    def close(self) -> None:
        """End this process' part; the whole session where it is the driver's."""
        if self._closed:
            return
        self._closed = True
        own = self.renewal.end()
        forget_strays()
        tell_unread(None)
        if own is not None and not self._leave_behind(own):
            try:
                own.wait(10)
            except subprocess.TimeoutExpired:
                own.kill()
                own.wait()
            if (self.folder.exists() or self.watch.gone) and not heirs(self.folder):
                self._clean_up()  # killed: while it was dying it still looked alive
        done = threading.Event()

        def close_all() -> None:
            try:
                self.links.close("its session was shut down: jactors.shutdown() was called, or the driver has ended")
                self._desk.close()
                self._desks.close()
                self.watch.close()
            finally:
                done.set()

        self.io.call_soon(close_all)
        done.wait(10)
        self.io.stop()


#: With 1 in one of these, an error that nobody looks at is not logged.
_IGNORE = ("JACTORS_IGNORE_UNHANDLED_ERRORS", "RAY_IGNORE_UNHANDLED_ERRORS")


def _log_unread(encoded: bytes) -> None:
    text = failure.unhandled(encoded)
    if text:
        log.error("Unhandled error (suppress with '%s=1'): %s", _IGNORE[0], text)


@functools.cache
def _supervisor_of(folder: Path) -> dict[str, Any]:
    """Return where the supervisor of the session in `folder` listens, and its process."""
    told: dict[str, Any] = json.loads(places.read_private(folder / "supervisor"))
    return told
