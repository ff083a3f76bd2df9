"""Tasks: the stateless half of the same API. ``f.remote(x)`` runs `f` in a worker kernel: see `taskpool`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jactors import session, trace
from jactors.actors.arguments import pack_arguments
from jactors.actors.generator import ObjectRefGenerator, collected
from jactors.actors.handle import STREAM
from jactors.actors.shape import MethodShape
from jactors.actors.taskpool import TASK, Task, pool_of
from jactors.actors.weight import check_weight
from jactors.objects.luggage import Held, packing
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.objects.stream import Stream
from jactors.options import TaskOptions
from jactors.wire import pack
from jactors.wire.call import Call

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
        #: What it names: handles and refs in its closure.
        self._luggage: list[Held] = []
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
        other._pickle, other._luggage = self._pickle, self._luggage
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
        pool = pool_of(here)
        name = self._options.name or self._function.__qualname__
        path = pool.publish(self._pickled())
        number = here.new_id()[0] | TASK
        task = bytes.fromhex(here.process) + number.to_bytes(8, "big")
        groups, needs, luggage = pack_arguments(
            (path, name, task.hex(), *args), kwargs, what=f"the arguments of {name}"
        )
        returns = self._options.num_returns
        if returns is None:
            returns = STREAM if self._shape.generator else 1
        elif isinstance(returns, str):
            returns = STREAM
        stream = None
        if returns == STREAM:
            stream = Stream(lambda index: Entry(task + index.to_bytes(4, "big"), pool), self._options.room)
            stream.tell = lambda taken: pool.taken(number, taken)
        entries = [] if stream else [Entry(task + index.to_bytes(4, "big"), pool) for index in range(returns or 1)]
        submitted = Call(
            number=number,
            method="stream" if self._shape.generator else "run",
            groups=groups,
            entries=entries,
            returns=returns,
            retries=self._options.max_retries,
            stream=stream,
            luggage=[*self._luggage, *luggage],
        )
        if self._options.retry_exceptions:
            chosen = self._options.retry_exceptions
            submitted.retry_on = (Exception,) if isinstance(chosen, bool) else chosen
        trace.submitted.append((task, name, "", trace.now()))
        pool.submit(Task(submitted, needs, name, self._function.__qualname__), self._options)
        if stream is not None:
            return collected(stream) if self._options.num_returns == "dynamic" else ObjectRefGenerator(stream)
        if returns == 1:
            return ObjectRef(entries[0])
        return [ObjectRef(entry) for entry in entries] if returns else None

    def _remote(self, args: Any = (), kwargs: Any = None, **options: Any) -> Any:
        return self.options(**options).remote(*args, **(kwargs or {}))

    def _pickled(self) -> bytes:
        if self._pickle is None:
            with packing() as self._luggage:
                pickled = pack.dumps_inband(self._function, what=f"the function {self._function.__name__}")
            check_weight(f"The remote function {self._function.__qualname__}", pickled, "pass them as arguments")
            self._pickle = pickled
        return self._pickle

    def __repr__(self) -> str:
        return f"RemoteFunction({self._function.__qualname__})"
