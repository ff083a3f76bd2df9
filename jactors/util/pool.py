"""`ActorPool`: work for a fixed set of actors, each with one call at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NoReturn, TypeVar

from jactors.actors.handle import ActorHandle
from jactors.actors.verbs import get, wait
from jactors.errors import ActorDiedError
from jactors.objects.refs import ObjectRef

__all__ = ["ActorPool"]

V = TypeVar("V")

#: Submits one call: ``lambda actor, value: actor.double.remote(value)``.
Submit = Callable[[ActorHandle[Any], V], Any]


class ActorPool(Generic[V]):
    """Gives values to whichever of its actors is free.

    Parameters
    ----------
    actors : list of ActorHandle

    Notes
    -----
    An actor that has died leaves the pool. Where the last one has, and values are still to be
    submitted, asking for the next result is a RuntimeError: Ray forgets those values.

    Examples
    --------
    >>> pool = ActorPool([Doubler.remote(), Doubler.remote()])
    >>> list(pool.map(lambda actor, value: actor.double.remote(value), [1, 2, 3]))
    [2, 4, 6]
    """

    def __init__(self, actors: Iterable[ActorHandle[Any]]) -> None:
        self._idle = list(actors)
        for actor in self._idle:
            _check(actor)
        #: What `fn` returned, and the actor that is at it, by the number of the submission.
        self._running: dict[int, tuple[Any, ActorHandle[Any]]] = {}
        #: What waits for an actor.
        self._queue: deque[tuple[Submit[V], V]] = deque()
        self._submitted = 0

    def submit(self, fn: Submit[V], value: V) -> None:
        """Have a free actor work on `value`, now or when there is one.

        Parameters
        ----------
        fn : callable
            Takes an actor and the value, returns the ref of the call, or the list of its refs.
        value : object
        """
        if not self._idle:
            self._queue.append((fn, value))
            return
        actor = self._idle.pop()
        try:
            made = fn(actor, value)
            _check_made(made)
        except BaseException:
            self._idle.append(actor)
            raise
        self._running[self._submitted] = made, actor
        self._submitted += 1

    def map(self, fn: Submit[V], values: Iterable[V]) -> Iterator[Any]:
        """Submit all `values` and return an iterator over the results, in their order.

        Results of earlier submissions that nobody has asked for are lost.
        """
        self._forget()
        for value in values:
            self.submit(fn, value)
        return self._drain(self.get_next)

    def map_unordered(self, fn: Submit[V], values: Iterable[V]) -> Iterator[Any]:
        """Submit all `values` and return an iterator over the results, in the order in which they come.

        Results of earlier submissions that nobody has asked for are lost.
        """
        self._forget()
        for value in values:
            self.submit(fn, value)
        return self._drain(self.get_next_unordered)

    def has_next(self) -> bool:
        """Return whether there is a result to come."""
        return bool(self._running or self._queue)

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Return the result of the earliest submission whose result was not returned.

        Also after `get_next_unordered`, where Ray raises ValueError, or not.

        Parameters
        ----------
        timeout : float, optional
            Seconds.
        ignore_if_timedout : bool
            What is not there in time is given up: the next `get_next` returns the one behind it.

        Raises
        ------
        StopIteration
            There is none.
        TimeoutError
            It was not there in time.
        """
        self._require()
        number = min(self._running)
        if timeout is not None and not self._ended([number], timeout):
            self._late(number if ignore_if_timedout else None)
        return self._take(number)

    def get_next_unordered(
        self,
        timeout: float | None = None,
        ignore_if_timedout: bool = False,  # noqa: FBT001, FBT002 - Ray's signature
    ) -> Any:
        """Return the result that is there first.

        Parameters
        ----------
        timeout : float, optional
            Seconds.
        ignore_if_timedout : bool
            Where none is there in time, the earliest submission is given up.

        Raises
        ------
        StopIteration
            There is none.
        TimeoutError
            None was there in time.
        """
        self._require()
        ended = self._ended(list(self._running), timeout)
        if not ended:
            self._late(min(self._running) if ignore_if_timedout else None)
        return self._take(ended[0])

    def has_free(self) -> bool:
        """Return whether an actor is free, and nothing waits for one."""
        return bool(self._idle) and not self._queue

    def pop_idle(self) -> ActorHandle[Any] | None:
        """Take a free actor out of the pool; None where there is none."""
        return self._idle.pop() if self.has_free() else None

    def push(self, actor: ActorHandle[Any]) -> None:
        """Add an actor.

        Raises
        ------
        ValueError
            It is in the pool.
        """
        _check(actor)
        if actor in self._idle or any(actor == busy for _, busy in self._running.values()):
            raise ValueError(f"Actor already belongs to current ActorPool: {actor!r}")
        self._release(actor)

    def _drain(self, next_: Callable[[], Any]) -> Iterator[Any]:
        while self.has_next():
            yield next_()

    def _forget(self) -> None:
        """Give up all earlier submissions. Their actors go on, and are free again, as in Ray."""
        self._queue.clear()
        while self._running:
            self._release(self._running.pop(min(self._running))[1])

    def _require(self) -> None:
        if not self.has_next():
            raise StopIteration("No more results to get")
        if not self._running:
            raise RuntimeError(
                f"the pool has no actor left, and {len(self._queue)} values wait for one: push(actor) adds one"
            )

    def _ended(self, numbers: list[int], timeout: float | None) -> list[int]:
        """Wait until one of these submissions has ended; return those that have, the earliest first."""
        refs = {ref: number for number in numbers for ref in _refs(self._running[number][0])}
        if len(numbers) == 1:
            ready, _ = wait(list(refs), num_returns=len(refs), timeout=timeout)
            return numbers if len(ready) == len(refs) else []
        # A call ends all of its refs at once, but for a generator's: the last stands for it.
        last = {_refs(self._running[number][0])[-1]: number for number in numbers}
        ready, _ = wait(list(last), timeout=timeout)
        return [last[ref] for ref in ready]

    def _late(self, given_up: int | None) -> NoReturn:
        if given_up is None:
            raise TimeoutError("Timed out waiting for result")
        made, actor = self._running.pop(given_up)
        self._release(actor)
        raise TimeoutError(f"Timed out waiting for result. The task {made} has been ignored.")

    def _take(self, number: int) -> Any:
        """Return a result; its actor takes the next value."""
        made, actor = self._running.pop(number)
        try:
            value = get(made)
        except ActorDiedError:
            self._next()  # it stays out: it would be given one value after the other
            raise
        except BaseException:
            self._release(actor)
            raise
        self._release(actor)
        return value

    def _release(self, actor: ActorHandle[Any]) -> None:
        self._idle.append(actor)
        self._next()

    def _next(self) -> None:
        if self._queue and self._idle:
            self.submit(*self._queue.popleft())


def _refs(made: Any) -> list[Any]:
    return made if isinstance(made, list) else [made]


def _check_made(made: Any) -> None:
    if made == [] or not all(isinstance(ref, ObjectRef) for ref in _refs(made)):
        raise TypeError(f"fn must return the ref of a call, or a list of refs, got {made!r}: use .remote()")


def _check(actor: Any) -> None:
    if not isinstance(actor, ActorHandle):
        raise TypeError(f"ActorPool takes handles of actors, got {type(actor).__name__}: {actor!r}")
