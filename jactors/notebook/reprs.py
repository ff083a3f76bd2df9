"""How actors look: as a table in HTML, and as the same table in plain text.

The input is what the supervisor says of an actor, ``life.actor.Actor.describe()``; nothing here asks anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from typing import TYPE_CHECKING, Any

from jactors.actors.condition import reason_of, restarts_of, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ActorRow", "ActorTable"]

#: Read on light and on dark themes alike: colours come from JupyterLab's variables, with a fallback elsewhere.
_DOTS = {
    "alive": "var(--jp-success-color1, #2e7d32)",
    "dead": "var(--jp-error-color1, #c62828)",
}
_WAITING = "var(--jp-warn-color1, #ef6c00)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRow:
    """One actor as text, a field a column."""

    actor: str
    class_name: str
    name: str
    state: str
    pid: str
    restarts: str
    cores: str
    gpus: str
    #: What a pending one waits for, what a dead one died of.
    note: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> ActorRow:
        """Return the row for what a supervisor says of an actor."""
        state = state_of(told)
        holds = state not in ("pending", "dead")
        return cls(
            actor=told["actor_id"][:8],
            class_name=told["class_name"],
            name=told.get("name") or "-",
            state=state,
            pid=str(told.get("pid") or "-"),
            restarts=restarts_of(told["restarts"], told["max_restarts"], told.get("asked", 0)),
            cores=(_numbers(told["cores"]) or "any") if holds else "-",
            gpus=(",".join(told["gpus"]) if holds else "") or "-",
            note=_note(told),
        )


_HEADINGS = {"class_name": "class", "gpus": "GPUs", "note": "note"}


def _numbers(cores: Sequence[int]) -> str:
    """Return ``0-3,6``."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1][1:] = [core]
        else:
            runs.append([core])
    return ",".join("-".join(map(str, run)) for run in runs)


def _note(told: Mapping[str, Any]) -> str:
    why = reason_of(told)
    return f"{why}: any call shows the traceback" if told.get("failure") else why


class ActorTable:
    """A table of actors.

    Parameters
    ----------
    told : sequence of mapping
        What a supervisor says of each actor, in the order of their creation.
    dead : bool, keyword-only
        Show the dead ones too; otherwise only their number.
    """

    def __init__(self, told: Sequence[Mapping[str, Any]], *, dead: bool = False) -> None:
        rows = [ActorRow.of(actor) for actor in told]
        self.rows = [row for row in rows if dead or row.state != "dead"]
        self._hidden = len(rows) - len(self.rows)

    def _columns(self) -> list[str]:
        names = [field.name for field in fields(ActorRow)]
        return names if any(row.note for row in self.rows) else names[:-1]

    def _caption(self) -> str:
        """Return what stands under the table, or instead of it."""
        hidden = f"{self._hidden} dead, not shown: %actor list --all" if self._hidden else ""
        if not self.rows:
            return f"no living actors ({hidden})" if hidden else "no actors"
        return hidden

    def __repr__(self) -> str:
        text = self._lines() if self.rows else []
        return "\n".join([*text, *filter(None, [self._caption()])])

    def _lines(self) -> list[str]:
        columns = self._columns()
        lines = [[_HEADINGS.get(column, column) for column in columns]]
        lines += [[getattr(row, column) for column in columns] for row in self.rows]
        widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
        if columns[-1] == "note":
            widths[-1] = 4  # a sentence at the end of the line: a rule as long as it would only wrap
        lines.insert(1, ["-" * width for width in widths])
        return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]

    def _repr_html_(self) -> str:
        columns = self._columns()
        caption = self._caption()
        below = f'<div style="opacity: .7">{escape(caption)}</div>' if caption else ""
        if not self.rows:
            return below
        left = 'style="text-align: left"'
        head = "".join(f"<th {left}>{_HEADINGS.get(column, column)}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{_cell(column, getattr(row, column))}</td>" for column in columns) + "</tr>\n"
            for row in self.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>{below}"


def _cell(column: str, value: str) -> str:
    if column == "actor":
        return f"<code>{escape(value)}</code>"
    if column == "state":
        return f'<span style="color: {_DOTS.get(value, _WAITING)}">&#9679;</span> {escape(value)}'
    return escape(value)
