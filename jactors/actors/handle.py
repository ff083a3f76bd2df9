"""Handles: an actor in the user's hand, in whichever process.

``h.m.remote(x)`` submits and returns a ref; ``h.m(x)`` submits, waits and returns the value. The
signature is checked and the arguments are pickled in the caller's thread, so that a mistake shows
on the user's line and nothing is sent.
"""

from __future__ import annotations

import difflib
import inspect
import weakref
from typing import Any, Generic, TypeVar

from jactors import session, trace
from jactors.actors.arguments import pack_arguments
from jactors.actors.generator import ObjectRefGenerator, collected
from jactors.actors.records import ActorStatistics
from jactors.actors.shape import BUILT_IN, ClassShape, MethodShape
from jactors.actors.sketch import Sketch
from jactors.actors.tooltip import Doc, kind_of
from jactors.context import current_actor, current_call
from jactors.errors import PendingCallsLimitExceeded
from jactors.ids import ActorID
from jactors.objects.luggage import Held, on_loan, take_along
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.objects.stream import Stream
from jactors.options import MethodOptions
from jactors.wire import pack
from jactors.wire.backlog import Traffic
from jactors.wire.call import Call
from jactors.wire.link import Link

__all__ = [
    "ActorHandle",
    "ActorMethod",
    "Home",
    "handle_in_this_process",
    "home_of",
    "remember",
    "revive",
]

T = TypeVar("T")

#: As a number of returns on the wire: a stream of values.
STREAM = -1


class Home:
    """Where an actor lives, and its link; shared by all handles of a process to it."""

    __slots__ = (
        "__weakref__",
        "actor_id",
        "address",
        "class_name",
        "kinds",
        "link",
        "max_pending",
        "name",
        "shape",
        "user_class",
    )

    def __init__(
        self, *, actor_id: str, name: str | None, shape: ClassShape, address: str, link: Link, max_pending: int
    ) -> None:
        self.actor_id = actor_id
        self.name = name
        self.shape = shape
        self.class_name = shape.class_name
        #: The supervisor's.
        self.address = address
        self.link = link
        self.max_pending = max_pending
        #: The class that the actor was made of, or reloaded with, by this process; weak, None where it was another.
        self.user_class: weakref.ref[type] | None = None
        #: Of the methods that were asked for: their `ActorMethod`, which has their signature; see `_kind`.
        self.kinds: dict[str, tuple[type[ActorMethod], MethodShape]] = shape.kinds

    def reshape(self, shape: ClassShape) -> None:
        """The actor has new code: calls from now on are checked against it. From any thread."""
        self.shape = shape
        self.class_name = shape.class_name
        self.kinds = shape.kinds


