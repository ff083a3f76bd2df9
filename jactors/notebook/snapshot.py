"""Snapshots: what all actors, or one, do at a moment, as plain HTML with SVG, and as text.

For places where nothing runs: GitHub, nbviewer, nbconvert, a mail. No script, no stylesheet, no
reference to anything outside: what GitHub's sanitizer removes (SVG, styles) is only ornament, the
tables stay. Every text of the user's is escaped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from jactors.actors.gallery import gallery
from jactors.actors.handle import ActorHandle
from jactors.amounts import duration, size
from jactors.errors import JactorsError
from jactors.notebook.table import Table

__all__ = ["Snapshot", "snapshot"]

#: Colours of states: told apart in light and dark, and each beside its word.
_COLOURS = {
    "busy": "#2f7ed8",
    "idle": "#3a9a4b",
    "starting": "#b58900",
    "pending": "#b58900",
    "restarting": "#d9822b",
    "stopped": "#8a5fc0",
    "silent": "#8a5fc0",
    "dead": "#c23b33",
    "alive": "#3a9a4b",
}

_HEADINGS = ("actor", "class", "state", "runs", "queued", "done", "failed", "calls/s", "p50", "p95", "CPU", "memory")

#: Rows of a part, and characters of a text.
_ROWS = 200
_TEXT = 120


class Snapshot:
    """One picture, shown: ``_repr_mimebundle_`` has ``text/html`` and ``text/plain``.

    Parameters
    ----------
    picture : dict
        What `jactors.actors.gallery.Gallery.picture` returns.
    closer : dict, optional
        What `Gallery.closer` ended in, where it is of one actor.
    """

    def __init__(self, picture: Mapping[str, Any], closer: Mapping[str, Any] | None = None) -> None:
        self.picture = picture
        self.closer = closer

    def _parts(self) -> list[tuple[str, Table]]:
        parts = [("", _actors(self.picture))]
        if self.closer is not None:
            return parts + _details(self.closer)
        for title, table in (
            ("calls", _edges(self.picture)),
            ("resources", _resources(self.picture)),
            ("crashes", _deaths(self.picture, ("crash",))),
            ("ended or restarted on request", _deaths(self.picture, ("killed", "restart"))),
        ):
            if table.rows:
                parts.append((title, table))
        return parts

    def _title(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.picture["at"]))
        if self.closer is not None and self.picture["actors"]:
            return f"{self.picture['actors'][0]['label']}, {when}"
        states: dict[str, int] = {}
        for actor in self.picture["actors"]:
            states[actor["state"]] = states.get(actor["state"], 0) + 1
        told = ", ".join(f"{number} {state}" for state, number in states.items())
        return (
            f"{len(self.picture['actors'])} actor{'s' * (len(self.picture['actors']) != 1)}"
            + (f" ({told})" if told else "")
            + f", {when}"
        )

    def __repr__(self) -> str:
        parts = [f"{title}\n{table!r}" if title else repr(table) for title, table in self._parts()]
        return "\n\n".join([self._title(), *parts, *filter(None, [self._tail()])])

    def _tail(self) -> str:
        tail = str(self.closer["tail"]) if self.closer is not None else ""
        return "\n".join(["output", *tail.splitlines()[-20:]]) if tail else ""

    def _repr_html_(self) -> str:
        html = [f"<p><b>{escape(self._title())}</b></p>", strip(self.picture)]
        for title, table in self._parts():
            html.append((f"<p><b>{escape(title)}</b></p>" if title else "") + table._repr_html_())
        if self._tail():
            html.append(f"<p><b>output</b></p><pre>{escape(self._tail().partition(chr(10))[2])}</pre>")
        return "<div>\n" + "\n".join(filter(None, html)) + "\n</div>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def snapshot(handle: ActorHandle[Any] | None = None, *, timeout: float = 3.0) -> Snapshot:
    """Return what all actors of the session, or one, do now, for a page where nothing runs.

    Parameters
    ----------
    handle : ActorHandle, optional
        Show this one alone, and from near: attributes, calls, the end of its output. It is not disturbed.
    timeout : float
        Seconds that actors have to answer; one that does not is shown with what its supervisor knows.

    Raises
    ------
    JactorsError
        There is no session, or the actor is none of it.
    """
    with gallery() as found:
        found.wait(timeout)
        picture = found.picture()
        if handle is None:
            return Snapshot(picture)
        actor_id = handle._actor_id.hex()  # noqa: SLF001 - ours
        mine = [actor for actor in picture["actors"] if actor["id"] == actor_id]
        if not mine:
            raise JactorsError(f"actor {actor_id[:8]} is none of this session")
        closer = found.closer(actor_id).result(timeout + 5)
        return Snapshot({**picture, "actors": mine}, closer)


def strip(picture: Mapping[str, Any]) -> str:
    """Return a square for each actor, coloured by its state, as SVG; "" where there are none."""
    actors = picture["actors"][:_ROWS]
    if not actors:
        return ""
    squares = []
    for number, actor in enumerate(actors):
        x, y = number % 25 * 16, number // 25 * 16
        colour = _COLOURS.get(actor["state"], "#888888")
        title = escape(f"{actor['label']}: {actor['state']}")
        squares.append(
            f'<rect x="{x}" y="{y}" width="13" height="13" rx="2" fill="{colour}"><title>{title}</title></rect>'
        )
    width, height = min(len(actors), 25) * 16, (len(actors) + 24) // 25 * 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="states of the actors" width="{width}" '
        f'height="{height}">{"".join(squares)}</svg>'
    )


def _actors(picture: Mapping[str, Any]) -> Table:
    rows = [
        (
            _short(actor["label"]),
            _short(actor["class"]),
            actor["state"] + (f": {_short(actor['reason'])}" if actor["reason"] and actor["state"] != "idle" else ""),
            _short(actor["running"][0]["method"]) if actor["running"] else "-",
            str(actor["queued"]),
            *("-" if actor[key] is None else str(actor[key]) for key in ("done", "failed")),
            f"{actor['rate']:.3g}",
            *("-" if actor[key] is None else duration(actor[key]) for key in ("p50", "p95")),
            "-" if actor["cpu"] is None else f"{100 * actor['cpu']:.0f} %",
            "-" if actor["rss"] is None else size(actor["rss"]),
        )
        for actor in picture["actors"][:_ROWS]
    ]
    left = len(picture["actors"]) - len(rows)
    return Table(_HEADINGS, rows, "no actors" if not rows else f"and {left} more" if left else "")


def _edges(picture: Mapping[str, Any]) -> Table:
    labels = {actor["id"]: actor["label"] for actor in picture["actors"]}
    rows = [
        (
            _short(labels.get(edge["from"], edge["from"])),
            _short(labels.get(edge["to"], edge["to"])),
            str(edge["calls"]),
            f"{edge['rate']:.3g}",
            str(edge["waiting"]),
        )
        for edge in sorted(picture["edges"], key=lambda edge: -edge["calls"])[:_ROWS]
    ]
    return Table(("caller", "calls", "times", "calls/s", "waiting"), rows)


def _resources(picture: Mapping[str, Any]) -> Table:
    def amount(name: str, number: float) -> str:
        return size(number) if name == "memory" else f"{number:g}"

    rows = [
        (
            bar["name"],
            amount(bar["name"], bar["free"]),
            amount(bar["name"], bar["total"]),
            _short(", ".join(f"{each['label']} ({amount(bar['name'], each['amount'])})" for each in bar["held"])),
        )
        for bar in picture["resources"]
    ]
    return Table(("resource", "free", "of", "held by"), rows)


def _deaths(picture: Mapping[str, Any], kinds: tuple[str, ...]) -> Table:
    rows = [
        (
            time.strftime("%H:%M:%S", time.localtime(death["at"])),
            _short(death["label"]),
            str(death["incarnation"]),
            _short(str(death["died_of"] or "")),
        )
        for death in [each for each in picture["deaths"] if each["kind"] in kinds][-_ROWS:]
    ]
    return Table(("at", "actor", "incarnation", "died of"), rows)


def _details(closer: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Return the parts of a closer look that there are; why there is none, where it did not answer."""
    parts: list[tuple[str, Table]] = []
    if closer["state"] is not None:
        rows = [(_short(each["name"]), each["type"], _short(each["text"])) for each in closer["state"]["attributes"]]
        parts.append(("attributes", Table(("attribute", "type", "value"), rows, "" if rows else "none")))
    if closer["calls"] is not None:
        told = closer["calls"]
        calls: Sequence[Any] = [*told["ended"][-20:], *told["running"], *told["queued"][:20]]
        rows = [(_short(call["method"]), _short(call["caller"]), _call_state(call)) for call in calls]
        parts.append(("calls", Table(("call", "caller", "state"), rows, "" if rows else "none yet")))
    if closer["errors"]:
        unanswered = [(part, _short(why)) for part, why in closer["errors"].items()]
        parts.append(("not answered", Table(("part", "why"), unanswered)))
    return parts


def _call_state(call: Mapping[str, Any]) -> str:
    if call.get("ended"):
        return "failed" if call.get("failed") else "done"
    return "running" if call["began"] else "queued"


def _short(text: str) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
