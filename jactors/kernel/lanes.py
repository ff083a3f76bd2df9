"""Lanes: where a call runs.

=================================== ================================================================
actor                               lane
=================================== ================================================================
sync, ``max_concurrency=1``         the main thread, inline: signals, GPUs, plots as in a notebook
sync, ``max_concurrency=n``, groups a pool of n persistent threads a group
any ``async def`` method            tasks on the kernel's loop, a semaphore a group
=================================== ================================================================

A lane's `start` never waits for a call to end but for the inline one's; `answer` is called in the
main thread, once a call, `part` for each value of a stream before it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from jactors import trace
from jactors.context import CallContext, current_call
from jactors.errors import ActorExit
from jactors.kernel.gate import Gate
from jactors.kernel.incoming import Incoming, Outcome
from jactors.kernel.instance import Emit, Instance
from jactors.kernel.output import ActorStream, Output

__all__ = ["Bench", "InlineLane", "Lane", "LoopLane", "ThreadLane"]

_PARTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every lane works with."""

    instance: Instance
    output: Output
    #: Takes the outcome of a call, or the SystemExit that it ended in. Of the main thread.
    answer: Callable[[Incoming, list[Outcome] | SystemExit], None]
    part: Emit
    #: Of a threaded actor: calls pass it.
    gate: Gate | None = None

    def begin(self, call: Incoming) -> CallContext:
        """Say in the current context which call runs."""
        method = f"{self.instance.class_name}.{call.method}"
        context = CallContext(task_id=call.task_id, method=method, name=call.name or method, flags=call.flags)
        current_call.set(context)
        call.began = time.monotonic()
        return context

    def end(self, call: Incoming, outcome: list[Outcome]) -> list[Outcome]:
        """Return what the caller is told: a call that was cancelled has no result, whatever it did.

        Raises
        ------
        SystemExit
            It has called `exit_actor` and caught the exception: that changes nothing.
        """
        ran = current_call.get()  # by the name of the function, where it is a task
        if ran is not None:
            trace.ran.append(
                (ran.task_id, ran.name, threading.current_thread().name, int(call.began * 1e9), trace.now())
            )
        if call.flags.get("left"):
            raise ActorExit(0)
        if call.flags.get("cancelled") and not (outcome[-1][1] is not None and outcome[-1][1].failed):
            return [(-1, self.instance.failed(call.method, asyncio.CancelledError()))]
        return outcome


class Lane(Protocol):
    """Runs calls."""

    def start(self, call: Incoming) -> None:
        """Run `call` now or when there is room."""

    def cancel(self, key: tuple[str, int]) -> Incoming | None:
        """End a call that has started, and return it; from the control thread. None where there is none."""

    def busy(self) -> bool:
        """Return whether a call has begun and not ended. Of the main thread."""


