"""A few seconds of the soak: ``python -m tests.soak --minutes 10`` is the long form."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", ["suite"])
def test_28_a_few_seconds_of_chaos(environment, seed):
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "8", "--seed", seed],
        env={name: value for name, value in environment.items() if name != "JUPYTER_RUNTIME_DIR"},
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    last = done.stdout.splitlines()[-1:]
    assert last == ["0 lost, 0 doubled, 0 other complaints, 0 leaked"], done.stdout + done.stderr
