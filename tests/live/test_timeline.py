"""`jactors.timeline`: a Chrome trace of the calls. Issue 3, item 7."""

from __future__ import annotations

import itertools
import json
import os
import threading

import pytest

import jactors
from tests.live.conftest import until_exists


class Works:
    def step(self, i):
        return os.getpid()

    def meet(self, barrier):
        barrier.wait()

    def meet_here(self, n):
        if not hasattr(Works, "barrier"):
            Works.barrier = threading.Barrier(n)
        Works.barrier.wait()

    def wait_for(self, ready, gate):
        open(ready, "w").close()
        until_exists(gate)

    def nested(self, other):
        return jactors.get(other.step.remote(0))

    def boom(self):
        raise ValueError("boom")


class WorksAsync:
    async def meet_here(self, n):
        import asyncio

        self.barrier = getattr(self, "barrier", None) or asyncio.Barrier(n)
        await self.barrier.wait()


Works, WorksAsync = jactors.remote(Works), jactors.remote(WorksAsync)


@jactors.remote
def task(x):
    return os.getpid()


def of(ref, events):
    """The events of one call, by phase."""
    return {event["ph"]: event for event in events if event.get("args", {}).get("task_id") == ref.task_id().hex()}


def test_a_call_waits_and_runs_in_its_actors_process(session):
    actor = Works.options(name="named").remote()
    refs = [actor.step.remote(i) for i in range(3)]
    pid = jactors.get(refs)[0]
    events = jactors.timeline()
    spans = [of(ref, events) for ref in refs]
    for span in spans:
        assert set(span) == {"b", "e", "X"}
        assert span["X"]["name"] == "Works.step" and span["X"]["pid"] == pid
        assert span["b"]["ts"] <= span["e"]["ts"] == span["X"]["ts"] and span["X"]["dur"] > 0
        assert span["b"]["id"] == span["e"]["id"]
    ends = [(span["X"]["ts"], span["X"]["ts"] + span["X"]["dur"]) for span in spans]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))  # one after the other
    names = [event["args"]["name"] for event in events if event["ph"] == "M" and event["pid"] == pid]
    assert any(name.startswith("Works named") for name in names) and "MainThread" in names


@pytest.mark.parametrize(
    ("kind", "options"), [(Works, {"max_concurrency": 3}), (WorksAsync, {})], ids=["threads", "async"]
)
def test_calls_that_overlap_have_lanes_of_their_own(session, kind, options):
    actor = kind.options(**options).remote()
    refs = [actor.meet_here.remote(3) for _ in range(3)]
    jactors.get(refs)
    runs = [of(ref, jactors.timeline())["X"] for ref in refs]
    assert len({run["tid"] for run in runs}) == 3


def test_tasks_and_calls_of_actors_are_there_too(session):
    actor, other = Works.remote(), Works.remote()
    pid = jactors.get(actor.nested.remote(other))
    ref = task.options(name="mine").remote(1)
    worker = jactors.get(ref)
    events = jactors.timeline()
    nested = [event for event in events if event["pid"] == pid and event["ph"] in ("b", "X")]
    assert {event["ph"] for event in nested} == {"b", "X"}
    span = of(ref, events)
    assert span["X"]["name"] == "mine" and span["X"]["pid"] == worker and "b" in span


def test_a_call_that_fails_ran_as_well(session):
    actor = Works.remote()
    ref = actor.boom.remote()
    with pytest.raises(ValueError):
        jactors.get(ref)
    assert of(ref, jactors.timeline())["X"]["name"] == "Works.boom"


def test_what_has_not_ended_is_shown_as_submitted_and_a_busy_actor_answers(session, tmp_path):
    actor = Works.remote()
    ended = actor.step.remote(0)
    busy = actor.wait_for.remote(tmp_path / "ready", tmp_path / "gate")
    until_exists(tmp_path / "ready")
    events = jactors.timeline()
    assert "X" in of(ended, events)
    assert set(of(busy, events)) == {"i"}
    (tmp_path / "gate").touch()
    jactors.get(busy)
    assert "X" in of(busy, jactors.timeline())


def test_of_a_dead_actor_the_submissions_are_left(session):
    actor = Works.remote()
    ref = actor.step.remote(0)
    jactors.get(ref)
    jactors.kill(actor)
    assert set(of(ref, jactors.timeline())) <= {"i", "b", "e", "X"} and of(ref, jactors.timeline())


def test_into_a_file(session, tmp_path):
    """As Ray: with a file name nothing is returned."""
    actor = Works.remote()
    ref = actor.step.remote(0)
    jactors.get(ref)
    assert jactors.timeline(tmp_path / "trace.json") is None
    assert "X" in of(ref, json.loads((tmp_path / "trace.json").read_text()))
    with pytest.raises(OSError):
        jactors.timeline(tmp_path / "nowhere" / "trace.json")
