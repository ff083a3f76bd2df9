"""A census of all that jactors can leave behind, taken before a test and after it.

::

    before = Census.take()
    ...                                   # actors come and go
    jactors.shutdown()
    Census.wait_clean(before, timeout=5)  # LeakError names what is still there

Guarantees: the census asks the operating system and never jactors, so it also finds what jactors has forgotten. It
sees other people's processes only if they share this process' Jupyter runtime directory: set ``JUPYTER_RUNTIME_DIR``
to a folder of your own, and tests that run side by side do not see each other.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from jactors.places import shared_name

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The variable that every process of a session inherits, grandchildren included.
COOKIE = "JACTORS_COOKIE"

#: What is ours by its name: threads, connection files, entries of /dev/shm.
PREFIX = "jactors-"

#: Seconds between two looks of `Census.wait_clean`: /proc has no event to wait for.
PAUSE = 0.02

#: One such helper a process comes with the standard library's shared memory, and stays as long as its process.
HELPERS = ("multiprocessing.resource_tracker",)


#: Entries of jactors' base folder that stay for the next session: the names' folders, the machine's ledger.
DURABLE = ("names", "ledger*")


class LeakError(AssertionError):
    """Something outlived its test; the message lists it, one line each."""


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """One living (or unreaped) process; a reused pid does not equal the old one.

    Parameters
    ----------
    pid : int
        Its process id.
    started : float
        When it started, in seconds since the epoch.
    command : str
        Its command line, cut to 100 characters, for the reader of a complaint.
    """

    pid: int
    started: float
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What belongs to jactors at one moment.

    Parameters
    ----------
    processes : frozenset of ProcessEntry
        This process' descendants, and every process with a session's cookie in the environment it was started with
        that uses the same Jupyter runtime directory. Zombies count: somebody did not reap them.
    connection_files : frozenset of str
        ``jactors-*.json`` in the Jupyter runtime directory.
    folders : frozenset of str
        What lies in the watched folders, one level deep: session folders. `DURABLE` entries are no session's, but
        the files in ``names`` are.
    shared_memory : frozenset of str
        Directories of sessions of this Jupyter runtime directory under ``/dev/shm``.
    threads : frozenset of str
        Names of this process' threads that begin with ``jactors-``.
    descriptors : tuple of str
        What this process' open descriptors point to, sorted; empty where the system does not tell.
    watched : tuple of Path
        The folders that were looked into, so that a second census looks into the same.
    kin : bool
        Whether descendants without a cookie were counted.
    """

    processes: frozenset[ProcessEntry]
    connection_files: frozenset[str]
    folders: frozenset[str]
    shared_memory: frozenset[str]
    threads: frozenset[str]
    descriptors: tuple[str, ...]
    watched: tuple[Path, ...] = ()
    kin: bool = True

    @classmethod
    def take(cls, folders: Iterable[str | os.PathLike[str]] = (), *, kin: bool = True) -> Census:
        """Count what is there now.

        Parameters
        ----------
        folders : iterable of path, optional
            Folders whose entries count too, such as the one that holds the session folders. One that does not exist
            is empty.
        kin : bool, optional
            Count this process' descendants, whatever they are; else only those with a session's cookie, where
            this process also runs others' programs that come and go, such as a browser.

        Returns
        -------
        Census
            A frozen record; takes a few milliseconds, and one more for every hundred processes of this user.
        """
        watched = tuple(Path(folder) for folder in folders)
        return cls(
            processes=frozenset(_processes(kin=kin)),
            connection_files=frozenset(
                name
                for name in _names(Path(jupyter_runtime_dir()))
                if name.startswith(PREFIX) and name.endswith(".json")
            ),
            folders=frozenset(str(path) for folder in watched for path in _belongings(folder)),
            shared_memory=frozenset(name for name in _names(Path("/dev/shm")) if name.startswith(shared_name(""))),  # noqa: S108
            threads=frozenset(thread.name for thread in threading.enumerate() if thread.name.startswith(PREFIX)),
            descriptors=_descriptors(),
            watched=watched,
            kin=kin,
        )

    def difference(self, before: Census, *, spare_descriptors: int = 0) -> list[str]:
        """Say what is here that was not there before.

        Parameters
        ----------
        before : Census
            The earlier census.
        spare_descriptors : int, optional
            How many more open descriptors are no leak. Libraries open a few on first use and keep them.

        Returns
        -------
        list of str
            One line a leak, sorted; empty when nothing was left behind. What has *gone* since is no complaint.
        """
        lines = [
            f"process {process.pid}: {process.command}"
            for process in sorted(self.processes - before.processes, key=lambda process: process.pid)
        ]
        for what in ("connection_files", "folders", "shared_memory", "threads"):
            added: frozenset[str] = getattr(self, what) - getattr(before, what)
            lines += [f"{what.replace('_', ' ').removesuffix('s')}: {name}" for name in sorted(added)]
        if (more := len(self.descriptors) - len(before.descriptors)) > spare_descriptors:
            new = sorted(set(self.descriptors) - set(before.descriptors))
            lines.append(f"{more} more open descriptors: {', '.join(new[:20])}{', ...' if len(new) > 20 else ''}")
        return lines

    @classmethod
    def wait_clean(cls, before: Census, timeout: float, *, spare_descriptors: int = 0) -> Census:
        """Look again and again until nothing is here that was not there before.

        Parameters
        ----------
        before : Census
            The earlier census.
        timeout : float
            Seconds after which what is still there is a leak.
        spare_descriptors : int, optional
            See `difference`.

        Returns
        -------
        Census
            The clean one.

        Raises
        ------
        LeakError
            With one line for everything that is still there.
        """
        gc.collect()  # a socket in a reference cycle is closed when it is collected, which is no leak
        deadline = time.monotonic() + timeout
        while True:
            now = cls.take(before.watched, kin=before.kin)
            left = now.difference(before, spare_descriptors=spare_descriptors)
            if not left:
                return now
            if time.monotonic() >= deadline:
                raise LeakError(f"left behind after {timeout} s:\n" + "\n".join(f"  {line}" for line in left))
            time.sleep(PAUSE)


