"""The inspector: a panel in the notebook that shows all actors, live, and whose buttons work while a cell is blocked.

::

    Gallery ─▶ thread "jactors-inspector", a tick every `TICK` s ─▶ picture, detail (one message each) ─▶ page
    page: click ─▶ comm ─▶ subshell's thread ─▶ `Inspector._on_command` ─▶ the actor, or the supervisor

One message a tick for all actors, and only where something has changed: a widget an actor ran into the
server's limit of messages at 100 of them. A panel that no page shows any more (none has said so for
`ABSENT` seconds) costs nothing until one does. Commands are handled in a subshell's thread, where there
are such: see `jactors.notebook.subshell`; they print nothing, what they have to say stands in the panel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from jactors import session
from jactors.actors.checkpoints import checkpoint
from jactors.actors.condition import restarts_of
from jactors.actors.gallery import Gallery, gallery
from jactors.actors.handle import ActorHandle
from jactors.actors.insight import unread
from jactors.actors.records import table
from jactors.actors.reload import submit
from jactors.notebook.exhibition import close_up, panorama
from jactors.notebook.snapshot import Snapshot
from jactors.notebook.subshell import route, subshell
from jactors.notebook.target import handle_of_told

__all__ = ["Inspector", "inspector"]

_STATIC = Path(__file__).parent / "static" / "inspector"

#: Seconds between two pictures, between two looks where nothing seems to have changed, between two details. With 100
#: actors at work a page painted 7 to 9 pictures a second so (4 at 0.2 s): ``python -m tests.bench inspector``.
TICK = 0.1
STILL = 2.0
DETAIL = 0.5
#: Seconds after which a page that has not said that it is there is taken to be gone.
ABSENT = 30.0
#: Seconds that the first picture waits for the actors to say what they do, and one actor has for its answer.
WAIT = 0.5
NEAR = 5.0


class Inspector(anywidget.AnyWidget):
    """The panel; made by `jactors.inspector`."""

    _esm = "".join(path.read_text() for path in sorted(_STATIC.glob("*.js")))
    _css = (_STATIC / "inspector.css").read_text()

    #: All actors, resources, who calls whom: see `exhibition.panorama`.
    picture = traitlets.Dict().tag(sync=True)
    #: The page about the actor that is looked into: see `exhibition.close_up`.
    detail = traitlets.Dict().tag(sync=True)
    #: Its id, or "".
    selected = traitlets.Unicode("").tag(sync=True)
    #: Only that actor, in a row.
    compact = traitlets.Bool(False).tag(sync=True)

    def __init__(self, here: session.Session, *, selected: str = "", compact: bool = False) -> None:
        self._here = here
        self._gallery: Gallery | None = gallery()
        self._gallery.wait(WAIT)
        self._tab = "queue"
        self._here_until = time.monotonic() + ABSENT
        self._only = selected if compact else None
        self._seen: dict[str, Any] = {}
        self._wake = threading.Event()
        super().__init__(picture=self._look(self._gallery), selected=selected, compact=compact)
        kernel = _kernel()
        self._routed = kernel is not None and route(self.comm, subshell(kernel, here.io))
        self.on_msg(self._on_command)
        self._closing = False
        threading.Thread(target=self._run, name="jactors-inspector", daemon=True).start()

    def close(self) -> None:
        """End the panel."""
        self._closing = True
        self._wake.set()
        super().close()

    # ------------------------------------------------------------------ out

    def _look(self, watched: Gallery) -> dict[str, Any]:
        seen = watched.picture()
        if self._only is not None:
            seen = {**seen, "actors": [actor for actor in seen["actors"] if actor["id"] == self._only]}
        self._seen = seen
        return panorama(seen)

    def _run(self) -> None:
        """Show what there is, until the panel or the session ends; in a thread of its own."""
        detailed = still = 0.0
        seen: Any = None
        while not self._closing:
            now = time.monotonic()
            if self._routed and now > self._here_until:  # nobody looks
                self._rest()
                continue
            watched = self._gallery = self._gallery or gallery()
            if watched.gone:
                break
            links = self._here.links.all()
            version = watched.version, sum(link.pending() for _, link in links)
            if version != seen or now - still >= STILL:
                seen, still = version, now
                self._show("picture", self._look(watched))
            if self.selected and not self.compact and now - detailed >= DETAIL:
                detailed = now
                self._show("detail", self._near(watched, self.selected, self._tab))
            time.sleep(max(TICK / 2, now + TICK - time.monotonic()))  # a picture's own time is part of the tick
        if not self._closing:
            self._show("picture", {**self.picture, "actors": [], "edges": [], "note": "the session has ended"})
        if self._gallery is not None:
            self._gallery.close()

    def _rest(self) -> None:
        """Watch nothing until a page is there again."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None
        self._wake.clear()
        self._wake.wait()

    def _near(self, watched: Gallery, actor_id: str, tab: str) -> dict[str, Any]:
        """Look at one actor from near; it has a few seconds for its answer."""
        try:
            closer = watched.closer(actor_id).result(NEAR)
        except (KeyError, TimeoutError):
            return {}
        link = dict(self._here.links.all()).get(actor_id)
        mine = unread(link, closer["calls"]) if link is not None and closer["calls"] is not None else []
        return close_up(actor_id, closer, tab, mine)

    def _show(self, trait: str, value: dict[str, Any]) -> None:
        if not self._closing and not _same(value, getattr(self, trait)):
            setattr(self, trait, value)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Write a line under the table."""
        if not self._closing:
            self.send({"kind": "said", "text": text, "bad": bad})

    # ------------------------------------------------------------------ in

    def _on_command(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Do what the page asks for: in the subshell's thread, or between two cells."""
        op, actor_id = str(content.get("op")), str(content.get("id") or "")
        self._here_until = time.monotonic() + ABSENT
        self._wake.set()
        if op == "here":
            return
        if op == "look":
            self.selected, self._tab = actor_id, str(content.get("tab", "queue"))
            self.detail = {}
            return
        told, command = self._here.links.told.get(actor_id), _COMMANDS.get(op)
        if told is None:  # made by another process: the supervisor knows it
            known = self._here.watch.request("list", timeout=10)["actors"]
            told = next((each for each in known if each["actor_id"] == actor_id), None)
        if told is None or command is None:
            return
        label = told["name"] or f"{told['class_name']} {actor_id[:8]}"
        try:
            said = command(self, told, content)
        except Exception as error:  # shown where it was asked for; a thread's traceback would be seen by nobody
            self.say(f"{label}: {str(error).splitlines()[0] if str(error) else type(error).__name__}", bad=True)
        else:
            self.say(f"{label}: {said}")

    def _handle(self, told: Mapping[str, Any]) -> ActorHandle[Any]:
        return handle_of_told(told)

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
        return str(checkpoint(self._handle(told), ahead=True, timeout=30))

    def _reload(self, told: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        return str(submit(self._handle(told)).result(30))

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

    # ------------------------------------------------------------------ where there is no page

    def snapshot(self) -> Snapshot:
        """Return what it shows now, as plain HTML and text: for GitHub, nbviewer and exported notebooks."""
        return Snapshot(self._seen)

    def __repr__(self) -> str:
        return _text(self.picture)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        made = super()._repr_mimebundle_(**kwargs)
        if isinstance(made, tuple):
            made[0].update({"text/plain": repr(self), "text/html": self.snapshot()._repr_html_()})
        return made


_COMMANDS: dict[str, Callable[[Inspector, Mapping[str, Any], Mapping[str, Any]], str]] = {
    "cancel": Inspector._cancel,  # noqa: SLF001 - a table of its own methods, as are the next
    "checkpoint": Inspector._checkpoint,  # noqa: SLF001
    "console": Inspector._console,  # noqa: SLF001
    "interrupt": Inspector._interrupt,  # noqa: SLF001
    "kill": Inspector._kill,  # noqa: SLF001
    "reload": Inspector._reload,  # noqa: SLF001
    "restart": Inspector._restart,  # noqa: SLF001
}


def inspector(handle: ActorHandle[Any] | None = None, *, compact: bool = False) -> Any:
    """Show a live panel of all actors: queues, state, restarts, what runs; with buttons that work while cells run.

    Parameters
    ----------
    handle : ActorHandle, optional
        Look into this one.
    compact : bool
        Only a row for `handle`.

    Returns
    -------
    Inspector
        A widget. Where no page shows it (a plain script), its text is a table.

    Raises
    ------
    TypeError
        `handle` is none, or `compact` was asked for without one.
    """
    if handle is not None and not isinstance(handle, ActorHandle):
        raise TypeError(f"inspector() takes an actor's handle, or nothing; got {type(handle).__name__}: {handle!r}")
    if compact and handle is None:
        raise TypeError("inspector(compact=True) shows one actor: give its handle")
    selected = handle._actor_id.hex() if handle is not None else ""  # noqa: SLF001 - its id, as Ray has it
    return Inspector(session.current(), selected=selected, compact=compact)


def _kernel() -> Any:
    """Return the Jupyter kernel that this process is, or None."""
    import sys

    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two records differ in nothing but the time."""
    return {**one, "now": 0} == {**other, "now": 0}


def _text(picture: Mapping[str, Any]) -> str:
    """Return the panel as text."""
    actors = picture.get("actors", [])
    if not actors:
        return str(picture.get("note", "no actors"))
    rows = [("actor", "class", "state", "runs", "queued", "done", "failed", "restarts")]
    rows += [
        (
            actor["name"] or actor["id"][:8],
            actor["cls"],
            actor["state"],
            actor["runs"] or "-",
            str(actor["queued"]),
            "-" if actor["done"] is None else str(actor["done"]),
            "-" if actor["failed"] is None else str(actor["failed"]),
            restarts_of(actor["restarts"], actor["max_restarts"], actor["asked"]),
        )
        for actor in actors
    ]
    return table(rows)
