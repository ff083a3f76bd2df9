from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from jactors.launch import pinning

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")


# ---- discover_cores


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(pinning, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {6, 2, 4, 9}, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, [2, 4, 6, 9]),
        ({"cpu.max": "max 100000\n"}, [2, 4, 6, 9]),
        ({"cpu.max": "200000 100000\n"}, [2, 4]),
        ({"cpu.max": "150000 100000\n"}, [2, 4]),
        ({"cpu.max": "1000 100000\n"}, [2]),
        ({"cpu.max": "9900000 100000\n"}, [2, 4, 6, 9]),
        ({"cpu.max": "nonsense\n"}, [2, 4, 6, 9]),
        ({"cpu.max": ""}, [2, 4, 6, 9]),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, [2, 4, 6, 9]),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, [2, 4, 6]),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "0\n"}, [2, 4, 6, 9]),
        ({"cpu/cpu.cfs_quota_us": "250000\n"}, [2, 4, 6, 9]),
    ],
    ids=str,
)
def test_cores_are_those_of_the_affinity_as_far_as_the_quota_pays(cgroup, files, cores):
    for name, text in files.items():
        (cgroup / name).parent.mkdir(exist_ok=True)
        (cgroup / name).write_text(text)
    assert pinning.discover_cores() == cores


def test_cores_without_affinity(cgroup, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert pinning.discover_cores() == [0, 1, 2]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert pinning.discover_cores() == [0]


def test_this_machine_has_a_core():
    assert pinning.discover_cores()


# ---- discover_gpus


def nvml(*uuids, broken=None):
    """A pynvml of these GPUs; the function called `broken` fails."""
    module = ModuleType("pynvml")
    module.NVMLError = type("NVMLError", (Exception,), {})
    module.closed = 0

    def function(name, result):
        def call(*args):
            if name == broken:
                raise module.NVMLError(name)
            return result(*args)

        setattr(module, name, call)

    def close():
        module.closed += 1

    function("nvmlInit", lambda: None)
    function("nvmlShutdown", close)
    function("nvmlDeviceGetCount", lambda: len(uuids))
    function("nvmlDeviceGetHandleByIndex", lambda index: index)
    function("nvmlDeviceGetUUID", lambda handle: uuids[handle])
    return module


TWO = ("GPU-aaaa-1", b"GPU-bbbb-2")


@pytest.mark.parametrize(
    ("module", "visible", "gpus"),
    [
        (None, None, []),
        (nvml(), None, []),
        (nvml(*TWO), None, ["0", "1"]),
        (nvml(*TWO, broken="nvmlInit"), None, []),
        (nvml(*TWO, broken="nvmlDeviceGetUUID"), None, []),
        (nvml(*TWO), "", []),
        (nvml(*TWO), "1", ["1"]),
        (nvml(*TWO), "1,0", ["1", "0"]),
        (nvml(*TWO), " 0 , 1 ", ["0", "1"]),
        (nvml(*TWO), "0,2,1", ["0"]),  # CUDA stops at the first it does not know
        (nvml(*TWO), "-1", []),
        (nvml(*TWO), "0,-1,1", ["0"]),
        (nvml(*TWO), "NoDevFiles", []),
        (nvml(*TWO), "1,1", ["1"]),
        (nvml(*TWO), "GPU-bbbb", ["GPU-bbbb"]),
        (nvml(*TWO), "GPU-cccc", []),
        (nvml(*TWO), "MIG-12/3/0", ["MIG-12/3/0"]),
        (nvml(*TWO, broken="nvmlInit"), "0,1", []),  # chosen, but there is no driver
        (None, "2,3", ["2", "3"]),  # nobody to ask: who set it is believed
        (None, "GPU-cccc", ["GPU-cccc"]),
        (None, "", []),
    ],
)
def test_gpus_are_those_the_driver_may_see(monkeypatch, module, visible, gpus):
    monkeypatch.setitem(sys.modules, "pynvml", module)  # None: the import fails
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert pinning.discover_gpus() == gpus


@pytest.mark.parametrize("broken", [None, "nvmlDeviceGetCount"])
def test_nvml_is_closed_again(monkeypatch, broken):
    module = nvml(*TWO, broken=broken)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    pinning.discover_gpus()
    assert module.closed == 1


# ---- environment


def built(base=None, *, gpus=(), demand=None, user=None):
    return pinning.environment(base or {}, grant=SimpleNamespace(gpus=gpus, demand=demand or {}), user=user or {})


THREADS = [
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS"),
]


@pytest.mark.parametrize(
    ("gpus", "visible"), [((), ""), (("0",), "0"), (("2", "3"), "2,3"), (("GPU-aa",), "GPU-aa")], ids=str
)
def test_an_actor_sees_the_gpus_it_was_granted_and_no_other(gpus, visible):
    for base in ({}, {"CUDA_VISIBLE_DEVICES": "7"}):
        env = built(base, gpus=gpus)
        assert env["CUDA_VISIBLE_DEVICES"] == visible
        assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert built(gpus=gpus, user={"CUDA_VISIBLE_DEVICES": "5"})["CUDA_VISIBLE_DEVICES"] == "5"


def test_an_order_of_gpus_that_was_chosen_is_kept():
    assert built({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


@pytest.mark.parametrize(
    ("demand", "threads"),
    [
        ({}, "1"),
        ({"GPU": 1.0}, "1"),
        ({"CPU": 0.5}, "1"),
        ({"CPU": 1.0}, "1"),
        ({"CPU": 3.0}, "3"),
        ({"CPU": 2.5}, "2"),
    ],
    ids=str,
)
def test_libraries_get_a_thread_for_each_whole_cpu(demand, threads):
    env = built(demand=demand)
    assert {name: env[name] for name in THREADS} == dict.fromkeys(THREADS, threads)


def test_thread_counts_of_the_driver_are_kept_and_the_users_go_over_all():
    env = built({"OMP_NUM_THREADS": "6", "MKL_NUM_THREADS": "7"}, demand={"CPU": 2.0}, user={"MKL_NUM_THREADS": "8"})
    assert (env["OMP_NUM_THREADS"], env["MKL_NUM_THREADS"], env["BLIS_NUM_THREADS"]) == ("6", "8", "2")


def test_an_actor_of_an_actor_gets_its_own_thread_count():
    first = built({"MKL_NUM_THREADS": "7"}, demand={"CPU": 1.0}, user={"BLIS_NUM_THREADS": "9"})
    second = built(first, demand={"CPU": 4.0})
    assert second["OMP_NUM_THREADS"] == "4"  # ours: set anew
    assert second["MKL_NUM_THREADS"] == "7"  # the first driver's
    assert second["BLIS_NUM_THREADS"] == "9"  # the user's
    changed = built({**first, "OMP_NUM_THREADS": "3"}, demand={"CPU": 4.0})
    assert changed["OMP_NUM_THREADS"] == "3"  # set by the user's code in the actor
    third = built(second, demand={})
    assert (third["OMP_NUM_THREADS"], third["MKL_NUM_THREADS"]) == ("1", "7")


def test_all_else_comes_from_the_driver_and_nothing_is_changed_in_place():
    base, user = {"PATH": "/bin", "HOME": "/home"}, {"HOME": "/elsewhere", "TOKEN": "x"}
    env = built(base, user=user)
    assert (env["PATH"], env["HOME"], env["TOKEN"]) == ("/bin", "/elsewhere", "x")
    assert (base, user) == ({"PATH": "/bin", "HOME": "/home"}, {"HOME": "/elsewhere", "TOKEN": "x"})


# ---- replace_environment


@pytest.fixture
def environ():
    """This process' environment, put back afterwards."""
    before = dict(os.environ)
    yield before
    os.environ.clear()
    os.environ.update(before)
    if hasattr(time, "tzset"):
        time.tzset()


def libc_getenv(name):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return getenv(name.encode())


@linux
def test_the_environment_is_replaced_for_c_too(environ):
    os.environ["JX_OLD"] = "old"
    os.environ["JX_SAME"] = "same"
    env = {**environ, "JX_SAME": "same", "JX_NEW": "new", "PATH": "/nowhere"}
    pinning.replace_environment(env)
    assert dict(os.environ) == env
    names = ("JX_OLD", "JX_SAME", "JX_NEW", "PATH")
    assert [libc_getenv(name) for name in names] == [None, b"same", b"new", b"/nowhere"]


@linux
def test_an_environment_may_be_empty(environ):
    pinning.replace_environment({})
    assert dict(os.environ) == {}
    assert libc_getenv("PATH") is None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zones to set")
def test_a_new_time_zone_is_in_force(environ):
    pinning.replace_environment({**environ, "TZ": "XYZ-3"})
    assert time.strftime("%z") == "+0300"
    pinning.replace_environment({**environ, "TZ": "XYZ+5"})
    assert time.strftime("%z") == "-0500"


# ---- die_with_parent


@linux
def test_the_kernel_is_told_to_kill_us_with_our_parent():
    libc = ctypes.CDLL(None)
    found = ctypes.c_int(-1)
    assert libc.prctl(2, ctypes.byref(found), 0, 0, 0) == 0  # PR_GET_PDEATHSIG
    before = found.value
    try:
        pinning.die_with_parent(os.getppid())
        libc.prctl(2, ctypes.byref(found), 0, 0, 0)
        assert found.value == signal.SIGKILL
    finally:
        libc.prctl(1, before, 0, 0, 0)


class Exited(BaseException):
    pass


@pytest.fixture
def prctl(monkeypatch):
    """Calls that would have been made; `os._exit` raises instead."""
    calls = []
    fake = SimpleNamespace(result=0, prctl=lambda *args: calls.append(args) or fake.result)
    monkeypatch.setattr(pinning, "_LIBC", fake)

    def leave(code):
        raise Exited(code)

    monkeypatch.setattr(os, "_exit", leave)
    fake.calls = calls
    return fake


def test_who_has_lost_its_parent_already_leaves(prctl):
    with pytest.raises(Exited):
        pinning.die_with_parent(os.getppid() + 1)
    assert prctl.calls == [(1, signal.SIGKILL, 0, 0, 0)]  # asked first: else the parent could die in between


def test_a_refusal_is_said_and_survived(prctl, caplog):
    prctl.result = -1
    pinning.die_with_parent(os.getppid())
    assert "PR_SET_PDEATHSIG" in caplog.text


def test_nothing_happens_elsewhere(prctl, monkeypatch):
    monkeypatch.setattr(pinning, "_LIBC", None)
    pinning.die_with_parent(-1)
    assert prctl.calls == []


# ---- apply_affinity


def test_affinity(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: calls.append((pid, tuple(cores))), raising=False)
    pinning.apply_affinity(())
    assert calls == []
    pinning.apply_affinity((1, 3))
    assert calls == [(0, (1, 3))]


def test_a_core_that_went_away_is_said_and_survived(monkeypatch, caplog):
    def refuse(pid, cores):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    pinning.apply_affinity((99,))
    assert "cannot pin to cores [99]" in caplog.text


def test_no_affinity_elsewhere(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    pinning.apply_affinity((0,))


@linux
def test_a_real_affinity():
    before = os.sched_getaffinity(0)
    try:
        pinning.apply_affinity((min(before),))
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


# ---- raise_oom_score


@pytest.mark.parametrize(("found", "left"), [("0", "500"), ("-100\n", "400"), ("900\n", "1000"), ("what", "what")])
def test_oom_score(tmp_path, monkeypatch, found, left):
    score = tmp_path / "oom_score_adj"
    score.write_text(found)
    monkeypatch.setattr(pinning, "_OOM_SCORE", score)
    pinning.raise_oom_score()
    assert score.read_text() == left


def test_no_oom_score_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(pinning, "_OOM_SCORE", tmp_path / "missing")
    pinning.raise_oom_score()
    assert not (tmp_path / "missing").exists()


# ---- raise_descriptor_limit


@pytest.mark.parametrize(
    ("found", "made", "answer"),
    [
        ((1024, 4096), [(4096, 4096)], 4096),
        ((4096, 4096), [], 4096),
        ((1024, 10**9), [(1 << 20, 10**9)], 1 << 20),
        ((1024, -1), [(1 << 20, -1)], 1 << 20),
        ((-1, -1), [], -1),
        ((10**8, 10**9), [], 10**8),
    ],
    ids=str,
)
def test_open_files_are_raised_to_the_hard_limit(monkeypatch, found, made, answer):
    resource = pytest.importorskip("resource")
    calls = []
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda what: found)
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: calls.append(limits))
    assert pinning.raise_descriptor_limit() == answer
    assert calls == made


@pytest.mark.parametrize("error", [ValueError("too much"), OSError(1, "no")])
def test_a_limit_that_will_not_be_raised_stays(monkeypatch, error):
    resource = pytest.importorskip("resource")

    def refuse(what, limits):
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert pinning.raise_descriptor_limit() == 256


def test_no_limit_elsewhere(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert pinning.raise_descriptor_limit() is None
