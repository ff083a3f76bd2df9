"""The magics: ``%actor SUBCOMMAND``. The engine; what the subcommands do is in `jactors.notebook.commands`.

What a subcommand returns is displayed, also in the middle of a cell.
"""

from __future__ import annotations

import difflib
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Enum

from jactors.notebook.command import COMMANDS, HelpShown, command, overview, split
from jactors.notebook.commands import gather
from jactors.notebook.completion import install

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
        known = ", ".join(COMMANDS)
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

    @no_var_expand
    @line_magic
    def actor(self, line: str) -> None:
        """See and handle actors: ``%actor list``; ``%actor --help`` names all subcommands."""
        shown = execute(line, magics=self)
        if shown is not None:
            display(shown)


def load(shell: Any) -> None:
    """Add the magics, and the completion of their lines, to an IPython shell."""
    gather()
    shell.register_magics(ActorMagics)
    install(shell)
