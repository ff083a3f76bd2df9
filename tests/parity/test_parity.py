"""Code written for Ray does the same with only its import changed: `script.py` on jactors, and on Ray.

``expected.txt`` is what it says on Ray 2.60. After a change of the script it is made anew with an interpreter that has
Ray: ``path/to/python tests/parity/script.py ray tests/parity/expected.txt``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

#: Seconds; Ray needs eight to start.
PATIENCE = 110


def observed(python, name, folder):
    """What the script says of the package `name`, line by line."""
    out = folder / "observed.txt"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [python, HERE / "script.py", name, out],
        env={**os.environ, "PYTHONPATH": path, "RAY_IGNORE_UNHANDLED_ERRORS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out.read_text().splitlines()


def expected():
    return (HERE / "expected.txt").read_text().splitlines()


@pytest.mark.slow
def test_jactors_does_what_ray_does(tmp_path):
    assert observed(sys.executable, "jactors", tmp_path) == expected()


@pytest.mark.slow
def test_ray_does_what_is_expected(tmp_path, ray_python):
    assert observed(ray_python, "ray", tmp_path) == expected()
