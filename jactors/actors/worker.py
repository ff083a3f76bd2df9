"""The worker: the actor that runs tasks. Its class travels by import, the functions in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from jactors.context import current_call
from jactors.objects.luggage import unpacking_on_loan
from jactors.places import read_private
from jactors.wire import pack

__all__ = ["Worker"]


class Worker:
    """Runs one task after the other."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}

    def run(self, path: str, name: str, task: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run the function that was pickled into the session's file `path`, as the task `name` with the id `task`."""
        function = self._functions.get(path)
        if function is None:
            with unpacking_on_loan():  # a task keeps what its function names; this process keeps the function for long
                function = self._functions[path] = pack.loads(read_private(path))
        call = current_call.get()
        if call is not None:
            where: dict[str, Any] = {"method": function.__qualname__, "module": function.__module__}
            current_call.set(replace(call, name=name, task_id=task, **where))
        self.__jactors_task__ = name
        return function(*args, **kwargs)

    def stream(self, path: str, name: str, task: str, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Run a generator function."""
        yield from self.run(path, name, task, *args, **kwargs)
