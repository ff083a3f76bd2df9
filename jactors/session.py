"""The session: what `init` starts and `shutdown` ends; composes the rooms of a driver or an actor.

The only mutable global of the package is the session of this process. A driver's session owns its
supervisor and ends with it; an actor joins its supervisor's; a driver that gives an address joins
another driver's.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

from jactors import places, registry
from jactors.context import current_actor
from jactors.errors import JactorsError
from jactors.ids import new_token
from jactors.launch import pinning
from jactors.launch.forkserver import bootstrap
from jactors.life.channel import connect
from jactors.life.sweep import COOKIE, end_processes
from jactors.life.watch import Watch
from jactors.links import Links
from jactors.objects import refs
from jactors.objects.store import Entry
from jactors.options import ActorOptions, InitOptions
from jactors.wire import pack
from jactors.wire.creation import Creation
from jactors.wire.desk import Desk, Desks
from jactors.wire.io import IOThread
from jactors.wire.link import Call, Link
from jactors.wire.relay import Parents, Relay
from jactors.wire.waiting import wait_entries

__all__ = ["Session", "current", "init", "is_initialized", "join", "shutdown", "wait"]


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
        self, folder: Path, connection: socket.socket, *, namespace: str, own: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.folder = folder
        self.id = folder.name
        self.namespace = namespace
        self.pid = os.getpid()
        self.process = new_token(16)
        self._own = own
        self._numbers = count(1)
        self.io = IOThread()
        self.parents = Parents(self.process)
        self.links = Links(self.io, Relay(self.parents), self.process)
        self._desk = Desk(self.io, folder)
        self._desks = Desks(self.io)
        self.watch = Watch(self.io, connection, on_event=self.links.on_event, on_gone=self._on_gone)
        self.address = ""
        self.supervisor_pid = own.pid if own is not None else 0
        self._supervisor_started = 0.0
        self._closed = False
        refs.bind(self)

    # ------------------------------------------------------------------ refs

    def new_id(self) -> tuple[int, bytes]:
        """Return the number of a new call or value, and its 24 bytes of identifier."""
        number = next(self._numbers)
        return number, bytes.fromhex(self.process) + number.to_bytes(8, "big")

    def export_ref(self, entry: Entry) -> str:
        """Let other processes ask for `entry`: see `RefRuntime`."""
        if entry.address:
            return entry.address  # borrowed itself: the owner stays the owner
        return self._desk.export(entry)

    def borrow_ref(self, id_: bytes, address: str) -> Entry:
        """Return the entry for a ref that came from elsewhere, or came home: see `RefRuntime`."""
        return self._desk.owned(id_) or self._desks.borrow(id_, address)

    # ------------------------------------------------------------------ actors

    def spawn(
        self,
        *,
        actor_id: str,
        creation: Creation,
        options: ActorOptions,
    ) -> dict[str, Any]:
        """Ask the supervisor for an actor; return what it says of it.

        Raises
        ------
        InsufficientResourcesError
            It asks for more than there is in all. Nothing is left behind.
        """
        path = self.folder / f"{actor_id[:10]}.create"
        creation.write(path)
        actor = current_actor()
        namespace = options.namespace or self.namespace
        request: dict[str, Any] = {
            "actor_id": actor_id,
            "class_name": creation.class_name,
            "name": options.name,
            "namespace": namespace,
            "driver_namespace": self.namespace,
            "name_file": str(places.name_file(namespace, options.name)) if options.name else None,
            "creation_file": str(path),
            "env": dict(os.environ),
            "user_env": options.environment,
            "cwd": options.cwd or os.getcwd(),
            "sys_path": [str(entry) for entry in sys.path],
            "demand": options.demand,
            "max_restarts": options.max_restarts,
            "start_timeout": options.start_timeout,
            "owner": actor.actor_id if actor is not None else None,
        }
        try:
            told = self.watch.request("spawn", **request)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        answer: dict[str, Any] = told["actor"]
        return answer

    def link_to(self, actor_id: str, address: str) -> Link:
        """Return the link to an actor of the supervisor at `address`."""
        try:
            watch = self.watch if address == self.record("")["address"] else self.links.watch_of(address)
        except OSError:
            return self.links.lost(actor_id, "the supervisor of its session has ended")
        return self.links.link(actor_id, watch)

    def kill(self, actor_id: str, *, for_good: bool, reason: str) -> None:
        """End an actor, or make it crash; one that has ended is no error."""
        self.links.watch_for(actor_id, self.watch).request("kill", actor_id=actor_id, for_good=for_good, reason=reason)

    def retire(self, actor_id: str, link: Link) -> None:
        """End an actor after the calls that this process has submitted; from a finalizer too."""
        if self._closed or self.pid != os.getpid():
            return

        def end() -> None:
            if self.links.told.get(actor_id, {}).get("state") == "PENDING_CREATION" and not link.pending():
                self.watch.tell("kill", actor_id=actor_id, for_good=True, reason="all references to the actor were removed")
                return
            stream, _ = pack.dumps(((), {}), what="nothing")
            number, task = self.new_id()
            entry = Entry(task + bytes(4), link)
            head: list[Any] = ["__ray_terminate__", 1, None]
            link.submit(Call(number=number, method=head[0], head=head, groups=[(stream,)], entries=[entry]))

        self.io.call_soon(end)

    def record(self, actor_id: str) -> dict[str, Any]:
        """Return what a name's file says of where an actor lives."""
        if not self._supervisor_started:
            told = self._supervisor()
            self.address, self.supervisor_pid = told["address"], told["pid"]
            self._supervisor_started = told["started"]
        return {
            "actor_id": actor_id,
            "session": self.id,
            "address": self.address,
            "supervisor_pid": self.supervisor_pid,
            "supervisor_started": self._supervisor_started,
        }

    def _supervisor(self) -> dict[str, Any]:
        """Return where the supervisor listens; waits until it does."""
        place = self.folder / "supervisor"
        if not place.exists():
            self.watch.request("resources")  # answered as soon as it is up
        told: dict[str, Any] = json.loads(place.read_text())
        return told

    # ------------------------------------------------------------------ the end

    def _on_gone(self) -> None:
        """The supervisor has gone without being asked: nothing of the session may outlive it."""
        if self._closed:
            return
        self.links.close("the supervisor of its session has ended unexpectedly, and its actors with it")
        if self._own is not None:
            end_processes(f"{self.id}:")
            places.remove_session(self.id)

    def close(self) -> None:
        """End this process' part; the whole session where it is the driver's."""
        if self._closed:
            return
        self._closed = True
        refs.bind(None)
        if self._own is not None and not self.watch.gone:
            self.watch.tell("shutdown")
        if self._own is not None:
            try:
                self._own.wait(10)
            except subprocess.TimeoutExpired:
                self._own.kill()
                self._own.wait()
                end_processes(f"{self.id}:")
                places.remove_session(self.id)
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


