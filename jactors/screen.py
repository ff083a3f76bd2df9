"""The screen of ``jactors top``: a table that lives in a terminal. The one landlord of textual."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Label, Static

from jactors import top
from jactors.actors.insight import statistics_of_all
from jactors.actors.records import Statistics
from jactors.errors import JactorsError

__all__ = ["Screen"]

_RIGHT = frozenset({"for", "queued", "done", "failed", "calls/s", "p50", "p95", "CPU %", "memory", "restarts", "up"})

_COLOURS = {
    "busy": "green",
    "dead": "red",
    "silent": "red",
    "stopped": "red",
    "restarting": "yellow",
    "pending": "yellow",
}


class Question(ModalScreen[bool]):
    """Asks before an actor is killed."""

    DEFAULT_CSS = """
    Question { align: center middle; }
    Question > Vertical { width: auto; height: auto; padding: 1 3; border: round $error; background: $surface; }
    Question Label { width: auto; }
    """
    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Show the question."""
        with Vertical():
            yield Label(self._text, markup=False)
            yield Label("y: yes   n: no", markup=False)

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 - as the key says
        """Give the answer."""
        self.dismiss(yes)


class Page(ModalScreen[None]):
    """Shows a text."""

    DEFAULT_CSS = """
    Page { align: center middle; }
    Page > Static { width: 90%; max-height: 80%; height: auto; overflow: auto; padding: 1 2; border: round $accent;
                    background: $surface; }
    """
    BINDINGS: ClassVar = [Binding("escape,q,enter,s", "dismiss", "close")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Show it."""
        yield Static(self._text, markup=False)


class Screen(App[None]):
    """The application.

    Parameters
    ----------
    view : View
        Makes rows of statistics.
    every : float
        Seconds between two looks.
    look : callable
        Returns the statistics; in a thread of its own, since it waits for answers.
    """

    TITLE = "jactors top"
    CSS = "#head { height: 1; padding: 0 1; text-style: bold; } DataTable { height: 1fr; }"
    BINDINGS: ClassVar = [
        Binding("i", "interrupt", "interrupt"),
        Binding("r", "restart", "restart"),
        Binding("k", "kill", "kill"),
        Binding("s", "stack", "stack"),
        Binding("o", "order", "order"),
        Binding("q", "quit", "quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, view: top.View, *, every: float, look: Callable[[], Statistics] = statistics_of_all) -> None:
        super().__init__()
        self._view = view
        self._every = every
        self._look = look

    def compose(self) -> ComposeResult:
        """Lay out headline, table and keys."""
        yield Label("", id="head", markup=False)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        grid = self.query_one(DataTable)
        for name in top.COLUMNS:
            grid.add_column(self._cell(name, name), key=name)
        grid.focus()
        self.set_interval(self._every, self.look)
        self.look()

    @work(thread=True, exclusive=True, group="look", exit_on_error=False)
    def look(self) -> None:
        """Take a look, in a thread."""
        try:
            statistics = self._look()
        except JactorsError as error:  # the session has ended
            self.call_from_thread(self.exit, message=f"jactors top: {error}")
            return
        self.call_from_thread(self.show, statistics)

    def show(self, statistics: Statistics) -> None:
        """Change what has changed; the row under the cursor stays under it."""
        view, grid = self._view, self.query_one(DataTable)
        chosen = self.chosen()
        before = list(view.ids)
        view.take(statistics, now=time.monotonic())
        self.query_one("#head", Label).update(view.headline())
        if view.ids != before:
            grid.clear()
            for actor_id, row in zip(view.ids, view.rows, strict=True):
                grid.add_row(*map(self._cell, top.COLUMNS, row), key=actor_id)
            if chosen in view.ids:
                grid.move_cursor(row=view.ids.index(chosen), animate=False)
            return
        for actor_id, row in zip(view.ids, view.rows, strict=True):
            for name, value in zip(top.COLUMNS, row, strict=True):
                cell = self._cell(name, value)
                if grid.get_cell(actor_id, name) != cell:
                    grid.update_cell(actor_id, name, cell, update_width=True)

    @staticmethod
    def _cell(column: str, value: str) -> Any:
        from rich.text import Text

        style = _COLOURS.get(value, "") if column == "state" else ""
        return Text(value, style=style, justify="right" if column in _RIGHT else "left", no_wrap=True)

    def chosen(self) -> str | None:
        """Return the id of the actor under the cursor."""
        row = self.query_one(DataTable).cursor_row
        return self._view.ids[row] if 0 <= row < len(self._view.ids) else None

    # ------------------------------------------------------------------ keys

    def action_interrupt(self) -> None:
        """Interrupt the method that runs."""
        self._act("interrupted", top.interrupt)

    def action_restart(self) -> None:
        """Let the actor begin anew."""
        self._act("restarts", top.restart)

    def action_kill(self) -> None:
        """Ask, and end the actor for good."""
        chosen = self.chosen()
        if chosen is None:
            return
        row = self._view.rows[self._view.ids.index(chosen)]

        def answered(yes: bool | None) -> None:  # noqa: FBT001 - as `Question` says
            if yes:
                self._act("killed", top.kill, chosen)

        self.push_screen(Question(f"Kill {row[1]} {row[0]}? Its {row[5]} queued calls will fail."), answered)

    def action_stack(self) -> None:
        """Show what the actor does at this moment."""
        self._act("", lambda actor_id: self.call_from_thread(self.push_screen, Page(top.stack(actor_id))))

    def action_order(self) -> None:
        """Go on to the next order."""
        orders = top.ORDERS
        self._view.order = orders[(orders.index(self._view.order) + 1) % len(orders)]
        self.notify(f"in the order of {self._view.order}", timeout=1)
        self.look()

    @work(thread=True, group="act", exit_on_error=False)
    def _act(self, done: str, action: Callable[[str], object], actor_id: str | None = None) -> None:
        actor_id = actor_id or self.chosen()
        if actor_id is None:
            return
        try:
            action(actor_id)
        except JactorsError as error:
            self.call_from_thread(self.notify, str(error), severity="error", markup=False)
            return
        if done:
            self.call_from_thread(self.notify, f"{actor_id[:8]} {done}", timeout=2)
        self.call_from_thread(self.look)
