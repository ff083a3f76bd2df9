"""The calls of a session: what this process has submitted, and what its actors say that they have.

::

    this process: calls that have not ended: those that wait here too   ─┐  by (caller, number)
    each actor:   calls that wait, run, have ended lately (side door)   ─┴→ one row a call
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from jactors import session
from jactors.actors.insight import wall_clock
from jactors.actors.taskpool import TASK, Attempt, has_pool, pool_of
from jactors.context import WORKER
from jactors.errors import JactorsError

__all__ = ["rows"]

#: Seconds that actors have for their part, at most; one that is stopped does not answer.
_PATIENCE = 2.0

_Key = tuple[str, int]


def rows(timeout: float) -> list[dict[str, Any]]:
    """Return the columns of each call, in the order of submission; [] where there is no session."""
    if not session.is_initialized():
        return []
    here = session.current()
    told: list[dict[str, Any]] = here.watch.request("list", timeout=timeout)["actors"]
    found = dict(_mine(here))
    for actor, answer in _answers(here, told, min(timeout, _PATIENCE)):
        for part, state in (("queued", "SUBMITTED_TO_WORKER"), ("running", "RUNNING"), ("ended", "FINISHED")):
            for call in answer[part]:
                _add(found, actor, call, "FAILED" if call.get("failed") else state)
    return [row for _, row in sorted(found.items(), key=lambda each: (each[1].pop("submitted"), each[0][1] & ~TASK))]


def _add(found: dict[_Key, dict[str, Any]], actor: Mapping[str, Any], call: Mapping[str, Any], state: str) -> None:
    key = (call["caller"], call["number"])
    row = found.get(key)
    if row is not None:  # submitted here: it has a name already, and ends when its result has come
        if state == "RUNNING":
            row["state"] = state
    elif (
        actor["class_name"] != WORKER and call["caller"]
    ):  # a worker knows tasks by their attempts; a cell has no caller
        found[key] = {
            "task_id": f"{call['caller']}{call['number']:016x}",
            "name": call["method"] if "." in call["method"] else f"{actor['class_name']}.{call['method']}",
            "func_or_class_name": f"{actor['class_name']}.{call['method']}",
            "state": state,
            "type": "ACTOR_TASK",
            "actor_id": actor["actor_id"],
            "worker_pid": actor["pid"] or 0,
            "submitted": call.get("submitted") or call["began"],
        }


def _answers(
    here: session.Session, told: list[dict[str, Any]], patience: float
) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Ask all actors at once, and the workers that have tasks of this process: no list has those."""
    asked = [
        (each, here.links.observe(each, here.watch).ask("actor_calls_request", {}))
        for each in told
        if each["state"] == "ALIVE" and not each.get("stopped")
    ]
    workers = {task.link for task, _, _ in pool_of(here).tasks() if task.link} if has_pool(here) else ()
    asked += [({"class_name": WORKER}, worker.ask("actor_calls_request", {})) for worker in workers]
    until = time.monotonic() + patience
    for each, answer in asked:
        try:
            yield each, answer.result(max(0.0, until - time.monotonic()))
        except (JactorsError, TimeoutError):  # it has just ended, or holds the interpreter
            pass


def _mine(here: session.Session) -> Iterator[tuple[_Key, dict[str, Any]]]:
    """Yield the calls of this process that have not ended, by what actors know them by."""
    told, wall = here.links.told, wall_clock()
    for actor_id, call, sent in here.links.calls():
        if not isinstance(call, Attempt):  # which is one run of a task
            method = f"{told.get(actor_id, {}).get('class_name', 'actor')}.{call.method}"
            yield (
                (here.process, call.number),
                {
                    "task_id": f"{here.process}{call.number:016x}",
                    "name": call.name or method,
                    "func_or_class_name": method,
                    "state": _state(ready=not call.blocked, sent=sent),
                    "type": "ACTOR_TASK",
                    "actor_id": actor_id,
                    "worker_pid": told.get(actor_id, {}).get("pid") or 0,
                    "submitted": wall + call.submitted,
                },
            )
    for task, worker, ready in pool_of(here).tasks() if has_pool(here) else ():
        attempt = task.attempt
        yield (
            (here.process, attempt.number if attempt is not None else task.call.number),
            {
                "task_id": f"{here.process}{task.call.number:016x}",
                "name": task.name,
                "func_or_class_name": task.function,
                "state": _state(ready=ready, sent=bool(worker)),
                "type": "NORMAL_TASK",
                "actor_id": "",
                "worker_pid": told.get(worker, {}).get("pid") or 0,
                "submitted": wall + task.call.submitted,
            },
        )


def _state(*, ready: bool, sent: bool) -> str:
    waiting = "PENDING_NODE_ASSIGNMENT" if ready else "PENDING_ARGS_AVAIL"
    return "SUBMITTED_TO_WORKER" if sent else waiting
