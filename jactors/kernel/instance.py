"""The instance: the user's object, and how a method of it is run.

The one place where user code is entered, and so the one that says when it may be interrupted.
"""

from __future__ import annotations

import inspect
import linecache
import os
from asyncio import _get_running_loop, _set_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from jactors.context import set_user_class
from jactors.errors import ActorExit
from jactors.kernel.incoming import STREAM, Incoming, Outcome
from jactors.kernel.interrupts import Interrupts, steps
from jactors.objects.luggage import packing
from jactors.objects.refs import ObjectRef
from jactors.wire import failure, pack
from jactors.wire.creation import Creation, Slot
from jactors.wire.payload import Failed, Packed

__all__ = ["Emit", "Instance", "Revive"]

#: Takes a part of a call's outcome, while the call goes on.
Emit = Callable[[Incoming, list[Outcome]], None]

#: Takes the class, and what makes an object of it; returns the object, new or as it was.
Revive = Callable[[Any, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Instance:
    """The user's object of this process."""

    def __init__(self, creation: Creation, label: str) -> None:
        #: What it was made of; a restart reads the same, or what a reload has put there.
        self.creation = creation
        self._label = label
        self._methods: dict[str, Callable[..., Any]] = {}
        #: Methods that every actor has and its class has not, beyond `_BUILT_IN`: they need more than the object.
        self.built_in: dict[str, Callable[..., Any]] = {}
        #: The user's object; None until `create`.
        self.self: Any = None
        self.interrupts = Interrupts()
        #: Told what a method has raised, in the method's thread.
        self.on_failure: Callable[[BaseException, str], None] = lambda error, method: None

    @property
    def class_name(self) -> str:
        """The name of the user's class."""
        return self.creation.class_name

    def describe(self) -> str:
        """Return ``<Counter 3fa2c1d0 'tally'>``, or what the user's own ``__repr__`` says."""
        return self.own_repr() or self._label

    def own_repr(self) -> str:
        """Return what the user's own ``__repr__`` says; "" where there is none."""
        try:
            if self.self is not None and getattr(type(self.self), "__repr__", None) is not object.__repr__:
                return repr(self.self)
        except Exception:  # noqa: S110 - a repr that fails must not cost the call
            pass
        return ""

    async def create(self, revive: Revive) -> BaseException | None:
        """Unpickle the class and make the object, as `revive` sees fit; return what was raised."""
        creation = self.creation
        try:
            for filename, source in creation.sources.items():
                linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
            cls = pack.loads(creation.class_pickle)
            set_user_class(cls)
            self.self = await revive(cls, lambda: self._make(cls))
        except BaseException as error:
            return error
        return None

    async def _make(self, cls: Any) -> Any:
        """Unpickle the arguments and run ``__init__``."""
        args, kwargs = _arguments(self.creation.groups)
        try:
            if not inspect.iscoroutinefunction(cls.__init__):
                self.interrupts.enter(_INIT)
                return cls(*args, **kwargs)
            made = cls.__new__(cls, *args, **kwargs)
            await made.__init__(*args, **kwargs)
            return made
        finally:
            self.interrupts.call = None

    def method(self, name: str) -> Callable[..., Any]:
        """Return the method as the class has it: an attribute of the object does not shadow it."""
        found = self._methods.get(name)
        if found is None:
            if name in self.built_in:
                return self.built_in[name]
            if name in _BUILT_IN:
                function: Any = _BUILT_IN[name]
            else:
                function = inspect.getattr_static(type(self.self), name)
            found = function.__get__(self.self, type(self.self)) if hasattr(function, "__get__") else function
            self._methods[name] = found
        return found

    def forget_methods(self) -> None:
        """The object's class is another one: look its methods up again."""
        self._methods.clear()

    def run(self, call: Incoming, emit: Emit) -> list[Outcome]:
        """Run a sync method on this thread; what it yields goes to `emit`, piece by piece.

        Raises
        ------
        SystemExit
            What the method asked for: the kernel ends the process.
        """
        interrupts = self.interrupts
        try:
            # A sync method runs inside the loop's callback but may use a loop of its own.
            loop = _get_running_loop()
            try:
                _set_running_loop(None)
                try:
                    interrupts.enter(call)
                    return self._run(call, emit)
                finally:
                    interrupts.call = None
                    interrupts.leave(call)
            finally:  # apart, since an interrupt may strike at the very end of the inner block
                _set_running_loop(loop)
        except SystemExit:
            raise
        except BaseException as error:
            return self._failure(call, error)

    def _run(self, call: Incoming, emit: Emit) -> list[Outcome]:
        """Unpickle, run, pickle: all three run the user's code, and may be interrupted."""
        args, kwargs = _arguments(call.groups)
        call.groups.clear()  # memory that the method lets go of is free before the answer is sent
        method = self.method(call.method)
        value = method(*args, **kwargs)
        if inspect.isgenerator(value) and inspect.isgeneratorfunction(method):
            return self._stream(call, value, emit)
        return self.pack_result(call, value)

    async def run_async(self, call: Incoming, emit: Emit) -> list[Outcome]:
        """Run a coroutine method, or a sync one on the loop, as a task."""
        interrupts = self.interrupts
        try:
            try:
                interrupts.enter(call)
                args, kwargs = _arguments(call.groups)
                call.groups.clear()
                method = self.method(call.method)
                value = method(*args, **kwargs)
                if inspect.isgenerator(value) and inspect.isgeneratorfunction(method):
                    return self._stream(call, value, emit)
                if not (inspect.iscoroutine(value) or inspect.isasyncgen(value) or _is_to_await(value)):
                    return self.pack_result(call, value)
            finally:
                interrupts.call = None
                interrupts.leave(call)
            if inspect.isasyncgen(value):
                return await self._stream_async(call, value, emit)
            value = await steps(interrupts, call, value)
            try:
                interrupts.resume(call)
                return self.pack_result(call, value)
            finally:
                interrupts.call = None
        except SystemExit:
            raise
        except BaseException as error:
            return self._failure(call, error)

    def _stream(self, call: Incoming, values: Iterable[Any], emit: Emit) -> list[Outcome]:
        """Emit each value when it is there; return the end."""
        for value in values:
            part = self._packed(call, value)
            self.interrupts.leave(call)  # not while a message is under way
            if part:
                emit(call, part)
            self.interrupts.enter(call)
            if call.room is not None:
                call.room.wait(call.flags[_YIELDED])
        return self._exhausted(call)

    async def _stream_async(self, call: Incoming, values: AsyncIterator[Any], emit: Emit) -> list[Outcome]:
        interrupts = self.interrupts
        while True:
            try:
                value = await steps(interrupts, call, anext(values))
            except StopAsyncIteration:
                return self._exhausted(call)
            try:
                interrupts.resume(call)
                part = self._packed(call, value)
            finally:
                interrupts.call = None
            if part:
                emit(call, part)

    def _packed(self, call: Incoming, value: Any) -> list[Outcome]:
        """Pickle what a generator has yielded; with a fixed number of returns, what is too many is dropped."""
        index = call.flags.get(_YIELDED, 0)
        part: list[Outcome] = []
        if call.returns == STREAM or index < call.returns:
            what = f"value {index} of {self.class_name}.{call.method}"
            part = [(index, Packed(*pack.dumps(value, what=what)))]
        call.flags[_YIELDED] = index + 1
        return part

    def _exhausted(self, call: Incoming) -> list[Outcome]:
        """Return the end of a generator's call; ValueError where it has yielded too few values."""
        yielded, returns = call.flags.get(_YIELDED, 0), call.returns
        if returns == STREAM:
            return [(yielded, None)]
        if yielded < returns:
            raise ValueError(f"{self.class_name}.{call.method} yielded {yielded} values, but num_returns={returns}.")
        return [(returns or -1, Packed(*pack.dumps(None, what="nothing")))]  # behind the last: all have been sent

    def _failure(self, call: Incoming, error: BaseException) -> list[Outcome]:
        """Return the outcome of a call that raised; what it has yielded before stays."""
        self.on_failure(error, call.method)
        failed = self.failed(call.method, error)
        yielded = call.flags.get(_YIELDED, 0)
        if call.returns in (STREAM, 0) or not yielded:
            return [(-1, failed)]
        return [(index, failed) for index in range(yielded, max(call.returns, yielded + 1))]

    def pack_result(self, call: Incoming, value: Any) -> list[Outcome]:
        """Pickle what a method returned, in one part or in as many as the caller asked for."""
        what = f"the result of {self.class_name}.{call.method}"
        returns = call.returns
        if returns == 1:
            return [(0, Packed(*pack.dumps(value, what=what)))]
        if returns == 0:
            return [(-1, Packed(*pack.dumps(None, what=what)))]
        if returns == STREAM:
            raise TypeError(
                f"{self.class_name}.{call.method} was called with num_returns='streaming' but does not yield"
            )
        if len(value) != returns:
            raise ValueError(f"Task returned {len(value)} objects, but num_returns={returns}.")
        return [(i, Packed(*pack.dumps(part, what=f"{what}[{i}]"))) for i, part in enumerate(value)]

    def failed(self, name: str, error: BaseException) -> Failed:
        """Return the payload of a method that raised."""
        if isinstance(error, ValueError) and "read-only" in str(error):
            error.add_note("Arguments arrive read-only, since several actors may share them: work on a .copy().")
        # A worker says itself what it runs: a function, not its own method.
        task = getattr(self.self, "__jactors_task__", None) or f"{self.class_name}.{name}"
        with packing() as luggage:
            return Failed(failure.encode(error, task=task, pid=os.getpid(), actor=self.describe()), luggage)

    def shutdown_hook(self) -> None:
        """Run the user's ``__ray_shutdown__``, if there is one; what it raises is ignored, as in Ray."""
        hook = getattr(type(self.self), "__ray_shutdown__", None)
        if hook is not None:
            try:
                hook(self.self)
            except Exception:  # noqa: S110 - RAY_API: exceptions are swallowed
                pass

    def let_go(self) -> None:
        """Forget the user's object: with nobody else holding it, its ``__del__`` runs here."""
        self._methods.clear()
        self.self = None


def _is_to_await(value: Any) -> bool:
    """Return whether a method has begun something that goes on; a ref is a value, and travels as one."""
    return inspect.isawaitable(value) and not isinstance(value, ObjectRef)


def _arguments(groups: Sequence[Sequence[bytes]]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Unpickle (args, kwargs) and put the values of the top-level refs in their slots."""
    args, kwargs = Packed(groups[0][0], groups[0][1:]).load()
    if len(groups) > 1:
        values = [Packed(group[0], group[1:]).load() for group in groups[1:]]
        args = [values[a.index] if type(a) is Slot else a for a in args]
        kwargs = {k: values[v.index] if type(v) is Slot else v for k, v in kwargs.items()}
    return args, kwargs


def _ray_ready(_: Any) -> bool:
    return True


def _ray_call(self: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return function(self, *args, **kwargs)


def _ray_terminate(_: Any) -> None:
    raise ActorExit(0)


_BUILT_IN: dict[str, Callable[..., Any]] = {
    "__ray_ready__": _ray_ready,
    "__ray_call__": _ray_call,
    "__ray_terminate__": _ray_terminate,
}

#: Among the flags of a generator's call: how many values it has yielded.
_YIELDED = "yielded"

#: Stands for ``__init__`` as the call that an interrupt may hit.
_INIT = Incoming([], b"", {}, "", 0, "__init__", 1, None, [])
