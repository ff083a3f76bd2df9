"""The root of the supervisor's process: composes `life`, `launch`, the ledger and the kernel.

Started with the session's directory on its command line, where the *charter* says what there is to give
out, and one end of a socket pair whose other end is the driver's: its lifeline. See
`jactors.succession`. Imports what actors need before it answers, so that a fork is a warm kernel.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from jactors import registry
from jactors.commons import Commons
from jactors.launch import pinning
from jactors.launch.forkserver import ForkServer, Launcher, Spawner
from jactors.launch.spec import LaunchSpec
from jactors.ledger import Ledger
from jactors.life import estate
from jactors.life.actor import Actor
from jactors.life.supervisor import Supervisor
from jactors.life.sweep import COOKIE, end_processes
from jactors.places import CHARTER, base_dir, read_private, remove_session, write_private
from jactors.vitals import start_time
from jactors.wire.channel import listen

__all__ = ["main"]

#: Seconds to wait for another supervisor of the same session to be gone.
PATIENCE = 5.0


class _Births:
    """Makes specs of actors and hands them to the launcher."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def launch(self, actor: Actor, grant: Any, address: str) -> int:
        request = actor.request
        env = pinning.environment(
            {**request["env"], COOKIE: f"{actor.session}:{actor.actor_id}"},
            grant=grant,
            user=request["user_env"],
        )
        spec = LaunchSpec(
            actor_id=actor.actor_id,
            class_name=request["class_name"],
            name=request.get("name"),
            namespace=request["driver_namespace"],
            lifetime=request["driver_lifetime"],
            session=actor.session,
            session_dir=str(actor.folder),
            incarnation=actor.life.incarnation,
            connection_file=str(actor.connection_file),
            creation_file=request["creation_file"],
            log_file=str(actor.log_file),
            supervisor=address,
            supervisor_pid=os.getpid(),
            env=env,
            cwd=request["cwd"],
            sys_path=request["sys_path"],
            demand=dict(request["demand"]),
            cores=list(grant.cores),
            gpus=list(grant.gpus),
            hang_timeout=request.get("hang_timeout"),
        )
        return self._launcher.launch(spec)


def _warm() -> None:
    from jactors.kernel.__main__ import warm

    warm()


def _child(spec: LaunchSpec) -> int:
    from jactors.kernel.__main__ import main as live

    return live(spec)


def main(path: str, driver_fd: int, driver_pid: int | None) -> None:
    """Supervise the session in the directory `path`; return when nothing of it is left."""
    folder = Path(path)
    options: dict[str, Any] = json.loads(read_private(folder / CHARTER))
    session = folder.name
    os.umask(0o077)
    if not _reign(folder):
        return
    spawn = options["launcher"] == "spawn"
    succeeds = (folder / "sup").exists()
    if succeeds:
        estate.clear(session, folder)
    server, address = listen(folder)
    driver = socket.socket(fileno=driver_fd)

    def claim(namespace: str, name: str, record: dict[str, Any]) -> bool:
        mine = {"address": address, "supervisor_pid": known["pid"], "supervisor_started": known["started"]}
        return registry.claim(namespace, name, {**record, **mine}) is None

    ledger = Ledger(
        cores=options["cores"],
        gpus=options["gpus"],
        num_cpus=options["num_cpus"],
        num_gpus=options["num_gpus"],
        memory=options["memory"],
        machine_memory=psutil.virtual_memory().total,
        resources=options["resources"],
    )
    devices = options["devices"] if (options["num_gpus"] or 0) <= len(options["gpus"]) else {}
    exclusive = options["num_cpus"] is None
    commons = Commons(ledger, base_dir(), session=session, exclusive=exclusive, devices=devices)
    commons.prune()
    launcher: Launcher = Spawner(folder) if spawn else ForkServer(_child, _warm)
    known = {"address": address, "pid": os.getpid(), "started": start_time(os.getpid())}
    if succeeds:  # the actors of one that was killed die with it, what they have started does not
        end_processes(f"{session}:")
    # Before anybody hears of this supervisor: who then looks for a name finds it.
    inheritance = list(estate.successors(session, folder, driver=driver_pid is not None, claim=claim))
    write_private(folder / "supervisor", json.dumps(known).encode())
    supervisor = Supervisor(
        session=session,
        folder=folder,
        server=server,
        address=address,
        driver=driver,
        driver_pid=driver_pid,
        ledger=commons,
        launcher=_Births(launcher),
        tcp=spawn,
        inheritance=inheritance,
    )
    try:
        supervisor.run()
    finally:
        commons.close()
        if supervisor.orphaned or os.getppid() != driver_pid:
            remove_session(session)  # else it goes on, with another supervisor
            if succeeds:
                registry.sweep()  # of actors that went with the one before


def _reign(folder: Path) -> bool:
    """Be the only supervisor of the session, as long as this process lives; return whether that could be had.

    Whoever finds a session without one may start one. The lock of one that was killed goes with its last child that
    is about to begin.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    descriptor = os.open(folder / CHARTER, os.O_RDWR | os.O_CLOEXEC)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(0.01)
        else:
            return True


def run() -> None:
    """Supervise the session of the command line."""
    path, driver_fd, driver_pid = sys.argv[1:]
    main(path, int(driver_fd), int(driver_pid) or None)
