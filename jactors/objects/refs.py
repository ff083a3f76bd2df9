"""`ObjectRef`: the name of a value that is or will be.

A ref belongs to the process that submitted the call. Pickled into another process it stays a name:
the receiver asks the owner for the value when it is needed, also while it is still pending.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from jactors.ids import JobID, ObjectID, TaskID
from jactors.objects.store import Entry

__all__ = ["ObjectRef", "RefRuntime", "awaited", "awaiting", "bind", "on_await"]

T_co = TypeVar("T_co", covariant=True)


class RefRuntime(Protocol):
    """What refs need from the process they are in; the session provides it."""

    #: The session's, in hex.
    id: str

    def export_ref(self, entry: Entry) -> str:
        """Return the address at which other processes may ask for `entry`; called when pickling."""

    def borrow_ref(self, id_: bytes, address: str) -> Entry:
        """Return the entry for another process's value; called when unpickling."""

    def printed(self, id_: bytes, name: str) -> str:
        """Return what is kept of a stream of the call that makes the value."""


def _nobody() -> RefRuntime:
    raise RuntimeError("jactors.session is not imported; please report")


_runtime: Callable[[], RefRuntime] = _nobody


def bind(runtime: Callable[[], RefRuntime]) -> None:
    """Say how to get at the session that serves the refs of this process, when one is needed."""
    global _runtime  # noqa: PLW0603 - the session's module, once
    _runtime = runtime


class Awaited(NamedTuple):
    """What a task awaits, and in which loop."""

    entry: Entry
    loop: asyncio.AbstractEventLoop


#: What is awaited in this process at the moment, for whoever presses the stop button, or is asked something.
awaited: dict[object, Awaited] = {}

#: Told, in the thread of its loop, that something more is awaited: while a question is open.
on_await: list[Callable[[], object]] = []


@contextmanager
def awaiting(entry: Entry) -> Iterator[None]:
    """Say that the running task awaits `entry`."""
    key = object()
    awaited[key] = Awaited(entry, asyncio.get_running_loop())
    for tell in tuple(on_await):
        tell()
    try:
        yield
    finally:
        del awaited[key]


class ObjectRef(Generic[T_co]):
    """The name of one value; `jactors.get` turns it into the value.

    Refs are equal when they name the same value, can be keys of a dict, awaited in a coroutine,
    passed to actors and pickled.
    """

    __slots__ = ("__weakref__", "_entry")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def hex(self) -> str:
        """Return the identifier as 56 hex digits."""
        return self._entry.id.hex()

    def binary(self) -> bytes:
        """Return the identifier as 28 bytes."""
        return bytes(self._entry.id)

    def task_id(self) -> TaskID:
        """Return the identifier of the call that makes the value."""
        return ObjectID(self._entry.id).task_id()

    def job_id(self) -> JobID:
        """Return the identifier of this process' session."""
        return JobID.from_hex(_runtime().id)

    def call_site(self) -> str:
        """Return "": where a ref was made is not recorded, nor is it by Ray's default."""
        return ""

    def is_nil(self) -> bool:
        """Return False: a ref always names something."""
        return False

    def size(self) -> int:
        """Return how many bytes the value takes here; 0 while it is pending."""
        payload = self._entry.payload
        return 0 if payload is None else payload.size()

    @property
    def stdout(self) -> str:
        """What the call has printed so far, in the process that submitted it; of much, the last 64 KiB.

        Background threads and children of the actor are not in it, but in the cell and in the actor's log.
        """
        return _runtime().printed(self._entry.id, "stdout")

    @property
    def stderr(self) -> str:
        """What the call has written to stderr; see `stdout`."""
        return _runtime().printed(self._entry.id, "stderr")

    def future(self) -> concurrent.futures.Future[T_co]:
        """Return a `concurrent.futures.Future` of the value; cancelling it does not cancel the call."""
        future: concurrent.futures.Future[T_co] = concurrent.futures.Future()

        def settle(entry: Entry) -> None:
            if not future.set_running_or_notify_cancel():  # it was cancelled; from now on it cannot be
                return
            try:
                value = entry.load()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(value)

        self._entry.on_end(settle)
        return future

    def as_future(self) -> asyncio.Future[T_co]:
        """Return an `asyncio.Future` of the value, for the running loop, which rebuilds it in its own thread.

        Where none runs, for the one that is set and will: ``loop.run_until_complete(ref.as_future())``.
        """
        loop, entry = asyncio.get_event_loop(), self._entry
        future: asyncio.Future[T_co] = loop.create_future()

        def settle() -> None:
            if future.done():  # cancelled
                return
            try:
                future.set_result(entry.load())
            except StopIteration as error:  # which no coroutine can raise
                stopped = RuntimeError(f"the call raised StopIteration: {error}")
                stopped.__cause__ = error
                future.set_exception(stopped)
            except BaseException as error:
                future.set_exception(error)

        def tell(_: Entry) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle)

        entry.on_end(tell)
        return future

    def __await__(self) -> Generator[Any, None, T_co]:
        if self._entry.done:
            return self._entry.load()  # type: ignore[no-any-return]
        key = object()  # `awaiting`, but for its 1 µs
        awaited[key] = Awaited(self._entry, asyncio.get_running_loop())
        for tell in tuple(on_await):
            tell()
        try:
            return (yield from self.as_future())
        finally:
            del awaited[key]

    def _on_completed(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` with the value or the exception, in a thread of jactors."""

        def tell(entry: Entry) -> None:
            try:
                value = entry.load()
            except BaseException as error:
                value = error
            callback(value)

        self._entry.on_end(tell)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRef) and self._entry.id == other._entry.id

    def __hash__(self) -> int:
        return hash(self._entry.id)

    def __repr__(self) -> str:
        return f"ObjectRef({self.hex()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _borrow, (bytes(self._entry.id), _runtime().export_ref(self._entry))

    def __copy__(self) -> ObjectRef[T_co]:
        return ObjectRef(self._entry)

    def __deepcopy__(self, memo: Any) -> ObjectRef[T_co]:
        return ObjectRef(self._entry)


def _borrow(id_: bytes, address: str) -> ObjectRef[Any]:
    return ObjectRef(_runtime().borrow_ref(id_, address))
