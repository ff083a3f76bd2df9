"""Questions that calls of this process have: an `input()`, or a debugger's prompt, inside a method.

::

    actor: input() ─▶ iopub, behind all it has printed ─▶ window ─▶ `put` ─▶ wakes the main thread, if it waits
                                                             │       │
                        in an actor that was called itself:  ▼       │
                        `upward`, to its own caller by its iopub     │
    actor: goes on ◀── control ◀── input() here, in the cell that waits ◀┘

The main thread answers, while it waits for a result: by `get` and the like, or by ``await``. There a notebook asks its
page, and a script its terminal; of a script whose main thread does not wait, another thread that does. Where nobody
waits, the question stays open until somebody does; the method is blocked meanwhile, and can be interrupted.

An actor never answers what it can pass on: whoever has begun it all is asked, whatever the actors between do meanwhile.
"""

from __future__ import annotations

import builtins
import getpass
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakSet

from jactors.objects import refs

__all__ = ["Question", "Upward", "answer", "bind", "drop", "is_open", "join", "open_questions", "put", "urge"]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a method asks."""

    #: Who asks: an incarnation's window, and the number of the question there.
    source: Any
    number: int
    prompt: str
    password: bool
    #: The label of the actor whose method it is.
    who: str
    #: Takes the answer, or why there is none.
    reply: Callable[[Mapping[str, Any]], object]


class Sleeper(Protocol):
    """Whatever blocks a thread that can `answer`."""

    def wake(self) -> None:
        """End the waiting, from any thread."""


class Upward(Protocol):
    """What passes questions on: the kernel of an actor."""

    def relay(self, question: Question, header: Mapping[str, Any]) -> None:
        """Ask the one who has called us under `header`."""

    def withdraw(self, source: Any, number: int | None) -> None:
        """Nobody wants to know any more; see `drop`."""


#: Appended to by the I/O thread, emptied by the thread that answers.
open_questions: deque[Question] = deque()

#: What waits where a question can be answered: woken when there is one. Under the lock.
_sleepers: WeakSet[Sleeper] = WeakSet()
_lock = threading.Lock()

_upward: list[Upward] = []
_main = threading.main_thread().ident
_asking = threading.Lock()

#: Questions that the main thread has not answered in time: any thread of a script may.
_late: set[int] = set()


def bind(upward: Upward) -> None:
    """Say, once, who passes on what calls of an actor are asked."""
    _upward[:] = [upward]


def join(sleeper: Sleeper) -> None:
    """Wake `sleeper`, as long as there is one, whenever a question comes."""
    with _lock:
        _sleepers.add(sleeper)


def put(question: Question, header: Mapping[str, Any]) -> None:
    """A question has come, for a call that was made under `header`. In the I/O thread."""
    if _upward and "caller" in header:
        _upward[0].relay(question, header)
        return
    open_questions.append(question)
    if _answer_soon not in refs.on_await:
        refs.on_await.append(_answer_soon)
    _wake()


def _wake() -> None:
    with _lock:
        sleepers = list(_sleepers)
    for sleeper in sleepers:
        sleeper.wake()
    for loop in {each.loop for each in list(refs.awaited.values())}:
        try:
            loop.call_soon_threadsafe(_answer_between_steps)
        except RuntimeError:
            pass  # it was closed a moment ago


def urge() -> None:
    """What is still open has waited for the main thread long enough: of a script, any thread that waits may answer."""
    late = {id(each) for each in list(open_questions)}
    if late and "ipykernel" not in sys.modules:  # there, a thread has no page to ask
        _late.update(late)
        _wake()


def drop(source: Any, number: int | None = None) -> None:
    """Nobody waits for the answer any more: of one question, or of all of a source."""
    for question in list(open_questions):
        if question.source is source and number in (None, question.number):
            try:
                open_questions.remove(question)
            except ValueError:
                pass  # it is being asked right now; the answer goes nowhere
    for upward in _upward:
        upward.withdraw(source, number)


def is_open(source: Any, number: int) -> bool:
    """Return whether nobody has begun to answer."""
    return any(each.source is source and each.number == number for each in list(open_questions))


def _mine() -> bool:
    """Return whether this thread may answer what is open."""
    return threading.get_ident() == _main or any(id(each) in _late for each in list(open_questions))


def answer() -> None:
    """Ask the user all that is open. KeyboardInterrupt goes to the method that asks, and to whoever waits here."""
    if not _mine() or not _asking.acquire(blocking=False):
        return
    try:
        while open_questions:
            try:
                question = open_questions.popleft()
            except IndexError:
                break  # withdrawn
            _late.discard(id(question))
            _ask(question)
    finally:
        _asking.release()
        if not open_questions and _answer_soon in refs.on_await:
            refs.on_await.remove(_answer_soon)


def _ask(question: Question) -> None:
    try:
        ask = getpass.getpass if question.password else builtins.input
        question.reply({"value": ask(question.prompt)})
    except EOFError:
        question.reply({"refused": "there is nobody to answer: the caller's standard input has ended", "eof": True})
    except KeyboardInterrupt:
        question.reply({"interrupted": True})
        raise
    except Exception as error:
        question.reply({"refused": f"the caller cannot ask its user: {error}"})


def _answer_soon() -> None:
    """Something begins to be awaited while a question is open."""
    import asyncio

    asyncio.get_running_loop().call_soon(_answer_between_steps)


def _answer_between_steps() -> None:
    """Ask in the thread of an event loop, which stands still as it does for an `input()` of the cell's own.

    The loop must not end by KeyboardInterrupt: what SIGINT does in it is done behind the question.
    """
    if threading.get_ident() != _main:
        return
    old = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupted = False
    try:
        answer()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        signal.signal(signal.SIGINT, old)
    if interrupted and callable(old):
        old(signal.SIGINT, None)


def _forget() -> None:
    """In a forked child: a thread that is not there any more may hold them."""
    global _lock, _asking
    _lock, _asking = threading.Lock(), threading.Lock()
    open_questions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
