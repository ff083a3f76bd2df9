"""The deck: all cards of a session, kept up to date by one widget that has no view; see `jactors.notebook.cards`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import traitlets

from jactors import session
from jactors.actors.gallery import Gallery, gallery
from jactors.notebook.exhibition import panorama
from jactors.notebook.live import Live

__all__ = ["Deck"]

_STATIC = Path(__file__).parent / "static"
_SOURCES = ("inspector/1-tools.js", "inspector/2-columns.js", "deck/deck.js")

#: Actors that are watched for their cards, the last ones shown; cards of others stand still.
MOST = 50


class Deck(Live):
    """The cards of one session."""

    _esm = "".join((_STATIC / name).read_text() for name in _SOURCES)
    _css = (_STATIC / "deck" / "deck.css").read_text()

    #: Stands on each card.
    mark = traitlets.Unicode("").tag(sync=True)
    #: ``{"now": the wall clock's time, "actors": [...]}``, see `exhibition.panorama`.
    picture = traitlets.Dict().tag(sync=True)

    def __init__(self, here: session.Session, mark: str) -> None:
        #: Ids, in the order in which they were last shown. Replaced, never changed: any thread.
        self._shown: tuple[str, ...] = ()
        #: Those that are watched. Of the deck's thread.
        self._watched: tuple[str, ...] = ()
        super().__init__(here, mark=mark, picture={"now": 0, "actors": []})
        self._begin()

    def add(self, actor_id: str) -> None:
        """A card of this actor is shown; from any thread."""
        self._shown = (*(each for each in self._shown if each != actor_id), actor_id)[-MOST:]

    def _open(self) -> Gallery:
        self._watched = self._shown
        return gallery(set(self._watched))

    def _look_closer(self, watched: Gallery, now: float) -> None:
        if self._watched is not self._shown:
            self._watched = self._shown
            watched.narrow(set(self._watched))

    def _paint(self, watched: Gallery) -> None:
        seen = panorama(watched.picture())
        self._show("picture", {"now": seen["now"], "actors": seen["actors"]})

    def _end(self) -> None:
        dead = {"state": "dead", "runs": None, "queued": 0, "pid": None}
        actors: list[dict[str, Any]] = self.picture["actors"]
        ended = [
            each if each["state"] == "dead" else {**each, **dead, "reason": "its session has ended"} for each in actors
        ]
        self._show("picture", {"now": self.picture["now"], "actors": ended})
