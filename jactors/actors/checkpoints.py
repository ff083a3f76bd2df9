"""checkpoint and restore: an actor's state on disk, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jactors.actors import verbs
from jactors.actors.handle import ActorHandle, ActorMethod
from jactors.actors.shape import MethodShape
from jactors.errors import CheckpointError, GetTimeoutError, TaskError
from jactors.objects.checkpoint import Checkpoint
from jactors.options import MethodOptions
from jactors.wire.sidedoor import ControlError

__all__ = ["checkpoint", "restore"]

#: Seconds that stand for ever.
_LONG = 1e9


def checkpoint(
    actor: ActorHandle[Any],
    path: str | os.PathLike[str] | None = None,
    *,
    ahead: bool = False,
    timeout: float | None = None,
) -> Checkpoint:
    """Save an actor's state, and say what was saved.

    It takes its turn like a call: behind all that this process has submitted to the actor before, between two
    calls (an async actor's coroutines each at an ``await``; of a threaded actor no call is under way).

    Parameters
    ----------
    actor : ActorHandle
    path : path, optional
        A file that outlives the session. By default the actor's own place, where it finds its state when it
        restarts, and which goes with the session. The file that was there is kept, its name ending in ``.before``.
    ahead : bool
        Save at the next moment between two calls, ahead of what is queued.
    timeout : float, optional
        Seconds to wait; None waits for ever.

    Returns
    -------
    Checkpoint
        With the attributes that could not be pickled in `missing`. To have them made again, give the class a
        ``__jactors_restore__(self, missing)``.

    Raises
    ------
    CheckpointError
        It could not be pickled or written; the checkpoint before is untouched, and the actor goes on.
    GetTimeoutError
        It was not done in time; it goes on.
    ActorDiedError, ActorUnavailableError
        The actor ended, or restarts.
    """
    home = _home("checkpoint", actor)
    where = None if path is None else str(Path(path).absolute())
    if not ahead:
        return _result(actor, "__jactors_save__", where, timeout)
    if home.link.incarnation == 0:
        verbs.get(actor.__ray_ready__.remote(), timeout=timeout)
    patience = _LONG if timeout is None else timeout
    try:
        told = home.link.ask("actor_checkpoint_request", {"path": where}, timeout=patience).result()
    except ControlError as error:
        kind = GetTimeoutError if error.ename == "TimeoutError" else CheckpointError
        raise kind(error.evalue) from None
    return Checkpoint(**told["checkpoint"])


def restore(
    actor: ActorHandle[Any], path: str | os.PathLike[str] | None = None, *, timeout: float | None = None
) -> Checkpoint:
    """Give an actor a saved state in place of its own, and say which that was.

    It takes its turn like a call. The object stays the one it is, its attributes are replaced; those that could not be
    pickled stay as they are. ``__jactors_restore__(self, missing)`` is called afterwards, where the class has one.

    Parameters
    ----------
    actor : ActorHandle
    path : path, optional
        By default the actor's own place. Where that file is torn or damaged, the one before is used. **Loading a file
        runs the code that is in it**: one that others could have written is refused.
    timeout : float, optional
        Seconds to wait; None waits for ever.

    Raises
    ------
    CheckpointError
        There is none, it cannot be used, or it holds the state of another class. The actor keeps its state.
    GetTimeoutError, ActorDiedError, ActorUnavailableError
        As in `checkpoint`.
    """
    _home("restore", actor)
    where = None if path is None else str(Path(path).absolute())
    return _result(actor, "__jactors_load__", where, timeout)


def _home(verb: str, actor: object) -> Any:
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"jactors.{verb}() takes an actor's handle, got {type(actor).__name__}: {actor!r}")
    return actor._home


def _result(actor: ActorHandle[Any], name: str, path: str | None, timeout: float | None) -> Checkpoint:
    call = ActorMethod(actor, MethodShape(name, None, quick=(0, 1)), MethodOptions())
    try:
        done: Checkpoint = verbs.get(call.remote(path), timeout=timeout)
    except TaskError as error:
        if isinstance(error.cause, CheckpointError):
            raise error.cause from None
        raise
    return done
