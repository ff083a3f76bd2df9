"""Tasks: the stateless half of the same API. ``f.remote(x)`` runs `f` in a worker kernel.

::

    f.remote ─▶ queue of its kind ─▶ lease asked for ─▶ granted: a worker ─▶ one task after the other
                                                     ◀─ given back when nothing of the kind waits

Workers are shared by the session's processes and reused; a lease holds the task's resources while
it runs, and lets go of them while it waits for another task. A task whose worker dies runs again
(``max_retries``, 3 by default).
"""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from jactors import session
from jactors.actors.generator import ObjectRefGenerator
from jactors.actors.handle import STREAM, pack_arguments
from jactors.actors.shape import MethodShape
from jactors.actors.worker import Worker
from jactors.context import WORKER
from jactors.errors import ActorError
from jactors.ids import new_token
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry, Raised
from jactors.objects.stream import Stream
from jactors.options import TaskOptions
from jactors.places import write_private
from jactors.wire import pack
from jactors.wire.backlog import Traffic
from jactors.wire.call import Call
from jactors.wire.creation import Creation
from jactors.wire.link import Link

__all__ = ["RemoteFunction"]


class RemoteFunction:
    """A function that runs elsewhere: ``f.remote(...)`` submits a task, ``f.options(...)`` says how."""

    def __init__(self, function: Callable[..., Any], options: TaskOptions) -> None:
        if inspect.iscoroutinefunction(function):
            raise ValueError(
                "'async def' should not be used for remote tasks. You can wrap the async function with "
                "`asyncio.run(f())`, or make it a method of an actor."
            )
        self._function = function
        self._options = options
        self._shape = MethodShape.of(function.__name__, staticmethod(function))
        self._pickle: bytes | None = None
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, as Ray does."""
        name = self._function.__name__
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{name}()', try '{name}.remote()'."
        )

    def options(self, **options: Any) -> RemoteFunction:
        """Return this function with other options."""
        given = TaskOptions.parse(options, generator=self._shape.generator, base=self._options)
        other = RemoteFunction(self._function, given)
        other._pickle = self._pickle
        return other

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a task and return its `ObjectRef` at once (or a list, a generator or None, as for methods).

        Raises
        ------
        TypeError
            The arguments do not fit the signature.
        SerializationError
            The function or an argument cannot be pickled; the text names what.
        InsufficientResourcesError
            It asks for more than there is in all.
        """
        self._shape.check(args, kwargs)
        here = session.current()
        pool = _pool_of(here)
        name = self._options.name or self._function.__qualname__
        path = pool.publish(self._pickled())
        groups, needs = pack_arguments((path, name, *args), kwargs, what=f"the arguments of {name}")
        returns = self._options.num_returns
        if returns is None:
            returns = STREAM if self._shape.generator else 1
        elif isinstance(returns, str):
            returns = STREAM
        number, task = here.new_id()
        stream = Stream(lambda index: Entry(task + index.to_bytes(4, "big"))) if returns == STREAM else None
        entries = [] if stream else [Entry(task + index.to_bytes(4, "big")) for index in range(returns or 1)]
        submitted = Call(
            number=number,
            method="run" if stream is None else "stream",
            groups=groups,
            entries=entries,
            returns=returns,
            retries=self._options.max_retries,
            stream=stream,
        )
        if self._options.retry_exceptions:
            chosen = self._options.retry_exceptions
            submitted.retry_on = (Exception,) if isinstance(chosen, bool) else chosen
        pool.submit(_Task(submitted, needs, name), self._options)
        if stream is not None:
            return ObjectRefGenerator(stream)
        if returns == 1:
            return ObjectRef(entries[0])
        return [ObjectRef(entry) for entry in entries] if returns else None

    def _remote(self, args: Any = (), kwargs: Any = None, **options: Any) -> Any:
        return self.options(**options).remote(*args, **(kwargs or {}))

    def _pickled(self) -> bytes:
        if self._pickle is None:
            self._pickle = pack.dumps_inband(self._function, what=f"the function {self._function.__name__}")
        return self._pickle

    def __repr__(self) -> str:
        return f"RemoteFunction({self._function.__qualname__})"


class _Task:
    """One task: the call whose entries its refs name, and the attempt that runs now."""

    __slots__ = ("call", "kind", "link", "name", "needs", "waits")

    def __init__(self, call: Call, needs: list[Entry], name: str) -> None:
        self.call = call
        self.needs = needs
        self.name = name
        self.waits = len(needs)
        self.kind: _Kind | None = None
        #: The worker that runs it.
        self.link: Link | None = None


class _Kind:
    """Tasks that may share a lease."""

    __slots__ = ("asked", "demand", "queue", "worker")

    def __init__(self, demand: dict[str, float], worker: dict[str, Any]) -> None:
        self.demand = demand
        self.worker = worker
        self.queue: deque[_Task] = deque()
        #: Leases that were asked for and not granted.
        self.asked: set[str] = set()


