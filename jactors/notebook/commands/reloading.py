"""``%actor reload`` and ``%actor autoreload``: new code for actors that live on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.actors.handle import ActorHandle, homes_here
from jactors.actors.reload import Pending, class_now, submit
from jactors.errors import GetTimeoutError, JactorsError, ReloadError
from jactors.kernel.modules import own
from jactors.notebook.command import ACTORS, command
from jactors.notebook.target import find

if TYPE_CHECKING:
    import argparse

    from jactors.actors.handle import Home

__all__ = ["AutoReload"]

#: Seconds that a cell waits for busy actors to take their new code; later they take it without being waited for.
PATIENCE = 2.0


@command(ACTORS)
def _reload(chosen: argparse.Namespace) -> None:
    """Give actors their class as it is now; their state stays.

    Run the cell of the class again, or save the file of its module, first. It happens between two calls: those that
    were submitted before still run on the old code. What does not fit (other __slots__, a base in C, async methods in
    a class that had none) is refused, and the actor is as it was.
    """
    pending = [(word, submit(find(word, chosen.variables))) for word in chosen.actors]
    for word, reload in pending:
        print(f"{word}: {reload.result()}")  # noqa: T201


@command(("switch", {"nargs": "?", "choices": ["on", "off"], "help": "without it: say which it is"}))
def _autoreload(chosen: argparse.Namespace) -> None:
    """Reload actors by themselves, whenever the cell of their class was run again or a module of yours was saved.

    It happens after a cell that defines a class anew, and before a cell where a file has changed. Actors that are
    busy take the new code when their calls have ended.
    """
    global _running  # noqa: PLW0603 - one notebook, one switch
    if chosen.switch == "on" and _running is None:
        _running = AutoReload(chosen.shell)
    elif chosen.switch == "off" and _running is not None:
        _running.stop()
        _running = None
    elif chosen.switch is None:
        print(f"autoreload of actors is {'off' if _running is None else 'on'}")  # noqa: T201


class AutoReload:
    """Looks, around every cell of a shell, for actors whose code has changed."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._saved = self._newest()
        #: Of actors that were busy: what they are called, and what they will say.
        self._late: list[tuple[str, Pending]] = []
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def stop(self) -> None:
        """Look no more."""
        self._shell.events.unregister("pre_run_cell", self._before)
        self._shell.events.unregister("post_run_cell", self._after)

    @staticmethod
    def _newest() -> float:
        """Return when a module of the user's was written last."""
        return max((written for _, _, written in own()), default=0.0)

    def _before(self, _: Any) -> None:
        newest = self._newest()
        saved, self._saved = newest > self._saved, newest
        self._reload([home for home in _mine() if saved])

    def _after(self, _: Any) -> None:
        self._reload([home for home in _mine() if _redefined(home)])

    def _reload(self, homes: list[Home]) -> None:
        waiting, self._late = self._late, []
        for home in homes:
            label = home.name or f"{home.class_name} {home.actor_id[:8]}"
            try:
                waiting.append((label, submit(ActorHandle(home))))
            except JactorsError as error:
                print(f"{label}: {error}")  # noqa: T201
        until = time.monotonic() + (PATIENCE if homes else 0.0)
        for label, reload in waiting:
            try:
                told = reload.result(max(0.0, until - time.monotonic()))
            except GetTimeoutError:
                self._late.append((label, reload))
                if homes:
                    print(f"{label} is busy: it takes its new code between two calls")  # noqa: T201
            except JactorsError as error:
                print(f"{label} goes on with its old code: {error}")  # noqa: T201
            else:
                if told:
                    print(f"{label}: {told}")  # noqa: T201


_running: AutoReload | None = None


def _mine() -> list[Home]:
    """Return the living actors that this process has made."""
    if not session.is_initialized():
        return []
    told = session.current().links.told
    return [home for home in homes_here() if home.user_class and told.get(home.actor_id, {}).get("state") != "DEAD"]


def _redefined(home: Home) -> bool:
    """Return whether what has the name of its class now is another one."""
    assert home.user_class is not None
    try:
        now = class_now(home)
    except ReloadError:
        return False
    return now is not home.user_class() and now.__module__ == "__main__"
