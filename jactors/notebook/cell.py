"""``%%actor NAME [NAME ...]``: a cell that runs in actors.

::

    main thread                        I/O thread                                   actor
    fence: __ray_ready__ ────────────▶ behind all this process has queued ────────▶ its turn
    ◀── "ready" ── visit ────────────▶ execute_request, under our cell's header ──▶ self, display, input()
    input() here ◀── "question" ◀────── stdin ◀─────────────────────────────────────
                                       window ─▶ Stage: one actor's output at a time ─▶ our page
    ◀── "reply", "idle"

Of several actors the first one's output is shown as it comes, that of the others is kept until it is their turn, each
under its name; widgets and progress bars move at once. The cell ends when every actor has answered *and* all that it
had printed before has been shown.
"""

from __future__ import annotations

import getpass
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.actors.handle import home_of
from jactors.actors.verbs import get
from jactors.errors import ActorUnavailableError
from jactors.errors.interrupt import interrupted
from jactors.links import death_of
from jactors.notebook.stage import CellError, Part, Stage
from jactors.notebook.target import told_of
from jactors.wire import messages, pack, questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jactors.wire.relay import Source

__all__ = ["run"]

#: Seconds that an interrupted cell has to end; and what was printed, to arrive after the reply.
PATIENCE = 2.0


class _Run:
    """One cell, in one or several actors."""

    def __init__(self, parts: Sequence[Part], code: str, *, keep: bool, allow_stdin: bool) -> None:
        self._here = session.current()
        self._parts = parts
        self._code = code
        self._keep = keep
        self._allow_stdin = allow_stdin
        self._events: queue.SimpleQueue[tuple[Part, str, Any]] = queue.SimpleQueue()
        self._relay = self._here.links.relay
        self._header = self._here.parents.here()
        self._stage: Stage | None = None

    # ------------------------------------------------------------------ the main thread

    def run(self, *, now: float | None) -> None:
        """Run to the end; what went wrong is in the parts."""
        questions.join(self)
        for part in self._parts:
            self._relay.divert(part.token, lambda *what, part=part: self._on_output(part, *what))
        try:
            shown = self._header if "caller" in self._header else {}
            parent = self._here.parents.mine(shown) or {}
            self._here.io.call_soon(lambda: setattr(self, "_stage", Stage(self._relay, self._parts, parent)))
            for part in self._parts:
                self._start(part, now)
            self._wait()
        except KeyboardInterrupt:
            raise interrupted(self._interrupt()) from None
        finally:
            for part in self._parts:
                self._relay.divert(part.token, None)
                self._here.io.call_soon(lambda part=part: self._close(part))  # type: ignore[misc]
            settled = threading.Event()
            self._here.io.call_soon(settled.set)
            settled.wait(PATIENCE)

    def _start(self, part: Part, now: float | None) -> None:
        link = home_of(part.handle).link
        if now is None:
            part.fence = part.handle.__ray_ready__.remote()._entry  # noqa: SLF001
            part.fence.on_end(lambda entry: self._events.put((part, "ready", entry)))
            return
        header = {**self._header, "token": part.token}
        content = {"code": self._code, "parent": header}
        asked = link.ask("actor_glance_request", content, timeout=now)
        asked.add_done_callback(lambda answer: self._events.put((part, "glanced", answer)))

    def wake(self) -> None:
        """Another actor, which the cell has called, asks something: see `jactors.wire.questions`."""
        self._events.put((self._parts[0], "asked", None))

    def _wait(self) -> None:
        while not all(part.done for part in self._parts):
            questions.answer()
            soonest = min(part.until for part in self._parts if not part.done)
            try:
                part, kind, what = self._events.get(
                    timeout=None if soonest == float("inf") else max(0.0, soonest - time.monotonic())
                )
            except queue.Empty:
                late = [part for part in self._parts if not part.done and part.until <= time.monotonic()]
                if not all(part.answered for part in late):
                    return  # interrupted, and it does not stop
                for part in late:
                    part.idle = True
                    self._settle(part)
                continue
            if not part.done and kind != "asked":
                getattr(self, f"_on_{kind}")(part, what)
                self._settle(part)

    def _settle(self, part: Part) -> None:
        if part.done:
            self._here.io.call_soon(lambda: self._end(part))

    def _on_ready(self, part: Part, entry: Any) -> None:
        """All that was queued before has been done: it is the cell's turn."""
        try:
            entry.load()
        except BaseException as error:
            part.error = error
            return
        header = {**self._header, "token": part.token, "keep": self._keep}
        home = home_of(part.handle)

        def send() -> None:
            def on_message(message: messages.Message) -> None:
                kind = {"input_request": "question", "execute_reply": "reply"}.get(message.msg_type)
                if kind is not None:
                    self._events.put((part, kind, message.content))

            part.visit = home.link.window.visit(on_message)
            if part.visit is None:
                self._events.put((part, "gone", None))
            else:
                part.visit.execute(self._code, header, allow_stdin=self._allow_stdin)

        self._here.io.call_soon(send)

    def _on_question(self, part: Part, content: Any) -> None:
        """The cell asks for input: ask here."""
        prompt = str(content.get("prompt", ""))
        if len(self._parts) > 1:
            prompt = f"{part.name}: {prompt}"
        text = getpass.getpass(prompt) if content.get("password") else input(prompt)
        if part.visit is not None:
            part.visit.answer(text)

    def _on_reply(self, part: Part, content: Any) -> None:
        part.reply = dict(content)
        part.answered = True
        part.until = time.monotonic() + PATIENCE
        if content.get("status") != "ok":
            part.reply["failed"] = True

    def _on_glanced(self, part: Part, answer: Any) -> None:
        error = answer.exception()
        if error is not None:
            part.error = error
            return
        content = answer.result()
        self._on_reply(part, {**content, "status": "ok"})
        if content.get("failed"):
            told = {"ename": content["error"], "evalue": content["value"], "traceback": content["traceback"]}
            part.reply |= {"failed": True, **told}

    def _on_idle(self, part: Part, _: Any) -> None:
        part.idle = True

    def _on_gone(self, part: Part, _: Any) -> None:
        """The process has ended under the cell."""
        told = told_of(part.handle)
        if told.get("state") == "DEAD":
            part.error = death_of(told)()
        else:
            why = "its process has ended while the cell ran; it restarts"
            part.error = ActorUnavailableError(actor_id=home_of(part.handle).actor_id, reason=why)

    def _interrupt(self) -> str:
        """End the cell where it runs, withdraw it where it waits, and say so; leave alone what else runs there."""
        until = time.monotonic() + PATIENCE
        pending = [part for part in self._parts if not part.done]
        for part in pending:
            part.until = until
            link = home_of(part.handle).link
            if part.visit is not None:
                asked = link.ask("actor_withdraw_request", {"token": part.token}, timeout=PATIENCE)
                asked.add_done_callback(lambda answer, part=part: self._events.put((part, "withdrawn", answer)))  # type: ignore[misc]
            else:
                if part.fence is not None:
                    link.cancel(int.from_bytes(part.fence.id[16:24], "big"))
                part.error = KeyboardInterrupt("withdrawn")
        try:
            self._wait()
        except KeyboardInterrupt:
            return "gave up waiting; the cell may go on"
        return _said(pending)

    def _on_withdrawn(self, part: Part, answer: Any) -> None:
        if answer.exception() is None and answer.result()["was"] == "queued":
            part.error = KeyboardInterrupt("withdrawn")

    # ------------------------------------------------------------------ the I/O thread

    def _on_output(self, part: Part, message: messages.Message | None, parent: dict[str, Any], source: Source) -> None:
        if message is None:
            if source.actor_id == home_of(part.handle).actor_id:
                self._events.put((part, "gone", None))
        elif message.msg_type != "status":
            if self._stage is not None:
                self._stage.take(part, message, parent, source)
        elif message.content.get("execution_state") == "idle":
            self._relay.settle(source)
            self._events.put((part, "idle", None))

    def _end(self, part: Part) -> None:
        if self._stage is not None:
            self._stage.close(part)

    def _close(self, part: Part) -> None:
        part.idle = part.answered = True
        self._end(part)
        if part.visit is not None:
            part.visit.close()


