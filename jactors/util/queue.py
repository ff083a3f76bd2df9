"""`Queue`: a first-in first-out queue that actors and drivers share.

It is an async actor around an `asyncio.Queue`: whoever waits in `Queue.get` waits there, as a
coroutine, and holds up nobody. The queue lives as long as the `Queue` that made it; those passed to
actors are the same queue.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from jactors.actors.decorator import remote
from jactors.actors.handle import ActorHandle
from jactors.actors.verbs import get, kill, wait
from jactors.errors import ActorDiedError

__all__ = ["Empty", "Full", "Queue"]

#: Waiting gets and puts at once. Each is a coroutine; where all are gets, no put could come through.
_WAITING = 100_000


class Empty(queue.Empty):
    """There is nothing in the queue, or not in time."""


class Full(queue.Full):
    """There is no room in the queue, or not in time."""


class Queue:
    """A queue in an actor of its own; can be passed to actors.

    Parameters
    ----------
    maxsize : int
        Items that it holds at most; 0 is no limit.
    actor_options : dict, optional
        Options of its actor: ``{"name": "jobs", "num_cpus": 1}``.

    Attributes
    ----------
    maxsize : int
    actor : ActorHandle or None
        None after `shutdown`.
    """

    actor: ActorHandle[Any] | None

    def __init__(self, maxsize: int = 0, actor_options: Mapping[str, Any] | None = None) -> None:
        self.maxsize = maxsize
        options = {"max_concurrency": _WAITING, **(actor_options or {})}
        self.actor = remote(_QueueActor).options(**options).remote(maxsize)

    def __len__(self) -> int:
        return self.qsize()

    def __bool__(self) -> bool:
        return True  # an empty queue is a queue, and asking costs no call

    def size(self) -> int:
        """Return how many items there are."""
        return self.qsize()

    def qsize(self) -> int:
        """Return how many items there are."""
        size: int = get(self._there().qsize.remote())
        return size

    def empty(self) -> bool:
        """Return whether there is nothing in it."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Return whether there is no room in it."""
        full: bool = get(self._there().full.remote())
        return full

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Add an item.

        Parameters
        ----------
        item : object
        block : bool
            Wait for room; else `Full` at once.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        Full
            There is no room, or none in time.
        ValueError
            `timeout` is negative.
        """
        _plain(self._put(item, block, timeout))

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002
        """Take the oldest item.

        Parameters
        ----------
        block : bool
            Wait for one; else `Empty` at once.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        Empty
            There is none, or none in time.
        ValueError
            `timeout` is negative.
        """
        return _plain(self._get(block, timeout))

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002, ASYNC109
        """Add an item; see `put`."""
        await _plain_async(self._put(item, block, timeout))

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002, ASYNC109
        """Take the oldest item; see `get`."""
        return await _plain_async(self._get(block, timeout))

    def put_nowait(self, item: Any) -> None:
        """Add an item, or raise `Full`."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """Take the oldest item, or raise `Empty`."""
        return self.get(block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """Add all items, or none and raise `Full`."""
        if not isinstance(items, Iterable):
            raise TypeError(f"Argument 'items' must be an Iterable, got {type(items).__name__}: {items!r}")
        _plain(self._there().put_nowait_batch.remote(list(items)))

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """Take `num_items` items, or none and raise `Empty`."""
        if isinstance(num_items, bool) or not isinstance(num_items, int):
            raise TypeError(f"Argument 'num_items' must be an int, got {type(num_items).__name__}: {num_items!r}")
        if num_items < 0:
            raise ValueError(f"'num_items' must be nonnegative, got {num_items}")
        items: list[Any] = _plain(self._there().get_nowait_batch.remote(num_items))
        return items

    def shutdown(self, force: bool = False, grace_period_s: float = 5) -> None:  # noqa: FBT001, FBT002
        """End the queue's actor; those that wait get an `ActorDiedError`.

        Parameters
        ----------
        force : bool
            At once; else after what was called before.
        grace_period_s : float
            Seconds until it is ended by force.
        """
        actor, self.actor = self.actor, None
        if actor is None:
            return
        if not force:
            _, left = wait([actor.__ray_terminate__.remote()], timeout=grace_period_s)
            if not left:
                return
        kill(actor)

    def _put(self, item: Any, block: bool, timeout: float | None) -> Any:  # noqa: FBT001
        actor = self._there()
        return actor.put.remote(item, _seconds(timeout)) if block else actor.put_nowait.remote(item)

    def _get(self, block: bool, timeout: float | None) -> Any:  # noqa: FBT001
        actor = self._there()
        return actor.get.remote(_seconds(timeout)) if block else actor.get_nowait.remote()

    def _there(self) -> ActorHandle[Any]:
        if self.actor is None:
            raise ActorDiedError(class_name="Queue", reason="the queue was shut down")
        return self.actor


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and timeout < 0:
        raise ValueError(f"'timeout' must be a non-negative number of seconds, got {timeout!r}; None waits for ever")
    return timeout


def _plain(ref: Any) -> Any:
    """Return the value; Empty and Full come as such, without the actor's traceback."""
    try:
        return get(ref)
    except queue.Empty as error:
        raise Empty(*_text(error)) from None
    except queue.Full as error:
        raise Full(*_text(error)) from None


async def _plain_async(ref: Awaitable[Any]) -> Any:
    try:
        return await ref
    except queue.Empty as error:
        raise Empty(*_text(error)) from None
    except queue.Full as error:
        raise Full(*_text(error)) from None


def _text(error: Any) -> tuple[Any, ...]:
    args: tuple[Any, ...] = error.cause.args
    return args


class _QueueActor:
    """The queue itself; its coroutines, and the others between two of them, run on one loop."""

    def __init__(self, maxsize: int) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    def qsize(self) -> int:
        return self._queue.qsize()

    def empty(self) -> bool:
        return self._queue.empty()

    def full(self) -> bool:
        return self._queue.full()

    async def put(self, item: Any, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await asyncio.wait_for(self._queue.put(item), timeout)
        except TimeoutError:
            raise Full from None

    async def get(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        try:
            return await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            raise Empty from None

    def put_nowait(self, item: Any) -> None:
        if self._queue.full():
            raise Full
        self._queue.put_nowait(item)

    def get_nowait(self) -> Any:
        if self._queue.empty():
            raise Empty
        return self._queue.get_nowait()

    def put_nowait_batch(self, items: list[Any]) -> None:
        size, room = self._queue.qsize(), self._queue.maxsize
        if 0 < room < len(items) + size:
            raise Full(f"Cannot add {len(items)} items to queue of size {size} and maxsize {room}.")
        for item in items:
            self._queue.put_nowait(item)

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        if num_items > self._queue.qsize():
            raise Empty(f"Cannot get {num_items} items from queue of size {self._queue.qsize()}.")
        return [self._queue.get_nowait() for _ in range(num_items)]
