"""The census sees what it should, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from jactors.testing import Census, LeakError

SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"


def start(**variables):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | variables,
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    return process


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    return tmp_path / "runtime"


def test_nothing_is_left_where_nothing_happened(runtime):
    before = Census.take()
    assert Census.wait_clean(before, timeout=0).difference(before) == []


def test_a_child_is_seen_until_it_is_reaped(runtime):
    before = Census.take()
    with start() as child:
        (line,) = Census.take().difference(before, spare_descriptors=2)
        assert line.startswith(f"process {child.pid}: ")
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        (line,) = Census.take().difference(before, spare_descriptors=2)
        assert line.endswith("(zombie)")
    assert Census.take().difference(before) == []


def orphan(**variables):
    """Start a process that is nobody's child here, as an actor is whose supervisor was killed."""
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], stdin=0, stdout=subprocess.PIPE, text=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "import os; os._exit(0)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | variables,
        text=True,
    )
    pid = int(parent.stdout.readline())
    parent.wait()
    parent.stdout.close()
    return parent.stdin, pid


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_orphan_is_found_by_its_cookie_and_a_stranger_is_not(runtime):
    before = Census.take()
    ours, pid = orphan(JACTORS_COOKIE="c0ffee")
    plain, _ = orphan()
    other, _ = orphan(JACTORS_COOKIE="c0ffee", JUPYTER_RUNTIME_DIR=str(runtime / "of-somebody-else"))
    left = Census.take().difference(before, spare_descriptors=3)
    for stdin in (ours, plain, other):
        stdin.close()
    assert [line.split(":")[0] for line in left] == [f"process {pid}"]
    Census.wait_clean(before, timeout=10)


def test_files_threads_and_descriptors_are_named(runtime, tmp_path):
    folder = tmp_path / "sessions"
    before = Census.take([folder])
    folder.mkdir()
    (folder / "s1").mkdir()
    (folder / "ledger.lock").touch()
    (folder / "names" / "default").mkdir(parents=True)
    (folder / "names" / "default" / "tally.json").touch()
    (runtime / "jactors-1.json").touch()
    (runtime / "kernel-1.json").touch()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="jactors-io", daemon=True)
    thread.start()
    with (folder / "s1").joinpath("open").open("w"):
        with pytest.raises(LeakError) as caught:
            Census.wait_clean(before, timeout=0.05)
        assert Census.take([folder]).difference(before, spare_descriptors=1)[-1] == "thread: jactors-io"
    end.set()
    thread.join()
    text = str(caught.value)
    assert "connection file: jactors-1.json" in text
    assert "kernel-1.json" not in text
    assert f"folder: {folder / 's1'}" in text
    assert f"folder: {folder / 'names' / 'default' / 'tally.json'}" in text
    assert "ledger.lock" not in text
    assert "thread: jactors-io" in text
    assert "1 more open descriptors: " in text


def test_what_has_gone_is_no_complaint(runtime):
    (runtime / "jactors-1.json").touch()
    before = Census.take()
    (runtime / "jactors-1.json").unlink()
    assert Census.take().difference(before) == []
