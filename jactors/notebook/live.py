"""Live: what the widgets have in common that show actors while everything runs.

::

    Gallery ─▶ a thread, a tick every `TICK` s ─▶ `_paint`: one message for all actors ─▶ page
    page: click ─▶ comm ─▶ subshell's thread ─▶ `_on_command` ─▶ the actor, or the supervisor

One message a tick, and only where something has changed: a widget an actor ran into the server's limit of
messages at 100 of them. What no page shows any more (none has said so for `ABSENT` seconds) costs nothing
until one does. Commands are handled in a subshell's thread, where there are such: see
`jactors.notebook.subshell`; they print nothing, what they have to say stands in the page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import anywidget

from jactors import session
from jactors.actors.checkpoints import checkpoint
from jactors.actors.condition import label_of
from jactors.actors.gallery import Gallery
from jactors.actors.reload import submit
from jactors.notebook.subshell import route, subshell
from jactors.notebook.target import handle_of_told
from jactors.wire.relay import own_kernel

__all__ = ["Live"]

#: Seconds between two pictures, and between two looks where nothing seems to have changed. With 100 actors at work a
#: page painted 7 to 9 pictures a second so (4 at 0.2 s): ``python -m tests.bench inspector``.
TICK = 0.1
STILL = 2.0
#: Seconds after which a page that has not said that it is there is taken to be gone.
ABSENT = 30.0


class Live(anywidget.AnyWidget):
    """A widget with a gallery, a thread that paints it, and a page that gives commands.

    A subclass says which actors it watches (`_open`), what it shows of them (`_paint`, called when something has
    changed, and `_look_closer`, called every tick), and what when all is over (`_end`); and begins with `_begin`.
    """

    def __init__(self, here: session.Session, **traits: Any) -> None:
        self._here = here
        self._gallery: Gallery | None = None
        self._here_until = time.monotonic() + ABSENT
        self._wake = threading.Event()
        self._closing = False
        super().__init__(**traits)
        kernel = own_kernel()
        self._routed = kernel is not None and route(self.comm, subshell(kernel, here.io))
        self.on_msg(self._on_command)

    def _begin(self) -> None:
        threading.Thread(target=self._run, name="jactors-inspector", daemon=True).start()

    def close(self) -> None:
        """End it: the page shows it no more."""
        self._closing = True
        self._wake.set()
        super().close()

    # ------------------------------------------------------------------ out

    def _open(self) -> Gallery:
        raise NotImplementedError

    def _paint(self, watched: Gallery) -> None:
        raise NotImplementedError

    def _look_closer(self, watched: Gallery, now: float) -> None:
        """Ask for what only the actors know."""

    def _end(self) -> None:
        """Say that the session has ended."""

    def _run(self) -> None:
        """Show what there is, until the widget or the session ends; in a thread of its own."""
        still = 0.0
        seen: Any = None
        while not self._closing:
            now = time.monotonic()
            if self._routed and now > self._here_until:  # nobody looks
                self._rest()
                continue
            watched = self._gallery = self._gallery or self._open()
            if watched.gone:
                break
            version = watched.version, sum(link.pending() for _, link in self._here.links.all())
            if version != seen or now - still >= STILL:
                seen, still = version, now
                self._paint(watched)
            self._look_closer(watched, now)
            time.sleep(max(TICK / 2, now + TICK - time.monotonic()))  # a picture's own time is part of the tick
        if not self._closing:
            self._end()
        if self._gallery is not None:
            self._gallery.close()

    def _rest(self) -> None:
        """Watch nothing until a page is there again."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None
        self._wake.clear()
        self._wake.wait()

    def _show(self, trait: str, value: dict[str, Any]) -> None:
        if not self._closing and not _same(value, getattr(self, trait)):
            setattr(self, trait, value)

    def say(self, text: str, *, bad: bool = False, about: str = "") -> None:
        """Write a line where the command was given; `about` an actor's id."""
        if not self._closing:
            self.send({"kind": "said", "text": text, "bad": bad, "id": about})

    # ------------------------------------------------------------------ in

    def _on_command(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Do what the page asks for: in the subshell's thread, or between two cells."""
        op, actor_id = str(content.get("op")), str(content.get("id") or "")
        self._here_until = time.monotonic() + ABSENT
        self._wake.set()
        if op == "here":
            self.send({"kind": "here"})
            return
        told, command = self._here.links.told.get(actor_id), _COMMANDS.get(op)
        if told is None:  # made by another process: the supervisor knows it
            known = self._here.watch.request("list", timeout=10)["actors"]
            told = next((each for each in known if each["actor_id"] == actor_id), None)
        if told is None or command is None:
            return
        label = label_of(told)
        try:
            said = command(self, told, content)
        except Exception as error:  # shown where it was asked for; a thread's traceback would be seen by nobody
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.say(f"{label}: {text}", bad=True, about=actor_id)
        else:
            self.say(f"{label}: {said}", about=actor_id)

    def _interrupt(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        self._here.links.observe(dict(told), self._here.watch).interrupt()
        return "interrupted; its state stays"

    def _kill(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        self._here.kill(told["actor_id"], for_good=True, reason="`jactors.inspector`")
        return "killed"

    def _restart(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        self._here.restart(told["actor_id"], reason="`jactors.inspector`")
        return "restarts in a new process"

    def _checkpoint(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        return str(checkpoint(handle_of_told(told), ahead=True, timeout=30))

    def _reload(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        return str(submit(handle_of_told(told)).result(30))

    def _console(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        return f"jupyter console --existing {told['connection_file']}   (leave it with Ctrl-D, y: exit ends the actor)"

    def _cancel(self, told: Mapping[str, Any], content: Mapping[str, Any]) -> str:
        link = self._here.links.observe(dict(told), self._here.watch)
        sender, number = content["key"]
        if sender == self._here.process:
            link.cancel(int(number))
        else:
            asked = {"sender": str(sender), "number": int(number), "recursive": True}
            link.ask("actor_cancel_request", asked).result(10)
        return "the call is cancelled"


_COMMANDS: dict[str, Callable[[Live, Mapping[str, Any], Mapping[str, Any]], str]] = {
    "cancel": Live._cancel,  # noqa: SLF001 - a table of its own methods, as are the next
    "checkpoint": Live._checkpoint,  # noqa: SLF001
    "console": Live._console,  # noqa: SLF001
    "interrupt": Live._interrupt,  # noqa: SLF001
    "kill": Live._kill,  # noqa: SLF001
    "reload": Live._reload,  # noqa: SLF001
    "restart": Live._restart,  # noqa: SLF001
}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two records differ in nothing but the time."""
    return {**one, "now": 0} == {**other, "now": 0}
