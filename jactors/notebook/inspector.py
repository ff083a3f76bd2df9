"""The inspector: a panel in the notebook that shows all actors, live, and whose buttons work while a cell is blocked.

What it does, and at what cost, is `jactors.notebook.live`'s; here is what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets

from jactors import session
from jactors.actors.condition import restarts_of
from jactors.actors.gallery import Gallery, gallery
from jactors.actors.handle import ActorHandle
from jactors.actors.insight import unread
from jactors.actors.records import table
from jactors.notebook.exhibition import close_up, panorama
from jactors.notebook.live import Live
from jactors.notebook.snapshot import Snapshot

__all__ = ["Inspector", "inspector"]

_STATIC = Path(__file__).parent / "static" / "inspector"

#: Seconds between two looks at one actor from near.
DETAIL = 0.5
#: Seconds that the first picture waits for the actors to say what they do, and one actor has for its answer.
WAIT = 0.5
NEAR = 5.0


class Inspector(Live):
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
        self._tab = "queue"
        self._detailed = 0.0
        self._only = selected if compact else None
        self._seen: dict[str, Any] = {}
        first = self._open()
        first.wait(WAIT)
        super().__init__(here, picture=self._look(first), selected=selected, compact=compact)
        self._gallery = first
        self._begin()

    def _open(self) -> Gallery:
        return gallery({self._only} if self._only else None)

    def _look(self, watched: Gallery) -> dict[str, Any]:
        self._seen = watched.picture()
        return panorama(self._seen)

    def _paint(self, watched: Gallery) -> None:
        self._show("picture", self._look(watched))

    def _look_closer(self, watched: Gallery, now: float) -> None:
        if self.selected and not self.compact and now - self._detailed >= DETAIL:
            self._detailed = now
            self._show("detail", self._near(watched, self.selected, self._tab))

    def _end(self) -> None:
        self._show("picture", {**self.picture, "actors": [], "edges": [], "note": "the session has ended"})

    def _near(self, watched: Gallery, actor_id: str, tab: str) -> dict[str, Any]:
        """Look at one actor from near; it has a few seconds for its answer."""
        try:
            closer = watched.closer(actor_id).result(NEAR)
        except (KeyError, TimeoutError):
            return {}
        link = dict(self._here.links.all()).get(actor_id)
        mine = unread(link, closer["calls"]) if link is not None and closer["calls"] is not None else []
        return close_up(actor_id, closer, tab, mine)

    def _on_command(self, widget: Any, content: Mapping[str, Any], buffers: Any) -> None:
        if content.get("op") == "look":
            self.selected, self._tab = str(content.get("id") or ""), str(content.get("tab", "queue"))
            self.detail = {}
            self._detailed = 0.0
        super()._on_command(widget, content, buffers)

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


def inspector(handle: ActorHandle[Any] | None = None, *, compact: bool = False) -> Any:
    """Return the panel: see `jactors.inspector`, which is the same but for the time that ipywidgets takes."""
    if handle is not None and not isinstance(handle, ActorHandle):
        raise TypeError(f"inspector() takes an actor's handle, or nothing; got {type(handle).__name__}: {handle!r}")
    if compact and handle is None:
        raise TypeError("inspector(compact=True) shows one actor: give its handle")
    selected = handle._actor_id.hex() if handle is not None else ""  # noqa: SLF001 - its id, as Ray has it
    return Inspector(session.current(), selected=selected, compact=compact)


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