class ActorMethod:
    """A method of an actor: ``.remote()`` submits a call, calling it waits for the value."""

    __slots__ = ("_handle", "_options", "_shape")

    def __init__(self, handle: ActorHandle[Any], shape: MethodShape, options: MethodOptions) -> None:
        self._handle = handle  # keeps the actor alive while the method is held
        self._shape = shape
        self._options = options

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a call and return its `ObjectRef` at once.

        Returns
        -------
        ObjectRef, list of ObjectRef, ObjectRefGenerator or None
            One ref; as many as ``num_returns`` says where that is not 1, None where it is 0. A
            generator method's values come one by one, while it runs.

        Raises
        ------
        TypeError
            The arguments do not fit the method's signature.
        ValueError
            The actor has no such concurrency group.
        SerializationError
            An argument cannot be pickled; the text names it. Nothing was sent.
        PendingCallsLimitExceeded
            ``max_pending_calls`` of them have not ended.
        """
        if self._shape.decorator is not None:
            return self._shape.decorator(self._invoke)(args, kwargs)
        return self._invoke(args, kwargs)

    def _invoke(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._submit(args, kwargs)
        if call.stream is not None:
            return collected(call.stream) if self._options.num_returns == "dynamic" else ObjectRefGenerator(call.stream)
        if call.returns == 1:
            return ObjectRef(call.entries[0])
        return [ObjectRef(entry) for entry in call.entries] if call.returns else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a call, wait for it and return its value; a list of them with ``num_returns`` other than 1.

        A generator method's values come one by one, while it runs.
        """
        call = self._submit(args, kwargs)
        link = self._handle._home.link
        if call.stream is not None:
            return ObjectRefGenerator(call.stream).values()
        try:
            with session.waiting(call.entries):
                for entry in call.entries:
                    if not entry.done:
                        link.wait_for(entry, None)
            if call.returns > 1:
                return [entry.load() for entry in call.entries]
            return call.entries[0].load()
        except BaseException:
            del self, call  # a notebook keeps the last traceback: it must not keep the actor
            raise

    def options(self, **options: Any) -> ActorMethod:
        """Return this method with other options for its calls; see `jactors.method`."""
        parsed = MethodOptions.parse(options, generator=self._shape.generator, base=self._options)
        return type(self)(self._handle, self._shape, parsed)

    def _remote(self, args: Any = (), kwargs: Any = None, **options: Any) -> Any:
        return self.options(**options).remote(*args, **(kwargs or {}))

    def _submit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        shape, home, options = self._shape, self._handle._home, self._options
        shape.check(args, kwargs)
        link = home.link
        if 0 < home.max_pending <= link.pending():
            raise PendingCallsLimitExceeded(
                f"The task {shape.name} could not be submitted to {self._handle!r} because more than "
                f"{home.max_pending} tasks are queued on the actor: get some results, then try again."
            )
        group = options.concurrency_group
        if group is not None and group not in link.traffic.sizes:
            known = [name for name in link.traffic.sizes if name is not None] or "none"
            raise ValueError(f"{home.class_name} has no concurrency group {group!r}; its groups: {known}")
        groups, needs, luggage = pack_arguments(args, kwargs, what=f"the arguments of {home.class_name}.{shape.name}")
        here = session.current()
        number, task = here.new_id()
        returns = options.num_returns
        if returns is None:
            returns = STREAM if shape.generator else 1
        elif isinstance(returns, str):
            returns = STREAM
        retries = link.traffic.retries if options.max_task_retries is None else options.max_task_retries
        stream = None
        entries: list[Entry] = []
        if returns == STREAM:
            if options.room and home.shape.is_async:
                raise ValueError("_generator_backpressure_num_objects is not supported for an async actor")
            stream = Stream(lambda index: Entry(task + index.to_bytes(4, "big"), link), options.room)
            asked = {"sender": here.process, "number": number}
            stream.tell = lambda taken: link.ask("actor_taken_request", {**asked, "taken": taken})
        else:
            entries = [Entry(task + index.to_bytes(4, "big"), link) for index in range(returns or 1)]
        call = Call(
            number=number,
            method=shape.name,
            groups=groups,
            entries=entries,
            returns=returns,
            group=group,
            retries=retries,
            stream=stream,
            luggage=[self._handle._hold, *luggage],
            name=options.name,
        )
        if options.retry_exceptions and retries:
            call.retry_on = (Exception,) if isinstance(options.retry_exceptions, bool) else options.retry_exceptions
        shown = options.name or f"{home.class_name}.{shape.name}"
        trace.submitted.append((task, shown, home.actor_id, trace.now()))
        running = current_call.get()
        if running is not None:
            running.children.append((weakref.ref(call), link))
        link.submit(call, needs)
        return call

    def __repr__(self) -> str:
        return f"{self._handle!r}.{self._shape.name}"

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        return self._shape.doc

    @property
    def __name__(self) -> str:
        return self._shape.name

    @property
    def __signature__(self) -> inspect.Signature:
        return self._shape.signature()


class ActorHandle(Generic[T]):
    """An actor. Equal to every other handle of the same actor; can be pickled, passed and called anywhere.

    The actor lives as long as any process has a strong handle, or a copy of one is on its way. Weak
    are those of `get_actor` and of ``get_runtime_context().current_actor``, and copies of those.
    """

    __doc__ = Doc(__doc__)
    _home: Home
    #: None in a weak handle, in the actor itself, and where somebody else is known to hold it.
    _hold: Held | None
    _weak: bool

    def __init__(self, home: Home, hold: Held | None = None, *, weak: bool = False) -> None:
        self._home = home
        self._hold = hold
        self._weak = weak

    @property
    def _actor_id(self) -> ActorID:
        return ActorID.from_hex(self._home.actor_id)

    def _statistics(self) -> ActorStatistics:
        """Return state, counts, latencies and memory: `jactors.insight.statistics`. No user's method is shadowed."""
        from jactors.actors.insight import statistics

        return statistics(self)

    def __getattr__(self, name: str) -> ActorMethod:
        home: Home = self.__dict__["_home"]  # not by attribute: a half-made handle would ask itself
        kind, shape = home.kinds.get(name) or _kind(home, name)
        return kind(self, shape, shape.options)

    def __dir__(self) -> list[str]:
        return sorted({*self._home.shape.methods, "__init__", *BUILT_IN})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActorHandle) and self._home.actor_id == other._home.actor_id

    def __hash__(self) -> int:
        return hash(self._home.actor_id)

    def __repr__(self) -> str:
        return f"Actor({self._home.class_name}, {self._home.actor_id})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
        """Say in a notebook how the actor is: ``<Counter 3fa2c1d0 'tally' alive, 2 queued>``."""
        printer.text(Sketch.of(self._home).text())

    def _repr_html_(self) -> str:
        return Sketch.of(self._home).html()

    def __reduce__(self) -> tuple[Any, ...]:
        home = self._home
        told = (home.actor_id, home.name, home.shape, home.address, home.max_pending, home.link.traffic)
        if self._weak:
            return revive, told
        take_along(self._hold or session.current().holds.claim(home.actor_id, home.address))
        return revive_strong, told

    def __copy__(self) -> ActorHandle[T]:
        return ActorHandle(self._home, self._hold, weak=self._weak)

    def __deepcopy__(self, memo: Any) -> ActorHandle[T]:
        return self.__copy__()


