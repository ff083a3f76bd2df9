"""`post_mortem`: a debugger in the frame of an actor that raised, driven from here."""

from __future__ import annotations

from typing import Any

from jactors.actors.handle import ActorHandle, ActorMethod
from jactors.actors.shape import MethodShape
from jactors.options import MethodOptions

__all__ = ["post_mortem"]

_POST_MORTEM = MethodShape("__jactors_post_mortem__", None, "Open pdb where a method has raised.", quick=(0, 0))


def post_mortem(handle: ActorHandle[Any]) -> str:
    """Open pdb in the actor, in the frame where one of its methods has raised last.

    Waits its turn behind the calls submitted before, and holds up those that come after. The prompt appears here:
    in the cell, or on a script's terminal.

    Parameters
    ----------
    handle : ActorHandle

    Returns
    -------
    str
        What was raised, and where: when the debugger is left.

    Raises
    ------
    TaskError
        Also a LookupError: no method has failed in the last ten minutes.
    """
    call = ActorMethod(handle, _POST_MORTEM, MethodOptions(max_task_retries=0))
    return str(call())
