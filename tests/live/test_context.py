"""The runtime context (section 8 of the API)."""

from __future__ import annotations

import pytest

import jactors
from jactors import util
from tests.live.conftest import until_exists
from tests.live.counter import TIMEOUT, Counter
from tests.live.worker import Async, Worker


def test_a_call_is_called_as_its_caller_says(counter):
    """RAY_API 8: get_task_name() is "A.m", or the name of the options; get_task_function_name() stays the method's."""
    named = jactors.get(counter.context.options(name="mine").remote())
    assert named["task_name"] == "mine"
    assert counter.context()["task_name"] == "Counter.context"


def test_context_in_an_actor(session):
    counter = Counter.options(name="ctx", num_cpus=1, num_gpus=0.5).remote()
    seen = counter.context()
    assert seen["actor_id"] == counter._actor_id.hex() and seen["name"] == "ctx"
    assert seen["task_name"] == "Counter.context" and seen["resources"] == {"CPU": 1.0, "GPU": 0.5}
    assert seen["reconstructed"] is False and seen["namespace"] == session["namespace"]
    assert seen["accelerators"] == {"GPU": [str(gpu) for gpu in counter.gpus()]} and len(counter.gpus()) == 1
    assert seen["get"]["actor_id"] == seen["actor_id"]
    assert counter.initialized()
    assert seen["names"] == ("Counter.context", f"{Counter.__module__}.Counter.context")
    assert seen["session"] == jactors.get_runtime_context().get_session_name()
    assert len(seen["job"]) == 8 and seen["node"] == jactors.get_runtime_context().get_node_id()
    assert len(seen["worker"]) == 32 and seen["worker"] != jactors.get_runtime_context().get_worker_id()
    assert seen["runtime_env"] == "{}"


def test_unnamed_actor_in_the_context(counter):
    seen = counter.context()
    assert seen["name"] == "" and seen["resources"] == {} and counter.gpus() == []


def test_namespace_in_an_actor_is_the_drivers(session):
    there = Counter.options(namespace="other", name="there").remote()
    assert there.context()["namespace"] == session["namespace"]
    pid = there.make("made there")
    assert jactors.get_actor("made there").pid() == pid


def test_current_actor_is_a_handle(session):
    counter = Counter.remote(5)
    assert counter.me() == counter and counter.me().count() == 5


def test_context_in_the_driver(session):
    here = jactors.get_runtime_context()
    assert here.get_actor_id() is here.get_actor_name() is here.get_task_id() is None
    assert jactors.get_gpu_ids() == [] and here.namespace == session["namespace"]
    with pytest.raises(RuntimeError):
        here.current_actor  # noqa: B018
    with pytest.raises(AssertionError):
        here.get_assigned_resources()
    with pytest.raises(AssertionError):
        here.was_current_actor_reconstructed  # noqa: B018


def test_context_of_an_actor(workers):
    assert workers[0].context() == (False, "tests.live.worker.Worker.context", {"GPU": []})
    old, new = workers[0].ids()
    assert old == new


def test_is_canceled(session, tmp_path):
    worker = Worker.remote()
    ref = worker.until_canceled.remote(tmp_path / "said")
    until_exists(tmp_path / "said.runs")
    jactors.cancel(ref)
    with pytest.raises(jactors.exceptions.TaskCancelledError):
        jactors.get(ref, timeout=TIMEOUT)
    assert (tmp_path / "said").read_text() == "True"
    assert worker.context()[0] is False  # of that call alone
    with pytest.raises(RuntimeError, match="driver"):
        jactors.get_runtime_context().is_canceled()
    with pytest.raises(RuntimeError, match="async actor"):
        jactors.get(Async.remote().is_canceled.remote())


def test_context_of_a_driver(session):
    here = jactors.get_runtime_context()
    assert here.get_task_function_name() is None
    with pytest.warns(DeprecationWarning, match="actor_id"):
        assert here.actor_id is None


def test_the_only_node_is_this_machine(session):
    (node,) = jactors.nodes()
    here = jactors.get_runtime_context().get_node_id()
    assert node["NodeManagerAddress"] == util.get_node_ip_address() == "127.0.0.1"
    assert node["Alive"] and node["NodeID"] == here and node["Resources"]["CPU"] == 4
    on_it = Worker.options(
        scheduling_strategy=util.scheduling_strategies.NodeAffinitySchedulingStrategy(here, soft=False)
    )
    assert jactors.get(on_it.remote().double.remote(2)) == 4
    with pytest.raises(jactors.exceptions.ActorUnschedulableError, match=f"only one, and its id is '{here}'"):
        util.scheduling_strategies.NodeAffinitySchedulingStrategy("elsewhere", soft=False)
