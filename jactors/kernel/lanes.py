"""Lanes: where a call runs.

=================================== ================================================================
actor                               lane
=================================== ================================================================
sync, ``max_concurrency=1``         the main thread, inline: signals, GPUs, plots as in a notebook
sync, ``max_concurrency=n``, groups a pool of n persistent threads a group
any ``async def`` method            tasks on the kernel's loop, a semaphore a group
=================================== ================================================================

A lane's `start` never waits; `answer` is called in the main thread, once a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from jactors.context import current_call
from jactors.kernel.instance import Instance, Outcome
from jactors.kernel.outbox import Incoming
from jactors.kernel.output import Output

__all__ = ["InlineLane", "Lane", "LoopLane", "ThreadLane"]

#: Takes the outcome of a call, or the SystemExit that it ended in.
Answer = Callable[[Incoming, "list[Outcome] | SystemExit"], None]


class Lane(Protocol):
    """Runs calls."""

    def start(self, call: Incoming) -> None:
        """Run `call` now or when there is room."""


class InlineLane:
    """The main thread, one call after the other."""

    def __init__(self, instance: Instance, output: Output, answer: Answer, context: Callable[[Incoming], Any]) -> None:
        self._instance = instance
        self._output = output
        self._answer = answer
        self._context = context

    def start(self, call: Incoming) -> None:
        """Run `call` to its end."""
        self._output.enter(call.parent)
        current_call.set(self._context(call))
        try:
            outcome: list[Outcome] | SystemExit = self._instance.run(call.method, call.groups, call.returns)
        except SystemExit as leave:
            outcome = leave
        self._answer(call, outcome)


class ThreadLane:
    """A pool of `size` threads that stay, so thread-locals survive between calls."""

    def __init__(
        self,
        size: int,
        name: str,
        instance: Instance,
        output: Output,
        answer: Answer,
        context: Callable[[Incoming], Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"jactors-{name}")
        self._instance = instance
        self._output = output
        self._answer = answer
        self._context = context
        self._loop = loop

    def start(self, call: Incoming) -> None:
        """Run `call` as soon as a thread is free."""
        self._pool.submit(self._run, call)

    def _run(self, call: Incoming) -> None:
        tokens = self._output.enter_thread(call.parent)
        current_call.set(self._context(call))
        try:
            outcome: list[Outcome] | SystemExit = self._instance.run(call.method, call.groups, call.returns)
        except SystemExit as leave:
            outcome = leave
        finally:
            self._output.leave_thread(tokens)
        self._loop.call_soon_threadsafe(self._answer, call, outcome)


class LoopLane:
    """Tasks on the kernel's loop, at most `size` under way."""

    def __init__(
        self, size: int, instance: Instance, output: Output, answer: Answer, context: Callable[[Incoming], Any]
    ) -> None:
        self._room = asyncio.Semaphore(size)
        self._instance = instance
        self._output = output
        self._answer = answer
        self._context = context
        #: The loop holds its tasks weakly; a call must not be collected while it waits.
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: Incoming) -> None:
        """Make a task of `call`; it starts when there is room, in the order of arrival."""
        task = asyncio.get_running_loop().create_task(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Incoming) -> None:
        async with self._room:
            self._output.enter_thread(call.parent)  # the task's own context: nothing to undo
            current_call.set(self._context(call))
            try:
                outcome: list[Outcome] | SystemExit = await self._instance.run_async(
                    call.method, call.groups, call.returns
                )
            except SystemExit as leave:
                outcome = leave
        self._answer(call, outcome)
