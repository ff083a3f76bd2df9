"""Insight: what an actor does, holds and has done, also while it is busy.

::

    statistics(handle) ─┬─ this process:   its link's calls that were not sent yet
                        ├─ the supervisor: state, pid, cores, restarts
                        └─ the actor:      counts, latencies, memory      (control channel)
    state(handle), stack(handle), calls(handle) ── the actor              (control channel)

Nothing here waits for a call: the control channel is answered while one runs. What an actor that is
stopped or holds the GIL cannot say is None in `statistics`, and an error in the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from jactors import session
from jactors.actors.condition import crashed, label_of, reason_of, state_of
from jactors.actors.handle import ActorHandle
from jactors.actors.records import (
    ActorStatistics,
    Attribute,
    CallRecord,
    Calls,
    Frame,
    Stack,
    Stacks,
    State,
    Statistics,
)
from jactors.context import current_actor
from jactors.errors import JactorsError
from jactors.frames import cell_label
from jactors.wire.link import Link

__all__ = ["calls", "stack", "state", "statistics", "statistics_of_all"]

#: Seconds that an actor has for an answer.
TIMEOUT = 10.0

#: Seconds for those of `statistics`: they come at once, or the actor is stopped.
_SHORT = 2.0


def statistics(handle: ActorHandle[Any], *, timeout: float = _SHORT) -> ActorStatistics:
    """Return what an overview shows of an actor: state, counts, latencies, memory.

    Parameters
    ----------
    handle : ActorHandle
    timeout : float
        Seconds that the actor has for its part. What it does not say is None.
    """
    link = _link(handle)
    here = session.current()
    told = here.links.told.get(link.actor_id)
    if told is None:
        told = here.links.watch_for(link.actor_id, here.watch).request("watch", actor_id=link.actor_id)["actor"]
    if told is None:
        raise JactorsError(f"nobody knows of actor {link.actor_id[:8]}: it has ended, and its session with it")
    return _statistics(told, link, _ask_status(told, link), time.monotonic() + timeout)


def statistics_of_all(*, timeout: float = _SHORT) -> Statistics:
    """Return `jactors.insight.statistics` of all actors of this session, and its resources.

    All are asked at once: it takes as long as the slowest, or `timeout` seconds. Where there is no
    session there are no actors; none is started.

    Returns
    -------
    Statistics
        In the order of creation; its text is a table. ``.actors`` are the records.
    """
    if not session.is_initialized():
        return Statistics(actors=(), total={}, available={})
    here = session.current()
    told: list[dict[str, Any]] = here.watch.request("list")["actors"]
    until = time.monotonic() + timeout
    asked = []
    for each in told:
        link = here.links.observe(each, here.watch) if each["state"] != "DEAD" else None
        asked.append((each, link, _ask_status(each, link)))
    resources = here.watch.request("resources")
    return Statistics(
        actors=tuple(_statistics(each, link, status, until) for each, link, status in asked),
        total=resources["total"],
        available=resources["available"],
    )


def state(handle: ActorHandle[Any], *, timeout: float = TIMEOUT) -> State:
    """Return the attributes of the actor's object, also while a method runs.

    Nothing of the object's own is executed: no property, no ``__repr__``. Where the method changes
    attributes meanwhile, each is shown as it is at some moment.

    Raises
    ------
    ActorUnavailableError, ActorDiedError
        It has no incarnation that answers; see `Link.ask`.
    """
    told = _link(handle).ask("actor_state_request", {}, timeout=timeout).result()
    found = tuple(
        Attribute(
            name=each["name"],
            type=each["type"],
            text=each["text"],
            shape=tuple(each["shape"]) if "shape" in each else None,
            dtype=each.get("dtype"),
            device=each.get("device"),
            size=each.get("size"),
        )
        for each in told["attributes"]
    )
    return State(made=told["made"], attributes=found, hidden=max(0, told["attributes_in_all"] - len(found)))


def stack(handle: ActorHandle[Any], *, timeout: float = TIMEOUT) -> Stacks:
    """Return what every thread of the actor does at this moment, and where its coroutines wait.

    Raises
    ------
    ActorUnavailableError, ActorDiedError
        As in `state`.
    """
    told = _link(handle).ask("actor_stack_request", {}, timeout=timeout).result()
    return Stacks(stacks=tuple(stack_of(each) for each in told["stacks"]))


def stack_of(told: Mapping[str, Any]) -> Stack:
    """Return one stack as the actor has told it, its cells by the names that this notebook has for them."""
    frames = tuple(
        Frame(
            file=cell_label(frame["file"]) or frame["file"],
            line=frame["line"],
            function=frame["function"],
            text=frame["text"],
            yours=frame["yours"],
        )
        for frame in told["frames"]
    )
    return Stack(name=told["name"], kind=told["kind"], call=told["call"], yours=told["yours"], frames=frames)


def calls(handle: ActorHandle[Any], *, timeout: float = TIMEOUT) -> Calls:
    """Return the calls that wait, run and have ended lately: what, by whom, since when.

    Those that this process has not sent yet are among the waiting ones.

    Raises
    ------
    ActorUnavailableError, ActorDiedError
        As in `state`.
    """
    link = _link(handle)
    told = link.ask("actor_calls_request", {}, timeout=timeout).result()
    _introduce({each["caller"] for part in ("queued", "running", "ended") for each in told[part]})
    queued = [call_of(each) for each in told["queued"]] + unread(link, told)
    return Calls(
        queued=tuple(queued),
        running=tuple(call_of(each) for each in told["running"]),
        ended=tuple(call_of(each) for each in told["ended"]),
    )


def call_of(told: Mapping[str, Any]) -> CallRecord:
    """Return a call as the actor has told of it."""
    return CallRecord(
        method=told["method"],
        caller=caller_of(told["caller"]),
        submitted=told.get("submitted", told["began"]),
        began=told["began"],
        ended=told.get("ended"),
        failed=told.get("failed", False),
        key=(told["caller"], told["number"]),
    )


def unread(link: Link, told: Mapping[str, Any]) -> list[CallRecord]:
    """Return the calls of this process that the actor, which has told of its calls, has not read yet."""
    here = session.current()
    wall = wall_clock()
    parts = ("queued", "running", "ended")
    read = {
        each["number"] for part in parts for each in told[part] if each.get("sender", each["caller"]) == here.process
    }
    return [
        CallRecord(
            method=call.method,
            caller=caller_of(here.process),
            submitted=wall + call.submitted,
            key=(here.process, call.number),
        )
        for call, _ in link.calls()
        if call.number not in read
    ]


def waiting(link: Link | None, status: Mapping[str, Any] | None) -> int:
    """Return how many calls wait: those of this process wherever they are, and those of others in the actor."""
    by: Mapping[str, tuple[int, int]] = status["open"] if status is not None else {}
    here = session.current().process
    mine = link.pending() - by.get(here, (0, 0))[1] if link is not None else 0
    return max(0, mine) + sum(queued for caller, (queued, _) in by.items() if caller != here)


def caller_of(token: str) -> str:
    """Return who a caller is: the driver, or the actor that has this token."""
    here = session.current()
    if token == here.process:
        actor = current_actor()
        return "driver" if actor is None else actor.name or f"{actor.class_name} {actor.actor_id[:8]}"
    actor_id = here.links.processes.get(token)
    told = here.links.told.get(actor_id or "")
    if told is None:
        return f"process {token[:8]}"
    return label_of(told)


def _introduce(tokens: set[str]) -> None:
    """Ask the actors that are known here what they are called, where one of the callers is none that is known."""
    here = session.current()
    if tokens - {here.process} <= here.links.processes.keys():
        return
    asked = [(actor_id, link.ask("actor_status_request", {})) for actor_id, link in here.links.all()]
    until = time.monotonic() + _SHORT
    for actor_id, answer in asked:
        try:
            here.links.heard(actor_id, answer.result(max(0.0, until - time.monotonic()))["process"])
        except (JactorsError, TimeoutError):
            pass


def wall_clock() -> float:
    """Return the wall clock's time at which the monotonic clock was 0."""
    return time.time() - time.monotonic()


