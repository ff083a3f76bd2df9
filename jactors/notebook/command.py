"""A subcommand of ``%actor``: a function, and a parser that never ends the process.

::

    %actor list --all ─▶ split ─▶ COMMANDS["list"] ─▶ its parser ─▶ run(chosen) ─▶ something to display, or None

A module of `jactors.notebook.commands` registers its functions with `command`. A parser takes ``--help``, and says what
is wrong as a `UsageError`: one red line, no traceback.

What the engine adds to the parsed arguments: ``chosen.shell``, the IPython shell (None in a test),
``chosen.variables``, the user's namespace, and ``chosen.magics``, the `ActorMagics` whose traits are the defaults. An
argument is completed by its metavar: see `jactors.notebook.completion`.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ACTOR",
    "ACTORS",
    "CELL_PARSER",
    "COMMANDS",
    "Command",
    "HelpShown",
    "Parser",
    "command",
    "in_order",
    "overview",
    "split",
]

#: The overview's order; what is not in it comes last.
_ORDER = [
    "list",
    "new",
    "kill",
    "restart",
    "interrupt",
    "queue",
    "state",
    "stack",
    "logs",
    "top",
    "inspect",
    "resources",
]
_ORDER += ["checkpoint", "restore", "reload", "autoreload", "console", "connect", "debug", "output"]

_NAMED = "its name, a variable that holds its handle, or the beginning of its id"

#: The argument of a command for one actor. `jactors.notebook.target.find` makes a handle of it.
ACTOR: tuple[str, dict[str, Any]] = ("actor", {"metavar": "ACTOR", "help": _NAMED})

#: The argument of a command for one or several actors.
ACTORS: tuple[str, dict[str, Any]] = ("actors", {"metavar": "ACTOR", "nargs": "+", "help": f"each: {_NAMED}"})


class HelpShown(Exception):  # noqa: N818 - no error: where argparse would end the process
    """The help was printed; there is nothing to run."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` for a notebook: complains with `UsageError`, and never exits."""

    def error(self, message: str) -> NoReturn:
        """Complain of the user's line."""
        raise UsageError(f"{self.prog}: {message}. {' '.join(self.format_usage().split())}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the command: the help was shown."""
        raise HelpShown


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


#: All subcommands, by name.
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
        parser = Parser(
            prog=f"%actor {name}",
            description=" ".join((function.__doc__ or "").split("\n\n")[0].split()),
            epilog="\n\n".join((function.__doc__ or "").split("\n\n")[1:]).replace("\n    ", "\n").strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for flag, settings in arguments:
            parser.add_argument(flag, **settings)
        COMMANDS[name] = Command(name=name, parser=parser, run=function)
        return function

    return register


#: Of ``%%actor``.
CELL_PARSER = Parser(
    prog="%%actor",
    description="Run the cell in the kernel of an actor, where `self` is the actor; await, magics, !commands, plots, "
    "widgets and input() work as in any cell. It falls into line behind the calls that are queued. In several actors "
    "it runs at the same time; their output is grouped.",
    allow_abbrev=False,
)
CELL_PARSER.add_argument(ACTORS[0], **ACTORS[1])
CELL_PARSER.add_argument("--out", metavar="VARIABLE", help="bring the value of the last line back; of several, a dict")
CELL_PARSER.add_argument("--now", action="store_true", help="do not fall into line, look in beside a running method")
CELL_PARSER.add_argument("--timeout", type=float, metavar="SECONDS", help="for --now: interrupt the look after so long")


def in_order() -> list[str]:
    """Return the names of all subcommands, in the order of the overview."""
    return sorted(COMMANDS, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def overview(default: str) -> str:
    """Return what ``%actor --help`` shows."""
    known = in_order()
    width = max(map(len, known))
    return "\n".join(
        [
            f"usage: %actor [SUBCOMMAND] [OPTION ...]        (without a subcommand: {default})",
            "",
            *(f"  {name:<{width}}  {COMMANDS[name].summary}" for name in known),
            "",
            "%actor SUBCOMMAND --help says more. An actor is named by its name, a variable that holds its handle, or",
            "the beginning of its id. Defaults: %config ActorMagics.",
            "",
            CELL_PARSER.format_help().rstrip(),
        ]
    )


def split(line: str) -> list[str]:
    """Split at blanks, as a shell does, but leave Python expressions whole: ``Counter(10, name="a b")`` is one word.

    Raises
    ------
    ValueError
        A quote or a bracket is open at the end.
    """
    words: list[str] = []
    word, depth, quote = "", 0, ""
    at = 0
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\":
                word += line[at : at + 2]
                at += 2
                continue
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if char.isspace() and not quote and depth <= 0:
            words.append(word)
            word = ""
        else:
            word += char
        at += 1
    if quote:
        raise ValueError("No closing quotation")
    if depth > 0:
        raise ValueError("a bracket is not closed")
    words.append(word)
    # Quotes of an expression are Python's, those of a plain word have done their work.
    return [part for word in words if word for part in ([word] if set(word) & set("([{") else shlex.split(word))]
