"""`ObjectRefGenerator`: the values of a generator method, while it runs."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from typing import Any, NoReturn

from jactors import session
from jactors.errors import GetTimeoutError
from jactors.objects.refs import ObjectRef, awaiting
from jactors.objects.store import Entry
from jactors.objects.stream import END, Stream
from jactors.wire import pack
from jactors.wire.payload import Packed

__all__ = ["DynamicObjectRefGenerator", "ObjectRefGenerator", "collected"]

#: The index of the ref of all refs: behind all values, and before `Stream.end`.
_ALL = 0xFFFFFFFE


class ObjectRefGenerator:
    """Yields a ref for each value as soon as it is there: ``for ref in h.gen.remote()``, or ``async for``.

    Where the method raises, the ref behind its last value raises that error in `get`. Dropping the
    generator does not stop the method; `cancel` does. With ``_generator_backpressure_num_objects=k``
    the method waits where `k` values were not taken, until this goes.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        if stream.room:
            weakref.finalize(self, stream.let_go).atexit = False

    def __iter__(self) -> Iterator[ObjectRef[Any]]:
        return self

    def __next__(self) -> ObjectRef[Any]:
        return self._next(None)

    def _next(self, timeout: float | None) -> ObjectRef[Any]:
        """Return the next ref; wait at most `timeout` seconds for it."""
        entry = self._stream.peek()
        if not entry.done:
            session.wait(entry, timeout)
        if not entry.done:
            raise GetTimeoutError(f"the next value was not there within {timeout} s; the method goes on")
        if entry.payload is END:
            raise StopIteration
        self._stream.take()
        return ObjectRef(entry)

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef[Any]:
        entry = self._stream.peek()
        if not entry.done:
            loop, there = asyncio.get_running_loop(), asyncio.Event()

            def ring(_: Entry) -> None:
                if not loop.is_closed():  # somebody has given up
                    loop.call_soon_threadsafe(there.set)

            entry.on_end(ring)
            try:
                with awaiting(entry):
                    await there.wait()
            finally:
                entry.forget(ring)
        if entry.payload is END:
            raise StopAsyncIteration
        self._stream.take()
        return ObjectRef(entry)

    def values(self) -> Iterator[Any]:
        """Yield the values themselves."""
        for ref in self:
            yield ref._entry.load()

    def completed(self) -> ObjectRef[Any]:
        """Return a ref that ends with the method: in None, or in what it raised."""
        return ObjectRef(self._stream.end)

    def next_ready(self) -> bool:
        """Return whether the next ref would come at once."""
        entry = self._stream.peek()
        return entry.done and entry.payload is not END

    def is_finished(self) -> bool:
        """Return whether all refs were consumed and the method has ended."""
        return self._stream.peek().payload is END

    def task_id(self) -> Any:
        """Return the identifier of the call."""
        return ObjectRef(self._stream.peek()).task_id()

    def close(self) -> NoReturn:
        """Not supported, as in Ray: `cancel` ends the method."""
        raise NotImplementedError("Gen.close is not supported: use jactors.cancel")

    def send(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("Gen.send is not supported.")

    def throw(self, value: Any) -> NoReturn:
        """Not supported, as in Ray."""
        raise NotImplementedError("Gen.throw is not supported.")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "You cannot return or pass a generator to other task. Serializing an ObjectRefGenerator is not allowed."
        )

    def __repr__(self) -> str:
        return f"ObjectRefGenerator({self._stream.peek().id[:24].hex()})"


class DynamicObjectRefGenerator:
    """The refs of all values of a generator method that has ended: what ``num_returns="dynamic"`` comes to.

    Deprecated in Ray: without it the refs come while the method runs.
    """

    def __init__(self, refs: list[ObjectRef[Any]]) -> None:
        self._refs = refs

    def __iter__(self) -> Iterator[ObjectRef[Any]]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

    def __repr__(self) -> str:
        return f"DynamicObjectRefGenerator({len(self._refs)} refs)"


def collected(stream: Stream) -> ObjectRef[DynamicObjectRefGenerator]:
    """Return a ref that ends with the method, in the refs of all its values; the last one raises where it has."""
    everything = Entry(stream.end.id[:24] + _ALL.to_bytes(4, "big"), stream.end.origin)

    def collect(_: Entry) -> None:
        refs: list[ObjectRef[Any]] = []
        while (entry := stream.peek()).payload is not END:
            refs.append(ObjectRef(entry))
            stream.take()
        everything.end(Packed(*pack.dumps(DynamicObjectRefGenerator(refs), what="the refs of a generator")))

    stream.let_go()  # nobody takes them one by one
    stream.end.on_end(collect)
    return ObjectRef(everything)
