"""How the signature of a method reads in processes that have neither its class nor its defaults."""

from __future__ import annotations

import pytest

import jactors
from jactors.actors.shape import MethodShape
from jactors.wire import pack


class Odd:
    def __repr__(self):
        raise RuntimeError("not to be looked at")


ODD = Odd()


class Subject:
    def plain(self, a, /, b, *rest, c: int = 3, d=ODD, e: set[int] | None = None, **more) -> list[str]: ...

    def long(self, text="x" * 100, lines="a\nb", table=(1.5, "two")): ...

    def gen(self):
        yield 1

    @jactors.method(num_returns=2)
    def two(self): ...

    async def soon(self) -> float: ...

    @staticmethod
    def loose(a=True): ...


@pytest.mark.parametrize(
    ("name", "reads", "remote"),
    [
        (
            "plain",
            "(a, /, b, *rest, c: int = 3, d=..., e: set[int] | None = None, **more) -> list[str]",
            "(self, a, /, b, *rest, c: int = 3, d=..., e: set[int] | None = None, **more) -> ObjectRef[list[str]]",
        ),
        ("long", "(text=..., lines='a\\nb', table=(1.5, 'two'))", None),
        ("gen", "()", "(self, /) -> ObjectRefGenerator"),
        ("two", "()", "(self, /)"),
        ("soon", "() -> float", "(self, /) -> ObjectRef[float]"),
        ("loose", "(a=True)", "(self, /, a=True) -> ObjectRef"),
    ],
)
def test_it_reads_as_in_the_class_wherever_it_is(name, reads, remote):
    shape = MethodShape.of(name, vars(Subject)[name])
    for each in (shape, pack.loads(pack.dumps_inband(shape, what="a shape"))):
        assert str(each.signature()) == reads
        assert remote is None or str(each.signature_of_remote()) == remote


def test_what_has_no_signature_takes_anything():
    assert str(MethodShape("any", None).signature()) == "(*args, **kwargs)"
