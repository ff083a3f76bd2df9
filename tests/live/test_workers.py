"""The workers of tasks: leased with their resources, lent while a task waits, reused, given back."""

from __future__ import annotations

import os
import threading

import pytest

import jactors
from jactors.util import state
from tests.live.conftest import gone, until_exists
from tests.live.functions import (
    Tally,
    count,
    double,
    get,
    hold,
    where,
)

exceptions = jactors.exceptions
pytestmark = pytest.mark.usefixtures("given_back")


# ---------------------------------------------------------------------- nested tasks


def test_a_task_that_waits_lets_go_of_its_cpus(session):
    """Each of them needs all there are."""

    @jactors.remote(num_cpus=4)
    def down(n, how):
        if n == 0:
            return 0
        if how == "get":
            return 1 + jactors.get(down.remote(n - 1, how))
        if how == "get list":
            return 1 + jactors.get([down.remote(n - 1, how), jactors.put(1)])[0]
        if how == "wait":
            ready, _ = jactors.wait([down.remote(n - 1, how)])
            return 1 + jactors.get(ready[0])
        return 1 + max(jactors.get(ref) for ref in count.options(num_cpus=4).remote(n))

    assert get([down.remote(2, how) for how in ("get", "get list", "wait", "iterate")]) == [2, 2, 2, 2]


def test_a_task_that_waits_in_two_threads(session):
    @jactors.remote(num_cpus=2)
    def both():
        refs = [double.options(num_cpus=4).remote(i) for i in (1, 2)]
        threads = [threading.Thread(target=jactors.get, args=[ref]) for ref in refs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(jactors.get(refs))

    assert get(both.remote()) == 6


def test_more_nested_tasks_than_cpus(session):
    @jactors.remote
    def tree(n):
        return 1 if n == 0 else sum(jactors.get([tree.remote(n - 1), tree.remote(n - 1)]))

    assert get(tree.remote(3)) == 8


def test_a_gpu_is_kept_while_the_task_waits(session):
    @jactors.remote(num_gpus=1, num_cpus=3)
    def outer():
        return jactors.get(where.options(num_cpus=1).remote())["free"]

    free = get(outer.remote())
    assert (free["GPU"], free["CPU"]) == (3, 3)  # the inner task has a CPU, and nobody the outer's three


# ---------------------------------------------------------------------- resources and environment


def test_resources_are_held_while_it_runs(session, tmp_path):
    ref = hold.options(num_cpus=3, num_gpus=1.0).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    assert jactors.available_resources() == {"CPU": 1, "GPU": 3}
    (tmp_path / "a.go").touch()
    get(ref)
    assert jactors.available_resources() == {"CPU": 4, "GPU": 4}  # at once


def test_one_cpu_by_default(session, tmp_path):
    refs = [hold.remote(tmp_path / str(n)) for n in range(5)]
    for n in range(4):
        until_exists(tmp_path / str(n))
    assert "CPU" not in jactors.available_resources()
    for n in range(4):
        assert not (tmp_path / "4").exists()
        (tmp_path / f"{n}.go").touch()
        get(refs[n])
        until_exists(tmp_path / "4")
        break
    for n in range(5):
        (tmp_path / f"{n}.go").touch()
    get(refs)


def test_gpus_of_a_task(session):
    visible = ("CUDA_VISIBLE_DEVICES",)
    assert get(where.remote(*visible))["env"] == [""]
    found = get(where.options(num_gpus=2).remote(*visible))
    assert found["env"] == ["0,1"] and found["gpus"] == [0, 1]
    both = get([where.options(num_gpus=0.5).remote(*visible) for _ in range(2)])
    assert [each["env"] for each in both] == [["0"], ["0"]]


def test_cores_of_a_task(session):
    every = len(os.sched_getaffinity(0))
    assert get(where.options(num_cpus=1).remote())["cores"] == 1
    assert get(where.options(num_cpus=0).remote())["cores"] == every


def test_more_than_there_is(session):
    with pytest.raises(exceptions.InsufficientResourcesError, match=r"5 CPU.*4 in total"):
        double.options(num_cpus=5).remote(1)
    with pytest.raises(exceptions.InsufficientResourcesError, match="license"):
        double.options(resources={"license": 1}).remote(1)


def test_environment(session, tmp_path):
    assert get(where.options(env={"MINE": "1"}).remote("MINE"))["env"] == ["1"]
    ray_way = {"env_vars": {"MINE": "2"}, "working_dir": str(tmp_path)}
    found = get(where.options(runtime_env=ray_way).remote("MINE"))
    assert found["env"] == ["2"] and found["cwd"] == str(tmp_path)
    assert get(where.remote("MINE"))["env"] == [None]  # not in one of theirs


def test_the_drivers_environment_as_it_stands(session, monkeypatch):
    monkeypatch.setenv("MINE", "now")
    assert get(where.remote("MINE"))["env"] == ["now"]
    monkeypatch.setenv("MINE", "later")
    assert get(where.remote("MINE"))["env"] == ["later"]


# ---------------------------------------------------------------------- the workers


def test_workers_are_reused(session):
    assert len({get(where.remote())["pid"] for _ in range(10)}) == 1
    assert len({found["pid"] for found in get([where.remote() for _ in range(40)])}) <= 4


def test_workers_are_no_actors_of_the_user(session, tmp_path):
    before = len(state.list_actors())
    ref = hold.remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    assert len(state.list_actors()) == before
    assert "Worker" not in str(state.summarize_actors())
    (tmp_path / "a.go").touch()
    get(ref)


def test_workers_end_with_the_process_that_they_work_for(session, start, tmp_path):
    text = f"""
        import jactors
        from pathlib import Path
        from tests.live.functions import hold
        jactors.init(address={session["address"]!r})
        jactors.get(hold.options(num_cpus=2).remote(Path({str(tmp_path / "a")!r})))
    """
    driver = start(text)
    until_exists(tmp_path / "a")
    assert jactors.available_resources()["CPU"] == 2
    driver.kill()
    assert not gone(int((tmp_path / "a").read_text()))


def test_a_pending_actor_starts_when_tasks_have_ended(session, tmp_path):
    ref = hold.options(num_cpus=4).remote(tmp_path / "a")
    until_exists(tmp_path / "a")
    tally = Tally.options(num_cpus=1).remote()
    answer = tally.add.remote(1)
    (tmp_path / "a.go").touch()
    assert get(ref) == "held"
    assert get(answer) == 1
    del tally, answer


def test_shutdown_ends_tasks_that_run_and_tasks_that_wait(run):
    code, out, err = run(
        """
        import sys
        import jactors
        from pathlib import Path
        from tests.live.conftest import until_exists
        from tests.live.functions import hold
        jactors.init(INIT, num_cpus=1)
        path = Path("a").absolute()
        refs = [hold.remote(path) for _ in range(3)]
        until_exists(path)
        jactors.shutdown()
        for ref in refs:
            try:
                jactors.get(ref, timeout=20)
            except jactors.exceptions.RayActorError as error:
                print("ended", type(error).__name__)
        """
    )
    assert (code, out.splitlines()) == (0, ["ended ActorDiedError"] * 3), err
