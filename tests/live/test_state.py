"""`util.state`: what lists know of actors and tasks (section 9 of the API)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import jactors
from jactors.util import state
from tests.live.conftest import until_exists
from tests.live.worker import TIMEOUT, Worker


@jactors.remote
class Seen:
    def __repr__(self):
        return "Seen(by all)"

    def double(self, value):
        return 2 * value


@pytest.fixture(scope="module")
def seen(session):
    """Two that live, one that was killed, one that waits for cores."""
    alive = [Seen.options(name="Eve").remote(), Seen.options(num_gpus=1).remote()]
    dead = Seen.remote()
    big = Seen.options(num_cpus=4).remote()
    jactors.get([handle.__ray_ready__.remote() for handle in (*alive, dead, big)])
    waits = Seen.options(num_cpus=1).remote()
    jactors.kill(dead)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        dead.double(1)
    yield {"alive": alive, "dead": dead, "big": big, "waits": waits}
    for handle in (*alive, big, waits):
        jactors.kill(handle)


def of_seen(*filters, **options):
    return state.list_actors(filters=[("class_name", "=", "Seen"), *filters], **options)


def test_list_actors(session, seen):
    found = {each.actor_id: each for each in of_seen()}
    eve = found[seen["alive"][0]._actor_id.hex()]
    assert (eve.class_name, eve.state, eve.name) == ("Seen", "ALIVE", "Eve")
    assert eve.pid == seen["alive"][0].__ray_call__(lambda _: os.getpid())
    assert eve.ray_namespace == jactors.get_runtime_context().namespace
    assert eve.job_id == jactors.get_runtime_context().get_job_id()
    assert eve["name"] == eve.get("name") == eve.asdict()["name"] == "Eve"
    assert eve.get("nope") is None and eve.required_resources is None
    with pytest.raises(KeyError):
        eve["nope"]
    states = sorted(each.state for each in found.values())
    assert states == ["ALIVE", "ALIVE", "ALIVE", "DEAD", "PENDING_CREATION"]


def test_list_actors_filters_and_limit(seen):
    assert len(of_seen(("state", "=", "alive"))) == 3  # regardless of case
    assert len(of_seen(("state", "!=", "ALIVE"))) == 2
    (eve,) = of_seen(("name", "=", "eve"))
    assert of_seen(("pid", "=", str(eve.pid))) == of_seen(("pid", "=", eve.pid)) == [eve]
    assert of_seen(("name", "=", "eve"), ("state", "=", "DEAD")) == []
    assert len(of_seen(("repr_name", "=", "seen(by ALL)"))) == 4 and of_seen(("placement_group_id", "=", "x")) == []
    assert len(of_seen(limit=2)) == 2


def test_list_actors_in_detail(seen):
    (gpu,) = of_seen(("actor_id", "=", seen["alive"][1]._actor_id.hex()), detail=True)
    assert gpu.required_resources == {"GPU": 1.0} and len(gpu.gpus) == 1
    assert gpu.num_restarts == 0 and gpu.death_cause is None
    assert gpu.num_restarts_due_to_lineage_reconstruction == gpu.num_restarts_due_to_node_preemption == 0
    assert gpu.is_detached is False and gpu.placement_group_id is None
    assert {gpu.serialized_runtime_env, gpu.call_site, gpu.label_selector, gpu.fallback_strategy} == {None}
    (dead,) = of_seen(("state", "=", "DEAD"), detail=True)
    assert "jactors.kill" in dead.death_cause["error_message"] and dead.death_cause["signal"] == 9
    (waits,) = of_seen(("state", "=", "PENDING_CREATION"), detail=True)
    assert "CPU" in waits.pending_reason and waits.pid == 0


def test_get_actor_by_id(seen):
    found = state.get_actor(seen["big"]._actor_id.hex())
    assert found.state == "ALIVE" and set(found.cores) <= os.sched_getaffinity(0)
    assert state.get_actor("0" * 32) is None


def test_summarize_actors(seen):
    summary = state.summarize_actors()["cluster"]
    assert summary["summary"]["Seen"] == {
        "class_name": "Seen",
        "state_counts": {"ALIVE": 3, "DEAD": 1, "PENDING_CREATION": 1},
    }
    assert summary["total_actors"] >= 5 and summary["summary_by"] == "class"


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ([("nope", "=", "x")], "filter column nope is not supported.*actor_id"),
        ([("required_resources", "=", "x")], "not supported"),
        ([("state", "=", "SLEEPING")], "Invalid state.*'SLEEPING'.*ALIVE"),
        ([("name", ">", "x")], "predicate > "),
        ([("pid", "=", "x")], "pid: 'x' is no whole number"),
        ([("name", "x")], "a filter is"),
    ],
)
def test_bad_filters(session, filters, text):
    with pytest.raises(state.RayStateApiException, match=text):
        state.list_actors(filters=filters)


def test_another_sessions_address_is_refused(session):
    with pytest.raises(state.RayStateApiException, match="not this process' session"):
        state.list_actors(address="elsewhere")
    assert state.list_actors(address="auto") == state.list_actors(address=session["address"])


def test_list_tasks_has_the_calls_of_the_session_and_where_they_are(session, tmp_path):
    one, other = Worker.remote(), Worker.remote()
    held = one.hold.remote(tmp_path / "gate")
    until_exists(tmp_path / "gate.runs")
    needs = other.double.remote(held)
    behind = [one.double.remote(i) for i in range(500)]

    def listed(actor, *filters):
        return state.list_tasks(filters=[("actor_id", "=", actor._actor_id.hex()), *filters], limit=1000)

    found = listed(one)
    assert [each.task_id for each in found] == [ref.task_id().hex() for ref in (held, *behind)]
    assert (found[0].name, found[0].state, found[0].type) == ("Worker.hold", "RUNNING", "ACTOR_TASK")
    assert found[-1].state == "PENDING_NODE_ASSIGNMENT"
    assert listed(other)[0].state == "PENDING_ARGS_AVAIL"
    assert len(state.list_tasks()) == 100
    assert [each.state for each in listed(one, ("name", "=", "worker.HOLD"))] == ["RUNNING"]
    (tmp_path / "gate").touch()
    jactors.get(behind, timeout=TIMEOUT)
    jactors.get(needs, timeout=TIMEOUT)
    with pytest.raises(ValueError):
        jactors.get(other.boom.remote(1), timeout=TIMEOUT)
    assert [(each.name, each.state) for each in listed(other)] == [
        ("Worker.double", "FINISHED"),
        ("Worker.boom", "FAILED"),
    ]
    assert len(listed(one, ("state", "=", "finished"))) == 200  # the last ones


def test_list_tasks_has_what_an_actor_has_asked_of_another(session, tmp_path):
    asked, asking = Worker.remote(), Worker.remote()
    ref = asking.ask.remote(asked, tmp_path / "gate")
    until_exists(tmp_path / "gate.runs")
    found = {each.actor_id: each for each in state.list_tasks(filters=[("state", "=", "RUNNING")])}
    inner, outer = found[asked._actor_id.hex()], found[asking._actor_id.hex()]
    assert (inner.name, outer.name, outer.task_id) == ("Worker.hold", "Worker.ask", ref.task_id().hex())
    (tmp_path / "gate").touch()
    assert inner.task_id == jactors.get(ref, timeout=TIMEOUT)


def test_looking_starts_no_session(environment):
    code = (
        "import jactors as ray; from jactors.util import state; "
        "print(state.list_actors(), state.list_tasks(), state.summarize_actors()['cluster']['total_actors'], "
        "ray.is_initialized(), ray.util.state is state)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[] [] 0 False True\n"
