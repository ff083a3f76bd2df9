"""The root of the supervisor's process: composes `life`, `launch`, the ledger and the kernel.

Started by the first `init` of a driver with the driver's end of a socket pair as its lifeline, and
one JSON object on its command line (no secrets in it). Imports what actors need before it answers,
so that a fork is a warm kernel.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from jactors.commons import Commons
from jactors.launch import pinning
from jactors.launch.forkserver import ForkServer, Launcher, Spawner
from jactors.launch.spec import LaunchSpec
from jactors.ledger import Ledger
from jactors.life.actor import Actor
from jactors.life.supervisor import Supervisor
from jactors.life.sweep import COOKIE
from jactors.places import base_dir, remove_session, write_private
from jactors.vitals import start_time
from jactors.wire.channel import listen

__all__ = ["main"]


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


def main(given: str, driver_fd: int) -> None:
    """Supervise one session; return when nothing of it is left."""
    options: dict[str, Any] = json.loads(given)
    session, folder = options["session"], Path(options["folder"])
    os.umask(0o077)
    spawn = options["launcher"] == "spawn"
    server, address = listen(folder)
    driver = socket.socket(fileno=driver_fd)
    ledger = Ledger(
        cores=options["cores"],
        gpus=options["gpus"],
        num_cpus=options["num_cpus"],
        num_gpus=options["num_gpus"],
        memory=options["memory"],
        resources=options["resources"],
    )
    devices = options["devices"] if (options["num_gpus"] or 0) <= len(options["gpus"]) else {}
    exclusive = options["num_cpus"] is None
    commons = Commons(ledger, base_dir(), session=session, exclusive=exclusive, devices=devices)
    commons.prune()
    launcher: Launcher = Spawner(folder) if spawn else ForkServer(_child, _warm)
    known = {"address": address, "pid": os.getpid(), "started": start_time(os.getpid())}
    write_private(folder / "supervisor", json.dumps(known).encode())
    supervisor = Supervisor(
        session=session,
        folder=folder,
        server=server,
        address=address,
        driver=driver,
        driver_pid=options["driver_pid"],
        ledger=commons,
        launcher=_Births(launcher),
        tcp=spawn,
    )
    try:
        supervisor.run()
    finally:
        commons.close()
        remove_session(session)


def run() -> None:
    """Supervise the session of the command line."""
    main(sys.argv[1], int(sys.argv[2]))
