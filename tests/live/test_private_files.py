"""Files and folders are for their owner alone, and what another could have written is not read."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import warnings
from pathlib import Path

import psutil
import pytest

from jactors import places
from jactors.wire.connection import Connection
from jactors.wire.creation import Creation
from tests.live.clients import TIMEOUT

OPEN = """
    import os, sys
    os.umask(0)
    import numpy
    import jactors
    @jactors.remote(max_restarts=1, checkpoint=1)
    class Box:
        def __init__(self):
            self.array = numpy.zeros(1 << 20)
        def put(self, value):
            self.value = value
            return value
    @jactors.remote
    def task(x):
        return x
    if __name__ == "__main__":
        jactors.init(num_cpus=2, namespace="open", INIT)
        box = Box.options(name="box").remote()
        kept = box.put.remote(numpy.zeros(1 << 20))
        jactors.get([kept, task.remote(1)])
        nested = jactors.get(box.put.remote([jactors.put(numpy.zeros(1 << 20))]))
        jactors.get(nested[0])
        print(jactors.session.current().folder, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def exposed(start, environment):
    """A driver with umask 0 whose runtime directory lies where everybody may look."""
    root = Path(tempfile.mkdtemp(prefix="jo", dir="/tmp"))
    root.chmod(0o755)
    runtime = root / "r"
    runtime.mkdir(mode=0o755)
    driver = start(OPEN, env={**environment, "JUPYTER_RUNTIME_DIR": str(runtime)})
    folder = Path(driver.stdout.readline().strip())
    assert folder.is_dir(), driver.stderr.read()
    yield runtime, folder, driver
    driver.stdin.close()
    driver.wait(TIMEOUT)
    shutil.rmtree(root)


def blocks():
    return [
        Path(folder) / name for folder, _, names in os.walk("/dev/shm") for name in names if "jactors" in folder + name
    ]


def test_umask_0_changes_nothing(exposed):
    runtime, folder, _ = exposed
    bad = []
    for path in [*runtime.rglob("*"), *blocks()]:
        info = path.lstat()
        mode = stat.S_IMODE(info.st_mode)
        allowed = {0o700} if stat.S_ISDIR(info.st_mode) else {0o600, 0o400}
        if stat.S_ISSOCK(info.st_mode):
            continue  # in a directory that nobody else may enter
        if mode not in allowed:
            bad.append((str(path), oct(mode)))
    assert bad == []
    assert len(list(runtime.rglob("*"))) > 8 and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_are_in_files_alone(exposed):
    runtime, folder, driver = exposed
    keys = [json.loads(path.read_text())["key"] for path in [*runtime.glob("*.json"), *folder.glob("desk-*.json")]]
    assert len(keys) >= 3
    told = [path.read_text(errors="replace") for path in folder.glob("*.log")]
    family = [driver.pid, *(child.pid for child in psutil.Process(driver.pid).children(recursive=True))]
    assert len(family) >= 3
    for pid in family:
        told += [Path(f"/proc/{pid}/{what}").read_text(errors="replace") for what in ("cmdline", "environ")]
    assert not [key for key in keys for text in told if key in text]


def as_uid_1000(function):
    """Run `function` in a child that is another user; return what it returns."""
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(1000)
            os.setuid(1000)
            os.write(into, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def attempt(function, *args):
    """Return "allowed", or the error's name."""
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "allowed"


root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else for a while")


@root_only
def test_another_user_can_neither_read_nor_list_nor_connect(exposed):
    runtime, folder, driver = exposed
    files = [path for path in [*runtime.rglob("*"), *blocks()] if path.is_file()]
    folders = [path for path in runtime.rglob("*") if path.is_dir()]
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    family = [driver.pid, *(child.pid for child in psutil.Process(driver.pid).children(recursive=True))]
    assert len(files) >= 6 and len(folders) >= 2 and len(sockets) >= 6

    def look():
        told = {}
        for path in files:
            told[f"read {path}"] = attempt(open, path)
            told[f"write {path}"] = attempt(open, path, "r+")
            told[f"remove {path}"] = attempt(os.unlink, path)
        for path in folders:
            told[f"list {path}"] = attempt(os.listdir, path)
            told[f"plant in {path}"] = attempt(open, path / "x", "w")
        for path in sockets:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            told[f"connect {path}"] = attempt(client.connect, str(path))
            client.close()
        for pid in family:
            told[f"environment of {pid}"] = attempt(Path(f"/proc/{pid}/environ").read_bytes)
            told[f"memory of {pid}"] = attempt(open, f"/proc/{pid}/mem", "rb")
            told[f"kill {pid}"] = attempt(os.kill, pid, 15)
        return told

    told = as_uid_1000(look)
    assert {what: how for what, how in told.items() if how not in ("EACCES", "EPERM")} == {}


@root_only
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_the_shell_of_another_user_sees_nothing(exposed):
    runtime, folder, _ = exposed
    look = f"ls {runtime}; ls {folder}; cat {runtime}/jactors-*.json; ls {runtime}/jactors/names"
    names = subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "sh", "-c", look],
        capture_output=True,
        text=True,
        check=False,
    )
    shown = [line for line in names.stdout.splitlines() if not line.startswith("jactors")]
    assert shown == [] and names.stderr.count("Permission denied") >= 3


def init_in(run, environment, runtime):
    code, out, err = run(
        "import jactors\njactors.init(num_cpus=1, INIT)\nprint('started')",
        env={**environment, "JUPYTER_RUNTIME_DIR": str(runtime)},
    )
    return code, out + err


@pytest.mark.parametrize("trap", ["symlink", "file", "open parent", "somebody else's", "somebody else's parent"])
def test_a_trap_in_the_runtime_directory_is_refused(run, environment, trap):
    if "somebody" in trap and os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    root = Path(tempfile.mkdtemp(prefix="jt", dir="/tmp"))
    runtime, here = root / "r", root / "r" / "jactors"
    runtime.mkdir(mode=0o700)
    try:
        if trap == "symlink":
            (root / "elsewhere").mkdir()
            here.symlink_to(root / "elsewhere")
        elif trap == "file":
            here.touch()
        elif trap == "open parent":
            runtime.chmod(0o777)
        elif trap == "somebody else's":
            here.mkdir()
            os.chown(here, 1000, 1000)
        else:
            os.chown(runtime, 1000, 1000)
        code, told = init_in(run, environment, runtime)
        assert code != 0 and "PermissionError" in told and str(runtime) in told and "JUPYTER_RUNTIME_DIR" in told
    finally:
        shutil.rmtree(root)


@root_only
@pytest.mark.parametrize("what", ["connection file", "name", "creation file"])
def test_a_file_that_somebody_else_has_put_there_is_not_believed(session, tmp_path, what):
    """Where a directory has been open for a moment: whose file it is decides, not what is in it."""
    path = tmp_path / "planted"
    path.write_text("{}")
    os.chown(path, 1000, 1000)
    with pytest.raises(PermissionError, match=r"written by somebody else \(uid 1000\)"):
        {"connection file": Connection.read, "creation file": Creation.read, "name": places.read_private}[what](path)
