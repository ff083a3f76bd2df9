"""Questions that calls of this process have: an `input()`, or a debugger's prompt, inside a method.

::

    actor: input() ─▶ iopub, behind all it has printed ─▶ window ─▶ `put` ─▶ wakes the main thread, if it waits
                                                                     │
    actor: goes on ◀── control ◀── input() here, in the cell that waits ◀┘

The main thread answers, while it waits for a result: there a notebook asks its page, and a script its terminal. Where
it does not wait, the question stays open until it does; the method is blocked meanwhile, and can be interrupted.
"""

from __future__ import annotations

import builtins
import getpass
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Question", "answer", "drop", "is_open", "open_questions", "put", "wake_main"]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What a method asks."""

    #: Who asks: an incarnation's window, and the number of the question there.
    source: Any
    number: int
    prompt: str
    password: bool
    #: Takes the answer, or why there is none.
    reply: Callable[[dict[str, Any]], None]


#: Appended to by the I/O thread, emptied by the main thread.
open_questions: deque[Question] = deque()

#: Ends the waiting of the main thread; set by its waiter.
wake_main: list[Callable[[], None]] = []

_main = threading.main_thread().ident


def put(question: Question) -> None:
    """A question has come."""
    open_questions.append(question)
    for wake in wake_main:
        wake()


def drop(source: Any, number: int | None = None) -> None:
    """Nobody waits for the answer any more: of one question, or of all of a source."""
    for question in list(open_questions):
        if question.source is source and number in (None, question.number):
            try:
                open_questions.remove(question)
            except ValueError:
                pass  # it is being asked right now; the answer goes nowhere


def is_open(source: Any, number: int) -> bool:
    """Return whether nobody has begun to answer."""
    return any(each.source is source and each.number == number for each in list(open_questions))


def answer() -> None:
    """Ask the user all that is open. In the main thread; KeyboardInterrupt goes to whoever waits."""
    if threading.get_ident() != _main:
        return
    while open_questions:
        question = open_questions.popleft()
        try:
            ask = getpass.getpass if question.password else builtins.input
            question.reply({"value": ask(question.prompt)})
        except EOFError:
            question.reply({"refused": "there is nobody to answer: the caller's standard input has ended"})
        except Exception as error:
            question.reply({"refused": f"the caller cannot ask its user: {error}"})
