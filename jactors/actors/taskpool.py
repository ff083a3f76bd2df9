"""The task pool: the tasks of one process, and the leases it has for them.

::

    f.remote ─▶ queue of its kind ─▶ lease asked for ─▶ granted: a worker ─▶ one task after the other
                                                     ◀─ given back when nothing of the kind waits

Workers are shared by the session's processes and reused; a lease holds the task's resources while
it runs, and lets go of its CPUs while it waits for another task. A task whose worker dies runs again
(``max_retries``, 3 by default).

Whoever has a result finds the lease given back already, where nothing else waits for it.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from contextvars import copy_context
from functools import partial
from hashlib import blake2b
from typing import Any

from jactors import session
from jactors.actors.worker import Worker
from jactors.context import WORKER, current_call
from jactors.errors import ActorDiedError, ActorError, ActorStartError, TaskCancelledError
from jactors.ids import new_token
from jactors.life.sweep import COOKIE
from jactors.objects.store import Entry, Payload, Raised
from jactors.options import TaskOptions
from jactors.places import write_private
from jactors.wire import pack
from jactors.wire.backlog import Traffic
from jactors.wire.call import Call
from jactors.wire.creation import Creation
from jactors.wire.link import Link

__all__ = ["TASK", "Attempt", "Task", "TaskPool", "has_pool", "is_task", "pool_of"]

#: Leases of one kind that a process asks for at a time: with more, those of others would wait behind them all.
ASKED = 8

#: Set in the numbers of tasks.
TASK = 1 << 62


class Task:
    """One task: the call whose entries its refs name, and the attempt that runs now."""

    __slots__ = ("attempt", "call", "cancelled", "context", "function", "kind", "link", "name", "needs", "waits")

    def __init__(self, call: Call, needs: list[Entry], name: str, function: str) -> None:
        self.call = call
        self.needs = needs
        self.name = name
        self.function = function
        #: Of the submitting code: a worker is sent the task elsewhere, and its output belongs under this cell.
        self.context = copy_context()
        # --- all below: under the pool's lock
        self.waits = len(needs)
        self.cancelled = False
        self.kind: _Kind | None = None
        self.attempt: Attempt | None = None
        #: The worker that runs it.
        self.link: Link | None = None


class Attempt(Call):
    """One run of a task. Its stream is the task's: it hears nothing of a worker that has died."""

    __slots__ = ("fate",)

    #: How a stream's run has ended.
    fate: Entry

    def results(self, index: int, payload: Payload | None) -> list[tuple[Entry, Payload]]:
        """Return what one row of a reply ends."""
        if self.stream is not None and isinstance(payload, Raised):
            return [(self.fate, payload)]
        return super().results(index, payload)

    def follow(self, end: Entry) -> None:
        """The stream has ended, and this run with it."""
        assert end.payload is not None
        self.fate.end(end.payload)


def _is_crash(payload: Payload | None) -> bool:
    """Return whether a worker has died, unlike an actor that a task has called: that is an error of the task's."""
    return isinstance(payload, Raised) and isinstance(payload.error, ActorError)


class _Kind:
    """Tasks that may share a lease."""

    __slots__ = ("asked", "demand", "queue", "worker")

    def __init__(self, demand: dict[str, float], worker: dict[str, Any]) -> None:
        self.demand = demand
        self.worker = worker
        self.queue: deque[Task] = deque()
        #: Leases that were asked for and not granted.
        self.asked: set[str] = set()


