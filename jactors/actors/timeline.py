"""`timeline`: who ran what when, for Chrome's ``about:tracing``, https://ui.perfetto.dev and the like.

::

    process of an actor ─┬─ queued   ├──────┤            from .remote() to the start of the method
                         └─ thread          ├──────────┤ while it runs; a lane more for each that runs beside it

Every process remembers its last 10,000 calls (`jactors.trace`); this asks all that live, through their
side doors, so a busy one answers too. What an actor that has died had run is not known any more: its
calls are shown as submitted.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from jactors import session, trace
from jactors.errors import JactorsError
from jactors.wire.backlog import Traffic

__all__ = ["timeline"]

#: Seconds that a process has to answer.
PATIENCE = 5.0

Event = dict[str, Any]


def timeline(filename: str | os.PathLike[str] | None = None) -> list[Event] | None:
    """Return the calls of this session as events of Chrome's trace format, or write them into a file.

    Parameters
    ----------
    filename : path, optional
        A JSON file, for ``about:tracing`` or https://ui.perfetto.dev.

    Returns
    -------
    list of dict, or None
        None where they were written. ``"X"`` is a call that ran, on a thread of its actor's process;
        ``"b"`` and ``"e"`` are the two ends of its wait from ``.remote()`` on; ``"i"`` was submitted and
        has not run to its end, or its process has gone. Times are microseconds of the monotonic clock.
    """
    events = _events(_ask_all()) if session.is_initialized() else []
    if filename is None:
        return events
    Path(filename).write_text(json.dumps(events))
    return None


def _ask_all() -> list[dict[str, Any]]:
    """Return what each living process of the session remembers, this one first."""
    here = session.current()
    known = {each["actor_id"]: each for each in here.watch.request("list")["actors"] if each["state"] == "ALIVE"}
    workers = {actor_id: told for actor_id, told in here.links.told.items() if told["state"] == "ALIVE"}
    asked: list[tuple[dict[str, Any], Future[Any]]] = []
    for actor_id, told in {**workers, **known}.items():
        link = here.links.link(actor_id, here.watch, Traffic())
        asked.append((told, link.ask("actor_trace_request", {}, timeout=PATIENCE)))
    found: list[dict[str, Any]] = [{**trace.remembered(), "pid": os.getpid(), "ran": []}]
    for told, answer in asked:
        try:
            said = answer.result(PATIENCE + 1)
        except (JactorsError, TimeoutError):  # it has just died, or is stopped
            continue
        found.append({**said, "pid": told["pid"], "told": told})
    return found


def _events(processes: list[dict[str, Any]]) -> list[Event]:
    """Return the events, in the order of time."""
    waits: dict[str, tuple[str, str, int]] = {}
    for process in processes:
        for task_id, name, actor_id, at in process["submitted"]:
            waits[task_id] = (name, actor_id, at)
    named = [_name(process) for process in processes if "told" in process]
    events: list[Event] = []
    for process in processes:
        lanes = _Lanes(process["pid"])
        for task_id, name, thread, start, end in sorted(process["ran"], key=lambda run: run[3]):
            pid, actor_id = process["pid"], process["told"]["actor_id"]
            args = {"task_id": task_id, "actor_id": actor_id}
            ran = {"name": name, "cat": "run", "ph": "X", "ts": start / 1000, "dur": (end - start) / 1000, "args": args}
            events.append({**ran, "pid": pid, "tid": lanes.lane(thread, start, end)})
            wait = waits.pop(task_id, None)
            if wait is not None:
                queued = {"name": name, "cat": "queued", "id": task_id, "pid": pid, "tid": 0, "args": args}
                events.append({**queued, "ph": "b", "ts": wait[2] / 1000})
                events.append({**queued, "ph": "e", "ts": start / 1000})
        named += lanes.names
    for task_id, (name, actor_id, at) in waits.items():
        args = {"task_id": task_id, "actor_id": actor_id}
        event = {"name": name, "cat": "submitted", "ph": "i", "s": "p", "ts": at / 1000, "args": args}
        events.append({**event, "pid": processes[0]["pid"], "tid": 0})
    return named + sorted(events, key=lambda event: event["ts"])


def _name(process: dict[str, Any]) -> Event:
    told = process["told"]
    name = f"{told['class_name']} {told.get('name') or told['actor_id'][:8]} pid={process['pid']}"
    return {"name": "process_name", "ph": "M", "pid": process["pid"], "tid": 0, "args": {"name": name}}


class _Lanes:
    """The lanes of one process: a thread has one, and more where its calls overlap, as those of a loop do."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._free: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._count = 0
        self.names: list[Event] = []

    def lane(self, thread: str, start: int, end: int) -> int:
        """Return the number of a lane of `thread` that is free from `start` on; asked in the order of time."""
        lanes = self._free[thread]
        for at, (lane, until) in enumerate(lanes):
            if until <= start:
                lanes[at] = (lane, end)
                return lane
        self._count += 1
        lanes.append((self._count, end))
        args = {"name": thread if len(lanes) == 1 else f"{thread} +{len(lanes) - 1}"}
        self.names.append({"name": "thread_name", "ph": "M", "pid": self._pid, "tid": self._count, "args": args})
        return self._count
