"""Pinning: what a new process does to itself before any user code is imported or unpickled.

::

    driver                                   child, in this order
    discover_cores, discover_gpus            replace_environment
      -> ledger -> Grant                     die_with_parent
    environment(base, grant, user)  ------>  apply_affinity
                                             raise_oom_score

Environment and affinity come first because numpy, OpenMP and CUDA read them once, when they are imported.

Guarantees: nothing here starts a thread or imports a third party into the child, so the fork server may import it and
fork. What a platform does not have is left out in silence: an actor that is not pinned still works.

Not done with a ``preexec_fn``, which forces a full fork of the driver and is unsafe where it has threads.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = [
    "Pins",
    "apply_affinity",
    "device_names",
    "die_with_parent",
    "discover_cores",
    "discover_gpus",
    "environment",
    "raise_descriptor_limit",
    "raise_oom_score",
    "replace_environment",
]

_log = logging.getLogger("jactors")

#: Loaded once, by the fork server: dlopen in a forked child is time spent in every actor.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1

_CGROUP = Path("/sys/fs/cgroup")
_OOM_SCORE = Path("/proc/self/oom_score_adj")

#: Pools that otherwise have a thread for every core of the machine, in every actor.
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

#: Says which of them are ours, not the user's: ``"4:OMP_NUM_THREADS,..."``. An actor that starts actors would
#: otherwise hand its own thread count down as if the user had set it.
_OURS = "JACTORS_THREADS"

#: Descriptors are raised to the hard limit, but not beyond this: some programs close every number up to the limit.
_MOST_DESCRIPTORS = 1 << 20


class Pins(Protocol):
    """What was granted: read only, so the ledger's `Grant` is one."""

    @property
    def gpus(self) -> Sequence[str]:
        """Ids of GPUs."""

    @property
    def demand(self) -> Mapping[str, float]:
        """Amounts by resource; ``CPU`` is what counts here."""


# ---- in the driver


def discover_cores() -> list[int]:
    """Cores this process may use: its affinity, no more of them than the cgroup's CPU quota pays for."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    quota = _quota()
    return cores if quota is None else cores[: max(1, quota)]


def _quota() -> int | None:
    """CPUs that the container's quota pays for, rounded up; None without one. Counted as loky counts them."""
    try:
        if (_CGROUP / "cpu.max").exists():  # v2
            quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
        else:  # v1
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((_CGROUP / "cpu" / name).read_text(encoding="ascii") for name in names)
        if quota == "max" or int(quota) <= 0 or int(period) <= 0:
            return None
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no cgroups here, or not as we know them
        return None


def discover_gpus() -> list[str]:
    """GPU ids this process may use, as ``CUDA_VISIBLE_DEVICES`` takes them.

    They are those of its own ``CUDA_VISIBLE_DEVICES``, where that is set: a batch system, or whoever started the
    notebook, has chosen. Otherwise NVML is asked, if nvidia-ml-py is installed; without it there are none.
    """
    present = _nvml_ids()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [str(index) for index in range(len(present or ()))]
    ids: list[str] = []
    for part in chosen.split(","):
        gpu = part.strip()
        if not _exists(gpu, present) or gpu in ids:
            break  # CUDA too stops at the first id it cannot make sense of: "0,-1,1" is GPU 0 alone
        ids.append(gpu)
    return ids


def device_names(gpus: Sequence[str]) -> dict[str, str]:
    """Names by id, the same in every process of this machine: UUIDs where NVML knows them, else the ids.

    Two processes with a ``CUDA_VISIBLE_DEVICES`` of their own may have two ids for one GPU.
    """
    present = _nvml_ids() or []
    names = {}
    for gpu in gpus:
        names[gpu] = gpu
        if gpu.isdecimal() and int(gpu) < len(present):
            names[gpu] = present[int(gpu)]
        elif gpu.startswith("GPU-"):
            names[gpu] = next((uuid for uuid in present if uuid.startswith(gpu)), gpu)
    return names


