"""What a type checker knows of actors: tests/types, read by mypy where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_a_type_checker_follows_a_class_to_its_handles_and_a_ref_to_its_value(tmp_path, monkeypatch):
    mypy = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT)  # from here it finds jactors, installed or not
    found, trouble, status = mypy.run(
        [
            "--strict",
            "--config-file=",
            f"--cache-dir={tmp_path}",
            "--follow-imports=silent",  # jactors itself is checked elsewhere
            "--no-site-packages",  # nor does it matter here what else is installed
            "tests/types/api.py",
        ]
    )
    assert (status, trouble) == (0, ""), found + trouble


def test_pyright_agrees(monkeypatch):
    pyright = pytest.importorskip(
        "pyright.cli", reason="pip install pyright, which loads the checker when it first runs"
    )
    monkeypatch.chdir(ROOT)
    done = pyright.run("tests/types/api.py", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
