"""One ledger a user and machine: two sessions are never given the same core or GPU (DESIGN.md, section 5)."""

from __future__ import annotations

import json
import os
import time

import pytest

import jactors
from jactors.places import base_dir
from tests.live.conftest import PATIENCE, gone

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0

pytestmark = pytest.mark.skipif(not CORES, reason="this system has no affinity")

#: A session that counts the machine's own cores and GPUs, and says what its actor was given.
HOLDER = """
import os, sys
import jactors
os.environ["CUDA_VISIBLE_DEVICES"] = "6,7"
jactors.init(INIT)
@jactors.remote
class Holder:
    def had(self):
        return sorted(os.sched_getaffinity(0)), jactors.get_gpu_ids()
holder = Holder.options(name="holder", **OPTIONS).remote()
print(*holder.had(), sep=";", flush=True)
sys.stdin.read()
"""


@jactors.remote
class Probe:
    def affinity(self):
        return sorted(os.sched_getaffinity(0))

    def gpus(self):
        return jactors.get_gpu_ids()


@jactors.remote(num_cpus=CORES)
def all_cores():
    return sorted(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def session(census, launcher):
    """A session that counts this machine's cores, and two GPUs that somebody has chosen for it."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = "6,7"
    yield jactors.init(launcher=launcher)
    if before is None:
        del os.environ["CUDA_VISIBLE_DEVICES"]
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = before


@pytest.fixture
def holder(start):
    """Start another session, one of whose actors has something."""

    def holder(**options):
        driver = start(HOLDER.replace("OPTIONS", repr(options)))
        line = driver.stdout.readline()
        assert line, driver.stderr.read()
        return driver, *(json.loads(part) for part in line.split(";"))

    return holder


def reason(handle):
    """What a pending actor waits for, once its supervisor has looked."""
    (told,) = [
        told
        for told in jactors.session.current().watch.request("list")["actors"]
        if told["actor_id"] == handle._actor_id.hex()
    ]
    assert told["state"] == "PENDING_CREATION"
    return told["reason"]


@pytest.mark.parametrize("end", ["kill -9 of the driver", "kill of the actor"])
def test_cores_of_another_session_are_waited_for_and_the_reason_says_whose_they_are(session, holder, end):
    driver, cores, _ = holder(num_cpus=CORES)
    assert len(cores) == CORES
    waits = Probe.options(num_cpus=1).remote()
    ref, task = waits.affinity.remote(), all_cores.remote()
    assert jactors.wait([ref, task], timeout=0.3) == ([], [ref, task])
    assert f"waits for 1 CPU: 0 of {CORES} free; held by Holder 'holder' of session" in reason(waits)
    with pytest.raises(jactors.exceptions.GetTimeoutError, match="held by Holder 'holder' of session"):
        jactors.get(ref, timeout=0.05)
    if end == "kill of the actor":
        driver.stdin.close()
    else:
        driver.kill()
    (core,) = jactors.get(ref, timeout=PATIENCE)
    assert core in cores
    jactors.kill(waits)
    assert jactors.get(task, timeout=PATIENCE) == cores


def test_gpus_of_another_session_are_not_given_out(session, holder):
    driver, _, gpus = holder(num_gpus=1)
    assert gpus == [6]
    mine, waits = Probe.options(num_gpus=1).remote(), Probe.options(num_gpus=1).remote()
    assert mine.gpus() == [7]
    ref = waits.gpus.remote()
    assert jactors.wait([ref], timeout=0.3)[0] == []
    why = reason(waits)
    assert "0 of 2 free; held by Probe" in why and "Holder 'holder' of session" in why
    driver.kill()
    assert jactors.get(ref, timeout=PATIENCE) == [6]
    jactors.kill(mine)
    jactors.kill(waits)


def test_a_lease_outlives_the_supervisor_that_held_it_only_until_somebody_looks(session, holder):
    """A supervisor killed by -9 gives nothing back itself."""
    driver, cores, _ = holder(num_cpus=CORES)
    records = json.loads((base_dir() / "ledger.json").read_text())["sessions"]
    (pid,) = [record["pid"] for record in records if record["session"] != session["address"]]
    waits = Probe.options(num_cpus=CORES).remote()
    ref = waits.affinity.remote()
    assert jactors.wait([ref], timeout=0.3)[0] == []
    os.kill(pid, 9)
    assert jactors.get(ref, timeout=PATIENCE) == cores
    driver.kill()
    assert gone(pid) == []
    jactors.kill(waits)


def test_a_stated_count_works_in_several_sessions_at_once(session, run):
    mine = Probe.options(num_cpus=CORES).remote()
    cores = mine.affinity()
    code, out, err = run(
        f"""
        import os, jactors
        jactors.init(INIT, num_cpus={2 * CORES}, num_gpus=4)
        @jactors.remote(num_cpus={CORES}, num_gpus=2)
        class Stated:
            def had(self): return sorted(os.sched_getaffinity(0)), jactors.get_gpu_ids()
        actors = [Stated.remote() for _ in range(2)]
        print([actor.had() for actor in actors])
        """
    )
    assert (code, out) == (0, f"[({cores}, [0, 1]), ({cores}, [2, 3])]\n"), err
    jactors.kill(mine)


def test_nothing_is_left_in_the_file_when_all_have_ended(session):
    deadline = time.monotonic() + PATIENCE
    jactors.shutdown()
    jactors.init()
    while json.loads((base_dir() / "ledger.json").read_text())["sessions"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