class InlineLane:
    """The main thread, one call after the other."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def start(self, call: Incoming) -> None:
        """Run `call` to its end."""
        bench = self._bench
        bench.output.enter(call.parent)
        ActorStream.call = bench.begin(call)
        try:
            outcome: list[Outcome] | SystemExit = bench.end(call, bench.instance.run(call, bench.part))
        except SystemExit as leave:
            outcome = leave
        bench.answer(call, outcome)

    def cancel(self, key: tuple[str, int]) -> Incoming | None:
        """Interrupt the running call."""
        return self._bench.instance.interrupts.stop(key)

    def busy(self) -> bool:
        """Return False: whoever asks is on the main thread himself."""
        return False


class ThreadLane:
    """A pool of `size` threads that stay, so thread-locals survive between calls."""

    def __init__(self, bench: Bench, size: int, name: str) -> None:
        self._bench = bench
        self._size, self._name = size, name
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Incoming] = SimpleQueue()
        #: Threads there are, and calls that have been started and not answered. Of the main thread.
        self._threads = self._calls = 0
        #: What the main thread is to do, in order; and whether it has been told.
        self._posted: deque[tuple[Callable[..., None], Any, Any]] = deque()
        self._told = False
        #: Calls that wait for a thread. A dict operation at a time, from any thread.
        self._waiting: dict[tuple[str, int], Incoming] = {}
        #: Values of generators on their way to the main thread: not more, or a quick generator fills the memory.
        self._parts = threading.Semaphore(_PARTS)

    def start(self, call: Incoming) -> None:
        """Run `call` as soon as a thread is free."""
        self._waiting[call.key] = call
        self._calls += 1
        self._queue.put(call)
        if self._threads < min(self._calls, self._size):
            name = f"jactors-{self._name}_{self._threads}"
            self._threads += 1
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        """Run one call after the other, for ever."""
        gate, enter = self._bench.gate, self._bench.output.enter_thread
        assert gate is not None
        parent = None
        while True:
            call = self._queue.get()
            gate.enter()
            try:
                if self._waiting.pop(call.key, None) is not None:  # else cancelled and answered
                    if call.parent is not parent:
                        enter(parent := call.parent)
                    self._run(call)
                del call  # while this thread waits, nothing is kept
            finally:
                gate.leave()

    def _run(self, call: Incoming) -> None:
        bench = self._bench
        bench.begin(call)
        outcome: list[Outcome] | SystemExit
        try:
            outcome = bench.end(call, bench.instance.run(call, self._part))
        except SystemExit as leave:
            outcome = leave
        self._post(self._answer, call, outcome)

    def _post(self, do: Callable[..., None], call: Incoming, outcome: Any) -> None:
        """Let the main thread do something: it is woken once for all that is posted by the time it comes."""
        self._posted.append((do, call, outcome))
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._do_posted)

    def _do_posted(self) -> None:
        self._told = False  # before the look at what there is
        for _ in range(len(self._posted)):
            do, call, outcome = self._posted.popleft()
            do(call, outcome)
        if self._posted and not self._told:  # the loop has other things to do as well
            self._told = True
            self._loop.call_soon(self._do_posted)

    def _answer(self, call: Incoming, outcome: list[Outcome] | SystemExit) -> None:
        self._calls -= 1
        self._bench.answer(call, outcome)

    def _part(self, call: Incoming, outcomes: list[Outcome]) -> None:
        self._parts.acquire()  # the main thread gives it back, which waits for nobody
        self._post(self._send_part, call, outcomes)

    def _send_part(self, call: Incoming, outcomes: list[Outcome]) -> None:
        self._parts.release()
        self._bench.part(call, outcomes)

    def cancel(self, key: tuple[str, int]) -> Incoming | None:
        """Interrupt the thread of a running call; answer a waiting one at once, and never start it."""
        bench = self._bench
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return bench.instance.interrupts.stop(key)
        waiting.flags["cancelled"] = True
        cancelled: list[Outcome] = [(-1, bench.instance.failed(waiting.method, asyncio.CancelledError()))]
        self._post(self._answer, waiting, cancelled)
        return waiting

    def busy(self) -> bool:
        """Return whether a call is in a thread."""
        return self._bench.gate is not None and self._bench.gate.busy()


class LoopLane:
    """Tasks on the kernel's loop, at most `size` under way."""

    def __init__(self, bench: Bench, size: int) -> None:
        self._bench = bench
        self._room = asyncio.Semaphore(size)
        self._loop = asyncio.get_running_loop()
        #: The loop holds its tasks weakly; a call must not be collected while it waits.
        self._tasks: dict[tuple[str, int], tuple[asyncio.Task[None], Incoming]] = {}
        #: What a task for a call of this cell begins with: its output goes there.
        self._parent: Any = None
        self._context = copy_context()

    def start(self, call: Incoming) -> None:
        """Make a task of `call`; it starts when there is room, in the order of arrival."""
        if call.parent is not self._parent:
            self._parent, self._context = call.parent, copy_context()
            self._context.run(self._bench.output.enter_thread, call.parent)
        task = self._loop.create_task(self._run(call), context=self._context.copy())
        self._tasks[call.key] = (task, call)

    async def _run(self, call: Incoming) -> None:
        bench = self._bench
        outcome: list[Outcome] | SystemExit
        try:
            async with self._room:
                bench.begin(call)
                outcome = bench.end(call, await bench.instance.run_async(call, bench.part))
        except asyncio.CancelledError as error:  # while it waited for room
            outcome = [(-1, bench.instance.failed(call.method, error))]
        except SystemExit as leave:
            outcome = leave
        self._tasks.pop(call.key, None)
        bench.answer(call, outcome)

    def tasks(self) -> list[tuple[Incoming, Any]]:
        """Return the calls that have begun, each with its coroutine; from any thread."""
        return [(call, task.get_coro()) for task, call in list(self._tasks.values()) if call.began]

    def cancel(self, key: tuple[str, int]) -> Incoming | None:
        """Cancel the task of a call: CancelledError at its next ``await``, KeyboardInterrupt in a sync method."""
        task, call = self._tasks.get(key, (None, None))
        if task is None or call is None:
            return self._bench.instance.interrupts.stop(key)
        call.flags["cancelled"] = True
        self._bench.instance.interrupts.stop(key)  # a sync method holds up the loop, and with it the next line
        self._loop.call_soon_threadsafe(task.cancel)
        return call

    def busy(self) -> bool:
        """Return whether there is a task."""
        return bool(self._tasks)
