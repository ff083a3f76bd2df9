"""A table: aligned text, and the same in HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table"]


class Table:
    """Rows of text under headings.

    Parameters
    ----------
    caption : str
        Stands under the table, or instead of it where there are no rows.
    """

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
        self.headings = headings
        self.rows = rows
        self.caption = caption

    def __repr__(self) -> str:
        lines = [list(self.headings), *map(list, self.rows)] if self.rows else []
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.headings))] if lines else []
        if lines:
            widths[-1] = len(self.headings[-1])  # a rule as long as the longest last cell would only wrap
            lines.insert(1, ["-" * width for width in widths])
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([*text, *filter(None, [self.caption])])

    def _repr_html_(self) -> str:
        below = f'<div style="opacity: .7">{escape(self.caption)}</div>' if self.caption else ""
        if not self.rows:
            return below
        left = 'style="text-align: left"'
        head = "".join(f"<th {left}>{escape(heading)}</th>" for heading in self.headings)
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in self.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>{below}"