_BUILT_IN_SHAPES = {
    name: MethodShape(name, None, doc, quick=(0, 1 << 30))
    for name, doc in (
        ("__ray_ready__", "Return True once the actor is alive."),
        ("__ray_call__", "Run ``function(self, *args, **kwargs)`` in the actor."),
        ("__ray_terminate__", "End the actor after the calls submitted before."),
    )
}


def _kind(home: Home, name: str) -> tuple[type[ActorMethod], MethodShape]:
    """Return the class of a method's `ActorMethod`, and its shape."""
    shape = home.shape.methods.get(name)
    if shape is None:
        if name not in BUILT_IN:
            raise AttributeError(_no_such_method(home, name))
        shape = _BUILT_IN_SHAPES[name]
    found = home.kinds[name] = kind_of(ActorMethod, home.class_name, shape), shape
    return found


def _no_such_method(home: Home, name: str) -> str:
    near = difflib.get_close_matches(name, home.shape.methods, n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"'ActorHandle' object has no attribute {name!r}: {home.class_name} has no such method{hint}"


#: The homes of this process, so that all its handles to an actor share one.
_homes: weakref.WeakValueDictionary[str, Home] = weakref.WeakValueDictionary()


def handle_in_this_process(actor_id: str) -> ActorHandle[Any] | None:
    """Return a (weak) handle of an actor of which this process has one already; None where it has none."""
    home = _homes.get(actor_id)
    return None if home is None else ActorHandle(home, weak=True)


def homes_here() -> list[Home]:
    """Return the actors that this process holds handles of."""
    return list(_homes.values())


def home_of(handle: ActorHandle[Any]) -> Home:
    """Return where the actor of a handle lives: not an attribute in public, since those are the user's methods."""
    return handle._home


def remember(home: Home) -> Home:
    """Return the home of this process for an actor: `home`, or the one that was there before."""
    known = _homes.get(home.actor_id)
    if known is not None and known.link is home.link:
        return known
    _homes[home.actor_id] = home
    reference = weakref.ref(home)

    def reshape(shape: bytes) -> None:
        known = reference()
        if known is not None:
            known.reshape(pack.loads(shape))

    session.current().links.on_reshaped(home.actor_id, reshape)
    return home


def revive(
    actor_id: str, name: str | None, shape: ClassShape, address: str, max_pending: int, traffic: Traffic
) -> ActorHandle[Any]:
    """Return a weak handle of an actor that somebody else, or a name, has told of."""
    return ActorHandle(_settle(actor_id, name, shape, address, max_pending, traffic), weak=True)


def revive_strong(
    actor_id: str, name: str | None, shape: ClassShape, address: str, max_pending: int, traffic: Traffic
) -> ActorHandle[Any]:
    """Return a handle that keeps its actor alive; but not where it is that actor, which would then never end."""
    home = _settle(actor_id, name, shape, address, max_pending, traffic)
    me = current_actor()
    if on_loan() or (me is not None and me.actor_id == actor_id):
        return ActorHandle(home)
    return ActorHandle(home, session.current().holds.claim(actor_id, address))


def _settle(
    actor_id: str, name: str | None, shape: ClassShape, address: str, max_pending: int, traffic: Traffic
) -> Home:
    link = session.current().link_to(actor_id, address, traffic)
    home = Home(actor_id=actor_id, name=name, shape=shape, address=address, link=link, max_pending=max_pending)
    return remember(home)
