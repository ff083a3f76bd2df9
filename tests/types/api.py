"""What a type checker, and so an IDE, knows of actors; read by tests/unit/test_types.py and never run.

mypy does not apply the decorators of classes (its issue 3135), so the classes here are decorated by a call. Pyright
does, and sees the same types below ``@jactors.remote``. It agrees on every line.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Generator
from typing import assert_type

import jactors
from jactors import ActorHandle, ObjectRef, ObjectRefGenerator
from jactors.actor import ActorClass
from jactors.actors.tasks import RemoteFunction


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.n = start

    def add(self, by: int = 1) -> int:
        self.n += by
        return self.n


class Teller:
    """Its methods are decorated: so their calls have types."""

    @jactors.method
    def add(self, by: int = 1, *, note: str = "") -> int:
        assert_type(self.rate("EUR"), float)  # at home it is called as ever
        return by

    @jactors.method(concurrency_group="io")
    def rate(self, currency: str) -> float:
        return len(currency) / 3

    @jactors.method
    async def soon(self, text: str) -> bytes:
        return text.encode()

    @jactors.method
    def numbers(self, n: int) -> Generator[int, None, None]:
        yield from range(n)


@jactors.remote
def double(x: int) -> int:
    return 2 * x


@jactors.remote(num_cpus=2)
def triple(x: int) -> int:
    return 3 * x


def classes() -> None:
    assert_type(jactors.remote(Counter), ActorClass[Counter])
    assert_type(jactors.remote(num_cpus=2)(Counter), ActorClass[Counter])
    assert_type(double, RemoteFunction)
    assert_type(triple, RemoteFunction)


def handles(remote_counter: ActorClass[Counter]) -> None:
    assert_type(remote_counter.remote(10), ActorHandle[Counter])
    assert_type(remote_counter.options(name="c").remote(10), ActorHandle[Counter])


def values(number: ObjectRef[int], numbers: list[ObjectRef[int]]) -> None:
    assert_type(jactors.get(number), int)
    assert_type(jactors.get(numbers), list[int])
    assert_type(jactors.get(jactors.put("text")), str)


def plain_methods(handle: ActorHandle[Counter]) -> None:
    """Of a class as it is: the direct call."""
    counter = jactors.typed(handle)
    assert_type(counter, Counter)
    assert_type(counter.add(2), int)
    counter.add("two")  # type: ignore[arg-type]
    counter.take()  # type: ignore[attr-defined]
    handle.add.remote(2, 3, 4)  # without `typed` nothing is known, and nothing refused


async def methods(handle: ActorHandle[Teller]) -> None:
    """Of a class with decorated methods: everything."""
    teller = jactors.typed(handle)
    assert_type(teller.add.remote(2, note="two"), ObjectRef[int])
    assert_type(teller.add.remote(teller.add.remote()), ObjectRef[int])  # a ref stands for its value
    assert_type(teller.add(by=2), int)
    assert_type(teller.rate.remote("EUR"), ObjectRef[float])
    assert_type(teller.soon("x"), bytes)
    assert_type(await teller.soon.remote("x"), bytes)
    assert_type(jactors.get([teller.soon.remote("x")]), list[bytes])
    assert_type(teller.numbers.remote(3), ObjectRefGenerator)
    assert_type(list(teller.numbers(3)), list[int])
    assert_type(jactors.typed(jactors.get_actor("t"), Teller), Teller)
    teller.add.remote("two")  # type: ignore[call-overload]
    teller.add.remote(2, 3)  # type: ignore[call-overload]
    teller.soon(3)  # type: ignore[arg-type]
    teller.numbers.remote()  # type: ignore[call-arg]


def mistakes(number: ObjectRef[int]) -> None:
    """An ignore that nothing needs is an error of its own: each of these lines must be refused."""
    _text: str = jactors.get(number)  # type: ignore[assignment]
    _other: ActorHandle[str] = jactors.remote(Counter).remote()  # type: ignore[assignment]
    jactors.remote(3)  # type: ignore[call-overload]
    jactors.remote(Counter, num_cpus=2)  # type: ignore[call-overload]
