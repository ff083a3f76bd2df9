"""A handle at a glance: what this process knows of its actor, without asking anybody.

``repr(handle)`` is Ray's; this is what a notebook shows instead. Nothing here blocks, does I/O, or fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.actors.condition import reason_of, state_of
from jactors.wire import failure

if TYPE_CHECKING:
    from jactors.actors.handle import Home

__all__ = ["Sketch", "shown"]

#: Told the id of each actor whose handle is shown as HTML; what they return stands in its tag, as attributes.
shown: list[Callable[[str], str]] = []

#: Colours that read on light and dark themes: JupyterLab's, with a fallback elsewhere.
_DOTS = {
    "alive": "var(--jp-success-color1, #2e7d32)",
    "dead": "var(--jp-error-color1, #c62828)",
}
_WAITING = "var(--jp-warn-color1, #ef6c00)"
_CARD = "border: 1px solid var(--jp-border-color2, #ccc); border-radius: 4px; padding: 3px 10px; max-width: 860px"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One actor, as far as it is known here."""

    actor_id: str
    class_name: str
    name: str | None
    #: ``pending``, ``starting``, ``alive``, ``stopped``, ``restarting``, ``dead``.
    state: str
    #: Calls of this process that have not ended, but for those that can be running.
    queued: int
    #: ``core 3``, ``GPU 0,1``.
    holds: tuple[str, ...]
    #: What a pending one waits for, what a dead one died of, what a call of this process last raised.
    note: str

    @classmethod
    def of(cls, home: Home) -> Sketch:
        """Return what is known of the actor of `home`."""
        told: dict[str, Any] = {}
        if session.is_initialized():
            told = session.current().links.told.get(home.actor_id, {})
        state = state_of(told)
        size = sum(home.link.traffic.sizes.values())
        return cls(
            actor_id=home.actor_id,
            class_name=home.class_name,
            name=home.name,
            state=state,
            queued=max(0, home.link.pending() - (size if state == "alive" else 0)),
            holds=_holds(told) if state not in ("pending", "dead") else (),
            note=_note(state, told, home.link.window.failure),
        )

    @property
    def actor(self) -> str:
        """Enough of its id to know it by."""
        return self.actor_id[:8]

    def _facts(self) -> list[str]:
        return [self.state, *([f"{self.queued} queued"] if self.queued else []), *self.holds]

    def text(self) -> str:
        """Return ``<Counter 3fa2c1d0 'tally' alive, 2 queued>``."""
        name = f" {self.name!r}" if self.name else ""
        note = f"; {self.note}" if self.note else ""
        return f"<{self.class_name} {self.actor}{name} {', '.join(self._facts())}{note}>"

    def html(self) -> str:
        """Return the same as a card of one line, its state in colour; a page that can keeps it up to date."""
        state, *rest = self._facts()
        name = f" <b>{escape(self.name)}</b>" if self.name else ""
        dot = f'<span style="color: {_DOTS.get(state, _WAITING)}">&#9679;</span>'
        facts = " &middot; ".join([f"{dot} {escape(state)}", *map(escape, rest)])
        note = f'<div style="opacity: .7">{escape(self.note)}</div>' if self.note else ""
        marks = "".join(mark(self.actor_id) for mark in shown)
        return (
            f'<div class="jactors-card"{marks} style="{_CARD}">'
            f"{escape(self.class_name)}{name} <code>{self.actor}</code> {facts}{note}</div>"
        )


def _holds(told: dict[str, Any]) -> tuple[str, ...]:
    cores, gpus = told.get("cores") or [], told.get("gpus") or []
    found = []
    if cores:
        found.append(("core " if len(cores) == 1 else "cores ") + ",".join(map(str, cores)))
    if gpus:
        found.append("GPU " + ",".join(map(str, gpus)))
    return tuple(found)


def _note(state: str, told: dict[str, Any], failed: bytes | None) -> str:
    try:
        if state != "alive":
            return reason_of(told)
        if failed is not None:
            cause = failure.decode(failed).cause
            text = f"{type(cause).__name__}: {cause}".partition("\n")[0]
            return f"last error: {text if len(text) <= 80 else text[:79] + '…'}"
    except Exception:  # noqa: S110 - a repr never fails
        pass
    return ""
