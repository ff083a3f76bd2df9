"""The shape of an actor class: its methods and their signatures, without its code.

Travels with handles, so that a call is checked in the caller, in processes that cannot import the
class too. Plain builtin values only.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from jactors.actors.signature import Texts, build, texts_of
from jactors.options import ActorOptions, MethodOptions
from jactors.wire import pack
from jactors.wire.backlog import Traffic

if TYPE_CHECKING:
    from jactors.actors.typed import RemoteGenerator, RemoteMethod, Returning

__all__ = ["BUILT_IN", "ClassShape", "MethodShape", "method"]

P = ParamSpec("P")
R = TypeVar("R")

#: Methods that every actor has, besides those of its class.
BUILT_IN = ("__ray_ready__", "__ray_call__", "__ray_terminate__")

#: Where `method` leaves its options on the function.
_MARK = "__jactors_method__"


@overload
def method(function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> RemoteMethod[P, R]: ...
@overload
def method(  # type: ignore[overload-overlap] # it returns what it yields
    function: Callable[Concatenate[Any, P], Generator[R, Any, Any]], /
) -> RemoteGenerator[P, R]: ...
@overload
def method(function: Callable[Concatenate[Any, P], R], /) -> RemoteMethod[P, R]: ...
@overload
def method(*, num_returns: int | str, **options: Any) -> Callable[[Callable[..., Any]], Any]: ...
@overload
def method(**options: Any) -> Returning: ...
def method(*args: Any, **options: Any) -> Any:
    """Give a method of an actor class defaults for its calls: ``@jactors.method(num_returns=2)``.

    Parameters
    ----------
    num_returns : int or str
        How many refs a call returns; the method returns as many values. Of a generator method "streaming" (the
        default), or "dynamic", Ray's old way: one ref, of the refs of all its values.
    concurrency_group : str
        The group of threads that it runs in. Of an async actor: so many of the group's coroutines at once, all
        groups on the actor's one loop, so that what ``__init__`` has made serves them all (Ray has a loop a group).
        What blocks without ``await`` holds up every group.
    max_task_retries, retry_exceptions
        How often, and after which exceptions, a call is run again.

    Raises
    ------
    AssertionError
        An option does not exist.
    """

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, _MARK, MethodOptions.parse(options, generator=_generates(function), call="method"))
        return function

    # A wrong name is said at once; whether the method is a generator is known when it is given.
    MethodOptions.parse(options, generator=True, call="method")
    if args:
        if len(args) > 1 or options or not callable(args[0]):
            raise AssertionError(f"@method takes options by keyword, or none: @method(num_returns=2); got {args!r}")
        return mark(args[0])
    return mark


def _plain(member: Any) -> Any:
    """Return the function that a class member is, or is made of."""
    return member.func if isinstance(member, functools.partialmethod) else getattr(member, "__func__", member)


def _generates(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


@dataclass(frozen=True, slots=True)
class MethodShape:
    """One method: its parameters without ``self``, and the options of ``@method``."""

    name: str
    #: (name, kind, whether it has a default) of each parameter; None where there is no signature.
    parameters: tuple[tuple[str, int, bool], ...] | None
    doc: str = ""
    #: What ``@method`` says.
    options: MethodOptions = field(default_factory=MethodOptions)
    generator: bool = False
    #: Positional arguments that pass without a closer look: (least, most); (1, 0) for none.
    quick: tuple[int, int] = field(default=(1, 0))
    #: How its signature reads: see `jactors.actors.signature`.
    texts: Texts = ()
    #: What ``__ray_invocation_decorator__`` of the method says: wraps each of its calls, in the caller.
    decorator: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None

    @classmethod
    def of(cls, name: str, function: Any) -> MethodShape:
        """Return the shape of a class member."""
        bound = isinstance(function, staticmethod)
        plain = _plain(function)
        options: MethodOptions = getattr(plain, _MARK, None) or MethodOptions()
        parameters = None
        texts: Texts = ()
        try:
            # A partial method has fewer parameters than what it is made of.
            partial = isinstance(function, functools.partialmethod)
            signature = inspect.signature(function.__get__(None, object) if partial else plain)
        except (TypeError, ValueError):
            pass
        else:
            found = list(signature.parameters.values())
            if not bound and found and found[0].kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD:
                found = found[1:]
            empty = inspect.Parameter.empty
            parameters = tuple((p.name, int(p.kind), p.default is not empty) for p in found)
            texts = texts_of(found, signature.return_annotation)
        doc = inspect.getdoc(plain) or ""
        decorator = getattr(plain, "__ray_invocation_decorator__", None)
        return cls(name, parameters, doc, options, _generates(plain), _quick(parameters), texts, decorator)

    def __reduce__(self) -> tuple[Any, ...]:
        # By value, whoever pickles: a handle may go through the user's own `pickle`, a decorator may be a lambda.
        wraps = self.decorator and pack.dumps_inband(self.decorator, what=f"the invocation decorator of {self.name}")
        return _revived, (
            self.name,
            self.parameters,
            self.doc,
            self.options,
            self.generator,
            self.quick,
            self.texts,
            wraps,
        )

    def signature(self) -> inspect.Signature:
        """Return the signature, whose defaults and annotations only read as they do in the class."""
        if self.parameters is None:
            return _ANY
        return build(self.parameters, self.texts)

    def signature_of_call(self, returns: str | None = None) -> inspect.Signature:
        """Return that of the function of ``self``, which an `ActorMethod` is."""
        if self.parameters is None:
            return _ANY_METHOD
        me = ("self", int(inspect.Parameter.POSITIONAL_ONLY), False)
        return build((me, *self.parameters), self.texts and (("", ""), *self.texts), returns=returns)

    def signature_of_remote(self) -> inspect.Signature:
        """Return that of its ``.remote``, which returns a ref of the value."""
        if self.generator:
            returns = "ObjectRefGenerator"
        elif self.options.num_returns not in (None, 1):
            returns = ""
        else:
            value = self.texts[-1][1] if self.texts else ""
            returns = f"ObjectRef[{value}]" if value else "ObjectRef"
        return self.signature_of_call(returns)

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise TypeError where the arguments do not fit."""
        if not kwargs and self.quick[0] <= len(args) <= self.quick[1]:
            return
        if self.parameters is not None:
            try:
                self.signature().bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.name}{self.signature()}: {error}") from None