class _Pool:
    """The tasks of this process, and the leases it has for them."""

    def __init__(self, here: session.Session) -> None:
        self.here = here
        self._lock = threading.RLock()
        self._kinds: dict[str, _Kind] = {}
        #: Granted or asked for: the kind that each lease is for.
        self._leases: dict[str, _Kind] = {}
        self._published: dict[bytes, str] = {}
        self._creation = here.folder / f"worker-{new_token(4)}.create"
        creation = Creation(
            class_name=WORKER,
            class_pickle=pack.dumps_inband(Worker, what="the worker"),
            groups=[(pack.dumps_inband(((), {}), what="nothing"),)],
        )
        creation.write(self._creation)
        here.links.on_lease = self._on_lease

    def publish(self, function: bytes) -> str:
        """Write a pickled function where workers find it, once; return the path."""
        path = self._published.get(function)
        if path is None:
            place = self.here.folder / f"f{blake2b(function, digest_size=8).hexdigest()}.fn"
            write_private(place, function)
            path = self._published[function] = str(place)
        return path

    def submit(self, task: _Task, options: TaskOptions) -> None:
        """Run `task` when its arguments are there and a worker is free."""
        base = self.here.base(options)
        key = repr((options.demand, base["user_env"], base["cwd"], hash(frozenset(base["env"].items()))))
        with self._lock:
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
        task.kind = kind
        if not kind.queue and not kind.asked:
            self.here.check(options.demand)
        for entry in task.needs:
            entry.on_end(lambda entry: self._argument(task, entry))
        if not task.needs:
            self._ready(task)

    def _argument(self, task: _Task, entry: Entry) -> None:
        with self._lock:
            task.waits -= 1
            ready = not task.waits
        if ready:
            bad = next((each for each in task.needs if each.payload is not None and each.payload.failed), None)
            if bad is not None and bad.payload is not None:
                task.call.fail(bad.payload)
                return
            self._ready(task)

    def _ready(self, task: _Task) -> None:
        kind = task.kind
        assert kind is not None
        with self._lock:
            kind.queue.append(task)
            if len(kind.asked) < len(kind.queue):
                self._ask(kind, task.name)

    def _ask(self, kind: _Kind, label: str) -> None:
        lease = new_token(8)
        kind.asked.add(lease)
        self._leases[lease] = kind
        self.here.watch.tell("lease", lease=lease, demand=kind.demand, worker=kind.worker, label=f"task {label}")

    def _on_lease(self, event: dict[str, Any]) -> None:
        """A lease is granted. In the I/O thread."""
        lease = event["lease"]
        kind = self._leases.get(lease)
        if kind is None:
            self.here.watch.tell("release", lease=lease)
            return
        kind.asked.discard(lease)
        link = self.here.links.link(event["actor_id"], self.here.watch, Traffic())
        self._next(lease, kind, link)

    def _next(self, lease: str, kind: _Kind, link: Link) -> None:
        """Run the next task of a kind on a worker; give the lease back where there is none."""
        with self._lock:
            task = kind.queue.popleft() if kind.queue else None
            if task is None:
                del self._leases[lease]
                self.here.watch.tell("release", lease=lease)
                return
        self._run(lease, kind, link, task)

    def _run(self, lease: str, kind: _Kind, link: Link, task: _Task) -> None:
        call, task.link = task.call, link
        number, tid = self.here.new_id()
        attempt = Call(
            number=number,
            method=call.method,
            groups=call.groups,
            entries=[Entry(tid + index.to_bytes(4, "big"), link) for index in range(len(call.entries))],
            returns=call.returns,
            stream=call.stream,
        )
        attempt.retry_on = call.retry_on
        if call.retry_on:
            attempt.retries = call.retries
        left = [len(attempt.entries)]

        def ended(_: Entry) -> None:
            with self._lock:
                left[0] -= 1
                if left[0]:
                    return
            self._ended(lease, kind, link, task, attempt)

        for entry in attempt.entries:
            entry.on_end(ended)
        if attempt.stream is not None:
            attempt.stream.end.on_end(lambda _: self._next(lease, kind, link))
        link.submit(attempt, task.needs)

    def _ended(self, lease: str, kind: _Kind, link: Link, task: _Task, attempt: Call) -> None:
        call = task.call
        payload = attempt.entries[0].payload
        crashed = isinstance(payload, Raised) and isinstance(payload.error, ActorError)
        if crashed and call.retries:
            call.retries -= call.retries > 0
            with self._lock:
                kind.queue.appendleft(task)
        else:
            for mine, its in zip(call.entries, attempt.entries, strict=True):
                assert its.payload is not None
                mine.end(its.payload)
        if crashed:
            with self._lock:
                self._leases.pop(lease, None)
                if kind.queue and not kind.asked:
                    self._ask(kind, task.name)
        else:
            self._next(lease, kind, link)


_pools: dict[int, _Pool] = {}


def _pool_of(here: session.Session) -> _Pool:
    pool = _pools.get(id(here))
    if pool is None or pool.here is not here:
        _pools.clear()
        pool = _pools[id(here)] = _Pool(here)
    return pool