def _said(parts: Sequence[Part]) -> str:
    """Return what became of the cell in the actors in which it was not done."""
    busy = [part for part in parts if part.error is None and not part.answered]
    if busy:
        names = ", ".join(part.name for part in busy)
        return (
            f"the cell did not stop in {names} within {PATIENCE:g} s: a long call of native code ends when it returns "
            f"to Python; %actor kill {busy[0].name} ends the actor"
        )
    how = {"interrupted": [part.name for part in parts if part.answered]}
    how["withdrawn"] = [part.name for part in parts if not part.answered]
    told = [f"{verb} in {', '.join(names)}" for verb, names in how.items() if names]
    return f"the cell was {' and '.join(told)}; state is kept"


def run(parts: Sequence[Part], code: str, *, keep: bool, now: float | None, allow_stdin: bool) -> list[Any]:
    """Run a cell in actors, its output under ours; return its last values where `keep`, else [].

    Parameters
    ----------
    now : float, optional
        Do not fall into line: run beside whatever runs, for so many seconds at most.

    Raises
    ------
    CellError
        It raised in an actor; where it ran in several, after all have ended.
    ActorDiedError, ActorUnavailableError
    """
    _Run(parts, code, keep=keep, allow_stdin=allow_stdin).run(now=now)
    failed = [part for part in parts if part.error is not None or part.reply.get("failed")]
    if failed and len(parts) == 1:
        raise _error(failed[0])
    if failed:
        errors = [(part.name, _error(part)) for part in failed]
        lines = [f"{name}: {_line(error)}" for name, error in errors]
        what = f"{len(failed)} of {len(parts)} actors"
        shown = [f"CellError in {what}:", *(f"  {line}" for line in lines)]
        raise CellError(what, "CellError", "; ".join(lines), shown)
    return [get(pack.loads(bytes.fromhex(part.reply["lent"]))) for part in parts] if keep else []


def _line(error: BaseException) -> str:
    if isinstance(error, CellError):
        return f"{error.ename}: {error.evalue}".partition("\n")[0]
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _error(part: Part) -> BaseException:
    if part.error is not None:
        return part.error
    reply = part.reply
    return CellError(part.name, str(reply.get("ename")), str(reply.get("evalue")), reply.get("traceback") or [])