def _link(handle: ActorHandle[Any]) -> Link:
    if not isinstance(handle, ActorHandle):
        raise TypeError(f"this takes an actor's handle, got {type(handle).__name__}: {handle!r}")
    return handle._home.link


def _ask_status(told: Mapping[str, Any], link: Link | None) -> Future[Mapping[str, Any]] | None:
    """Ask an actor that may answer for its part: one that is stopped will not."""
    if link is None or told["state"] not in ("ALIVE", "STARTING") or told.get("stopped"):
        return None
    return link.ask("actor_status_request", {})


def _statistics(
    told: Mapping[str, Any], link: Link | None, asked: Future[Mapping[str, Any]] | None, until: float
) -> ActorStatistics:
    """Put together what is known of an actor; waits for its answer, to the monotonic time `until` at most."""
    status = None
    if asked is not None:
        try:
            status = asked.result(max(0.0, until - time.monotonic()))
        except (JactorsError, TimeoutError):  # it dies, starts, or is stopped: the supervisor's word is all there is
            pass
    return compose(told, link, status, asked=asked is not None)


def compose(
    told: Mapping[str, Any], link: Link | None, status: Mapping[str, Any] | None, *, asked: bool = True
) -> ActorStatistics:
    """Put together what a supervisor has told of an actor and what the actor says of itself; asks nobody.

    Parameters
    ----------
    status
        As the actor has sent it; None where it has not.
    asked : bool
        Whether that means that it does not answer.
    """
    here = session.current()
    if status is not None:
        here.links.heard(told["actor_id"], status["process"])
    counts = status["counts"] if status is not None else {}
    latency = (status["latency"] if status is not None else None) or (None, None)
    alive_since = status["alive_since"] if status is not None else 0.0
    return ActorStatistics(
        actor_id=told["actor_id"],
        class_name=told["class_name"],
        name=told.get("name"),
        state=state_of(told, status, asked=asked),
        reason=reason_of(told),
        pid=told.get("pid"),
        restarts=told["restarts"],
        max_restarts=told["max_restarts"],
        restarts_asked=told.get("asked", 0),
        crashed=told["state"] == "DEAD" and crashed(told),
        cores=tuple(told["cores"]),
        gpus=tuple(told["gpus"]),
        demand=told["demand"],
        running=tuple(call_of(each) for each in status["running"]) if status is not None else (),
        queued=waiting(link, status),
        done=counts.get("done"),
        failed=counts.get("failed"),
        p50=latency[0],
        p95=latency[1],
        uptime=status["now"] - alive_since if status is not None and alive_since else None,
        cpu=status["cpu"] if status is not None else None,
        rss=status["rss"] if status is not None else None,
    )