def _exists(gpu: str, present: list[str] | None) -> bool:
    if gpu.isdecimal():
        return present is None or int(gpu) < len(present)
    if gpu.startswith("GPU-"):  # may be shortened, as long as it is unambiguous
        return present is None or any(uuid.startswith(gpu) for uuid in present)
    return gpu.startswith("MIG-")


def _nvml_ids() -> list[str] | None:
    """UUIDs in PCI order; None where NVML cannot be asked."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        uuids = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
        return [uuid.decode() if isinstance(uuid, bytes) else str(uuid) for uuid in uuids]
    except pynvml.NVMLError as error:
        _log.warning("NVML found GPUs but cannot list them (%s): state them with init(num_gpus=...)", error)
        return None
    finally:
        pynvml.nvmlShutdown()


def environment(base: Mapping[str, str], *, grant: Pins, user: Mapping[str, str]) -> dict[str, str]:
    """The environment of an actor: the driver's, the pinning over it, the user's wishes over all.

    Parameters
    ----------
    base : Mapping[str, str]
        The driver's environment. Thread counts that it sets are kept.
    grant : Pins
        What it was granted. Without a GPU it sees none, so that it cannot take one by accident; libraries get as many
        threads as it has whole CPUs, and at least one.
    user : Mapping[str, str]
        The ``env`` option.
    """
    built = dict(base)
    built["CUDA_VISIBLE_DEVICES"] = ",".join(grant.gpus)
    # NVML and nvidia-smi count by bus, CUDA by default fastest first. Who has set it numbers GPUs in that order.
    built.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")

    inherited, _, names = base.get(_OURS, "").partition(":")
    inherited_names = names.split(",")
    threads = str(max(1, int(grant.demand.get("CPU", 0))))
    ours = []
    for name in _THREADS:
        if name not in base or (name in inherited_names and base[name] == inherited):
            built[name] = threads
            ours.append(name)
    built[_OURS] = f"{threads}:{','.join(name for name in ours if name not in user)}"
    return {**built, **user}


def raise_descriptor_limit() -> int | None:
    """Raise the soft limit of open files to the hard one; returns it, None where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return soft
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if most <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:  # macOS has another limit below the hard one
        _log.debug("open files stay limited to %d: %s", soft, error)
        return soft
    return most


# ---- in the child, before any user code


def replace_environment(env: Mapping[str, str]) -> None:
    """Make `env` the environment of this process, for C code too."""
    zone = os.environ.get("TZ")
    # Only what differs: the fork server's environment is nearly the same, and PATH is never missing in between.
    for name in [name for name in os.environ if name not in env]:
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if env.get("TZ") != zone and hasattr(time, "tzset"):
        time.tzset()  # libc has read it long ago, in the fork server


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends.

    The parent here is the *thread* that forked: it must live as long as its process does. Not inherited by children.

    Parameters
    ----------
    parent_pid : int
        Process id of the parent, as it knew it before the fork.
    """
    if _LIBC is None:
        return
    if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        _log.warning("PR_SET_PDEATHSIG failed: %s", os.strerror(ctypes.get_errno()))
    if os.getppid() != parent_pid:  # it died before we could ask: nobody will tell us any more
        os._exit(1)


def apply_affinity(cores: Collection[int]) -> None:
    """Pin this process, and all threads it will start, to `cores`; nothing happens without any."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:  # a core went offline, or left our cpuset: better unpinned than dead
        _log.warning("cannot pin to cores %s: %s", list(cores), error)


def raise_oom_score(by: int = 500) -> None:
    """Have the kernel, out of memory, kill an actor rather than the notebook; needs no privilege."""
    try:
        score = int(_OOM_SCORE.read_text(encoding="ascii"))
        _OOM_SCORE.write_text(str(min(1000, score + by)), encoding="ascii")
    except (OSError, ValueError):  # not Linux, or a sandbox: best effort
        pass
