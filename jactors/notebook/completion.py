"""Tab in a line of ``%actor``, and Tab and Shift-Tab inside a cell of ``%%actor``.

Lines are completed by a matcher of IPython's completer. It reads the parsers: an argument whose metavar is ``ACTOR`` is
completed with what means a living actor, ``CLASS`` with the actor classes of the user's namespace, one that has choices
with those.

The inside of a cell is completed, and looked up, by the actor's own kernel, over the side door: also while a method
runs. The front end sends the whole cell, so positions are counted from where the first line ends. Where the actor does
not answer in time, what this kernel knows has to do.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import re
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError

from jactors.actors.decorator import ActorClass
from jactors.actors.handle import home_of
from jactors.errors import JactorsError
from jactors.notebook.command import CELL_PARSER, COMMANDS, HelpShown, Parser, in_order, split
from jactors.notebook.target import find, known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["candidates", "inside", "install"]

_LINE = re.compile(r"^\s*(?P<magic>%%?)actor\s+(?P<rest>.*)$")

#: Seconds that an actor has for completions.
_PATIENCE = 3.0

#: Where completions carry their types, and positions.
_TYPES = "_jupyter_types_experimental"


def candidates(rest: str, variables: Mapping[str, Any], *, cell: bool = False) -> tuple[str, list[str]]:
    """Return the word at the end of what stands behind ``%actor``, and all that could stand there instead."""
    words = rest.split()
    word = "" if not rest or rest[-1].isspace() else words.pop()
    if cell:
        return word, list(_of_parser(CELL_PARSER, words, word, variables))
    if not words:
        return word, [*in_order(), "--help"]
    chosen = COMMANDS.get(words[0])
    return word, [] if chosen is None else list(_of_parser(chosen.parser, words[1:], word, variables))


def _of_parser(parser: Parser, before: list[str], word: str, variables: Mapping[str, Any]) -> Iterable[str]:
    options = parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask
    last = options.get(before[-1]) if before else None
    if last is not None and last.nargs is None and not isinstance(last, argparse._StoreConstAction):  # noqa: SLF001
        return _values(last, variables)  # the value of an option
    if word.startswith("-"):
        return [flag for flag in options if flag.startswith("--") and flag not in before]
    places = [action for action in parser._actions if not action.option_strings]  # noqa: SLF001
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


def inside(code: str, cursor: int) -> tuple[str, int] | None:
    """Return the actor whose cell this is, and how many characters its first line takes; None elsewhere.

    Parameters
    ----------
    cursor : int
        Where the cursor is, in characters.
    """
    first = len(code) - len(code.lstrip("\n"))
    end = code.find("\n", first) + 1
    if code[first:].split(maxsplit=1)[:1] != ["%%actor"] or not 0 < end <= cursor:
        return None
    try:
        chosen = CELL_PARSER.parse_args(split(code[first:end].strip().removeprefix("%%actor")))
    except (UsageError, ValueError, HelpShown):
        return None
    return chosen.actors[0], end


def install(shell: Any) -> None:
    """Let the completer of an IPython shell, and the kernel it is in, know; once."""
    matchers = shell.Completer.custom_matchers
    if any(getattr(each, "__name__", "") == "jactors_matcher" for each in matchers):
        return

    @context_matcher(identifier="jactors.actor")  # type: ignore[untyped-decorator]
    def jactors_matcher(context: Any) -> Any:
        line = _LINE.match(context.line_with_cursor[: context.cursor_position])
        if line is None or (line["magic"] == "%%" and context.cursor_line):
            return {"completions": [], "suppress": False}
        word, words = candidates(line["rest"], shell.user_ns, cell=line["magic"] == "%%")
        fitting = [each for each in words if each.startswith(word)]
        return {
            "completions": [SimpleCompletion(text=each, type="actor") for each in fitting],
            "matched_fragment": word,
            "suppress": bool(fitting),
            "ordered": True,
        }

    matchers.append(jactors_matcher)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        kernel.do_complete = _Elsewhere(shell, kernel.do_complete, "actor_complete_request")
        kernel.do_inspect = _Elsewhere(shell, kernel.do_inspect, "actor_inspect_request")


class _Elsewhere:
    """``do_complete`` or ``do_inspect`` of a kernel, which asks the actor where a cell is the actor's."""

    def __init__(self, shell: Any, here: Any, request: str) -> None:
        self._shell = shell
        self._here = here
        self._request = request

    def __call__(self, code: str, cursor_pos: int | None, *args: Any, **kwargs: Any) -> Any:
        cursor = len(code) if cursor_pos is None else cursor_pos
        found = inside(code, cursor)
        if found is None:
            return self._here(code, cursor_pos, *args, **kwargs)
        return self._ask(found, code, cursor, args, kwargs)

    async def _ask(
        self, found: tuple[str, int], code: str, cursor: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        name, start = found
        detail = args[0] if args else kwargs.get("detail_level", 0)
        content = {"code": code[start:], "cursor_pos": cursor - start, "detail_level": detail}
        try:
            link = home_of(find(name, self._shell.user_ns)).link
            told = await asyncio.wrap_future(link.ask(self._request, content, timeout=_PATIENCE))
        except (JactorsError, UsageError):
            here = self._here(code, cursor, *args, **kwargs)
            return await here if inspect.isawaitable(here) else here
        return moved(dict(told), start)


def moved(told: dict[str, Any], start: int) -> dict[str, Any]:
    """Return completions with their positions counted from `start` characters further on."""
    for place in ("cursor_start", "cursor_end"):
        if place in told:
            told[place] += start
    metadata = told.get("metadata") or {}
    if _TYPES in metadata:
        typed = [{**each, "start": each["start"] + start, "end": each["end"] + start} for each in metadata[_TYPES]]
        told["metadata"] = {**metadata, _TYPES: typed}
    return told
