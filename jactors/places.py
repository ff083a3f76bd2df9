"""Where files live: the one place that spells a path.

Guarantees: every directory made here is 0700 and owned by this user, also where the umask is 0;
a directory or symlink that somebody else put there first is refused; a socket path fits the
107 bytes that a Unix socket may have.

::

    <jupyter runtime dir>/jactors-<session>-<actor>.json     connection files (standard format)
    <base>/names/<namespace>/<name>.json                     named actors
    <base>/<session>/                                        one session: sockets, creation files
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from jupyter_core.paths import jupyter_runtime_dir

__all__ = [
    "base_dir",
    "checkpoint_file",
    "connection_file",
    "name_file",
    "private_dir",
    "remove_session",
    "session_dir",
    "write_private",
]

#: The longest path below a session's directory: ``/`` + 10 hex digits + ``-5`` for a socket.
_SOCKET_TAIL = 9 + 11 + 2
_SOCKET_LIMIT = 107


def private_dir(path: Path) -> Path:
    """Make `path` (and its parents) if need be and return it.

    Raises
    ------
    PermissionError
        Where it exists and is not a plain directory of this user, or others may enter it and
        that cannot be changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise PermissionError(f"{path} is not a directory; remove it, or set JUPYTER_RUNTIME_DIR to another place")
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to uid {info.st_uid}, not to you; set JUPYTER_RUNTIME_DIR elsewhere")
    if info.st_mode & 0o077:
        path.chmod(0o700)
    return path


def base_dir() -> Path:
    """Return the directory of all sessions of this user.

    It lies in Jupyter's runtime directory, or in the temporary one where that path is too long
    for a Unix socket.
    """
    runtime = Path(jupyter_runtime_dir())
    here = runtime / "jactors"
    if len(os.fsencode(here)) + _SOCKET_TAIL > _SOCKET_LIMIT:
        uid = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "me")
        return private_dir(Path(tempfile.gettempdir()) / f"jactors-{uid}")
    if not runtime.exists():
        private_dir(runtime)
    return private_dir(here)


def session_dir(session: str) -> Path:
    """Return the directory of one session, made if need be."""
    return private_dir(base_dir() / session)


def connection_file(session: str, actor_id: str) -> Path:
    """Return where Jupyter's clients find the actor: ``jupyter console --existing <name>``."""
    return Path(jupyter_runtime_dir()) / f"jactors-{session}-{actor_id[:10]}.json"


def checkpoint_file(folder: Path, actor_id: str) -> Path:
    """Return where, in the directory of its session, an actor's state is kept."""
    return folder / f"{actor_id[:10]}.state"


def name_file(namespace: str, name: str) -> Path:
    """Return the file that says which actor `name` is; its folder exists afterwards."""
    folder = private_dir(private_dir(base_dir() / "names") / quote(namespace, safe=""))
    return folder / (quote(name, safe="") + ".json")


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees all of it or nothing; mode 0600."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    aside.replace(path)


def remove_session(session: str) -> None:
    """Remove all files of a session that has ended."""
    shutil.rmtree(base_dir() / session, ignore_errors=True)
    for left in Path(jupyter_runtime_dir()).glob(f"jactors-{session}-*.json"):
        left.unlink(missing_ok=True)
