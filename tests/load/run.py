"""Runs one scenario in a process of its own, with a runtime directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile

import jactors
from tests.load import shortages  # noqa: F401 - enters its scenarios into the table
from tests.load.scenarios import SCENARIOS


def missing(name: str) -> str | None:
    """Return why a scenario cannot run here."""
    if SCENARIOS[name].mounts and (os.name != "posix" or os.getuid() != 0 or shutil.which("unshare") is None):
        return "mounting needs root, and unshare"
    return None


def run(name: str, *, small: bool, timeout: float | None = None) -> dict:
    """Run a scenario, and return what it measured; AssertionError with its output where it failed."""
    command = [sys.executable, "-m", "tests.load.run", name, "small" if small else "large"]
    if SCENARIOS[name].mounts:
        command = ["unshare", "--mount", "--propagation", "private", *command]
    with tempfile.TemporaryDirectory(prefix="jl") as runtime:
        env = {**os.environ, "JUPYTER_RUNTIME_DIR": runtime}
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=timeout
        )
    assert done.returncode == 0, f"{name} ended with {done.returncode}:\n{done.stdout[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def main(name: str, size: str) -> None:
    scenario = SCENARIOS[name]
    if not scenario.mounts and scenario.function.__name__ != "descriptors":
        jactors.init(num_cpus=2)
    told = scenario.function(scenario.small if size == "small" else scenario.large)
    jactors.shutdown()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
