"""Readings of processes and GPUs; the GPUs are a double's."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from jactors.launch import gauges
from jactors.launch.gauges import Gauges


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr(gauges.time, "monotonic", lambda: now.value)
    return now


def test_cpu_needs_two_readings_and_nothing_is_read_twice_within_a_period(clock, monkeypatch):
    spent = SimpleNamespace(user=1.0, system=0.0)

    class Process:
        def __init__(self, pid):
            self.oneshot = nullcontext
            self.cpu_times = lambda: spent
            self.memory_info = lambda: SimpleNamespace(rss=5e6)

    monkeypatch.setattr(gauges.psutil, "Process", Process)
    mine = Gauges()
    me = os.getpid()
    first = mine.read([me])[me]
    assert first.cpu is None and first.rss > 1e6
    spent.user = 2.0
    clock.value += 0.5
    assert mine.read([me])[me] is first
    clock.value += 1.5
    assert mine.read([me])[me].cpu == pytest.approx(0.5)


def test_a_process_that_has_gone_has_no_gauge(clock):
    assert Gauges().read([2**22 + 1]) == {}


class Nvml:
    """Two GPUs of which the second is lost and the first is divided."""

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index == 1:
            raise RuntimeError("GPU is lost")
        return index

    def nvmlDeviceGetMemoryInfo(self, device):  # noqa: N802
        return SimpleNamespace(total=80_000, used=600)

    def nvmlDeviceGetComputeRunningProcesses(self, device):  # noqa: N802
        return [SimpleNamespace(pid=os.getpid(), usedGpuMemory=500), SimpleNamespace(pid=1, usedGpuMemory=None)]

    def nvmlDeviceGetUUID(self, device):  # noqa: N802
        return "GPU-1"

    def nvmlDeviceGetName(self, device):  # noqa: N802
        return b"H100"

    def nvmlDeviceGetUtilizationRates(self, device):  # noqa: N802
        raise RuntimeError("not supported")


def test_gpu_memory_is_told_by_process(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    mine = Gauges()
    assert mine.read([os.getpid()])[os.getpid()].gpus == {0: 500}
    (gpu,) = mine.gpus
    assert (gpu.name, gpu.uuid, gpu.total, gpu.used, gpu.busy) == ("H100", "GPU-1", 80_000, 600, None)


def test_without_nvml_there_are_no_gpus(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    mine = Gauges()
    assert mine.read([os.getpid()])[os.getpid()].gpus == {} and mine.gpus == []
