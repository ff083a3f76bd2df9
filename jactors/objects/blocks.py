"""Blocks: large buffers in shared memory, written once and mapped by whoever reads them.

::

    dumps ─▶ Arena.write ─▶ block ── its name in a signed message ──▶ Arena.read: mapped, read-only
              ▲ a free one of the session, or a new one                        │ every array made of it dies
              └───────────────── owner lets go: nobody maps it ◀───────────────┘ (flock)

A block is a file of the session's 0700 directory under ``/dev/shm``. It has one owner, who is in its
name: the process that wrote it, or, of a result, the process that took it (`Arena.adopt`). An owner that
lets go gives the block to the session's free ones, or unlinks it; what a dead owner has left is swept.

Guarantees: a reader's memory never changes under it, and stays as long as an array made of it lives,
whatever becomes of owner and file; a full ``/dev/shm`` is noticed before anything is written
(`posix_fallocate`, so never SIGBUS), and the value travels as frames.

* Measured: 100 MB into a new file take 120 ms, page by page; into one used before 20 ms. So blocks
  are used again, by any process of the session. A mapping holds a shared lock on its file (of the
  descriptor inside of `mmap`, so it goes with the last view, or with the process), and a block is used
  again only by who gets the exclusive lock. Each use has a new name: a late reader of the old one
  finds nothing, never something else.
* Below `SMALL` bytes frames are quicker than a file.

Rejected: `multiprocessing.shared_memory`, whose tracker process unlinks what others still use.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from jactors.errors import ObjectLostError

try:
    import fcntl
except ImportError:  # Windows: values travel as frames
    fcntl = None  # type: ignore[assignment]

__all__ = ["SMALL", "Arena", "Block", "Segment", "adopted", "arena", "bind", "lent", "swap_out", "sweep", "views"]

#: Bytes of one value's buffers from which they go into a block.
SMALL = 512 << 10

#: Bytes of free blocks that a session keeps; also no more than a part of what ``/dev/shm`` has.
_FREE = 512 << 20
_FREE_PART = 20

_ALIGN = 64

#: In the names of this process' blocks, behind its pid, which may have been another's before.
_ME = os.urandom(4).hex()
_numbers = count(1)


class Block:
    """A block that this process owns; goes with the last payload that uses it."""

    __slots__ = ("__weakref__", "_arena", "_mapped", "_pid", "name")

    def __init__(self, owner: Arena, name: str, mapped: mmap.mmap) -> None:
        self.name = name
        self._arena = owner
        self._mapped: mmap.mmap | None = mapped
        self._pid = os.getpid()

    def view(self, offset: int, size: int) -> memoryview:
        """Return `size` bytes of it, read-only."""
        assert self._mapped is not None
        return memoryview(self._mapped)[offset : offset + size]

    def give_away(self) -> None:
        """It has been sent to its new owner."""
        self._mapped = None

    def __del__(self) -> None:
        if self._mapped is not None and self._pid == os.getpid():
            self._mapped = None  # its lock with it, where no array is left
            self._arena.let_go(self.name)


class Segment:
    """A buffer of a payload that lies in a block of this process."""

    __slots__ = ("block", "offset", "size")

    def __init__(self, block: Block, offset: int, size: int) -> None:
        self.block = block
        self.offset = offset
        self.size = size

    def __len__(self) -> int:
        return self.size

    def view(self) -> memoryview:
        """Return its bytes, read-only."""
        return self.block.view(self.offset, self.size)


class Lost(Segment):
    """Stands where a segment could not be mapped; the value cannot be rebuilt."""

    __slots__ = ()

    def __init__(self, size: int) -> None:
        self.size = size

    def view(self) -> memoryview:
        """Raise ObjectLostError."""
        raise ObjectLostError(
            f"a value of {self.size} bytes is lost: the process that wrote it into shared memory has ended, and what "
            "it left has been removed"
        )


class Arena:
    """One process' access to the session's blocks.

    Parameters
    ----------
    folder : Path
        The session's directory under ``/dev/shm``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._free = folder / "free"
        self._pid = os.getpid()
        self._lock = threading.Lock()
        #: What this process maps of others' blocks, so that each is mapped once.
        self._mapped: WeakValueDictionary[str, mmap.mmap] = WeakValueDictionary()

    def write(self, parts: Sequence[memoryview]) -> list[Segment] | None:
        """Copy `parts` (C-contiguous, of bytes) into a block; None where there is no room for one."""
        if self._pid != os.getpid():  # a forked child: its names would be its parent's
            return None
        offsets, size = [], 0
        for part in parts:
            offsets.append(size)
            size += -(-part.nbytes // _ALIGN) * _ALIGN
        name = self._name()
        try:
            descriptor = self._open(name, size)
        except OSError:
            return None
        try:
            for part, offset in zip(parts, offsets, strict=True):
                _write(descriptor, part, offset)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        except OSError:
            _unlink(self._folder / name)
            return None
        finally:
            os.close(descriptor)
        block = Block(self, name, mapped)
        return [Segment(block, offset, part.nbytes) for part, offset in zip(parts, offsets, strict=True)]

    def read(self, name: str, offset: int, size: int) -> memoryview:
        """Return a part of another process' block, read-only.

        Raises
        ------
        OSError, ValueError
            It has gone, or is not that large.
        """
        mapped = self._map(name)
        if not 0 <= offset <= offset + size <= len(mapped):
            raise ValueError(f"bytes {offset} to {offset + size} are not all in block {name} of {len(mapped)} bytes")
        return memoryview(mapped)[offset : offset + size]

    def adopt(self, name: str) -> Block:
        """Become the owner of a block that its owner has given away; raises as `read` does."""
        mapped = self._map(name)
        mine = self._name()
        (self._folder / name).rename(self._folder / mine)
        return Block(self, mine, mapped)

    def _map(self, name: str) -> mmap.mmap:
        with self._lock:
            known = self._mapped.get(name)
            if known is not None:
                return known
            if "/" in name or name.startswith("."):
                raise ValueError(f"{name!r} is no block's name")
            path = self._folder / name
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found = os.fstat(descriptor)
                if path.stat().st_ino != found.st_ino:  # used again since it was opened
                    raise FileNotFoundError(path)
                mapped = mmap.mmap(descriptor, found.st_size, prot=mmap.PROT_READ)
            finally:
                os.close(descriptor)  # the mapping has its own, which shares the lock
            self._mapped[name] = mapped
            return mapped

    # ------------------------------------------------------------------ files

    def _name(self) -> str:
        return f"{self._pid}.{_ME}.{next(_numbers)}"

    def _open(self, name: str, size: int) -> int:
        """Return the descriptor of a block of this name with room for `size` bytes, exclusively locked."""
        path = self._folder / name
        for large, free in sorted(self._free_blocks()):
            if not size <= large <= 2 * size:
                continue
            try:
                free.rename(path)  # of any number who want it, one gets it
            except OSError:
                continue
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # somebody maps it still
                os.close(descriptor)
                _unlink(path)
                continue
            return descriptor
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            _unlink(path)
            raise
        return descriptor

    def _free_blocks(self) -> list[tuple[int, Path]]:
        """Return (bytes, path) of what may be used again."""
        try:
            return [(int(entry.name.partition("-")[0]), Path(entry.path)) for entry in os.scandir(self._free)]
        except OSError:
            return []

    def let_go(self, name: str) -> None:
        """The owner needs a block no more; from any thread, also a finalizer."""
        path = self._folder / name
        try:
            size = path.stat().st_size
            room = os.statvfs(self._folder)
            bound = min(_FREE, room.f_blocks * room.f_frsize // _FREE_PART)
            kept = sum(large for large, _ in self._free_blocks())
            if kept + size > bound or not self._unused(path):
                _unlink(path)
                return
            path.rename(self._free / f"{size}-{name}")
        except OSError:
            _unlink(path)

    @staticmethod
    def _unused(path: Path) -> bool:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        pass  # of a session that has ended


def _write(descriptor: int, part: memoryview, offset: int) -> None:
    """Write all of `part`; one call writes 2 GiB at most."""
    part = part.cast("B")
    while part:
        written = os.pwrite(descriptor, part, offset)
        part, offset = part[written:], offset + written


#: This process' arena; None where there is no shared memory, or no session yet.
_arena: Arena | None = None


def arena() -> Arena | None:
    """Return this process' arena, if it has one."""
    return _arena


def bind(folder: Path | None) -> None:
    """Say where this session's blocks are; None: there are none (any more)."""
    global _arena  # noqa: PLW0603 - the session's module
    _arena = Arena(folder) if folder is not None and fcntl is not None else None


def sweep(folder: Path) -> None:
    """Remove the blocks whose owners have died; late, since who takes a result of theirs may be about to."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # there are none
    for entry in entries:
        owner = entry.name.partition(".")[0]
        if owner.isdecimal() and not _alive(int(owner)):
            _unlink(Path(entry.path))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def swap_out(frames: list[Any]) -> dict[str, list[str | int]]:
    """Replace the segments among the frames of a message by nothing; return their names by index, for the message."""
    named: dict[str, list[str | int]] = {}
    for index, frame in enumerate(frames):
        if isinstance(frame, Segment):
            name = "" if isinstance(frame, Lost) else frame.block.name
            named[str(index)] = [name, 0 if not name else frame.offset, frame.size]
            frames[index] = b""
    return named


def lent(frames: list[Any], named: Mapping[str, Sequence[Any]]) -> None:
    """Put the memory of another process' segments where `swap_out` has taken them from."""

    def read(name: str, offset: int, size: int) -> memoryview:
        assert _arena is not None
        return _arena.read(name, offset, size)

    _swap_in(frames, named, read)


def adopted(frames: list[Any], named: Mapping[str, Sequence[Any]]) -> None:
    """Do as `lent`, and become the owner of the blocks: for whoever a result is sent to."""
    blocks: dict[str, Block] = {}

    def take(name: str, offset: int, size: int) -> Segment:
        assert _arena is not None
        if name not in blocks:
            blocks[name] = _arena.adopt(name)
        return Segment(blocks[name], offset, size)

    _swap_in(frames, named, take)


def _swap_in(frames: list[Any], named: Mapping[str, Sequence[Any]], place: Callable[[str, int, int], Any]) -> None:
    for index, (name, offset, size) in named.items():
        try:
            frames[int(index)] = place(str(name), int(offset), int(size))
        except (OSError, ValueError):
            frames[int(index)] = Lost(int(size))


def views(buffers: Iterable[Any]) -> list[Any]:
    """Return the memory of buffers, wherever they lie.

    Raises
    ------
    ObjectLostError
        It has gone.
    """
    return [buffer.view() if isinstance(buffer, Segment) else buffer for buffer in buffers]
