"""An actor as its supervisor keeps it: the life, the process, the files, who watches."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jactors import certificate
from jactors.life.machine import Life, State
from jactors.places import checkpoint_file, connection_file, write_private
from jactors.wire.channel import Channel
from jactors.wire.connection import new_curve_keys

__all__ = ["Actor"]

#: How much of the log goes into a death certificate.
LAST_OUTPUT = 2000

#: Characters of a hung actor's stack.
_STACK = 8000

#: Deaths of one actor that are remembered: the first, and the last ones.
_DEATHS = 10


@dataclass(slots=True, eq=False)
class Actor:
    """One actor of the supervisor; `request` is what its creator asked for."""

    request: Mapping[str, Any]
    session: str
    folder: Path
    life: Life = field(default_factory=Life)
    pid: int | None = None
    #: When its process was started, in seconds since the epoch.
    started_at: float | None = None
    cores: list[int] = field(default_factory=list)
    gpus: list[str] = field(default_factory=list)
    #: When it was admitted, in seconds since the epoch.
    made: float = field(default_factory=time.time)
    #: When it last gave a sign of life, in monotonic seconds; None before the first, or where it need give none.
    beat: float | None = None
    #: What the last one that hung was doing.
    stack: str = ""
    #: How its incarnations have died, oldest first: the first, and the last ones.
    deaths: list[dict[str, Any]] = field(default_factory=list)
    #: What a pending one waits for.
    reason: str = ""
    watchers: list[Channel] = field(default_factory=list)
    #: Its pickled shape as hex, where it has been reloaded: not what its creator asked for.
    shape: str = ""
    #: What its class' own ``__repr__`` said when it came up.
    shown: str = ""
    #: Of its process, once that has said that it listens.
    line: Channel | None = None
    #: The actor that created it; its death is this one's.
    owner: str | None = None
    #: The driver that created it, where that has joined the session of another; its end is this actor's.
    guest: Channel | None = None

    @property
    def actor_id(self) -> str:
        """The identifier, as hex."""
        return str(self.request["actor_id"])

    @property
    def detached(self) -> bool:
        """Whether it outlives its driver."""
        return self.request.get("lifetime") == "detached"

    @property
    def alive(self) -> bool:
        """Whether it is not dead for good."""
        return self.life.state is not State.DEAD

    @property
    def label(self) -> str:
        """``Counter 'tally'`` or ``Counter 3fa2c1d0``."""
        name = self.request.get("name")
        return f"{self.request['class_name']} " + (repr(name) if name else self.actor_id[:8])

    @property
    def connection_file(self) -> Path:
        """Where Jupyter's clients look."""
        return connection_file(self.session, self.actor_id)

    @property
    def log_file(self) -> Path:
        """What it printed, all incarnations."""
        return self.folder / f"{self.actor_id[:10]}.log"

    @property
    def will_file(self) -> Path:
        """What another supervisor needs to bring it back; see `jactors.life.estate`."""
        return self.folder / f"{self.actor_id[:10]}.will"

    def write_connection_file(self, *, tcp: bool) -> None:
        """Write a new one, with a new key, for the next incarnation."""
        prefix = self.folder / self.actor_id[:10]
        info: dict[str, Any] = {
            "transport": "ipc",
            "ip": str(prefix),
            "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "jactors",
            "jactors": {"incarnation": self.life.incarnation, "actor_id": self.actor_id, "label": self.label},
        }
        ports = range(1, 6)
        if tcp:
            info |= {"transport": "tcp", "ip": "127.0.0.1", **new_curve_keys()}
            ports = range(1)
        names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        info |= {name: ports[min(i, len(ports) - 1)] for i, name in enumerate(names)}
        if not tcp:
            for port in ports:
                Path(f"{prefix}-{port}").unlink(missing_ok=True)
        write_private(self.connection_file, json.dumps(info).encode())

    @property
    def stack_file(self) -> Path:
        """Where it writes its stack when it hangs."""
        return self.folder / f"{self.actor_id[:10]}.stack"

    def _read_stack(self) -> str:
        try:
            return self.stack_file.read_text(errors="replace")[-_STACK:]
        except OSError:
            return ""

    def certify(self) -> None:
        """Remember how the incarnation that has just ended died."""
        self.stack = self._read_stack() if self.life.hung is not None else ""
        told = self._verdict()
        self.deaths.append(
            {
                "at": time.time(),
                "incarnation": self.life.incarnation,
                "pid": self.pid,
                "kind": self._kind(),
                "exitcode": told["exitcode"],
                "signal": told["signal"],
                "died_of": certificate.cause(told | {"incarnation": self.life.incarnation}),
                "last_output": told["last_output"],
            }
        )
        if len(self.deaths) > _DEATHS:
            del self.deaths[1]

    def _kind(self) -> str:
        """Return how an incarnation has ended: ``crash``, ``killed`` or ``restart`` on request, or ``end``."""
        life = self.life
        if life.killed is not None:
            kinds = {"it was restarted": "restart", "`": "killed", "its supervisor was killed": "crash"}
            return next((kind for beginning, kind in kinds.items() if life.killed.startswith(beginning)), "end")
        return "end" if life.released or life.intent else "crash"

    def _verdict(self) -> dict[str, Any]:
        life = self.life
        told: dict[str, Any] = {
            "exitcode": life.exitcode,
            "signal": life.signal,
            "oom": life.oom,
            "hung": life.hung,
            "killed": life.killed,
            "intent": life.intent,
            "released": life.released,
            "failure": life.failure,
            "overdue": life.overdue,
            "last_output": self.last_output(),
        }
        if life.hung is not None:
            told["stack"] = self.stack
        return told

    def last_output(self) -> str:
        """Return the end of the log."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - LAST_OUTPUT))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def describe(self) -> dict[str, Any]:
        """Return what watchers are told."""
        life = self.life
        told: dict[str, Any] = {
            "event": "state",
            "actor_id": self.actor_id,
            "class_name": self.request["class_name"],
            "name": self.request.get("name"),
            "namespace": self.request["namespace"],
            "state": str(life.state),
            "incarnation": life.incarnation,
            "restarts": life.restarts,
            "asked": life.asked,
            "max_restarts": life.max_restarts,
            "pid": self.pid,
            "cores": self.cores,
            "gpus": self.gpus,
            "reason": f"is stopped: `kill -CONT {self.pid}` lets it go on" if life.stopped else self.reason,
            "stopped": life.stopped,
            "deaths": self.deaths,
            "demand": self.request["demand"],
            "connection_file": str(self.connection_file),
            "log_file": str(self.log_file),
            "owner": self.owner,
            "detached": self.detached,
            "started_at": self.started_at,
        }
        if self.shown:
            told["repr"] = self.shown
        if self.shape:
            told["shape"] = self.shape
        if life.state in (State.DEAD, State.RESTARTING):
            told |= self._verdict() | {"checkpoint": self.saved()}
            if life.looped is not None:
                told |= {"looped": life.looped, "intensity": life.intensity, "period": life.period}
        return told

    def saved(self) -> dict[str, Any] | None:
        """Return where its state is, when it was saved, and whether it begins with it when it restarts."""
        path = checkpoint_file(self.folder, self.actor_id)
        try:
            at = path.stat().st_mtime
        except OSError:
            return None
        return {"path": str(path), "at": at, "automatic": bool(self.request.get("checkpoint"))}

    def remove_files(self) -> None:
        """Remove what a dead actor needs no more.

        Its log stays until the session ends, and so does its state where nobody wanted it to end: another can have it.
        """
        self.connection_file.unlink(missing_ok=True)
        kept = {self.log_file}
        if not (self.life.for_good or self.life.intent or self.life.released):
            state = checkpoint_file(self.folder, self.actor_id)
            kept |= {state, state.with_name(state.name + ".before")}
        for left in self.folder.glob(f"{self.actor_id[:10]}*"):
            if left not in kept:
                left.unlink(missing_ok=True)
        self.release_name()

    def reshape(self, shape: str, named: str) -> None:
        """It has new code: keep its shape, and what the file of its name says of it."""
        self.shape = shape
        name_file = self.request.get("name_file")
        if name_file:
            try:
                record = json.loads(Path(name_file).read_text())
            except (OSError, ValueError):
                return
            if record.get("actor_id") == self.actor_id:  # nobody takes a living actor's
                write_private(Path(name_file), json.dumps({**record, "shape": named}).encode())

    def release_name(self) -> None:
        """Free the name, if it still is this actor's."""
        name_file = self.request.get("name_file")
        if name_file:
            try:
                if json.loads(Path(name_file).read_text())["actor_id"] == self.actor_id:
                    Path(name_file).unlink()
            except (OSError, ValueError, KeyError):
                pass
