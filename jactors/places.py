"""Where files live: the one place that spells a path.

Guarantees: every directory made here is 0700 and owned by this user, also where the umask is 0;
a directory or symlink that somebody else put there first is refused; a socket path fits the
107 bytes that a Unix socket may have.

::

    <jupyter runtime dir>/jactors-<session>-<actor>.json     connection files (standard format)
    <base>/names/<namespace>/<name>.json                     named actors
    /dev/shm/jactors-<uid>-<base>-<session>/                  its blocks of shared memory
    <base>/<session>/                                        one session: sockets, creation files
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_core.paths import jupyter_runtime_dir

__all__ = [
    "CHARTER",
    "base_dir",
    "checkpoint_file",
    "clear_desks",
    "connection_file",
    "connection_files",
    "desk_file",
    "name_file",
    "private_dir",
    "read_private",
    "read_record",
    "remove_session",
    "session_dir",
    "shared_dir",
    "shared_name",
    "sweep_shared",
    "write_private",
]

#: The longest path below a session's directory: ``/`` + 10 hex digits + ``-5`` for a socket.
_SOCKET_TAIL = 9 + 11 + 2
_SOCKET_LIMIT = 107

_CURE = "make room, or set JUPYTER_RUNTIME_DIR to another place"

#: Bytes that a session needs at least: sockets, a log, and the creation files of a few actors.
_ROOM = 256 << 10

#: The file of a session's directory that says what its supervisor has to give out.
CHARTER = "charter"

#: Memory that has names; on Linux. Everybody may write here: what is ours is 0700.
_SHARED = Path("/dev/shm")  # noqa: S108


def private_dir(path: Path) -> Path:
    """Make `path` (and its parents) if need be and return it.

    Raises
    ------
    PermissionError
        Where it exists and is not a plain directory of this user, or others may enter it and
        that cannot be changed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: {_CURE}", str(path)) from None
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
        parent = Path(tempfile.gettempdir())
        _check_parent(parent)
        return private_dir(parent / f"jactors-{uid}")
    if not runtime.exists():
        private_dir(runtime)
    _check_parent(runtime)
    return private_dir(here)


def _check_parent(folder: Path) -> None:
    """Refuse a directory in which somebody else could put another in the place of ours."""
    if not hasattr(os, "getuid"):
        return
    info = folder.stat()
    cure = "set JUPYTER_RUNTIME_DIR to a directory of your own"
    if info.st_uid not in (os.getuid(), 0):
        raise PermissionError(f"{folder} belongs to uid {info.st_uid}, who could replace what is in it: {cure}")
    strangers = info.st_mode & 0o002 or (info.st_mode & 0o020 and info.st_gid != os.getgid())
    if strangers and not info.st_mode & stat.S_ISVTX:
        raise PermissionError(f"others may write to {folder}, and so replace what is in it: chmod go-w, or {cure}")


def session_dir(session: str) -> Path:
    """Return the directory of one session, made if need be.

    Raises
    ------
    OSError
        There is no room for a session, or the file system is read-only. Nothing is left of it.
    """
    folder = base_dir() / session
    if not folder.exists() and hasattr(os, "statvfs"):
        room = os.statvfs(folder.parent)
        if room.f_bavail * room.f_frsize < _ROOM:
            raise OSError(errno.ENOSPC, f"no room for a session's files: {_CURE}", str(folder))
    return private_dir(folder)


def shared_name(session: str) -> str:
    """Return the name of a session's directory under ``/dev/shm``, which all users share; "" for its beginning."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    return f"jactors-{owner}-{zlib.crc32(os.fsencode(base_dir())):08x}-{session}"


def shared_dir(session: str, *, make: bool = False) -> Path | None:
    """Return where a session's blocks of shared memory are; None where there is no ``/dev/shm``, or no such directory.

    Parameters
    ----------
    make : bool
        Make it, for a session that begins.
    """
    folder = _SHARED / shared_name(session)
    if make:
        try:
            private_dir(private_dir(folder) / "free")
        except OSError:  # values travel in messages
            return None
    return folder if folder.is_dir() else None


def connection_file(session: str, actor_id: str) -> Path:
    """Return where Jupyter's clients find the actor: ``jupyter console --existing <name>``."""
    return Path(jupyter_runtime_dir()) / f"jactors-{session}-{actor_id[:10]}.json"


