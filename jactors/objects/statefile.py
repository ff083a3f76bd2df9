r"""The state file: one checkpoint on disk, whole or not at all.

::

    jactors state 1\n  | length of header | header (JSON) | pickle stream | buffer … buffer | digest
                         └────────────────────── BLAKE2b, 32 bytes ──────────────────────┘

Guarantees: at each moment the path holds nothing or a complete file, also where the disk is full
or the machine loses power (written aside, fsynced, renamed, the directory fsynced); the file that
was there before is kept beside it; a torn or changed file is recognised before anything of it is
unpickled; a file that somebody else could have written is refused, since a pickle is code.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from jactors import injection
from jactors.errors import CheckpointError

__all__ = ["StateFile", "before", "read", "read_latest", "write"]

_MAGIC = b"jactors state 1\n"
_DIGEST = 32
_LENGTH = 8
#: No header is larger: it holds names and sizes.
_LONGEST_HEADER = 1 << 24


@dataclass(frozen=True, slots=True)
class StateFile:
    """A state file, read; its digest was right."""

    path: Path
    header: Mapping[str, Any]
    stream: bytearray
    buffers: Sequence[bytearray]
    #: What was wrong with a newer one, which this one stands in for; "" where this is the newest.
    instead_of: str = ""


def before(path: Path) -> Path:
    """Return where the file that was at `path` before is kept."""
    return path.with_name(path.name + ".before")


def write(path: Path, header: Mapping[str, Any], stream: bytes, buffers: Sequence[memoryview]) -> int:
    """Write a state file, keep the one before, and return its size in bytes.

    Raises
    ------
    CheckpointError
        The disk is full, or the directory is not there or cannot be written. What was there before is untouched.
    """
    text = json.dumps({**header, "sizes": [len(stream), *(buffer.nbytes for buffer in buffers)]}).encode()
    parts: list[bytes | memoryview] = [len(text).to_bytes(_LENGTH, "big"), text, stream, *buffers]
    digest = blake2b(_MAGIC, digest_size=_DIGEST)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(aside, flags, 0o600), "wb", buffering=0) as file:
            _write_all(file, _MAGIC)
            for part in parts:
                digest.update(part)
                _write_all(file, part)
            _write_all(file, digest.digest())
            os.fsync(file.fileno())
            size = file.tell()
        _keep(path)
        injection.reach("checkpoint")
        aside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        try:
            aside.unlink(missing_ok=True)
        except OSError:
            pass  # the folder itself is gone, or read-only: nothing was written
        raise CheckpointError(f"the state cannot be written to {path}: {error.strerror or error}") from error
    except BaseException:  # an interrupt: what is half-written goes
        aside.unlink(missing_ok=True)
        raise
    return size


def _write_all(file: Any, data: bytes | memoryview) -> None:
    """Write all of `data`: one write(2) takes at most 2 GB."""
    left = memoryview(data).cast("B")
    while left:
        left = left[file.write(left) :]


def _keep(path: Path) -> None:
    """Keep what is at `path` as the one before; at no moment is there no file at `path`."""
    kept = before(path)
    link = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        link.unlink(missing_ok=True)
        os.link(path, link)
    except FileNotFoundError:
        return  # the first one
    except OSError:  # a file system without hard links
        path.replace(kept)
        return
    link.replace(kept)


def _sync_folder(folder: Path) -> None:
    """Make the rename last: a directory has to be written too."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> StateFile:
    """Read a state file.

    Raises
    ------
    FileNotFoundError
        There is none.
    CheckpointError
        It is torn, changed, no state file, or could have been written by somebody else.
    """
    try:
        with path.open("rb") as file:
            return _parse(path, file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error


def read_latest(path: Path) -> StateFile:
    """Read the file at `path`, or, where that is torn or missing, the one before.

    Raises
    ------
    FileNotFoundError
        There is neither.
    CheckpointError
        Neither can be used; the text says what is wrong with each.
    """
    try:
        return read(path)
    except FileNotFoundError:
        found = read(before(path))
        return StateFile(path, found.header, found.stream, found.buffers, f"{path} is missing")
    except CheckpointError as error:
        wrong = str(error)
    try:
        found = read(before(path))
    except FileNotFoundError:
        raise CheckpointError(f"{wrong}; there is none before it") from None
    except CheckpointError as error:
        raise CheckpointError(f"{wrong}; and the one before it: {error}") from None
    return StateFile(path, found.header, found.stream, found.buffers, wrong)


def _parse(path: Path, file: BinaryIO) -> StateFile:
    info = os.fstat(file.fileno())
    if not stat.S_ISREG(info.st_mode):
        raise CheckpointError(f"{path} is not a regular file")
    if hasattr(os, "getuid") and info.st_uid not in (os.getuid(), 0):
        raise CheckpointError(f"{path} belongs to uid {info.st_uid}: loading it would run what that user wrote into it")
    if os.name == "posix" and info.st_mode & 0o022:
        raise CheckpointError(f"{path} can be written by others, and loading it would run what they wrote: chmod go-w")
    if file.read(len(_MAGIC)) != _MAGIC:
        raise CheckpointError(f"{path} is no state file of this version of jactors")
    digest = blake2b(_MAGIC, digest_size=_DIGEST)
    raw = file.read(_LENGTH)
    length = int.from_bytes(raw, "big")
    left = info.st_size - len(_MAGIC) - _LENGTH - _DIGEST - length
    if len(raw) < _LENGTH or length > _LONGEST_HEADER or left < 0:
        raise CheckpointError(f"{path} is torn: {info.st_size} bytes are not all that was written")
    text = file.read(length)
    digest.update(raw + text)
    try:
        header = json.loads(text)
        sizes = [int(size) for size in header["sizes"]]
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path} is damaged: its header makes no sense") from None
    if sum(sizes) != left or not sizes or min(sizes) < 0:
        raise CheckpointError(f"{path} is torn: {info.st_size} bytes are not all that was written")
    parts = list(_parts(file, sizes, digest))
    if file.read() != digest.digest():
        raise CheckpointError(f"{path} is damaged: its digest is not that of its content")
    return StateFile(path, header, parts[0], parts[1:])


def _parts(file: BinaryIO, sizes: Sequence[int], digest: blake2b) -> Iterator[bytearray]:
    """Read the stream and the buffers: into memory that may be written, since arrays will be views of it."""
    for size in sizes:
        part = bytearray(size)
        view = memoryview(part)
        while view and (n := file.readinto(view)):  # type: ignore[attr-defined]
            view = view[n:]
        digest.update(part)
        yield part
