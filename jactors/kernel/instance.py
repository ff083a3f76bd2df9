"""The instance: the user's object, and how a method of it is run.

The one place where user code is entered. An interrupt (SIGINT) becomes KeyboardInterrupt only
while a method is on the main thread's stack; at any other time it is dropped, so that it can
neither tear a message nor hit the next call.
"""

from __future__ import annotations

import inspect
import linecache
import os
import threading
from asyncio import _set_running_loop, get_running_loop
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from jactors.context import set_user_class
from jactors.errors import ActorExit
from jactors.wire import failure, pack
from jactors.wire.creation import Creation, Slot
from jactors.wire.payload import Failed, Packed

__all__ = ["Instance", "Outcome"]

#: One result: (index among the returns or -1 for all, payload).
Outcome = tuple[int, Packed | Failed]


class Instance:
    """The user's object of this process."""

    def __init__(self, creation: Creation, label: str) -> None:
        self._creation = creation
        self._label = label
        self._methods: dict[str, Callable[..., Any]] = {}
        #: The user's object; None until `create`.
        self.self: Any = None
        #: A method is on the main thread's stack. Of the main thread and its signal handler.
        self._interruptible = False
        self._main = threading.main_thread().ident

    @property
    def class_name(self) -> str:
        """The name of the user's class."""
        return self._creation.class_name

    def describe(self) -> str:
        """Return ``<Counter 3fa2c1d0 'tally'>``, or what the user's own ``__repr__`` says."""
        try:
            if self.self is not None and getattr(type(self.self), "__repr__", None) is not object.__repr__:
                return repr(self.self)
        except Exception:  # noqa: S110 - a repr that fails must not cost the call
            pass
        return self._label

    def create(self) -> BaseException | None:
        """Unpickle class and arguments and run ``__init__``; return what it raised."""
        creation = self._creation
        try:
            for filename, source in creation.sources.items():
                linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
            cls = pack.loads(creation.class_pickle)
            set_user_class(cls)
            args, kwargs = _arguments(creation.groups)
            self._interruptible = True
            self.self = cls(*args, **kwargs)
        except BaseException as error:
            return error
        finally:
            self._interruptible = False
        return None

    def method(self, name: str) -> Callable[..., Any]:
        """Return the method as the class has it: an attribute of the object does not shadow it."""
        found = self._methods.get(name)
        if found is None:
            if name in _BUILT_IN:
                function: Any = _BUILT_IN[name]
            else:
                function = inspect.getattr_static(type(self.self), name)
            found = function.__get__(self.self, type(self.self)) if hasattr(function, "__get__") else function
            self._methods[name] = found
        return found

    def run(self, name: str, groups: Sequence[Sequence[bytes]], returns: int) -> list[Outcome]:
        """Run a sync method on this thread.

        Raises
        ------
        SystemExit
            What the method asked for: the kernel ends the process.
        """
        try:
            args, kwargs = _arguments(groups)
            method = self.method(name)
            on_main = threading.get_ident() == self._main
            # A sync method runs inside the loop's callback but may use a loop of its own.
            loop = get_running_loop() if on_main else None
            try:
                _set_running_loop(None)
                try:
                    self._interruptible = on_main
                    value = method(*args, **kwargs)
                finally:
                    self._interruptible = False
            finally:  # apart, since an interrupt may strike at the very end of the inner block
                _set_running_loop(loop)
            return self.pack_result(name, value, returns)
        except SystemExit:
            raise
        except BaseException as error:
            return [(-1, self.failed(name, error))]

    async def run_async(self, name: str, groups: Sequence[Sequence[bytes]], returns: int) -> list[Outcome]:
        """Run a coroutine method, or a sync one on the loop, as a task."""
        try:
            args, kwargs = _arguments(groups)
            value = self.method(name)(*args, **kwargs)
            if inspect.isawaitable(value):
                value = await value
            return self.pack_result(name, value, returns)
        except SystemExit:
            raise
        except BaseException as error:
            return [(-1, self.failed(name, error))]

    def pack_result(self, name: str, value: Any, returns: int) -> list[Outcome]:
        """Pickle what a method returned, in one part or in `returns` parts."""
        what = f"the result of {self.class_name}.{name}"
        if returns == 1:
            return [(0, Packed(*pack.dumps(value, what=what)))]
        if returns == 0:
            return [(-1, Packed(*pack.dumps(None, what=what)))]
        if len(value) != returns:
            raise ValueError(f"Task returned {len(value)} objects, but num_returns={returns}.")
        return [(i, Packed(*pack.dumps(part, what=f"{what}[{i}]"))) for i, part in enumerate(value)]

    def failed(self, name: str, error: BaseException) -> Failed:
        """Return the payload of a method that raised."""
        if isinstance(error, ValueError) and "read-only" in str(error):
            error.add_note("Arguments arrive read-only, since several actors may share them: work on a .copy().")
        task = f"{self.class_name}.{name}"
        return Failed(failure.encode(error, task=task, pid=os.getpid(), actor=self.describe()))

    def on_sigint(self, signum: int, frame: FrameType | None) -> None:
        """Interrupt the running method once; drop the signal where none is running."""
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    def shutdown_hook(self) -> None:
        """Run the user's ``__ray_shutdown__``, if there is one; what it raises is ignored, as in Ray."""
        hook = getattr(type(self.self), "__ray_shutdown__", None)
        if hook is not None:
            try:
                hook(self.self)
            except Exception:  # noqa: S110 - RAY_API: exceptions are swallowed
                pass


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
