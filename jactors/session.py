"""The session: what `init` starts and `shutdown` ends.

The only mutable global of the package is the session of this process. A driver's session owns its
supervisor and ends with it; an actor joins its supervisor's; a driver that gives an address joins
another driver's.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import time
from asyncio import _get_running_loop
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jactors import places, registry, succession
from jactors.context import WORKER, current_actor, current_call
from jactors.errors import JactorsError
from jactors.ids import new_token
from jactors.interruption import stop
from jactors.launch import pinning
from jactors.life.sweep import end_processes
from jactors.membership import Session
from jactors.objects import blocks, refs
from jactors.objects.store import Entry
from jactors.options import InitOptions
from jactors.vitals import process_alive, start_time
from jactors.wire.channel import connect
from jactors.wire.link import Link
from jactors.wire.waiting import note, unnote, wait_entries

__all__ = [
    "Session",
    "current",
    "find",
    "init",
    "is_initialized",
    "join",
    "process",
    "shutdown",
    "sweep",
    "wait",
    "waiting",
]

_session: Session | None = None
_starting = threading.RLock()


class Context(dict[str, Any]):
    """What `init` returns: a mapping with ``address``, ``namespace`` and ``session_dir``."""

    @property
    def address_info(self) -> dict[str, Any]:
        """The same, as Ray's users know it."""
        return dict(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutdown()

    def disconnect(self) -> None:
        """End the session."""
        shutdown()


def init(address: str | None = None, **options: Any) -> Context:
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
    default_actor_lifetime : {"detached", "non_detached"}, optional
        What ``lifetime`` is where an actor does not say.
    job_config : jactors.job_config.JobConfig, optional
        Ray's form of the three before.
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
        blocks.bind(places.shared_dir(_session.id))
        return _describe(_session)


def _describe(session: Session) -> Context:
    return Context(address=session.id, namespace=session.namespace, session_dir=str(session.folder))


def _start(options: InitOptions) -> Session:
    sweep()
    token = new_token(4)
    folder = places.session_dir(token)
    places.shared_dir(token, make=True)
    me = {"pid": os.getpid(), "started": start_time(os.getpid())}
    places.write_private(folder / "driver", json.dumps(me).encode())
    default = "fork" if sys.platform == "linux" else "spawn"
    gpus = pinning.discover_gpus()
    charter = {
        "launcher": options.launcher or default,
        "cores": pinning.discover_cores(),
        "gpus": gpus,
        "devices": pinning.device_names(gpus),
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "memory": options.memory,
        "resources": dict(options.resources),
    }
    succession.write_charter(folder, charter)
    process, connection = succession.found(folder, driver=True)
    return Session(folder, connection, namespace=options.namespace or new_token(16), defaults=options, own=process)


def sweep() -> list[str]:
    """Remove what sessions have left whose driver and supervisor were killed, and say what that was.

    Only what is provably ours and dead: a process is known by its pid and its start, what it has started by the
    session's cookie.
    """
    removed = []
    for folder in places.base_dir().iterdir():
        told = [places.read_record(folder / name) for name in ("driver", "supervisor")]
        known = [each for each in told if each is not None]
        if known and not any(process_alive(each["pid"], each["started"]) for each in known):
            if succession.recover(folder) is not None:
                continue  # detached actors that restart
            ended = end_processes(f"{folder.name}:")
            places.remove_session(folder.name)
            removed.append(f"the files of session {folder.name}" + (f", and {ended} of its processes" if ended else ""))
    removed += [f"the shared memory {name}" for name in places.sweep_shared()]
    removed += [f"the name {name!r} of namespace {space!r}" for space, name in registry.sweep()]
    return removed


def find(namespace: str, name: str) -> dict[str, Any] | None:
    """Return the record of the living actor with this name, or None; see `jactors.registry`.

    Where its supervisor was killed, the next one says whether it comes back.
    """
    record = registry.lookup(namespace, name)
    if record is None:
        remains = registry.remains(namespace, name)
        if remains is not None and succession.recover(places.base_dir() / remains["session"]) is not None:
            record = registry.lookup(namespace, name)
    return record


def _attach(options: InitOptions) -> Session:
    """Join the session of another driver of this user: the newest, or the one that is named."""
    if options.address is not None:
        _await_supervisor(places.base_dir() / options.address)
    known = []
    for place in places.base_dir().glob("*/supervisor"):
        told, driver = places.read_record(place), places.read_record(place.parent / "driver")
        if told is None or driver is None:
            continue  # it has just ended
        if process_alive(told["pid"], told["started"]):
            # A session whose driver lives comes before one that is only there for detached actors.
            rank = process_alive(driver["pid"], driver["started"]), place.stat().st_mtime
            known.append((rank, place.parent, told["address"]))
    wanted = [k for k in known if options.address in ("auto", k[1].name)]
    if not wanted:
        names = ", ".join(k[1].name for k in known) or "none"
        raise ConnectionError(f"there is no session {options.address!r} of this user to join; running: {names}")
    _, folder, address = max(wanted)
    joined = Session(folder, connect(address), namespace=options.namespace or new_token(16), defaults=options)
    joined.watch.request("join")
    return joined


def _await_supervisor(folder: Path) -> None:
    """Wait while the driver of a session lives and its supervisor, just started, does not listen yet."""
    driver = places.read_record(folder / "driver")
    if driver is None:
        return
    while not (folder / "supervisor").exists() and process_alive(driver["pid"], driver["started"]):
        time.sleep(0.01)


def join(folder: Path, *, namespace: str, lifetime: str | None = None) -> None:
    """Be an actor of the session in `folder`: connects when first something of it is used.

    `namespace` and `lifetime` are the driver's, for the actors that this one makes.
    """
    global _joining  # noqa: PLW0603 - see `current`
    _joining = (folder, namespace, InitOptions.parse({"default_actor_lifetime": lifetime}))
    blocks.bind(places.shared_dir(folder.name))


_joining: tuple[Path, str, InitOptions] | None = None


def is_initialized() -> bool:
    """Return whether this process has a session."""
    return _session is not None or _joining is not None


def process() -> str | None:
    """Return what names this process as a caller, 32 hex digits; None where it has not called anybody yet."""
    return _session.process if _session is not None else None


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
            folder, namespace, defaults = _joining
            told = json.loads(places.read_private(folder / "supervisor"))
            _session = Session(folder, connect(told["address"]), namespace=namespace, defaults=defaults)
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
    if entry.done:
        return
    origin = entry.origin
    with waiting([entry]):
        if isinstance(origin, Link):
            origin.wait_for(entry, None if timeout is None else time.monotonic() + timeout)
        else:
            wait_entries([entry], timeout=timeout, enough=lambda ended, failed: ended > 0)


class waiting:  # noqa: N801 - a context manager, of each call: two generators take five times as long
    """While this thread waits for `entries`.

    Ctrl-C, or the stop button, also ends the calls that are waited for; their actors live on, and
    ``JACTORS_INTERRUPT_AWAITED=0`` leaves the calls alone, as Ray does. Others can ask what is waited for: see
    `jactors.wire.waiting.awaited`. A task lets others have the resources that it holds.
    """

    __slots__ = ("_entries", "_noted", "_paused")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __enter__(self) -> None:
        actor = current_actor()
        self._paused = None
        if actor is not None and actor.class_name == WORKER:
            self._paused = current().watch
            self._paused.tell("pause", worker=actor.actor_id)
        elif actor is not None and not _warned and _get_running_loop() is not None and current_call.get() is not None:
            _warn_of_blocking()  # a cell waits as it likes
        self._noted = note(self._entries)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        unnote(self._noted)
        actor = current_actor()
        if self._paused is not None and actor is not None:
            self._paused.tell("resume", worker=actor.actor_id)
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            return
        call = current_call.get()
        # A call that was cancelled itself: `cancel` says whether what it waits for goes with it.
        cancelled = call is not None and call.flags.get("cancelled")
        if not cancelled and os.environ.get("JACTORS_INTERRUPT_AWAITED", "1") != "0":
            said = stop(self._entries, {} if _session is None else _session.links.told)
            if said is not None and actor is None:
                raise said from None


log = logging.getLogger("jactors")

#: Something, once it was said that waiting in an async actor holds up all of its calls.
_warned: list[bool] = []


def _warn_of_blocking() -> None:
    _warned.append(True)
    log.warning(
        "a blocking call, such as jactors.get, in an async actor: its event loop, and with it every other call, waits "
        "as long; `await ref`, or `await asyncio.gather(*refs)`, lets the others go on"
    )


def shutdown() -> None:
    """End the session: its actors, their processes and files. Does nothing where there is none."""
    global _session
    with _starting:
        session, _session = _session, None
    if session is not None and session.pid == os.getpid():
        session.close()


def _forget() -> None:
    """Forget, in a forked child of this process: the sockets are its parent's."""
    global _session, _starting  # noqa: PLW0603
    _session = None
    _starting = threading.RLock()


refs.bind(current)
atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
