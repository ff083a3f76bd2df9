"""Tab in a line of ``%actor``: subcommands, options, actors, classes.

An IPython completer matcher. It reads the parsers: an argument whose metavar is ``ACTOR`` is completed with what means
a living actor, ``CLASS`` with the actor classes of the user's namespace, one that has choices with those.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from jactors.actors.decorator import ActorClass
from jactors.notebook.command import COMMANDS, Command
from jactors.notebook.target import known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["candidates", "install"]

_LINE = re.compile(r"^\s*%actor\s+(?P<rest>.*)$")


def candidates(rest: str, variables: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the word at the end of what stands behind ``%actor``, and all that could stand there instead."""
    words = rest.split()
    word = "" if not rest or rest[-1].isspace() else words.pop()
    if not words:
        return word, [*COMMANDS, "--help"]
    chosen = COMMANDS.get(words[0])
    if chosen is None:
        return word, []
    return word, list(_of_command(chosen, words[1:], word, variables))


def _of_command(chosen: Command, before: list[str], word: str, variables: Mapping[str, Any]) -> Iterable[str]:
    options = chosen.parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask
    last = options.get(before[-1]) if before else None
    if last is not None and last.nargs is None and not isinstance(last, argparse._StoreConstAction):  # noqa: SLF001
        return _values(last, variables)  # the value of an option
    if word.startswith("-"):
        return [flag for flag in options if flag.startswith("--") and flag not in before]
    places = [action for action in chosen.parser._actions if not action.option_strings]  # noqa: SLF001
    given = [each for each in before if not each.startswith("-")]
    found: list[str] = []
    for index, action in enumerate(places):
        if index >= len(given) or action.nargs in ("+", "*"):
            found += [value for value in _values(action, variables) if value not in given]
            break
    return found or [flag for flag in options if flag.startswith("--")]


def _values(action: argparse.Action, variables: Mapping[str, Any]) -> list[str]:
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if action.metavar == "ACTOR":
        return known(variables)
    if action.metavar == "CLASS":
        return [f"{name}(" for name, value in variables.items() if isinstance(value, ActorClass) and name[0] != "_"]
    return []


def install(shell: Any) -> None:
    """Let the completer of an IPython shell know; once."""
    completer = shell.Completer
    if any(getattr(each, "__name__", "") == "jactors_matcher" for each in completer.custom_matchers):
        return

    @context_matcher(identifier="jactors.actor")  # type: ignore[untyped-decorator]
    def jactors_matcher(context: Any) -> Any:
        line = _LINE.match(context.line_with_cursor[: context.cursor_position])
        if line is None:
            return {"completions": [], "suppress": False}
        word, words = candidates(line["rest"], shell.user_ns)
        fitting = [each for each in words if each.startswith(word)]
        return {
            "completions": [SimpleCompletion(text=each, type="actor") for each in fitting],
            "matched_fragment": word,
            "suppress": bool(fitting),
            "ordered": True,
        }

    completer.custom_matchers.append(jactors_matcher)
