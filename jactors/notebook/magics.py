"""The magics: ``%actor SUBCOMMAND``. The engine; what the subcommands do is in `jactors.notebook.commands`.

What a subcommand returns is displayed, also in the middle of a cell.
"""

from __future__ import annotations

import difflib
import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Enum, Float, Int, observe

from jactors import session
from jactors.actors.decorator import created
from jactors.errors import JactorsError
from jactors.notebook import cards
from jactors.notebook.cell import run
from jactors.notebook.command import CELL_PARSER, COMMANDS, HelpShown, command, in_order, overview, split
from jactors.notebook.commands import gather
from jactors.notebook.completion import install
from jactors.notebook.stage import Part
from jactors.notebook.target import find

__all__ = ["COMMANDS", "ActorMagics", "command", "execute", "load"]

_DEFAULT = "list"


def execute(line: str, *, magics: ActorMagics | None = None) -> Any:
    """Run what stands behind ``%actor``; return what is to be displayed.

    Raises
    ------
    UsageError
        There is no such subcommand or option.
    """
    gather()
    try:
        words = split(line)
    except ValueError as error:  # an open quote
        raise UsageError(f"%actor: {error}: {line}") from None
    default = magics.default_subcommand if magics is not None else _DEFAULT
    if words and words[0] in ("-h", "--help", "help"):
        print(overview(default))  # noqa: T201
        return None
    if not words or words[0].startswith("-"):
        words.insert(0, default)
    name, *rest = words
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean %actor {near[0]}?" if near else ""
        known = ", ".join(in_order())
        raise UsageError(f"%actor has no subcommand {name!r}{hint} (there are: {known}; see %actor --help)")
    chosen = COMMANDS[name]
    try:
        parsed = chosen.parser.parse_args(rest)
    except HelpShown:
        return None
    parsed.magics = magics
    parsed.shell = magics.shell if magics is not None else None
    parsed.variables = parsed.shell.user_ns if parsed.shell is not None else {}
    return chosen.run(parsed)


@magics_class
class ActorMagics(Magics):
    """What ``%load_ext jactors`` adds to IPython. Its traits are the defaults: ``%config ActorMagics``."""

    default_subcommand = Enum(
        ("list", "top", "resources"), default_value=_DEFAULT, help="What a bare %actor does."
    ).tag(config=True)

    log_lines = Int(50, min=0, help="Lines that %actor logs shows; 0 for all.").tag(config=True)

    output = Enum(
        ("inline", "quiet"), default_value="inline", help="Whether what actors print is shown under the cell."
    ).tag(config=True)

    max_output = Int(
        1 << 20,
        allow_none=True,
        help="Bytes that an actor may show in one cell at once; the end of what is more is shown, and counted. "
        "None: all.",
    ).tag(config=True)

    cards = Enum(
        ("live", "still"),
        default_value="live",
        help="Whether a handle that is shown is kept up to date, where there are widgets.",
    ).tag(config=True)

    glance_timeout = Float(5.0, min=0.1, help="Seconds that a cell of %%actor --now may take.").tag(config=True)

    def settle(self, _: object = None) -> None:
        """Let the session know of the defaults; there may be none yet: also called when an actor is made."""
        if session.is_initialized():
            relay = session.current().links.relay
            relay.floods.burst = self.max_output
            if (self.output == "quiet") != (None in relay.quiet):
                relay.quiet = frozenset({None} if self.output == "quiet" else ())

    @observe("output", "max_output")
    def _changed(self, _: object) -> None:
        self.settle()

    @observe("cards")
    def _changed_cards(self, _: object) -> None:
        if self.cards == "live" and hasattr(self.shell, "kernel"):
            cards.watch()
        else:
            cards.stand_still()

    @no_var_expand
    @line_cell_magic
    def actor(self, line: str, cell: str | None = None) -> None:
        """See and handle actors: ``%actor list``; ``%actor --help`` names all subcommands.

        As a cell magic, ``%%actor NAME [NAME ...]`` runs the cell in actors: ``%%actor --help`` says more.
        """
        try:
            if cell is not None:
                self._run_cell(line, cell)
                return
            shown = execute(line, magics=self)
        except JactorsError as error:
            if not hasattr(error, "_render_traceback_"):  # our frames tell the user nothing
                line = f"{type(error).__name__}: {error}"
                error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
            raise
        if shown is not None:
            display(shown)

    def _run_cell(self, line: str, cell: str) -> None:
        try:
            chosen = CELL_PARSER.parse_args(split(line))
        except HelpShown:
            return
        except ValueError as error:
            raise UsageError(f"%%actor: {error}: {line}") from None
        assert self.shell is not None
        if chosen.out and not chosen.out.isidentifier():
            raise UsageError(f"%%actor --out: {chosen.out!r} is no name of a variable")
        parts = [Part(name, find(name, self.shell.user_ns)) for name in dict.fromkeys(chosen.actors)]
        now = None
        if chosen.now:
            now = chosen.timeout or self.glance_timeout
            if chosen.out:
                raise UsageError("%%actor: --now only looks, and brings no value back: leave --out away")
            names = ", ".join(part.name for part in parts)
            print(f"looking into {names} beside what runs there: for reading only", file=sys.stderr)  # noqa: T201
        kernel = getattr(self.shell, "kernel", None)
        stdin = True if kernel is None else bool(getattr(kernel, "_allow_stdin", False))
        values = run(parts, cell, keep=bool(chosen.out), now=now, allow_stdin=stdin)
        if chosen.out:
            one = (
                values[0] if len(parts) == 1 else {part.name: value for part, value in zip(parts, values, strict=True)}
            )
            self.shell.push({chosen.out: one})


def load(shell: Any) -> None:
    """Add the magics, and the completion of their lines, to an IPython shell."""
    gather()
    magics = ActorMagics(shell=shell)
    shell.register_magics(magics)
    created[:] = [each for each in created if not isinstance(getattr(each, "__self__", None), ActorMagics)]
    created.append(magics.settle)
    install(shell)
