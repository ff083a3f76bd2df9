"""Pinned launch: cores, GPUs, custom resources, environment ("Resources" and section 0 of RAY_API.md)."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

import jactors

TIMEOUT = 30
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@jactors.remote
class Probe:
    def affinity(self):
        return sorted(os.sched_getaffinity(0))

    def env(self, *names):
        return [os.environ.get(name) for name in names]

    def cwd(self):
        return os.getcwd()

    def gpus(self):
        return jactors.get_gpu_ids()

    def path(self):
        import sys

        return sys.path, sys.executable

    def child_env(self, name):
        import subprocess
        import sys

        code = f"import os; print(os.environ.get({name!r}, ''), end='')"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def told(handle):
    """What is known here of an actor."""
    return jactors.session.current().links.told[handle._actor_id.hex()]


def listed():
    return {actor["actor_id"]: actor for actor in jactors.session.current().watch.request("list")["actors"]}


@pytest.fixture(autouse=True)
def clean(session):
    """Whatever a test leaves running, also one that fails, is over before the next."""
    yield
    watch = jactors.session.current().watch
    for actor_id, actor in listed().items():
        if actor["state"] != "DEAD":
            watch.request("kill", actor_id=actor_id, for_good=True, reason="the test is over")
    deadline = time.monotonic() + TIMEOUT
    while jactors.available_resources() != jactors.cluster_resources():
        assert time.monotonic() < deadline, jactors.available_resources()
        time.sleep(0.005)


def free(name):
    return jactors.available_resources().get(name, 0)


def freed(handle):
    """End an actor and wait until what it held is free."""
    jactors.kill(handle)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        handle.__ray_ready__()


# ---------------------------------------------------------------- cores


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_actors_of_one_cpu_have_a_core_each(session):
    a, b = Probe.options(num_cpus=1).remote(), Probe.options(num_cpus=1).remote()
    first, second = a.affinity(), b.affinity()
    assert len(first) == len(second) == 1 and first != second
    assert Probe.options(num_cpus=2).remote().affinity() == sorted(os.sched_getaffinity(0))[:2]


@pytest.mark.skipif(not CORES, reason="this system has no affinity")
def test_without_cpus_no_affinity(session):
    assert len(Probe.remote().affinity()) == CORES
    assert len(Probe.options(num_cpus=0.5).remote().affinity()) == CORES


def test_a_core_comes_free_with_its_actor(session):
    a = Probe.options(num_cpus=4).remote()
    a.cwd()
    assert free("CPU") == 0
    freed(a)
    assert free("CPU") == 4


# ---------------------------------------------------------------- thread counts


def test_thread_counts_follow_the_cpus(session, monkeypatch):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert set(Probe.options(num_cpus=2).remote().env(*names)) == {"2"}
    assert set(Probe.remote().env(*names)) == {"1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert Probe.remote().env("OMP_NUM_THREADS", "MKL_NUM_THREADS") == ["7", "1"]
    assert Probe.options(env={"OMP_NUM_THREADS": "3"}).remote().env("OMP_NUM_THREADS") == ["3"]


# ---------------------------------------------------------------- GPUs


def test_whole_gpus_are_exclusive(session):
    a, b = Probe.options(num_gpus=1).remote(), Probe.options(num_gpus=2).remote()
    assert a.env("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER") == ["0", "PCI_BUS_ID"] and a.gpus() == [0]
    assert b.env("CUDA_VISIBLE_DEVICES") == ["1,2"] and b.gpus() == [1, 2]
    for each in (a, b):
        freed(each)


def test_halves_share(session):
    halves = [Probe.options(num_gpus=0.5).remote() for _ in range(4)]
    assert [half.gpus() for half in halves] == [[0], [0], [1], [1]]
    assert [half.env("CUDA_VISIBLE_DEVICES") for half in halves] == [["0"], ["0"], ["1"], ["1"]]
    for half in halves:
        freed(half)


def test_without_gpus_none_are_visible(session, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    assert Probe.remote().env("CUDA_VISIBLE_DEVICES") == [""]
    assert Probe.options(num_gpus=0).remote().env("CUDA_VISIBLE_DEVICES") == [""]
    assert Probe.options(env={"CUDA_VISIBLE_DEVICES": "5"}).remote().env("CUDA_VISIBLE_DEVICES") == ["5"]


def test_what_is_taken_is_waited_for_and_the_state_says_who_has_it(session):
    holders = [Probe.options(num_gpus=2, name=f"holder{i}").remote() for i in range(2)]
    for holder in holders:
        holder.cwd()
    waits = Probe.options(num_gpus=1).remote()
    ref = waits.gpus.remote()
    listing = listed()[waits._actor_id.hex()]
    assert listing["state"] == "PENDING_CREATION" and listing["pid"] is None
    for text in ("1 GPU", "0 of 4 free", "'holder0'", "'holder1'"):
        assert text in listing["reason"]
    assert jactors.wait([ref], timeout=0.05)[0] == []
    assert told(waits)["reason"] == listing["reason"]
    freed(holders[1])
    assert jactors.get(ref, timeout=TIMEOUT) == [2]
    assert listed()[waits._actor_id.hex()]["reason"] == ""
    for each in (holders[0], waits):
        freed(each)


def test_a_get_that_times_out_says_what_a_pending_actor_waits_for(session):
    holder = Probe.options(num_gpus=4).remote()
    waits = Probe.options(num_gpus=1).remote()
    with pytest.raises(jactors.exceptions.GetTimeoutError):
        jactors.get(waits.gpus.remote(), timeout=0.05)
    for each in (waits, holder):
        freed(each)


def test_pending_actors_start_in_their_order_as_room_comes(session):
    holder = Probe.options(num_gpus=4).remote()
    waiting = [Probe.options(num_gpus=2).remote() for _ in range(4)]
    refs = [each.gpus.remote() for each in waiting]
    freed(holder)
    assert jactors.get(refs[:2], timeout=TIMEOUT) == [[0, 1], [2, 3]]
    assert jactors.wait(refs[2:], timeout=0.05)[0] == []
    freed(waiting[0])
    assert jactors.get(refs[2], timeout=TIMEOUT) == [0, 1]
    for each in waiting[1:]:
        freed(each)


def test_a_pending_actor_whose_handle_goes_is_cancelled(session):
    holder = Probe.options(num_gpus=4).remote()
    waits = Probe.options(num_gpus=4).remote()
    actor_id = waits._actor_id.hex()
    del waits
    freed(holder)
    # in one line with the next: had the pending one got the GPUs, this would wait
    assert Probe.options(num_gpus=4).remote().gpus() == [0, 1, 2, 3]
    assert listed()[actor_id]["pid"] is None


# ---------------------------------------------------------------- custom resources


def test_custom_resources(start):
    driver = start(
        """
        import jactors
        jactors.init(INIT, resources={"licence": 1})
        @jactors.remote(resources={"licence": 1})
        class A:
            def assigned(self): return jactors.get_runtime_context().get_assigned_resources()
        a = A.remote()
        print(a.assigned(), jactors.cluster_resources()["licence"], jactors.available_resources().get("licence"))
        b = A.remote()
        ref = b.assigned.remote()
        print(jactors.wait([ref], timeout=0.05)[0])
        jactors.kill(a)
        print(jactors.get(ref, timeout=20))
        try:
            A.options(resources={"licence": 2}).remote()
        except jactors.exceptions.InsufficientResourcesError as error:
            print(error)
        """
    )
    out, err = driver.communicate(timeout=TIMEOUT)
    lines = out.splitlines()
    assert lines[:3] == ["{'licence': 1.0} 1.0 None", "[]", "{'licence': 1.0}"], err
    assert "2 licence" in lines[3] and "init(resources={'licence': 2})" in lines[3]


def test_resources_without_cpus_take_no_cpu(session):
    a = Probe.options(num_gpus=0.5).remote()
    a.cwd()
    assert free("CPU") == 4
    freed(a)


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"num_cpus": 5}, "init(num_cpus=5)"),
        ({"num_gpus": 5}, "init(num_gpus=5)"),
        ({"resources": {"custom_resource": 1}}, "init(resources={'custom_resource': 1})"),
        ({"memory": 2**50}, "init(memory="),
    ],
)
def test_impossible_requests_fail_at_once_and_nothing_starts(session, options, cure):
    before = listed()
    with pytest.raises(jactors.exceptions.InsufficientResourcesError) as caught:
        Probe.options(name="impossible", **options).remote()
    assert cure in str(caught.value)
    assert listed().keys() == before.keys()
    with pytest.raises(ValueError):
        jactors.get_actor("impossible")
    assert not list(jactors.session.current().folder.glob("*.create*")) or listed()


# ---------------------------------------------------------------- environment and folder


def test_environment(session, monkeypatch):
    monkeypatch.setenv("SET_LATER", "as at .remote()")
    a = Probe.options(env={"MINE": "1"}, runtime_env={"env_vars": {"MINE": "0", "THEIRS": "2"}}).remote()
    assert a.env("MINE", "THEIRS", "SET_LATER") == ["1", "2", "as at .remote()"]
    assert a.child_env("MINE") == "1"
    monkeypatch.delenv("SET_LATER")
    assert Probe.remote().env("MINE", "SET_LATER") == [None, None]


def test_environment_must_be_text(session):
    with pytest.raises(TypeError, match="env"):
        Probe.options(env={"A": 1})


def test_folder(session, tmp_path, monkeypatch):
    assert Probe.options(cwd=tmp_path).remote().cwd() == str(tmp_path)
    assert Probe.options(runtime_env={"working_dir": str(tmp_path)}).remote().cwd() == str(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert Probe.remote().cwd() == str(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(session, tmp_path):
    with pytest.raises((ValueError, OSError), match="nowhere"):
        Probe.options(cwd=tmp_path / "nowhere").remote()


def test_interpreter_and_path_are_the_drivers(session):
    import sys

    path, executable = Probe.remote().path()
    assert executable == sys.executable and path == sys.path


def test_actors_run_the_jactors_of_their_driver(start, tmp_path):
    """A checkout beside an installed version: both sides of the wire must be the same."""
    shutil.copytree(Path(jactors.__file__).parent, tmp_path / "copy" / "jactors")
    driver = start(
        """
        import sys
        sys.path.insert(0, "copy")
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class A:
            def where(self):
                import jactors.kernel.kernel
                return jactors.kernel.kernel.__file__
        print(A.remote().where().startswith(jactors.__path__[0]), jactors.__path__[0].startswith("copy"))
        """.replace("copy", str(tmp_path / "copy")),
    )
    out, err = driver.communicate(timeout=TIMEOUT)
    assert out == "True True\n", err


def test_init_environment_reaches_all_actors_and_not_the_driver(run):
    code, out, err = run(
        """
        import os, jactors
        jactors.init(INIT, env={"FOR_ALL": "yes"})
        @jactors.remote
        class A:
            def env(self): return os.environ.get("FOR_ALL")
        print(A.remote().env(), A.options(env={"FOR_ALL": "mine"}).remote().env(), os.environ.get("FOR_ALL"))
        """
    )
    assert (code, out) == (0, "yes mine None\n"), err


def test_two_gpus_as_the_issue_says(run):
    code, out, err = run(
        """
        import os, jactors
        jactors.init(INIT, num_gpus=2)
        @jactors.remote(num_gpus=1)
        class Model:
            def gpu(self): return os.environ["CUDA_VISIBLE_DEVICES"]
        a, b, c = Model.remote(), Model.remote(), Model.remote()
        print(a.gpu(), b.gpu())
        ref = c.gpu.remote()
        print(jactors.wait([ref], timeout=0.05)[0])
        jactors.kill(b)
        print(jactors.get(ref, timeout=20))
        jactors.kill(a)
        halves = [Model.options(num_gpus=0.5).remote() for _ in range(2)]
        print([half.gpu() for half in halves])
        """
    )
    assert (code, out.splitlines()) == (0, ["0 1", "[]", "1", "['0', '0']"]), err