def _names(folder: Path) -> list[str]:
    """What lies in a folder; nothing where there is no such folder, or it went while we looked."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted
    except (FileNotFoundError, NotADirectoryError):
        return []


def _belongings(folder: Path) -> list[Path]:
    """What sessions own in their base folder: all but what is durable, and each name that is still taken."""
    own = [folder / name for name in _names(folder) if not any(fnmatch(name, pattern) for pattern in DURABLE)]
    taken = [
        folder / "names" / space / name
        for space in _names(folder / "names")
        for name in _names(folder / "names" / space)
    ]
    return own + taken


def _processes(*, kin: bool) -> list[ProcessEntry]:
    """All that belong to us: descendants by parentage, orphans by the cookie."""
    me = psutil.Process()
    found = {process.pid: process for process in (me.children(recursive=True) if kin else [])}
    home = os.environ.get("JUPYTER_RUNTIME_DIR")
    for process in psutil.process_iter():
        if process.pid in found or process.pid == me.pid:
            continue
        try:
            # the environment at exec: a forked actor shows its supervisor's, which is why that one carries the cookie
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # gone, or somebody else's
        if COOKIE in environment and environment.get("JUPYTER_RUNTIME_DIR") == home:
            found[process.pid] = process
    entries = (_entry(process) for process in found.values())
    return [entry for entry in entries if entry is not None]


def _entry(process: psutil.Process) -> ProcessEntry | None:
    """Describe one process; None if it has gone meanwhile, or is a helper that stays by design."""
    try:
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                # its command line is empty already: a constant text keeps one zombie equal to itself
                return ProcessEntry(process.pid, process.create_time(), f"{process.name()} (zombie)")
            command = " ".join(process.cmdline())
            if any(helper in command for helper in HELPERS):
                return None
            return ProcessEntry(process.pid, process.create_time(), command[:100] or process.name())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return ProcessEntry(process.pid, process.create_time(), "(not readable)")


def _descriptors() -> tuple[str, ...]:
    """What each open descriptor points to; the one that lists the folder has gone by the time it is read."""
    targets = []
    for number in _names(Path("/proc/self/fd")):
        try:
            targets.append(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115 - most point to no path
        except OSError:
            continue
    return tuple(sorted(targets))
