"""What a type checker, and so an IDE, knows of actors; read by tests/unit/test_types.py and never run.

mypy does not apply the decorators of classes (its issue 3135), so the classes here are decorated by a call. Pyright
does, and sees the same types below ``@jactors.remote``.
"""

from __future__ import annotations

from typing import assert_type

import jactors
from jactors import ActorHandle, ObjectRef
from jactors.actor import ActorClass
from jactors.actors.tasks import RemoteFunction


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.n = start

    def add(self, by: int = 1) -> int:
        self.n += by
        return self.n


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


def mistakes(number: ObjectRef[int]) -> None:
    """An ignore that nothing needs is an error of its own: each of these lines must be refused."""
    _text: str = jactors.get(number)  # type: ignore[assignment]
    _other: ActorHandle[str] = jactors.remote(Counter).remote()  # type: ignore[assignment]
    jactors.remote(3)  # type: ignore[call-overload]
    jactors.remote(Counter, num_cpus=2)  # type: ignore[call-overload]
