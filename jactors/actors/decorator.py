"""`remote`: from a class to actors of it."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

from jactors import registry, session
from jactors.actors import lobby
from jactors.actors.arguments import pack_arguments
from jactors.actors.condition import state_of
from jactors.actors.handle import ActorHandle, Home, remember, revive
from jactors.actors.shape import ClassShape
from jactors.actors.source import sources_of
from jactors.actors.tasks import RemoteFunction
from jactors.actors.weight import check_weight
from jactors.errors import ActorAlreadyExistsError, ActorClassInheritanceError
from jactors.ids import ActorID
from jactors.objects.luggage import Held, packing
from jactors.options import ActorOptions, TaskOptions
from jactors.wire import pack
from jactors.wire.backlog import Traffic
from jactors.wire.creation import Creation

__all__ = ["ActorClass", "created", "remote"]

T = TypeVar("T")

#: Told of each handle that makes an actor; see `jactors.notebook.rerun`.
created: list[Callable[[ActorHandle[Any]], None]] = []


class Decorator(Protocol):
    """What ``remote(num_cpus=2)`` returns, for type checkers.

    A class can be called too, so the order counts: who is no class goes on to the second.
    """

    @overload
    def __call__(self, target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, target: Callable[..., Any], /) -> RemoteFunction: ...


@overload
def remote(target: type[T], /) -> ActorClass[T]: ...  # type: ignore[overload-overlap] # as in Decorator
@overload
def remote(target: Callable[..., Any], /) -> RemoteFunction: ...
@overload
def remote(**options: Any) -> Decorator: ...
def remote(*args: Any, **options: Any) -> Any:
    """Make an actor class of a class: ``@remote``, ``@remote(num_cpus=2)`` or ``remote(cls)``.

    Parameters
    ----------
    **options
        Defaults for all its actors, such as ``num_cpus``, ``num_gpus``, ``resources``,
        ``max_restarts``, ``checkpoint``, ``max_concurrency``, ``name``; see `jactors.options.ActorOptions`.

    Raises
    ------
    AssertionError
        Neither a class nor options were given.
    TypeError
        What was given is no class, or an actor class already; or an option has the wrong type.
    ValueError
        An option does not exist, or its value is out of range.
    """
    if len(args) == 1 and not options:
        return _make(args[0], {})
    if args or not options:
        raise AssertionError(
            "The @remote decorator must be applied either with no arguments and no parentheses, for example "
            "'@jactors.remote', or with options by keyword, for example '@jactors.remote(num_cpus=2)'."
        )
    _check_names(options)
    return lambda target: _make(target, options)


def _check_names(options: dict[str, Any]) -> None:
    """Refuse at once what is an option neither of actors nor of tasks, or has a wrong value for both."""
    try:
        ActorOptions.parse(options)
    except (TypeError, ValueError) as of_actors:
        try:
            TaskOptions.parse(options, generator=True)
        except (TypeError, ValueError) as of_tasks:
            # Who knows the name says what is wrong with its value.
            foreign, unheard = (str(error).startswith("Invalid option keyword") for error in (of_actors, of_tasks))
            raise (of_tasks if foreign and not unheard else of_actors) from None


def _yields(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _make(user_class: Any, given: dict[str, Any]) -> ActorClass[Any] | RemoteFunction:
    if isinstance(user_class, (ActorClass, RemoteFunction)):
        raise TypeError(f"The @remote decorator must be applied to either a function or a class: {user_class!r} is one")
    if inspect.isfunction(user_class) or inspect.isbuiltin(user_class):
        return RemoteFunction(user_class, TaskOptions.parse(given, generator=_yields(user_class)))
    if not inspect.isclass(user_class):
        raise AssertionError(
            f"The @remote decorator must be applied to either a function or a class, not {user_class!r}"
        )
    return ActorClass(user_class, ActorOptions.parse(given))


class ActorClass(Generic[T]):
    """A class whose instances are actors: ``A.remote(...)`` makes one, ``A.options(...)`` says how."""

    def __init__(self, user_class: type[T], options: ActorOptions) -> None:
        self._class = user_class
        self._options = options
        self._shape = ClassShape.of(user_class)
        #: Made at the first `remote`, once: later changes of captured globals are not seen, as in Ray.
        self._pickle: bytes | None = None
        #: What it names: handles and refs in its closure.
        self._luggage: list[Held] = []
        self._sources: dict[str, str] = {}
        self.__doc__ = user_class.__doc__
        self.__name__ = self.__qualname__ = f"ActorClass({user_class.__name__})"
        self.__module__ = user_class.__module__
        self.__signature__ = self._shape.init.signature()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, as Ray does: a local object is made of the plain class."""
        name = self._class.__name__
        raise TypeError(f"Actors cannot be instantiated directly. Instead of '{name}()', use '{name}.remote()'.")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise _no_inheritance(cls.__name__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise _no_inheritance(self._class.__name__)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_ActorClass") or name in ("_class", "_options"):
            raise AttributeError(name)
        return getattr(self._class, name)

    def __dir__(self) -> list[str]:
        return sorted({*self._shape.methods, "options", "remote"})

    def __repr__(self) -> str:
        return f"ActorClass({self._class.__name__})"

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle[T]:
        """Start an actor and return its handle at once, before ``__init__`` has run.

        Raises
        ------
        TypeError
            The arguments do not fit ``__init__``.
        SerializationError
            The class or an argument cannot be pickled; the text names what.
        InsufficientResourcesError
            It asks for more than there is in all.
        ActorAlreadyExistsError
            A living actor has that name.
        """
        return self._create(self._options, args, kwargs)

    def options(self, **options: Any) -> ActorOptionWrapper[T]:
        """Return something with a `remote` of its own that uses `options` over the decorator's."""
        return ActorOptionWrapper(self, ActorOptions.parse(options, base=self._options, call="options"))

    def _remote(self, args: Any = (), kwargs: Any = None, **options: Any) -> ActorHandle[T]:
        return self.options(**options).remote(*args, **(kwargs or {}))

    # ------------------------------------------------------------------ creation

    def _create(self, options: ActorOptions, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorHandle[T]:
        options.check_submittable()
        self._shape.init.check(args, kwargs)
        if inspect.isabstract(self._class):
            methods = ", ".join(sorted(getattr(self._class, "__abstractmethods__", ())))
            raise TypeError(f"Can't instantiate abstract class {self._class.__name__}: it does not define {methods}")
        traffic = self._shape.traffic(options)
        here = session.current()
        namespace = options.namespace or here.namespace
        if options.name is not None and session.find(namespace, options.name) is not None:
            here.settle()  # it may be that of an actor whose last handle has just gone
            record = registry.lookup(namespace, options.name)
            if options.get_if_exists and record is not None:
                return handle_of(record)
        self._pickled()  # before anything is claimed: it may fail
        groups, needs, luggage = pack_arguments(args, kwargs, what=f"the arguments of {self._class.__name__}.__init__")
        luggage += self._luggage
        for entry in needs:
            session.wait(entry)
            payload = entry.payload
            if payload is None or payload.failed:
                entry.load()
            groups.append((payload.stream, *payload.buffers))  # type: ignore[union-attr]
            luggage += payload.luggage  # type: ignore[union-attr]
        actor_id = ActorID.fresh().hex()
        record = {**here.record(actor_id), "name": options.name, "max_pending": options.max_pending_calls}
        if options.name is None:
            return self._spawn(here, actor_id, options, traffic, groups, luggage, record)
        blob = pack.dumps_inband((self._shape, traffic), what="the shape of a class")
        with here.expecting(actor_id):
            taken = registry.claim(namespace, options.name, {**record, "shape": blob.hex()})
            if taken is None:
                try:
                    return self._spawn(here, actor_id, options, traffic, groups, luggage, record)
                except BaseException:
                    registry.release(namespace, options.name, actor_id)
                    raise
        if options.get_if_exists:
            return handle_of(taken)
        raise ActorAlreadyExistsError(
            f"The name {options.name} (namespace={options.namespace}) is already taken. Please use a different "
            f"name or get the existing actor using jactors.get_actor({options.name!r})"
        )

    def _spawn(
        self,
        here: session.Session,
        actor_id: str,
        options: ActorOptions,
        traffic: Traffic,
        groups: list[tuple[Any, ...]],
        luggage: list[Held],
        record: dict[str, Any],
    ) -> ActorHandle[T]:
        link = here.links.expect(actor_id, traffic)
        creation = Creation(
            class_name=self._class.__name__,
            class_pickle=self._pickled(),
            groups=groups,
            sources=self._sources,
            parent=here.parents.current(),
            sizes=dict(traffic.sizes),
            is_async=self._shape.is_async,
            debug=options.debug,
            checkpoint=options.checkpoint,
        )
        hold = here.holds.born(actor_id, record["address"])
        try:
            told = here.spawn(actor_id=actor_id, creation=creation, options=options, luggage=luggage)
        except BaseException:
            here.links.forget(actor_id)
            raise
        if state_of(told) == "pending":
            lobby.enter(here, actor_id)
        home = remember(
            Home(
                actor_id=actor_id,
                name=options.name,
                shape=self._shape,
                address=record["address"],
                link=link,
                max_pending=options.max_pending_calls,
            )
        )
        home.user_class = weakref.ref(self._class)
        handle: ActorHandle[T] = ActorHandle(home, hold)
        if here.lifetime(options) == "detached":
            return handle  # nobody's going ends it
        for tell in created:
            tell(handle)
        return handle

    def _pickled(self) -> bytes:
        if self._pickle is None:
            with packing() as self._luggage:
                pickled = pack.dumps_inband(self._class, what=f"the class {self._class.__name__}")
            check_weight(f"The actor {self._class.__name__}", pickled, "pass them to __init__")
            self._sources = sources_of(self._class)
            self._pickle = pickled
        return self._pickle


class ActorOptionWrapper(Generic[T]):
    """An actor class with options; has only `remote`."""

    def __init__(self, actor_class: ActorClass[T], options: ActorOptions) -> None:
        self._actor_class = actor_class
        self._options = options

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle[T]:
        """Start an actor; see `ActorClass.remote`."""
        return self._actor_class._create(self._options, args, kwargs)


def handle_of(record: dict[str, Any]) -> ActorHandle[Any]:
    """Return a (weak) handle of the actor that a name's record names."""
    shape, traffic = pack.loads(bytes.fromhex(record["shape"]))
    return revive(record["actor_id"], record["name"], shape, record["address"], record["max_pending"], traffic)


def _no_inheritance(name: str) -> ActorClassInheritanceError:
    return ActorClassInheritanceError(
        f"Inheriting from actor classes is not currently supported, and {name} is one: inherit from the plain class, "
        "then decorate"
    )
