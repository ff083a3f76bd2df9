"""Cards: a handle that is shown in a notebook is a card that stays up to date.

::

    handle ─▶ text/html: a card, as things stand, with a mark ──▶ page, file, GitHub, nbviewer
    one `Deck` a session, in the background ─ a message a tick ─▶ page ─▶ cards with its mark are made live

The HTML says all that this process knows, and is shown at once: nobody is asked, nothing is imported. The deck, a
widget without a view, is started behind it (ipywidgets takes 0.3 s to import), and is one for all cards. So what is
saved is plain HTML, which every viewer shows; a notebook that is opened again has its cards, and no "model not found"
in their place; a thousand cards cost the page one model. The road not taken is a widget a handle. No card keeps an
actor alive: the deck knows ids alone.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from typing import TYPE_CHECKING

from jactors import session
from jactors.actors import sketch
from jactors.errors import JactorsError
from jactors.ids import new_token

if TYPE_CHECKING:
    from jactors.notebook.deck import Deck

__all__ = ["deck", "stand_still", "watch"]

log = logging.getLogger("jactors")


class _Cards:
    """The cards of this process' session; all is under the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: session.Session | None = None
        self._mark = ""
        self._deck: Deck | None = None
        #: Ids of cards that were shown before there is a deck.
        self._waiting: list[str] = []

    @property
    def deck(self) -> Deck | None:
        with self._lock:
            return self._deck

    def on_shown(self, actor_id: str) -> str:
        """Return the mark of a card, and have a deck keep it up to date; does not wait for one."""
        if not session.is_initialized():
            return ""
        here = session.current()
        with self._lock:
            if self._session is not here:
                self._session, self._deck, self._mark = here, None, new_token(4)
                self._waiting = [actor_id]
                threading.Thread(target=self._begin, args=(here, self._mark), name="jactors-cards", daemon=True).start()
            elif self._deck is None:
                self._waiting.append(actor_id)
            else:
                self._deck.add(actor_id)
            return f' data-jactors="{self._mark} {actor_id}"'

    def _begin(self, here: session.Session, mark: str) -> None:
        """Make the deck, in a thread of its own."""
        try:
            from jactors.notebook.deck import Deck

            made = Deck(here, mark)
        except JactorsError:  # the session has ended meanwhile
            return
        except Exception as error:  # whatever a library does there: a card is no reason to break, it stands still
            log.debug("cards stand still: %r", error)
            return
        with self._lock:
            if self._session is not here:
                return
            self._deck = made
            for actor_id in self._waiting:
                made.add(actor_id)


_cards = _Cards()


def watch() -> None:
    """Make cards live from now on; where there are no widgets, they stand still."""
    if all(importlib.util.find_spec(name) is not None for name in ("ipywidgets", "anywidget")):
        sketch.shown[:] = [_cards.on_shown]


def stand_still() -> None:
    """Let cards that are shown from now on stay as they are."""
    sketch.shown.clear()


def deck() -> Deck | None:
    """Return what keeps the cards up to date; None where none was shown yet."""
    return _cards.deck