class TaskPool:
    """The tasks of this process, and the leases it has for them. The origin of their entries."""

    def __init__(self, here: session.Session) -> None:
        self.here = here
        self._lock = threading.RLock()
        self._kinds: dict[str, _Kind] = {}
        #: Tasks that have not ended, by the number of their call.
        self._tasks: dict[int, Task] = {}
        self._published: dict[bytes, str] = {}
        # The same for all processes, which may then share workers.
        self._creation = here.folder / "worker.create"
        creation = Creation(
            class_name=WORKER,
            class_pickle=pack.dumps_inband(Worker, what="the worker"),
            groups=[(pack.dumps_inband(((), {}), what="nothing"),)],
        )
        creation.write(self._creation)

    def publish(self, function: bytes) -> str:
        """Write a pickled function where workers find it, once; return the path."""
        path = self._published.get(function)
        if path is None:
            place = self.here.folder / f"f{blake2b(function, digest_size=8).hexdigest()}.fn"
            write_private(place, function)
            path = self._published[function] = str(place)
        return path

    def submit(self, task: Task, options: TaskOptions) -> None:
        """Run `task` when its arguments are there and a worker is free."""
        self.here.check(options.demand)
        running = current_call.get()
        if running is not None:
            running.children.append((weakref.ref(task.call), self))
        with self._lock:
            task.kind = self._kind(options)
            self._tasks[task.call.number] = task
        for entry in task.needs:
            entry.on_end(lambda entry: self._argument(task, entry))
        if not task.needs:
            self._ready(task)

    def _kind(self, options: TaskOptions) -> _Kind:
        base = self.here.base(options)
        base["env"].pop(COOKIE, None)  # of this process alone
        key = repr((options.demand, {**base, "env": hash(frozenset(base["env"].items()))}))
        kind = self._kinds.get(key)
        if kind is None:
            worker = {
                **base,
                "class_name": WORKER,
                "name": None,
                "namespace": self.here.namespace,
                "creation_file": str(self._creation),
                "start_timeout": None,
                "owner": None,
            }
            kind = self._kinds[key] = _Kind(options.demand, worker)
        return kind

    def cancel(self, number: int, *, recursive: bool = True, force: bool = False) -> None:
        """End the task with this number, wherever it is; one that has ended is no error. From any thread.

        Parameters
        ----------
        recursive
            Cancel what it has submitted as well.
        force
            End the worker that runs it.
        """
        with self._lock:
            task = self._tasks.get(number)
            if task is None or task.kind is None:
                return
            task.cancelled = True
            attempt, link = task.attempt, task.link
            if attempt is None and task in task.kind.queue:
                task.kind.queue.remove(task)
                if not task.kind.queue:
                    self._withdraw(task.kind)
        if attempt is None or link is None:
            self._over(task, _cancelled(task))
        elif force:
            reason = "`jactors.cancel(force=True)`"
            self.here.watch.tell("kill", actor_id=link.actor_id, for_good=True, reason=reason)
        else:
            link.cancel(attempt.number, recursive=recursive)

    def taken(self, number: int, taken: int) -> None:
        """Tell the worker that runs a task how many of its values were taken; the next one is told when it starts."""
        with self._lock:
            task = self._tasks.get(number)
            attempt, link = (task.attempt, task.link) if task is not None else (None, None)
        if attempt is not None and link is not None:
            asked = {"sender": self.here.process, "number": attempt.number, "taken": taken}
            link.ask("actor_taken_request", asked)

    def tasks(self) -> list[tuple[Task, str, bool]]:
        """Return the tasks that have not ended, the worker's id ("" for none yet), and whether arguments are there."""
        with self._lock:
            return [(task, task.link.actor_id if task.link else "", not task.waits) for task in self._tasks.values()]

    def _argument(self, task: Task, entry: Entry) -> None:
        payload = entry.payload
        if payload is not None and payload.failed:
            self._over(task, payload)
            return
        with self._lock:
            task.waits -= 1
            ready = not task.waits
        if ready:
            self._ready(task)

    def _over(self, task: Task, payload: Payload) -> None:
        """End a task that has not ended yet."""
        with self._lock:
            known = self._tasks.pop(task.call.number, None)
        if known is not None:
            task.call.fail(payload)

    def _ready(self, task: Task) -> None:
        with self._lock:
            kind = task.kind
            if kind is not None and task.call.number in self._tasks:
                kind.queue.append(task)
                self._ask(kind)

    # ------------------------------------------------------------------ leases

    def _ask(self, kind: _Kind) -> None:
        """Ask for a lease for each task that waits, not for all of them at once. Under the lock."""
        while len(kind.asked) < min(len(kind.queue), ASKED):
            lease = new_token(8)
            kind.asked.add(lease)
            self.here.watch.ask(
                "lease",
                partial(self._answered, lease, kind),
                lease=lease,
                demand=kind.demand,
                worker=kind.worker,
                label=f"task {kind.queue[0].name}",
            )

    def _withdraw(self, kind: _Kind) -> None:
        """Nothing waits: give back what was asked for, before somebody starts a worker for it. Under the lock."""
        withdrawn, kind.asked = kind.asked, set()
        for lease in withdrawn:
            self.here.watch.tell("release", lease=lease)

    def _answered(self, lease: str, kind: _Kind, told: dict[str, Any]) -> None:
        """A lease is granted, or will never be. In the I/O thread."""
        with self._lock:
            if lease not in kind.asked:
                return  # withdrawn
            kind.asked.remove(lease)
            granted = "actor_id" in told
            over = [] if granted else list(kind.queue)
            if over:
                kind.queue.clear()
        if granted:
            self._next(lease, kind, self.here.links.link(told["actor_id"], self.here.watch, Traffic()))
            with self._lock:
                self._ask(kind)
        for task in over:
            why = ActorDiedError(class_name=f"the worker of task {task.name}", reason=told.get("message", ""))
            self._over(task, Raised(why))

    def _next(self, lease: str, kind: _Kind, link: Link) -> None:
        """Run the next task of a kind on a worker; give the lease back where there is none."""
        with self._lock:
            task = kind.queue.popleft() if kind.queue else None
            if task is None:
                self._withdraw(kind)
                self.here.watch.tell("release", lease=lease)
                return
            call, number = task.call, self.here.new_id()[0]
            task.attempt = attempt = Attempt(
                number=number,
                method=call.method,
                groups=call.groups,
                entries=[Entry(b"", link) for _ in call.entries],  # nobody else's: they need no name
                returns=call.returns,
                retries=call.retries if call.retry_on else 0,
                stream=call.stream,
            )
            attempt.fate = Entry(b"", link)
            attempt.retry_on = call.retry_on
            task.link = link

        left = [len(attempt.entries) or 1]

        def ended(entry: Entry) -> None:
            with self._lock:
                left[0] -= 1
                if left[0]:
                    return
            self._ended(lease, kind, task, attempt)

        if attempt.stream is None:
            for entry in attempt.entries:
                entry.on_end(ended)
        else:
            attempt.fate.on_end(ended)
            attempt.stream.end.on_end(attempt.follow)
        task.context.run(link.submit, attempt, task.needs)
        if task.cancelled:  # maybe before the link knew of it
            link.cancel(number)

    def _ended(self, lease: str, kind: _Kind, task: Task, attempt: Attempt) -> None:
        """An attempt has ended: the task with it, or it runs once more."""
        call, link = task.call, task.link
        payloads = [entry.payload for entry in attempt.entries or [attempt.fate]]
        crash = next((payload for payload in payloads if _is_crash(payload)), None)
        with self._lock:
            task.attempt = task.link = None
            if call.retry_on:
                call.retries = attempt.retries
            if crash is not None and call.retries and not task.cancelled and not _never_came_up(crash):
                call.retries -= call.retries > 0
                kind.queue.appendleft(task)
                self._ask(kind)
                return
            self._tasks.pop(call.number, None)
            self._ask(kind)
        if crash is None and link is not None:
            self._next(lease, kind, link)  # first, so that whoever has the last result finds the lease given back
        if task.cancelled and (crash is not None or isinstance(payloads[0], Raised)):
            call.fail(_cancelled(task))
        elif attempt.stream is not None:
            if crash is not None:
                call.fail(crash)
        else:
            for mine, payload in zip(call.entries, payloads, strict=True):
                assert payload is not None
                mine.end(payload)


def _cancelled(task: Task) -> Payload:
    return Raised(TaskCancelledError(task=task.name))


def _never_came_up(payload: Payload) -> bool:
    return isinstance(payload, Raised) and isinstance(payload.error, ActorStartError)


def is_task(entry: Entry) -> bool:
    """Return whether a task makes this value, unlike an actor's method or `put`; also once it has ended."""
    return bool(int.from_bytes(entry.id[16:24], "big") & TASK)


_pools: dict[int, TaskPool] = {}


def pool_of(here: session.Session) -> TaskPool:
    """Return the pool of a session of this process; made if need be."""
    pool = _pools.get(id(here))
    if pool is None or pool.here is not here:
        _pools.clear()
        pool = _pools[id(here)] = TaskPool(here)
    return pool


def has_pool(here: session.Session) -> bool:
    """Return whether this process has submitted a task."""
    return id(here) in _pools
