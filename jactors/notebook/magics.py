"""The magics: ``%actor SUBCOMMAND``.

::

    %actor list --all ─▶ shlex ─▶ COMMANDS["list"] ─▶ its parser ─▶ run(namespace) ─▶ something to display, or None

A subcommand is a function under `command`; its parser takes ``--help``, and says what is wrong as a `UsageError`: one
red line, no traceback. What a function returns is displayed, also in the middle of a cell.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from jactors import session
from jactors.notebook.reprs import ActorTable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMANDS", "ActorMagics", "Command", "command", "load"]

_DEFAULT = "list"


class _HelpShown(Exception):  # noqa: N818 - no error: where argparse would end the process
    """The help was printed; there is nothing to run."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` for a notebook: complains with `UsageError`, and never exits."""

    def error(self, message: str) -> NoReturn:
        """Complain of the user's line."""
        raise UsageError(f"{self.prog}: {message}. {self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the command: the help was shown."""
        raise _HelpShown


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand of ``%actor``."""

    name: str
    parser: Parser
    #: Takes the parsed arguments; what it returns is displayed.
    run: Callable[[argparse.Namespace], Any]

    @property
    def summary(self) -> str:
        """One line for the overview."""
        return (self.parser.description or "").partition("\n")[0]


#: All subcommands, in the order of the overview.
COMMANDS: dict[str, Command] = {}


def command(*arguments: tuple[str, dict[str, Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a subcommand of a function, with its name and its docstring.

    Parameters
    ----------
    *arguments : tuple of (str, dict)
        What `add_argument` takes, each: ``("--all", {"action": "store_true", "help": "…"})``.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__.strip("_")
        parser = Parser(prog=f"%actor {name}", description=function.__doc__, allow_abbrev=False)
        for flag, settings in arguments:
            parser.add_argument(flag, **settings)
        COMMANDS[name] = Command(name=name, parser=parser, run=function)
        return function

    return register


# ---------------------------------------------------------------------- the subcommands


@command(("--all", {"action": "store_true", "help": "the dead ones too, and what they died of"}))
def _list(chosen: argparse.Namespace) -> Any:
    """Show the actors of this session: what runs where, and what the pending ones wait for."""
    if not session.is_initialized():  # asked first: `current` would start one
        print("no session: jactors.init(), or the first .remote(), starts one")  # noqa: T201
        return None
    return ActorTable(session.current().watch.request("list")["actors"], dead=chosen.all)


# ---------------------------------------------------------------------- the magic


def overview() -> str:
    """Return what ``%actor --help`` shows."""
    width = max(map(len, COMMANDS))
    lines = [f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS.values()]
    return "\n".join(
        [
            f"usage: %actor [SUBCOMMAND] [OPTION ...]        (without a subcommand: {_DEFAULT})",
            "",
            *lines,
            "",
            "%actor SUBCOMMAND --help says more.",
        ]
    )


def execute(line: str) -> Any:
    """Run what stands behind ``%actor``; return what is to be displayed.

    Raises
    ------
    UsageError
        There is no such subcommand or option.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:  # an open quote
        raise UsageError(f"%actor: {error}: {line}") from None
    if words and words[0] in ("-h", "--help", "help"):
        print(overview())  # noqa: T201
        return None
    if not words or words[0].startswith("-"):
        words.insert(0, _DEFAULT)
    name, *rest = words
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean %actor {near[0]}?" if near else ""
        known = ", ".join(COMMANDS)
        raise UsageError(f"%actor has no subcommand {name!r}{hint} (there are: {known}; see %actor --help)")
    chosen = COMMANDS[name]
    try:
        parsed = chosen.parser.parse_args(rest)
    except _HelpShown:
        return None
    return chosen.run(parsed)


@magics_class
class ActorMagics(Magics):
    """What ``%load_ext jactors`` adds to IPython."""

    @line_magic
    def actor(self, line: str) -> None:
        """See and handle actors: ``%actor list``; ``%actor --help`` names all subcommands."""
        shown = execute(line)
        if shown is not None:
            display(shown)


def load(shell: Any) -> None:
    """Add the magics to an IPython shell."""
    shell.register_magics(ActorMagics)