def _revived(*told: Any) -> MethodShape:
    *fields, wraps = told
    fields.append(pack.loads(wraps) if wraps else None)
    return MethodShape(*fields)


_ANY = inspect.signature(lambda *args, **kwargs: None)
_ANY_METHOD = inspect.signature(lambda self, /, *args, **kwargs: None)


def _quick(parameters: tuple[tuple[str, int, bool], ...] | None) -> tuple[int, int]:
    if parameters is None:
        return 0, 1 << 30
    least = most = 0
    for _, kind, optional in parameters:
        if kind == inspect.Parameter.VAR_POSITIONAL:
            most = 1 << 30
        elif kind == inspect.Parameter.KEYWORD_ONLY:
            if not optional:
                return 1, 0
        elif kind != inspect.Parameter.VAR_KEYWORD:
            most += 1
            least += not optional
    return least, most


@dataclass(frozen=True, slots=True)
class ClassShape:
    """One actor class."""

    class_name: str
    module: str
    doc: str
    methods: Mapping[str, MethodShape]
    init: MethodShape
    #: Any method is a coroutine or an async generator.
    is_async: bool
    #: What this process calls the methods with, made when first asked for: see `jactors.actors.handle`.
    kinds: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        told = (self.class_name, self.module, self.doc, self.methods, self.init, self.is_async)
        return ClassShape, told

    @classmethod
    def of(cls, user_class: type) -> ClassShape:
        """Return the shape of a class: every function member, inherited ones too, as Ray has it."""
        members: dict[str, Any] = {}
        for base in reversed(user_class.__mro__[:-1]):
            members.update(vars(base))
        functions = {
            name: member
            for name, member in members.items()
            if inspect.isfunction(member) or isinstance(member, (staticmethod, classmethod, functools.partialmethod))
        }
        plain = [_plain(member) for member in functions.values()]
        return cls(
            user_class.__name__,
            user_class.__module__,
            inspect.getdoc(user_class) or "",
            {name: MethodShape.of(name, member) for name, member in functions.items()},
            MethodShape.of("__init__", functions["__init__"])
            if "__init__" in functions
            else MethodShape("__init__", (), "", quick=(0, 0)),
            any(asyncio.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in plain),
        )

    def traffic(self, options: ActorOptions) -> Traffic:
        """Return how an actor with these options takes calls.

        Raises
        ------
        AssertionError
            A method is in a concurrency group that the class does not declare.
        ValueError
            Order was asked for, of an actor that runs several calls at once.
        """
        groups = options.concurrency_groups or {}
        for name, shape in self.methods.items():
            group = shape.options.concurrency_group
            if group is not None and group not in groups:
                raise AssertionError(
                    f"{self.class_name}.{name} is in the concurrency group {group!r}, which is not declared: "
                    f"@remote(concurrency_groups={{{group!r}: 1}}); declared: {sorted(groups) or 'none'}"
                )
        size = options.max_concurrency or (1000 if self.is_async else 1)
        ordered = not self.is_async and size == 1 and not groups
        if options.allow_out_of_order_execution is False and not ordered:
            raise ValueError(
                f"allow_out_of_order_execution=False needs an actor that runs one call at a time; {self.class_name} "
                "is async, threaded or has concurrency groups"
            )
        if options.allow_out_of_order_execution:
            ordered = False
        sizes: dict[str | None, int] = {None: size}
        sizes.update(groups)
        return Traffic(sizes, ordered, options.max_task_retries)
