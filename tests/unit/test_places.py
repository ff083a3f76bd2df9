"""Where files live: nobody else's directory, whole files, and only what this user can have written is read."""

from __future__ import annotations

import json
import os
import stat
import threading

import pytest

from jactors import places, session
from jactors.options import InitOptions
from jactors.vitals import start_time

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    monkeypatch.setattr(places, "jupyter_runtime_dir", lambda: str(runtime))
    monkeypatch.setattr(places, "_SOCKET_LIMIT", 500)
    return runtime


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_runtime_directory_that_is_not_there_is_made_private(runtime):
    runtime.rmdir()
    before = os.umask(0)
    try:
        assert mode(places.base_dir()) == mode(runtime) == 0o700
    finally:
        os.umask(before)


def test_jupyters_own_mode_is_good_enough(runtime):
    runtime.chmod(0o755)
    assert mode(places.base_dir()) == 0o700


def test_a_group_of_ones_own_may_write(runtime):
    runtime.chmod(0o775)
    places.base_dir()


@pytest.mark.parametrize("bits", [0o777, 0o702])
def test_a_directory_where_others_can_replace_ours_is_refused(runtime, bits):
    runtime.chmod(bits)
    with pytest.raises(PermissionError, match=r"others may write to .*JUPYTER_RUNTIME_DIR"):
        places.base_dir()


def test_a_sticky_one_is_not(runtime):
    runtime.chmod(0o1777)
    places.base_dir()


@root_only
def test_a_group_of_others_may_not_write(runtime):
    os.chown(runtime, 0, 1000)
    runtime.chmod(0o775)
    with pytest.raises(PermissionError, match="others may write"):
        places.base_dir()


@root_only
def test_somebody_elses_runtime_directory_is_refused(runtime):
    os.chown(runtime, 1000, 1000)
    with pytest.raises(PermissionError, match="belongs to uid 1000, who could replace"):
        places.base_dir()


def test_a_private_file_is_0600_and_leaves_nothing_beside_it(tmp_path):
    before = os.umask(0)
    try:
        places.write_private(tmp_path / "f", b"one")
        places.write_private(tmp_path / "f", b"two")
    finally:
        os.umask(before)
    assert mode(tmp_path / "f") == 0o600 and places.read_private(tmp_path / "f") == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_symlink_that_waits_there_is_replaced_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "f").symlink_to(tmp_path / "victim")
    places.write_private(tmp_path / "f", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine" and not (tmp_path / "f").is_symlink()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    places.write_private(tmp_path / "f", b"old")
    monkeypatch.setattr(type(tmp_path), "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        places.write_private(tmp_path / "f", b"new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_threads_that_write_the_same_file_do_not_meet(tmp_path):
    def write():
        for _ in range(100):
            places.write_private(tmp_path / "f", b"x" * 1000)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places.read_private(tmp_path / "f") == b"x" * 1000


@pytest.mark.parametrize("trap", ["symlink", "fifo", "directory", "writable"])
def test_what_is_no_plain_file_of_ours_is_not_read(tmp_path, trap):
    path = tmp_path / "f"
    if trap == "symlink":
        (tmp_path / "g").write_bytes(b"")
        path.symlink_to(tmp_path / "g")
    elif trap == "fifo":
        os.mkfifo(path)
    elif trap == "directory":
        path.mkdir()
    else:
        path.write_bytes(b"")
        path.chmod(0o666)
    with pytest.raises(OSError, match=r"plain file|somebody else|symbolic links"):
        places.read_private(path)


@root_only
def test_somebody_elses_file_is_not_read(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    os.chown(tmp_path / "f", 1000, 1000)
    with pytest.raises(PermissionError, match="uid 1000"):
        places.read_private(tmp_path / "f")


@pytest.mark.parametrize("content", [None, b"", b"{torn", b"\xff"])
def test_a_record_that_is_not_there_or_torn_is_none(runtime, content):
    path = runtime / "record"
    if content is not None:
        places.write_private(path, content)
    assert places.read_record(path) is None
    places.write_private(path, b'{"pid": 1}')
    assert places.read_record(path) == {"pid": 1}


def test_a_session_that_is_just_ending_is_none_to_join(runtime):
    """Its driver's file has gone, its supervisor lives a moment longer."""
    folder = places.session_dir("abcd")
    told = {"pid": os.getpid(), "started": start_time(os.getpid()), "address": "nowhere"}
    places.write_private(folder / "supervisor", json.dumps(told).encode())
    with pytest.raises(ConnectionError, match="running: none"):
        session._attach(InitOptions.parse({"address": "auto"}))