def connection_files(session: str) -> list[Path]:
    """Return those of all actors of a session."""
    return list(Path(jupyter_runtime_dir()).glob(f"jactors-{session}-*.json"))


def checkpoint_file(folder: Path, actor_id: str) -> Path:
    """Return where, in the directory of its session, an actor's state is kept."""
    return folder / f"{actor_id[:10]}.state"


def name_file(namespace: str, name: str) -> Path:
    """Return the file that says which actor `name` is; its folder exists afterwards."""
    folder = private_dir(private_dir(base_dir() / "names") / quote(namespace, safe=""))
    return folder / (quote(name, safe="") + ".json")


def desk_file(folder: Path, pid: int, token: str) -> tuple[Path, Path]:
    """Return the file that says where a process serves its values, and the prefix of its socket."""
    return folder / f"desk-{pid}-{token}.json", folder / f"d{token}"


def clear_desks(folder: Path, pid: int) -> None:
    """Remove what a process that has ended served its values with."""
    for path in folder.glob(f"desk-{pid}-*.json"):
        token = path.stem.rpartition("-")[2]
        path.unlink(missing_ok=True)
        (folder / f"d{token}-1").unlink(missing_ok=True)


def write_private(path: Path, data: bytes, *, written: Callable[[], object] = bool) -> None:
    """Write `data` to `path` so that a reader sees all of it or nothing; mode 0600, whatever the umask.

    Parameters
    ----------
    written : callable
        Called when it is written and nobody can see it yet: for tests that die there.

    Raises
    ------
    OSError
        The disk is full, or the directory cannot be written. Nothing is left of it.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    aside.unlink(missing_ok=True)  # of a process that had this pid before
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        written()
        aside.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # "No space left on device" alone says too little
        aside.unlink(missing_ok=True)
        raise


def read_private(path: Path | str) -> bytes:
    """Read a file that only this user, or root, can have written.

    Raises
    ------
    PermissionError
        It is no plain file, belongs to somebody else, or others may write it: what is in it is not ours.
    OSError
        It is not there, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    info = os.fstat(descriptor)
    wrong = None
    if not stat.S_ISREG(info.st_mode):
        wrong = f"{path} is no plain file"
    elif hasattr(os, "getuid") and (info.st_uid not in (os.getuid(), 0) or info.st_mode & 0o022):
        wrong = f"{path} can have been written by somebody else (uid {info.st_uid}): it is not read"
    if wrong is not None:
        os.close(descriptor)
        raise PermissionError(wrong)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def read_record(path: Path | str) -> dict[str, Any] | None:
    """Return what a process has written down as JSON; None where nothing is there, or nothing that is ours."""
    try:
        record: dict[str, Any] = json.loads(read_private(path))
    except (OSError, ValueError):
        return None
    return record


def remove_session(session: str) -> None:
    """Remove all files of a session that has ended."""
    shutil.rmtree(base_dir() / session, ignore_errors=True)
    shutil.rmtree(_SHARED / shared_name(session), ignore_errors=True)
    for left in connection_files(session):
        left.unlink(missing_ok=True)


def sweep_shared() -> list[str]:
    """Remove, and name, the shared memory of sessions that have no directory any more: somebody has removed it."""
    removed = []
    begin = shared_name("")
    for folder in _SHARED.glob(f"{begin}*"):
        if not (base_dir() / folder.name.removeprefix(begin)).exists():
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder.name)
    return removed
