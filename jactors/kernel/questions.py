"""`input()` in a method: the question goes to whoever made the call, and the answer comes by the side door.

A cell's `input()` is ipykernel's own business. A question is published on iopub, so that it comes behind what the
method has printed before, and is relayed to the caller as output is. What is asked by an actor that this one has called
goes the same way, under a number of ours.

Each caller subscribes to a topic of its own, see `jactors.wire.window`: so it is known who is there to be asked, and
a method whose caller has gone is told so at once, in place of waiting for ever.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from IPython.core.error import StdinNotImplementedError

from jactors.wire import questions
from jactors.wire.window import CALLER

__all__ = ["QUESTION", "Questions"]

#: On iopub: a method asks something, or wants to know it no more.
QUESTION = "actor_question"

#: Seconds in which a caller that was never heard of can still turn up.
_GRACE = 2.0

#: Seconds between two looks of a thread whether it was interrupted.
_LOOK = 0.1

_GONE = "there is nobody to ask: whoever made this call has gone"


@dataclass(frozen=True, slots=True)
class _Open:
    """A question that is not answered."""

    caller: str
    #: As published.
    content: Mapping[str, Any]
    header: Mapping[str, Any]
    #: Takes the answer; from any thread.
    tell: Callable[[Mapping[str, Any]], object]
    #: Where it comes from; None: from a method of ours.
    relayed: questions.Question | None = None


class Questions:
    """The questions of this process' methods, and of those that they have called."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._pid = os.getpid()
        self._numbers = count(1)
        #: A dict operation at a time, from any thread.
        self._open: dict[int, _Open] = {}
        #: Who has listened, and whether still. Of the iopub thread, read by any.
        self._callers: dict[str, bool] = {}
        questions.bind(self)

    def ask(self, prompt: str, *, password: bool = False) -> str:
        """Ask the caller of the running method; in the method's thread.

        Raises
        ------
        StdinNotImplementedError
            The caller has nobody to ask, or has gone; or this is a child of the actor's process.
        EOFError
            The caller's standard input has ended.
        """
        if os.getpid() != self._pid:
            raise StdinNotImplementedError("a child of an actor's process has nobody to ask: let the actor ask")
        answers: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
        header = sys.stdout.parent_header  # type: ignore[union-attr]
        number = self._put({"prompt": prompt, "password": password}, header, answers.put)
        try:
            answer = _next(answers)  # an interrupt gets through
        except BaseException:
            self._withdraw(number)
            raise
        finally:
            self._open.pop(number, None)
        if answer.get("interrupted"):
            raise KeyboardInterrupt
        if "value" not in answer:
            why = str(answer.get("refused", "no answer"))
            raise EOFError(why) if answer.get("eof") else StdinNotImplementedError(why)
        return str(answer["value"])

    def _put(
        self,
        content: Mapping[str, Any],
        header: Mapping[str, Any],
        tell: Callable[[Mapping[str, Any]], object],
        relayed: questions.Question | None = None,
    ) -> int:
        number = next(self._numbers)
        caller = str(header.get("caller", "")).rpartition("/")[2]
        each = self._open[number] = _Open(caller, {"number": number, **content}, header, tell, relayed)
        self._kernel.iopub_thread.schedule(lambda: self._publish(each))
        return number

    def answered(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Control: the caller's answer."""
        each = self._open.pop(content["number"], None)
        if each is not None:
            each.tell({key: content[key] for key in ("value", "refused", "eof", "interrupted") if key in content})
        return {"wanted": each is not None}

    # ------------------------------------------------------------------ what others ask, in the I/O thread

    def relay(self, question: questions.Question, header: Mapping[str, Any]) -> None:
        """Ask the one who has called us under `header`: see `jactors.wire.questions.Upward`."""
        content = {"prompt": question.prompt, "password": question.password, "who": question.who}
        self._put(content, header, question.reply, question)

    def withdraw(self, source: Any, number: int | None) -> None:
        """Nobody wants to know any more."""
        for mine, each in list(self._open.items()):
            asked = each.relayed
            if asked is not None and asked.source is source and number in (None, asked.number):
                self._withdraw(mine)

    def _withdraw(self, number: int) -> None:
        each = self._open.pop(number, None)
        if each is not None:
            taken_back = _Open(each.caller, {"number": number, "withdrawn": True}, each.header, each.tell)
            self._kernel.iopub_thread.schedule(lambda: self._publish(taken_back))

    # ------------------------------------------------------------------ the iopub thread

    def _publish(self, each: _Open) -> None:
        number = each.content["number"]
        if not each.caller or self._callers.get(each.caller) is False:
            self._refuse(number)
            return
        for stream in (sys.stdout, sys.stderr):
            stream._flush()  # type: ignore[union-attr]  # noqa: SLF001 - `flush` waits for this very thread
        kernel = self._kernel
        kernel.session.send(kernel.iopub_thread, QUESTION, dict(each.content), parent={"header": dict(each.header)})
        if each.caller not in self._callers:
            kernel.iopub_thread.io_loop.call_later(_GRACE, self._refuse, number, each.caller)

    def on_subscription(self, frame: bytes) -> None:
        """A caller listens (first byte 1), or does so no more (0)."""
        if frame[1 : len(CALLER) + 1] != CALLER:
            return
        caller, here = frame[len(CALLER) + 1 :].decode(errors="replace"), frame[:1] == b"\1"
        late, self._callers[caller] = caller not in self._callers, here
        for number, each in list(self._open.items()):
            if each.caller == caller and not here:
                self._refuse(number)
            elif each.caller == caller and late:
                self._publish(each)  # it has missed it

    def _refuse(self, number: int, unless: str = "") -> None:
        """Say that nobody is there to be asked, unless this caller has come."""
        if not self._callers.get(unless):
            self.answered({"number": number, "refused": _GONE})


def _next(answers: SimpleQueue[Mapping[str, Any]]) -> Mapping[str, Any]:
    if threading.current_thread() is threading.main_thread():
        return answers.get()  # a signal ends it
    while True:  # an exception set from outside strikes between two bytecodes only
        try:
            return answers.get(timeout=_LOOK)
        except Empty:
            continue
