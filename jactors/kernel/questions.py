"""`input()` in a method: the question goes to whoever made the call, and the answer comes by the side door.

A cell's `input()` is ipykernel's own business. A question is published on iopub, so that it comes behind what the
method has printed before, and is relayed to the caller as output is.
"""

from __future__ import annotations

import sys
from itertools import count
from queue import SimpleQueue
from typing import Any

__all__ = ["QUESTION", "Questions"]

#: On iopub: a method asks something, or wants to know it no more.
QUESTION = "actor_question"


class Questions:
    """The questions of this process' methods."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._numbers = count(1)
        #: Who waits for an answer. A dict operation at a time, from any thread.
        self._open: dict[int, SimpleQueue[dict[str, Any]]] = {}

    def ask(self, prompt: str, *, password: bool = False) -> str:
        """Ask the caller of the running method; in the method's thread.

        Raises
        ------
        EOFError
            The caller has nobody to ask.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        number = next(self._numbers)
        answers = self._open[number] = SimpleQueue()
        try:
            self._publish({"number": number, "prompt": prompt, "password": password})
            answer = answers.get()  # an interrupt gets through
        except BaseException:
            self._publish({"number": number, "withdrawn": True})
            raise
        finally:
            self._open.pop(number, None)
        if "value" not in answer:
            raise EOFError(answer.get("refused", "no answer"))
        return str(answer["value"])

    def _publish(self, content: dict[str, Any]) -> None:
        parent = {"header": sys.stdout.parent_header}  # type: ignore[union-attr]
        self._kernel.session.send(self._kernel.iopub_socket, QUESTION, content, parent=parent)

    def answered(self, content: dict[str, Any]) -> dict[str, Any]:
        """Control: the caller's answer."""
        answers = self._open.get(content["number"])
        if answers is not None:
            answers.put(content)
        return {"wanted": answers is not None}
