"""What a launched process is to be: written by the supervisor, carried out in the child."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jactors.launch import pinning
from jactors.places import read_private, write_private

__all__ = ["LaunchSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """One incarnation of one actor."""

    actor_id: str
    class_name: str
    name: str | None
    namespace: str
    #: Of the actors that it makes and says nothing about; None: "non_detached".
    lifetime: str | None
    session: str
    session_dir: str
    incarnation: int
    connection_file: str
    creation_file: str
    log_file: str
    #: Where the process reports, and who must stay alive for it to live.
    supervisor: str
    supervisor_pid: int
    #: The whole environment.
    env: dict[str, str]
    cwd: str
    sys_path: list[str]
    demand: dict[str, float]
    cores: list[int]
    gpus: list[str]
    #: Seconds without a sign of life after which it is killed; None: it need give none.
    hang_timeout: float | None = None

    def write(self, path: Path) -> None:
        """Write the spec for a process that is started, not forked."""
        write_private(path, json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: str) -> LaunchSpec:
        """Read what `write` wrote."""
        given: dict[str, Any] = json.loads(read_private(path))
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    def pin(self) -> None:
        """Make this process what the spec says; before anything of the user's is imported."""
        pinning.replace_environment(self.env)
        pinning.die_with_parent(self.supervisor_pid)
        pinning.apply_affinity(self.cores)
        pinning.raise_oom_score()
        try:
            os.chdir(self.cwd)
        except OSError as error:  # the driver's folder has gone: say so in the log, go on where we are
            print(f"jactors: cannot enter {self.cwd}: {error}", file=sys.stderr)  # noqa: T201
        sys.path[:] = self.sys_path
        sys.argv[:] = [f"jactors:{self.class_name}"]
