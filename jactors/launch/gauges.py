"""Gauges: what processes use of the machine, read from outside. Whoever looks pays, nobody else.

CPU time and memory are psutil's, 60 µs a process; GPUs are NVML's, where there is a GPU and
``nvidia-ml-py`` is installed. Nothing is read twice within a `PERIOD`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil

__all__ = ["Gauge", "Gauges", "Gpu"]

log = logging.getLogger("jactors")

#: Seconds within which a reading is as good as a new one.
PERIOD = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What one process uses."""

    #: Cores' worth of CPU time since the last reading: 1.0 is one core; None at the first one.
    cpu: float | None
    #: Resident memory in bytes.
    rss: int
    #: Bytes of GPU memory, by the GPU's index.
    gpus: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU of the machine."""

    index: int
    uuid: str
    name: str
    #: Bytes.
    total: int
    used: int
    #: Share of the time in which it worked, 0.0 to 1.0; None where it does not say.
    busy: float | None


class Gauges:
    """Readings of processes and GPUs. Of one thread at a time."""

    def __init__(self) -> None:
        self._processes: dict[int, tuple[psutil.Process, float, float]] = {}
        #: The last reading; None of a process that had gone.
        self._read: dict[int, Gauge | None] = {}
        self._held: dict[int, dict[int, int]] = {}
        self._at = float("-inf")
        self._nvml: Any = None
        self._tried = False
        self.gpus: list[Gpu] = []

    def read(self, pids: Iterable[int]) -> dict[int, Gauge]:
        """Return the gauges of those processes that live."""
        wanted = set(pids)
        now = time.monotonic()
        if now - self._at >= PERIOD:
            self._at = now
            self._held = self._look_at_gpus()
            self._read = {}
            for pid in self._processes.keys() - wanted:
                del self._processes[pid]
        for pid in wanted - self._read.keys():
            self._read[pid] = self._look(pid, self._held.get(pid, {}))
        return {pid: gauge for pid, gauge in self._read.items() if gauge is not None}

    def _look(self, pid: int, gpus: dict[int, int]) -> Gauge | None:
        try:
            known = self._processes.get(pid)
            process = known[0] if known is not None else psutil.Process(pid)
            with process.oneshot():
                times, rss = process.cpu_times(), process.memory_info().rss
        except psutil.Error:
            self._processes.pop(pid, None)
            return None
        spent, now = times.user + times.system, time.monotonic()
        cpu = None
        if known is not None and now > known[2] and spent >= known[1]:
            cpu = (spent - known[1]) / (now - known[2])
        self._processes[pid] = process, spent, now
        return Gauge(cpu=cpu, rss=rss, gpus=gpus)

    def _look_at_gpus(self) -> dict[int, dict[int, int]]:
        """Read all GPUs; return the memory that each process has, by index."""
        nvml = self._library()
        held: dict[int, dict[int, int]] = {}
        gpus = []
        for index in range(nvml.nvmlDeviceGetCount() if nvml is not None else 0):
            try:
                device = nvml.nvmlDeviceGetHandleByIndex(index)
                memory = nvml.nvmlDeviceGetMemoryInfo(device)
                for process in nvml.nvmlDeviceGetComputeRunningProcesses(device):
                    held.setdefault(process.pid, {})[index] = process.usedGpuMemory or 0
                gpu = Gpu(
                    index=index,
                    uuid=_text(nvml.nvmlDeviceGetUUID(device)),
                    name=_text(nvml.nvmlDeviceGetName(device)),
                    total=memory.total,
                    used=memory.used,
                    busy=_busy(nvml, device),
                )
            except Exception as error:  # NVML's own: it was lost, or may not be looked at
                log.debug("GPU %d cannot be read: %r", index, error)
            else:
                gpus.append(gpu)
        self.gpus = gpus
        return held

    def _library(self) -> Any:
        if not self._tried:
            self._tried = True
            try:
                import pynvml

                pynvml.nvmlInit()
                self._nvml = pynvml
            except Exception:  # it is not installed, or there is no driver
                self._nvml = None
        return self._nvml


def _busy(nvml: Any, device: Any) -> float | None:
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(device).gpu) / 100
    except Exception:  # one that is divided (MIG) does not say
        return None


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
