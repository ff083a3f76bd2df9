"""The provisioner: a Jupyter server takes a living actor for a kernel that it has started.

::

    POST /api/sessions {"path": "…/jactors-<session>-<actor>", "kernel": {"name": "jactors"}}
        ─▶ kernelspec "jactors" ─▶ ActorProvisioner: finds the actor by the path, starts nothing
    stop ──────▶ interrupt_request on control          restart ─▶ shutdown_request, the supervisor restarts it
    shut down ─▶ shutdown_request on control           the actor dies, or restarts by itself ─▶ poll()

Runs in the server's process, which has to have this package installed, and with it the kernelspec.
Made by jupyter_client, once a kernel of the server; everything below is called on its event loop.

Guarantees: attaching and detaching change nothing of the actor; what the server kills, it kills
through the actor's supervisor, and only the incarnation that it was attached to. An actor that has
ended for good leaves the server's lists within one poll (3 s).

An incarnation has a key of its own, so a restart changes the connection file. The endpoints stay, so
what the server holds open goes on once it has the new key: `post_launch` hands it out.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from jupyter_core.paths import jupyter_runtime_dir

from jactors.places import base_dir
from jactors.wire.channel import connect

__all__ = ["ActorProvisioner", "ask"]

#: Seconds for an actor to come back after it was told to restart.
PATIENCE = 60.0
#: Seconds between two looks at a connection file that is about to be rewritten.
PAUSE = 0.05


class ActorProvisioner(KernelProvisionerBase):
    """Stands for the process of one actor."""

    #: The actor's connection file, and what it said of the incarnation that the server knows.
    _file: Path | None = None
    _incarnation = 0
    _actor_id = ""
    _launches = 0
    _attached = False

    # ------------------------------------------------------------------ birth

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Find the actor: the session's path ends in the name of its connection file."""
        environment = kwargs.get("env") or {}
        if self._file is None:
            self._file = _find(str(environment.get("JPY_SESSION_NAME", "")))
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Return how to reach the actor; after a restart, how to reach its next incarnation."""
        deadline = time.monotonic() + PATIENCE
        while (info := self._read()) is None or not self._reach(info):
            if info is None:
                raise RuntimeError(f"the actor of {self._name()} has ended")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the actor of {self._name()} did not come back within {PATIENCE:g} s")
            await asyncio.sleep(PAUSE)
        told = info.pop("jactors")
        self._incarnation, self._actor_id = told["incarnation"], told["actor_id"]
        self._launches += 1
        self._attached = True
        for name in ("key", "curve_publickey", "curve_secretkey"):
            if name in info:
                info[name] = info[name].encode()
        self.connection_info = info  # type: ignore[assignment] # a TypedDict
        return info

    def _name(self) -> str:
        return self._file.stem if self._file is not None else "no session"

    def _read(self) -> dict[str, Any] | None:
        """Return the connection file's content; None where the actor has ended."""
        try:
            assert self._file is not None
            info: dict[str, Any] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return None
        return info

    def _reach(self, info: dict[str, Any]) -> bool:
        """Return whether an incarnation that is new to the server listens; its sockets then have a second name.

        Hard links: a kernel manager that shuts down removes the paths that it knows, and what the server holds open
        must not reach the next incarnation before it has its key.
        """
        if info["jactors"]["incarnation"] == self._incarnation:
            return False
        if info["transport"] != "ipc":
            return True
        place = Path(info["ip"])
        info["ip"] = str(place.with_name(f"L{str(self.kernel_id).replace('-', '')[: len(place.name) - 1]}"))
        for link in _links(info):
            link.unlink(missing_ok=True)
            try:
                link.hardlink_to(f"{place}-{link.name.rpartition('-')[2]}")
            except FileNotFoundError:
                return False  # not bound yet
        return True

    async def post_launch(self, **kwargs: Any) -> None:
        """After a restart, give what the server holds open the new incarnation's key."""
        if self._launches > 1:
            _rekey(self.parent, self.kernel_id)

    # ------------------------------------------------------------------ life

    @property
    def has_process(self) -> bool:
        """Whether there is an incarnation that the server has not seen the end of."""
        return self._attached

    async def poll(self) -> int | None:
        """Return None while the incarnation lives that the server knows."""
        ended = self._ended()
        if ended is not None and self._read() is None:
            _give_up(self.parent)  # for good: there is nothing to restart
        manager: Any = self.parent
        if ended is None and getattr(manager, "execution_state", "") == "starting":
            manager.execution_state = "idle"  # a server waits for the word that a kernel says when it starts
        return ended

    def _ended(self) -> int | None:
        info = self._read() if self._incarnation else None
        return None if info is not None and info["jactors"]["incarnation"] == self._incarnation else 1

    async def wait(self) -> int | None:
        """Wait until the incarnation has ended."""
        while self._ended() is None:  # noqa: ASYNC110 - a file tells nobody that it changes
            await asyncio.sleep(PAUSE)
        self._attached = False
        return 1

    async def send_signal(self, signum: int) -> None:
        """Pass a signal on; signal 0 asks whether it lives, and is not sent."""
        if signum:
            await self._tell("signal", signum=signum)

    # ------------------------------------------------------------------ death

    async def terminate(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - jupyter_client's signature
        """Send SIGTERM: out of the running method."""
        await self._tell("signal", signum=15)

    async def kill(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - jupyter_client's signature
        """End it now; for good, unless it is to restart."""
        if restart:
            await self._tell("restart", reason="the restart button")
        else:
            await self._tell("kill", for_good=True, reason="it was shut down from Jupyter")

    async def cleanup(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - jupyter_client's signature
        """Take back the links; the rest is the actor's."""
        info: Any = self.connection_info
        if not restart and info.get("transport") == "ipc":
            for link in _links(info):
                link.unlink(missing_ok=True)

    async def _tell(self, op: str, **fields: Any) -> None:
        """Ask the supervisor for something, unless the actor is already another incarnation, or none."""
        if self._ended() is not None or self._file is None:
            return
        session = self._file.stem.split("-")[1]
        try:
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: ask(session, op, actor_id=self._actor_id, **fields)
            )
        except OSError as error:
            self.log.warning("the supervisor of %s cannot be reached: %s", self._name(), error)


def _links(info: Mapping[str, Any]) -> list[Path]:
    """Return the paths of a connection's sockets."""
    return [Path(f"{info['ip']}-{port}") for port in {info[name] for name in info if name.endswith("_port")}]


def _find(path: str) -> Path:
    """Return the connection file that a session's path names, or the newest actor's; RuntimeError if there is none."""
    folder = Path(jupyter_runtime_dir())
    name = path.rpartition("/")[2]
    if name.startswith("jactors-"):
        file = folder / f"{name}.json"
        if not file.exists():
            raise RuntimeError(f"there is no living actor {name}")
        return file
    living = sorted(folder.glob("jactors-*-*.json"), key=lambda file: file.stat().st_mtime)
    if not living:
        raise RuntimeError(
            "there is no living actor to attach to: start one in a notebook, of a class under @jactors.remote"
        )
    return living[-1]


def ask(session: str, op: str, **fields: Any) -> dict[str, Any]:
    """Ask the supervisor of a session something, from a process that is not of it; blocks, for milliseconds.

    Raises
    ------
    OSError
        It has gone, or is stopped.
    """
    address = json.loads((base_dir() / session / "supervisor").read_text())["address"]
    with connect(address) as supervisor:
        supervisor.settimeout(5.0)
        supervisor.sendall(json.dumps({"op": op, "id": 1, **fields}).encode() + b"\n")
        data = b""
        while True:
            part = supervisor.recv(1 << 16)
            data += part
            for line in data.split(b"\n")[:-1]:
                told: dict[str, Any] = json.loads(line)
                if told.get("re") == 1:
                    return told
            if not part:
                raise OSError("the supervisor has hung up")


# ---------------------------------------------------------------------- the server's side


def _give_up(manager: Any) -> None:
    """Let the server's restarter say at once that the kernel is dead: then the server forgets it."""
    restarter = getattr(manager, "_restarter", None)
    if restarter is not None:
        restarter.restart_limit = 0


def _rekey(manager: Any, kernel_id: str) -> None:
    """Give a server's watch on a kernel, and the pages that are open on it, the key of the new incarnation."""
    kernels: Any = getattr(manager, "parent", None)
    if getattr(manager, "_activity_stream", None) is not None and hasattr(kernels, "start_watching_activity"):
        kernels.stop_watching_activity(kernel_id)
        kernels.start_watching_activity(kernel_id)
    try:
        from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
    except ImportError:
        return  # another kind of server, or none
    for connection in list(ZMQChannelsWebsocketConnection._open_sockets):  # noqa: SLF001 - no public way to them
        if connection.kernel_id == kernel_id:
            connection.session.key = manager.session.key