_session: Session | None = None
_starting = threading.RLock()


def init(address: str | None = None, **options: Any) -> dict[str, Any]:
    """Start a session, or join one, and return its address as a mapping.

    Parameters
    ----------
    address : str, optional
        ``"auto"`` or the address of a running session of this user: join it.
    num_cpus, num_gpus : int, optional
        How many there are to give out; by default what this process may use.
    resources : dict of str to float, optional
        Custom resources.
    namespace : str, optional
        Where names are valid; by default one of this driver's own.
    ignore_reinit_error : bool
        Do nothing where a session runs already.
    launcher : {"fork", "spawn"}, optional
        How kernels are started; by default ``"fork"`` where that is safe.
    runtime_env, env
        Environment variables of all actors.

    Raises
    ------
    RuntimeError
        A session runs already, or an option does not exist.
    """
    global _session  # noqa: PLW0603 - the only mutable global
    parsed = InitOptions.parse({"address": address, **options})
    with _starting:
        if is_initialized():
            assert _session is not None
            if parsed.ignore_reinit_error:
                return _describe(_session)
            raise RuntimeError(
                "Maybe you called jactors.init twice by accident? This process has a session already: "
                "pass ignore_reinit_error=True, or call jactors.shutdown() first."
            )
        pinning.raise_descriptor_limit()
        _session = _start(parsed) if parsed.address is None else _attach(parsed)
        return _describe(_session)


