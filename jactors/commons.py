"""The commons: what all sessions of this user on this machine share, so that no two are given the same thing.

::

    session A: Ledger ─ reserve ─▶ Commons ═ locked file ═ Commons ◀─ reserve ─ Ledger: session B
                                   <base>/ledger.json: per session, which cores and GPUs, and whose

Counts are a session's own: what `init` was told (``num_cpus=4``), or what this process may use.
Things with numbers are the machine's:

* A *core* that an actor is pinned to is no other session's, and who needs one that another session
  has waits, as for one of its own session. Unless the count of cores was stated: that says how many
  actors may run at once whatever the machine is, so such a session waits for nobody; it takes free
  cores first, and shares cores where there are none.
* A *GPU* of this machine is no other session's, fractions of it apart, also where fewer were stated
  than there are. Stated beyond what there is, GPUs are names and no devices: each session has its own.
* Custom resources and memory are a session's own.

Guarantees: the file is changed under a lock (flock, which ends with its process) and replaced whole;
a session is in it with its supervisor's pid and start, and what a dead one had is free for whoever
looks next; nobody waits for the lock longer than `PATIENCE` seconds. The arithmetic is `Ledger`'s.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jactors import injection
from jactors.ledger import Grant, Ledger
from jactors.places import read_private, write_private
from jactors.vitals import process_alive, start_time

__all__ = ["Commons"]

#: Without it (Windows) each session is for itself.
_CAN_LOCK = find_spec("fcntl") is not None

#: Seconds that the lock may be held by others before one goes on without what one wanted.
PATIENCE = 1.0

#: Seconds that a session keeps cores that it may need again at once, for the next task: a write saved.
LINGER = 0.05


class Commons:
    """One session's view of the machine; reserves and releases as `Ledger` does.

    Parameters
    ----------
    ledger : Ledger
        The session's own.
    folder : Path
        Where the file of all sessions of this user is.
    exclusive : bool
        Wait for cores that another session has; False where the count of cores was stated.
    devices : mapping
        Names of this machine's GPUs, the same for all sessions, by the ids that this session has for them.
    """

    def __init__(
        self, ledger: Ledger, folder: Path, *, session: str, exclusive: bool, devices: Mapping[str, str]
    ) -> None:
        self._ledger = ledger
        self._file = folder / "ledger.json"
        self._lock = folder / "ledger.lock"
        self._exclusive = exclusive
        self._devices = dict(devices)
        self._cores = set(ledger.cores)
        self._me = {"session": session, "pid": os.getpid(), "started": start_time(os.getpid())}
        #: What the file says that is ours: cores, and GPUs in parts of one.
        self._recorded: tuple[frozenset[int], dict[str, float]] = (frozenset(), {})
        self._seen: tuple[int, int] | None = None
        #: Sessions whose holdings count here, and their processes.
        self._others: list[tuple[int, str]] = []
        #: Why nothing can be had, where it is not for want of it.
        self._trouble = ""
        self._flushing = False
        self.later: Callable[[float, Callable[[], object]], object] | None = None

    # ------------------------------------------------------------------ as a ledger

    def total(self) -> dict[str, float]:
        """All there is for this session."""
        return self._ledger.total()

    def available(self) -> dict[str, float]:
        """What is free for this session now."""
        self._look()
        return self._ledger.available()

    def check(self, demand: Mapping[str, float]) -> None:
        """Refuse what could never be granted; see `Ledger.check`."""
        self._ledger.check(demand)

    def explain(self, demand: Mapping[str, float]) -> str:
        """Say what a demand waits for and who has it."""
        return self._ledger.explain(demand) or self._trouble

    def reserve(self, holder: str, demand: Mapping[str, float], *, label: str = "") -> Grant | None:
        """Give `holder` what it asks for, or None; see `Ledger.reserve`."""
        if not _CAN_LOCK or (demand.get("CPU", 0) < 1 and not demand.get("GPU")):
            return self._ledger.reserve(holder, demand, label)
        grant = self._ledger.reserve(holder, demand, label)
        if grant is not None and self._covered():
            return grant  # all of it is ours already, in the file too
        if grant is not None:
            self._ledger.release(holder)
        with self._locked() as locked:
            if not locked:
                return None
            records = self._read()
            grant = self._ledger.reserve(holder, demand, label)
            if grant is not None and not self._covered() and not self._write(records):
                self._ledger.release(holder)
                return None
        return grant

    def release(self, holder: str) -> None:
        """Take back what `holder` has; others see it a moment later."""
        self._ledger.release(holder)
        if self._recorded != (frozenset(), {}) and not self._flushing:
            if self.later is None:
                self.flush()
            else:
                self._flushing = True
                self.later(LINGER, self.flush)

    # ------------------------------------------------------------------ the file

    def changed(self) -> bool:
        """Return whether others may have given something back since the last look; cheap."""
        if not _CAN_LOCK:
            return False
        return (
            bool(self._trouble)
            or self._stamp() != self._seen
            or not all(process_alive(*other) for other in self._others)
        )

    def flush(self) -> None:
        """Write down what is ours now, if it is less than what is written."""
        self._flushing = False
        if not _CAN_LOCK or self._recorded == self._holdings():
            return
        with self._locked() as locked:
            if not locked or not self._write(self._read()):
                self.release("")  # once more, later

    def prune(self) -> None:
        """Remove from the file what sessions had that have died without giving it back."""
        left = list(self._file.parent.glob(f".{self._file.name}.*"))  # of one that was killed as it wrote, or writes
        if _CAN_LOCK and (left or self._file.exists()):
            with self._locked() as locked:
                if locked:
                    for aside in left:
                        aside.unlink(missing_ok=True)
                    self._write(self._read())

    def close(self) -> None:
        """Give all back: the session has ended."""
        for holder in self._ledger.holders():
            self._ledger.release(holder)
        self.later = None
        self.flush()

    def _look(self) -> None:
        """Take note of what others have, without the lock: the file is replaced whole."""
        if _CAN_LOCK and self.changed():
            self._read()

    def _read(self) -> list[dict[str, Any]]:
        """Return what other living sessions have, and let it count here."""
        self._seen = self._stamp()
        try:
            told = json.loads(read_private(self._file))["sessions"]
            records = [r for r in told if r["session"] != self._me["session"] and process_alive(r["pid"], r["started"])]
            shared = [grant for record in records for grant in self._grants(record)]
        except FileNotFoundError:
            records, shared = [], []
        except (ValueError, KeyError, TypeError):
            records, shared = [], []  # nobody of ours has written this: begin anew
        self._others = [(record["pid"], record["started"]) for record in records]
        self._ledger.share(shared)
        return records

    def _grants(self, record: dict[str, Any]) -> Iterator[Grant]:
        mine = {device: gpu for gpu, device in self._devices.items()}
        for number, (cores, gpus, amount, label) in enumerate(record["grants"]):
            here = tuple(sorted(self._cores & set(cores)))
            demand = {"CPU": float(len(here)) if self._exclusive else 0.0, "GPU": amount}
            yield Grant(
                holder=f"{record['session']}:{number}",
                demand={name: parts for name, parts in demand.items() if parts},
                cores=here,
                gpus=tuple(mine[device] for device in gpus if device in mine),
                label=f"{label} of session {record['session']}, pid {record['pid']}",
            )

    def _holdings(self) -> tuple[frozenset[int], dict[str, float]]:
        """Return the cores and the parts of GPUs that this session's holders have."""
        cores: set[int] = set()
        gpus: dict[str, float] = {}
        for grant in self._ledger.holders().values():
            cores |= set(grant.cores)
            for gpu in grant.gpus:
                if gpu in self._devices:
                    gpus[gpu] = gpus.get(gpu, 0.0) + min(1.0, grant.demand.get("GPU", 0.0))
        return frozenset(cores), gpus

    def _covered(self) -> bool:
        cores, gpus = self._holdings()
        return cores <= self._recorded[0] and all(parts <= self._recorded[1].get(gpu, 0) for gpu, parts in gpus.items())

    def _write(self, others: list[dict[str, Any]]) -> bool:
        """Replace the file; return whether that went well. Under the lock."""
        grants = []
        for grant in self._ledger.holders().values():
            gpus = [self._devices[gpu] for gpu in grant.gpus if gpu in self._devices]
            if grant.cores or gpus:
                grants.append([list(grant.cores), gpus, grant.demand.get("GPU", 0.0) if gpus else 0.0, grant.label])
        try:
            if grants or others or self._file.exists():
                mine = [{**self._me, "grants": grants}] if grants else []
                data = json.dumps({"sessions": [*others, *mine]}).encode()
                write_private(self._file, data, written=partial(injection.reach, "ledger"))
        except OSError as error:
            self._trouble = f"waits for the machine's ledger, which cannot be written: {error}"
            return False
        self._trouble = ""
        self._recorded = self._holdings()
        self._seen = self._stamp()
        return True

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock; False where somebody has it for too long: stopped, or worse."""
        import fcntl

        try:
            descriptor = os.open(
                self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o600
            )
        except OSError as error:
            self._trouble = f"waits for the machine's ledger, which cannot be locked: {error}"
            yield False
            return
        try:
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        self._trouble = f"waits for the machine's ledger, which somebody holds locked ({self._lock})"
                        yield False
                        return
                    time.sleep(0.001)
            yield True
        finally:
            os.close(descriptor)  # and the lock with it
