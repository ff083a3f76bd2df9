"""``%actor checkpoint`` and ``%actor restore``: state at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from jactors.actors.checkpoints import checkpoint, restore
from jactors.errors import JactorsError
from jactors.notebook.command import ACTOR, ACTORS, command
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse

__all__: list[str] = []

_PATH = "a file that outlives the session (default: the actor's own place, which goes with the session)"


@command(
    ACTORS,
    ("--path", {"metavar": "FILE", "help": _PATH}),
    ("--ahead", {"action": "store_true", "help": "at the next moment between two calls, ahead of what is queued"}),
)
def _checkpoint(chosen: argparse.Namespace) -> None:
    """Save the state of actors, behind the calls that were submitted before.

    What cannot be pickled is named. An actor that has a checkpoint begins with it when it restarts, where it was made
    with @remote(checkpoint=...).
    """
    if chosen.path and len(chosen.actors) > 1:
        raise UsageError("%actor checkpoint: --path is one actor's file; name one actor")
    for word in chosen.actors:
        handle = find(word, chosen.variables)
        try:
            print(f"{word}: {checkpoint(handle, chosen.path, ahead=chosen.ahead)}")  # noqa: T201
        except (JactorsError, OSError) as error:
            raise UsageError(f"%actor checkpoint: {word}: {error}") from None


@command(ACTOR, ("--path", {"metavar": "FILE", "help": _PATH}))
def _restore(chosen: argparse.Namespace) -> None:
    """Give an actor the state that was saved; what it has now is lost."""
    handle = find(chosen.actor, chosen.variables)
    try:
        print(f"{chosen.actor}: {restore(handle, chosen.path)}")  # noqa: T201
    except (JactorsError, OSError) as error:
        raise UsageError(f"%actor restore: {chosen.actor}: {error}") from None