def _describe(session: Session) -> dict[str, Any]:
    return {"address": session.id, "namespace": session.namespace, "session_dir": str(session.folder)}


def _start(options: InitOptions) -> Session:
    token = new_token(4)
    folder = places.session_dir(token)
    mine, theirs = socket.socketpair()
    default = "fork" if sys.platform == "linux" else "spawn"
    gpus = pinning.discover_gpus() if options.num_gpus is None else []
    given = {
        "session": token,
        "folder": str(folder),
        "launcher": options.launcher or default,
        "cores": pinning.discover_cores(),
        "gpus": gpus,
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "memory": options.memory or 0,
        "resources": dict(options.resources),
        "driver_pid": os.getpid(),
    }
    os.environ.update(options.environment)
    command = bootstrap("sys.argv[:] = ['jactors-supervisor', *sys.argv[1:]]; from jactors.supervise import run; run()")
    with (folder / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, json.dumps(given), str(theirs.fileno())],
            env={**os.environ, COOKIE: f"{token}:supervisor"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    theirs.close()
    return Session(folder, mine, namespace=options.namespace or new_token(16), own=process)


def _attach(options: InitOptions) -> Session:
    """Join the session of another driver of this user: the newest, or the one that is named."""
    known = []
    for place in places.base_dir().glob("*/supervisor"):
        told = json.loads(place.read_text())
        if registry.process_alive(told["pid"], told["started"]):
            known.append((place.stat().st_mtime, place.parent, told["address"]))
    wanted = [k for k in known if options.address in ("auto", k[1].name)]
    if not wanted:
        names = ", ".join(k[1].name for k in known) or "none"
        raise ConnectionError(f"there is no session {options.address!r} of this user to join; running: {names}")
    _, folder, address = max(wanted)
    return Session(folder, connect(address), namespace=options.namespace or new_token(16))


def join(folder: Path, *, namespace: str) -> None:
    """Be an actor of the session in `folder`: connects when first something of it is used."""
    global _joining  # noqa: PLW0603 - see `current`
    _joining = (folder, namespace)


_joining: tuple[Path, str] | None = None


def is_initialized() -> bool:
    """Return whether this process has a session."""
    return _session is not None or _joining is not None


def current() -> Session:
    """Return this process' session; start one where there is none.

    Raises
    ------
    JactorsError
        There is none, and ``JACTORS_ENABLE_AUTO_CONNECT=0`` forbids to start one.
    """
    global _session  # noqa: PLW0603
    session = _session
    if session is not None:
        return session
    with _starting:
        if _session is None and _joining is not None:
            folder, namespace = _joining
            told = json.loads((folder / "supervisor").read_text())
            _session = Session(folder, connect(told["address"]), namespace=namespace)
        elif _session is None:
            if os.environ.get("JACTORS_ENABLE_AUTO_CONNECT", "1") == "0":
                raise JactorsError(
                    "jactors has not been started yet, and JACTORS_ENABLE_AUTO_CONNECT=0: call jactors.init()"
                )
            init()
        assert _session is not None
        return _session


def wait(entry: Entry, timeout: float | None = None) -> None:
    """Block until `entry` has ended, or `timeout` seconds have passed."""
    origin = entry.origin
    if isinstance(origin, Link) and not entry.done:
        origin.wait_for(entry, None if timeout is None else time.monotonic() + timeout)
    elif not entry.done:
        wait_entries([entry], timeout=timeout, enough=lambda ended, failed: ended > 0)


def shutdown() -> None:
    """End the session: its actors, their processes and files. Does nothing where there is none."""
    global _session  # noqa: PLW0603
    with _starting:
        session, _session = _session, None
    if session is not None and session.pid == os.getpid():
        session.close()


def _forget() -> None:
    """Forget, in a forked child of this process: the sockets are its parent's."""
    global _session, _starting  # noqa: PLW0603
    _session = None
    _starting = threading.RLock()


atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
