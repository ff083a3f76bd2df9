"""What type checkers, and so IDEs, know of the methods of an actor.

A handle has the methods of its class, and no checker can say "all of T's attributes, but with ``.remote``" without a
plugin. So ``handle.m`` is taken for a method with any arguments. Who wants more asks for it: `typed` returns the handle
as what its class is, and a method under ``@jactors.method`` is a descriptor that has ``.remote`` with the method's own
parameters. What runs is the same handle, and the same function.

Rejected: Ray's ``Union[ActorHandle[T], type[T]]`` for every handle, which makes an error of ``.remote`` on each method
that is not decorated, and to mypy is no more than Any; its generics of one arity each, which know no keywords.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from jactors.actors.generator import ObjectRefGenerator
    from jactors.actors.handle import ActorHandle
    from jactors.objects.refs import ObjectRef

__all__ = ["RemoteGenerator", "RemoteMethod", "Returning", "typed"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")


class RemoteMethod(Generic[P, R_co]):
    """What ``@jactors.method`` makes of a method, for checkers: there is no such object.

    A ref may stand for each of the first three arguments; what else is passed with it is not checked then.
    """

    @overload
    def __get__(self, instance: None, owner: Any, /) -> Callable[Concatenate[Any, P], R_co]: ...
    @overload
    def __get__(self, instance: object, owner: Any, /) -> RemoteMethod[P, R_co]: ...
    def __get__(self, instance: Any, owner: Any, /) -> Any: ...

    @overload
    def remote(self, *args: P.args, **kwargs: P.kwargs) -> ObjectRef[R_co]: ...
    @overload
    def remote(self, ref: ObjectRef[Any], /, *args: Any, **kwargs: Any) -> ObjectRef[R_co]: ...
    @overload
    def remote(self, first: Any, ref: ObjectRef[Any], /, *args: Any, **kwargs: Any) -> ObjectRef[R_co]: ...
    @overload
    def remote(self, first: Any, second: Any, ref: ObjectRef[Any], /, *args: Any, **kw: Any) -> ObjectRef[R_co]: ...
    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a call and return its `ObjectRef` at once."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Submit a call, wait for it and return its value."""
        raise NotImplementedError

    def options(self, **options: Any) -> Any:
        """Return this method with other options for its calls."""


class RemoteGenerator(Generic[P, R_co]):
    """The same of a generator method: its values come one by one, while it runs."""

    @overload
    def __get__(self, instance: None, owner: Any, /) -> Callable[Concatenate[Any, P], Iterator[R_co]]: ...
    @overload
    def __get__(self, instance: object, owner: Any, /) -> RemoteGenerator[P, R_co]: ...
    def __get__(self, instance: Any, owner: Any, /) -> Any: ...

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> ObjectRefGenerator:
        """Submit a call and return a generator of refs at once."""
        raise NotImplementedError

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Iterator[R_co]:
        """Submit a call and yield its values as they come."""
        raise NotImplementedError

    def options(self, **options: Any) -> Any:
        """Return this method with other options for its calls."""


class Returning(Protocol):
    """What ``method(concurrency_group="io")`` returns."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> RemoteMethod[P, R]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap] # it returns what it yields
        self, function: Callable[Concatenate[Any, P], Generator[R, Any, Any]], /
    ) -> RemoteGenerator[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> RemoteMethod[P, R]: ...


@overload
def typed(handle: ActorHandle[T]) -> T: ...
@overload
def typed(handle: ActorHandle[Any], user_class: type[T]) -> T: ...
def typed(handle: Any, user_class: Any = None) -> Any:
    """Return `handle` itself, as what its class is: so a type checker, and an IDE, know its methods.

    Parameters
    ----------
    handle : ActorHandle
    user_class : type, optional
        What its actor is of, where the checker cannot know: ``typed(jactors.get_actor("c"), Counter)``. Not compared.

    Examples
    --------
    ::

        class Counter:
            @jactors.method
            def add(self, by: int = 1) -> int: ...

        counter = jactors.typed(jactors.remote(Counter).remote())
        counter.add.remote(2)      # ObjectRef[int]
        counter.add("two")         # an error before it runs
    """
    return handle
