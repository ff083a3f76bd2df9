"""Which actor a user means: by name, by a variable that holds its handle, by the beginning of its id."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from jactors import registry, session
from jactors.actors.decorator import handle_of
from jactors.actors.handle import ActorHandle, handle_in_this_process, home_of, revive
from jactors.actors.shape import ClassShape, MethodShape
from jactors.context import WORKER
from jactors.wire.backlog import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find", "handle_of_told", "known", "told_of"]


def find(text: str, variables: Mapping[str, Any] | None = None) -> ActorHandle[Any]:
    """Return a handle of the actor that `text` means.

    Parameters
    ----------
    text : str
        A variable that holds a handle, or an expression that makes one (``workers[0]``); the name of an actor of
        this session, or of this namespace; the beginning of an id. Tried in this order; living actors come first.
    variables : mapping, optional
        The user's namespace.

    Raises
    ------
    UsageError
        There is none, or several; the text names the nearest.
    """
    held = _variable(text, variables or {})
    if held is not None:
        return held
    if not session.is_initialized():
        raise UsageError(f"no actor {text!r}: there is no session; jactors.init(), or the first .remote(), starts one")
    here = session.current()
    actors = _actors()
    named = [told for told in actors if told["name"] == text]
    if named:
        return handle_of_told(named[-1])
    record = session.find(here.namespace, text)
    if record is not None:
        return handle_of(record)
    begun = [told for told in actors if told["actor_id"].startswith(text.lower())]
    if len({told["actor_id"] for told in begun}) > 1:
        several = ", ".join(_label(told) for told in begun)
        raise UsageError(f"{text!r} is the beginning of {len(begun)} ids: {several}")
    if begun:
        return handle_of_told(begun[0])
    raise _unknown(text, variables or {})


def _variable(text: str, variables: Mapping[str, Any]) -> ActorHandle[Any] | None:
    """Return the handle that a variable holds, or that a Python expression makes; None where it is none."""
    if text.isidentifier():
        value = variables.get(text)
        return value if isinstance(value, ActorHandle) else None
    if not set(text) & set("[(."):
        return None
    try:
        value = eval(text, {**variables})  # noqa: S307 - the user's own line, in the user's own namespace
    except Exception as error:
        raise UsageError(f"no actor {text!r}: {type(error).__name__}: {error}") from None
    if not isinstance(value, ActorHandle):
        raise UsageError(f"{text} is no actor's handle, but {type(value).__name__}")
    return value


def _actors() -> list[dict[str, Any]]:
    """Return what the supervisor says of all actors of this session: the dead first, then in order of creation."""
    told = session.current().watch.request("list")["actors"]
    return sorted(told, key=lambda each: each["state"] != "DEAD")


def told_of(handle: ActorHandle[Any]) -> dict[str, Any]:
    """Return what was last said of the actor of a handle; {} where nothing was yet."""
    return dict(session.current().links.told.get(home_of(handle).actor_id, {}))


def handle_of_told(told: Mapping[str, Any]) -> ActorHandle[Any]:
    """Return a handle (weak) of an actor of this session, be it somebody else's."""
    known = handle_in_this_process(told["actor_id"])
    if known is not None:
        return known
    here = session.current()
    if told["name"]:
        record = registry.lookup(told["namespace"], told["name"])
        if record is not None and record["actor_id"] == told["actor_id"]:
            return handle_of(record)
    # Made by an actor, unnamed: its methods are not known here, all else is.
    shape = ClassShape(told["class_name"], "", "", {}, MethodShape("__init__", None), False)
    return revive(told["actor_id"], told["name"], shape, here.record("")["address"], -1, Traffic())


def _label(told: Mapping[str, Any]) -> str:
    return f"{told['class_name']} {told['actor_id'][:8]}" + (f" {told['name']!r}" if told["name"] else "")


def known(variables: Mapping[str, Any] | None = None) -> list[str]:
    """Return the words that mean a living actor: variables, names, ids of the nameless. Starts no session."""
    words = [
        name for name, value in (variables or {}).items() if isinstance(value, ActorHandle) and not name.startswith("_")
    ]
    if session.is_initialized():
        here = session.current()
        living = [told for told in _actors() if told["state"] != "DEAD" and told["class_name"] != WORKER]
        words += [told["name"] or told["actor_id"][:8] for told in living]
        words += [name for _, name in registry.names(here.namespace)]
    return list(dict.fromkeys(words))


def _unknown(text: str, variables: Mapping[str, Any]) -> UsageError:
    words = known(variables)
    near = difflib.get_close_matches(text, words, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    value = variables.get(text)
    what = f" (the variable {text} holds a {type(value).__name__})" if text in variables else ""
    there = ", ".join(words) if words else "no living actor"
    return UsageError(
        f"no actor {text!r}{what}{hint} (there are: {there})" if words else f"no actor {text!r}{what}: {there}"
    )
