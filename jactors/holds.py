"""Holds: what this process keeps alive in others, as their supervisors count it.

A *hold* is one process' claim on an actor (it has a strong handle) or on another process' value (it
has a ref). It is an object, shared by all that need it here; when the last of them lets go, the
supervisor is told. `jactors.life.holders` is the other side.

Guarantees: an actor lives, and a value is kept, as long as any process has a strong handle or a ref,
or a pickle of one is under way or kept (see `jactors.objects.luggage`), or a call made by a strong
handle has not ended; when none of these is left anywhere, the actor ends and the value is freed. A
process that dies gives back its holds. A moment without any hold on the way from one process to
another cannot be, because

* a call keeps what its arguments name until it is answered, and the actor has told the supervisor of
  its own hold, from the thread that unpickled them, before it answers;
* a result that names something is *handed over*: the actor tells the supervisor, before it answers, of
  a token that counts like a hold; the caller takes it when the answer arrives, and where the actor
  died in between, the caller says that nothing more will come of it.

Cycles (two actors, each with a strong handle of the other) are not found: they end with their owner.

Rejected: counting at the owner, as Ray does. An owner that is busy, or must be asked through a
third process, cannot say "before" without a round trip; the supervisor's channel is a stream, which
keeps the order by itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from jactors.context import current_actor
from jactors.life.watch import Watch

__all__ = ["Hold", "Holds"]


class Hold:
    """One claim; counts as long as it lives. Made by `Holds`."""

    __slots__ = ("__weakref__", "_pid", "address", "key", "watch")

    def __init__(self, key: str, address: str, watch: Watch | None) -> None:
        self.key = key
        self.address = address
        #: None where the supervisor has gone: nothing to hold.
        self.watch = watch
        self._pid = os.getpid()

    def hand_over(self, token: str, to: str) -> None:
        """Let the process `to` have one as well, which it takes by `token`; before anything else is sent to it."""
        actor = current_actor()
        by = [actor.actor_id, actor.incarnation] if actor is not None else None
        if self.watch is not None:
            self.watch.say("hand_over", key=self.key, token=token, to=to, by=by)

    def __del__(self) -> None:
        if self.watch is not None and self._pid == os.getpid():
            self.watch.tell("drop", key=self.key)


class Holds:
    """The holds of one process.

    Parameters
    ----------
    watch_at : callable
        Returns the watch on the supervisor at an address; None where it has gone.
    """

    def __init__(self, watch_at: Callable[[str], Watch | None]) -> None:
        self._watch_at = watch_at
        #: On this process' own supervisor.
        self.own: Watch | None = None
        self._lock = threading.Lock()
        self._known: WeakValueDictionary[str, Hold] = WeakValueDictionary()
        self._marks = count(1)

    def claim(self, key: str, address: str) -> Hold:
        """Return the hold on an actor, or a value; the supervisor at `address` knows of it when this returns."""
        hold, new = self._find(key, address)
        if new and hold.watch is not None:
            hold.watch.say("hold", key=key)
        return hold

    def claim_own(self, key: str, address: str, pin: Callable[[int], None]) -> Hold:
        """Return the hold on a value of this process, which goes to others.

        Parameters
        ----------
        pin : callable
            Told, where the hold is new, the mark that the supervisor will name when nobody holds the value any more.
        """
        hold, new = self._find(key, address)
        if new and hold.watch is not None:
            mark = next(self._marks)
            pin(mark)
            hold.watch.say("hold", key=key, mark=mark)
        return hold

    def born(self, key: str, address: str) -> Hold:
        """Return the hold on an actor that is about to be spawned: its supervisor counts one by itself."""
        return self._find(key, address)[0]

    def take(self, token: str, named: Sequence[Sequence[str]]) -> list[Hold]:
        """Return the holds that came with a result, as (key, address) of each."""
        holds = []
        for key, address in named:
            hold, new = self._find(key, address)
            if hold.watch is not None:
                hold.watch.tell("take", key=key, token=token, keep=new)
            holds.append(hold)
        return holds

    def void(self, actor_id: str, incarnation: int) -> None:
        """An incarnation has died, and all that it had answered has been read: what it handed over is not coming."""
        if self.own is not None:
            self.own.tell("void", actor_id=actor_id, incarnation=incarnation)

    def again(self, watch: Watch, pins: Mapping[str, int]) -> tuple[list[dict[str, Any]], list[str]]:
        """Return what tells another supervisor all that this process holds there.

        Parameters
        ----------
        pins : mapping
            The marks of this process' values that others hold, or have held.

        Returns
        -------
        said : list of dict
            What is to be said at once.
        loose : list of str
            Of that, what nobody here holds: to be dropped when others have had time to say that they do.
        """
        holds = [hold for reference in self._known.valuerefs() if (hold := reference()) is not None]
        held = {hold.key for hold in holds if hold.watch is watch}
        said: list[dict[str, Any]] = [{"op": "hold", "key": key} for key in held - pins.keys()]
        said += [{"op": "hold", "key": key, "mark": mark} for key, mark in pins.items()]
        return said, [key for key in pins if key not in held]

    def _find(self, key: str, address: str) -> tuple[Hold, bool]:
        known = self._known.get(key)
        if known is not None:
            return known, False
        watch = self._watch_at(address)  # not under the lock: it may have to connect
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                return known, False
            hold = self._known[key] = Hold(key, address, watch)
            return hold, True
