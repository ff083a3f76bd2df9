"""Holders: who holds which actor or value, counted by their supervisor. No I/O.

Each process says what it holds on its own channel, which is a stream: what it says is heard in the
order in which it was said. What a process says *before* it lets another go on has been written into
its channel when that other lets go; so a count that falls to zero is believed only when no channel
has anything left to read (`settle`).

::

    hold ─▶ +1 of the channel ─▶ drop, or the channel closes ─▶ -1 ─┐
    hand_over ─▶ +1 of the token ─▶ take ─▶ the taker's             ├─▶ zero? settle ─▶ over
    spawn ─▶ +1 of the creation, as long as the actor lives ────────┘

`jactors.holds` says what is guaranteed by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jactors.wire.channel import Channel

__all__ = ["Holders"]

#: Digits of an actor's identifier, and of the process' in a value's.
_ID = 32


@dataclass(frozen=True, slots=True)
class _Token:
    """A hold on its way."""

    to: str
    #: The actor that handed it over, and its incarnation.
    by: tuple[str, int] | None


class Holders:
    """The counts of one supervisor.

    Parameters
    ----------
    unheld : callable
        Told an actor that nobody holds any more.
    tell : callable
        Sends a message to a process: to the owner of a value that nobody holds any more.
    """

    def __init__(self, *, unheld: Callable[[str], None], tell: Callable[[Channel, dict[str, Any]], None]) -> None:
        self._unheld = unheld
        self._tell = tell
        self._totals: Counter[str] = Counter()
        self._accounts: dict[Channel, Counter[str]] = {}
        self._processes: dict[str, Channel] = {}
        #: By token and key.
        self._tokens: dict[tuple[str, str], _Token] = {}
        #: Taken before it was heard that they were handed over: the two were said on different channels.
        self._early: set[tuple[str, str]] = set()
        #: Incarnations, and the processes that have heard their last.
        self._voids: list[tuple[str, int, Channel]] = []
        #: What the creation of an actor names, by its id.
        self._creations: dict[str, list[str]] = {}
        #: Actors that came from another supervisor, and whose holders may not have come yet.
        self._estate: list[str] = []
        #: What the owner of a value called its last hold.
        self._marks: dict[str, int] = {}
        self._doubtful: set[str] = set()

    def __len__(self) -> int:
        return len(self._totals)

    # ------------------------------------------------------------------ operations

    def introduce(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process says its name."""
        self._processes[request["process"]] = channel
        return {}

    def name_of(self, channel: Channel) -> str | None:
        """Return what a process calls itself; None where it has not said it."""
        return next((name for name, each in self._processes.items() if each is channel), None)

    def hold(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process holds something."""
        key = request["key"]
        self._accounts.setdefault(channel, Counter())[key] += 1
        self._add(key)
        if "mark" in request:
            self._marks[key] = request["mark"]
        return {}

    def drop(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process holds it no more; one that is not known to hold it is no error."""
        account, key = self._accounts.get(channel), request["key"]
        if account is not None and account[key] > 0:
            account[key] -= 1
            if not account[key]:
                del account[key]
            self._subtract(key)
        return {}

    def hand_over(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process is about to send another what names something that it holds."""
        key, to, by = request["key"], request["to"], request["by"]
        at = (request["token"], key)
        if at in self._early:
            self._early.remove(at)
        else:
            self._tokens[at] = _Token(to, (by[0], by[1]) if by else None)
            self._add(key)
        return {}

    def take(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """It has arrived; `keep`: and is held there from now on."""
        key = request["key"]
        if request["keep"]:
            self.hold(channel, {"key": key})
        at = (request["token"], key)
        if self._tokens.pop(at, None) is not None:
            self._subtract(key)
        else:
            self._early.add(at)
        return {}

    def void(self, channel: Channel, request: dict[str, Any]) -> dict[str, Any]:
        """A process has heard the last of an incarnation: what that has handed over to it will not arrive."""
        self._voids.append((request["actor_id"], request["incarnation"], channel))
        return {}

    def _void(self, actor_id: str, incarnation: int, channel: Channel) -> None:
        def lost(token: _Token) -> bool:
            return (
                token.by is not None
                and token.by[0] == actor_id
                and token.by[1] <= incarnation
                and self._processes.get(token.to) is channel
            )

        self._lose(lost)

    # ------------------------------------------------------------------ what the supervisor sees itself

    def spawned(self, channel: Channel, actor_id: str, *, counted: bool, named: Iterable[str]) -> None:
        """An actor is made: its creator holds it, and its creation what it names."""
        if counted:
            self.hold(channel, {"key": actor_id})
        keys = self._creations[actor_id] = list(named)
        for key in keys:
            self._add(key)

    def inherited(self, actor_id: str, *, counted: bool, named: Iterable[str]) -> None:
        """An actor has come from another supervisor: held, until `settle_estate`, by whoever has held it there."""
        self._estate += [actor_id] if counted else []
        if counted:
            self._add(actor_id)
        keys = self._creations[actor_id] = list(named)
        for key in keys:
            self._add(key)

    def settle_estate(self) -> None:
        """Whoever holds something has had time to say so once more."""
        for actor_id in self._estate:
            self._subtract(actor_id)
        self._estate.clear()

    def buried(self, actor_id: str) -> None:
        """It is dead for good, and will not be created again."""
        for key in self._creations.pop(actor_id, ()):
            self._subtract(key)

    def gone(self, channel: Channel) -> None:
        """A process has gone, and holds nothing."""
        for key, number in self._accounts.pop(channel, Counter()).items():
            self._subtract(key, number)
        mine = {process for process, each in self._processes.items() if each is channel}
        for process in mine:
            del self._processes[process]
        self._lose(lambda token: token.to in mine)

    def _lose(self, lost: Callable[[_Token], bool]) -> None:
        for at in [at for at, token in self._tokens.items() if lost(token)]:
            del self._tokens[at]
            self._subtract(at[1])

    # ------------------------------------------------------------------ counting

    def _add(self, key: str) -> None:
        self._totals[key] += 1

    def _subtract(self, key: str, number: int = 1) -> None:
        self._totals[key] -= number
        if self._totals[key] <= 0:
            self._doubtful.add(key)

    def in_doubt(self) -> bool:
        """Return whether `settle` has something to do."""
        return bool(self._doubtful or self._voids)

    def settle(self) -> None:
        """All that was said has been heard: what nobody holds is over."""
        voids, self._voids = self._voids, []
        for void in voids:
            self._void(*void)
        doubtful, self._doubtful = self._doubtful, set()
        for key in doubtful:
            if self._totals[key] > 0:
                continue
            del self._totals[key]
            if len(key) == _ID:
                self._unheld(key)
                continue
            mark, owner = self._marks.pop(key, None), self._processes.get(key[:_ID])
            if owner is not None and mark is not None:
                self._tell(owner, {"event": "unheld", "key": key, "mark": mark})
