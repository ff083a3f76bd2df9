"""The backlog: the calls of one link that have not ended. No I/O; under the link's lock.

::

    add ─▶ queue of its group ─(window)─▶ batch ─▶ sent ─▶ finish
             ▲   blocked by an argument                │
             └───────── lose: may be sent again ◀──────┘

A group of an actor (its threads, or its share of the loop) has a queue of its own, so that one that
is stuck holds up no other. At most `WINDOW` messages of a group are unanswered, and one more for
each call that it can run at once: all that could run has been sent, and nothing more, so what waits
can be counted and cancelled here and neither side fills the other's buffers.

Calls of an ordered actor (one thread) start in the order of `add`: one whose argument is pending
holds back those behind it. In any other actor it steps aside until the argument is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jactors.wire.call import Call

__all__ = ["Backlog", "Traffic"]

WINDOW = 4
BATCH = 128
BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Traffic:
    """How an actor takes calls: what its callers need to know of its lanes."""

    #: Calls that run at once, by concurrency group; None is the default group.
    sizes: Mapping[str | None, int] = field(default_factory=lambda: {None: 1})
    #: Calls of one caller start in the order of submission.
    ordered: bool = True
    #: Times a lost call is sent again, unless the call or method says otherwise; -1 without limit.
    retries: int = 0


class _Lane:
    __slots__ = ("queue", "unanswered", "window")

    def __init__(self, size: int) -> None:
        self.queue: deque[Call] = deque()
        self.unanswered = 0
        self.window = WINDOW + (size if size > 1 else 0)


class Backlog:
    """The calls of one link."""

    def __init__(self, traffic: Traffic) -> None:
        self._ordered = traffic.ordered
        self._lanes = {group: _Lane(size) for group, size in traffic.sizes.items()}
        #: All of them, in the order of `add`, and those that the actor has.
        self._calls: dict[int, Call] = {}
        self._sent: dict[int, Call] = {}
        #: Calls that have stepped aside for an argument.
        self._aside: set[Call] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        """Take a new call; ``call.blocked`` says how many arguments it waits for."""
        self._calls[call.number] = call
        if call.blocked and not self._ordered:
            self._aside.add(call)
        else:
            self._lane(call).queue.append(call)

    def unblock(self, call: Call) -> None:
        """An argument of `call` has come."""
        call.blocked -= 1
        if not call.blocked and call in self._aside:
            self._aside.remove(call)
            self._lane(call).queue.append(call)

    def drop(self, call: Call) -> bool:
        """Take a call out that was not sent; return False where it was, or has ended."""
        if call.number in self._sent or self._calls.pop(call.number, None) is None:
            return False
        if call in self._aside:
            self._aside.remove(call)
        else:
            self._lane(call).queue.remove(call)
        return True

    def batches(self) -> Iterator[list[Call]]:
        """Yield what can be sent now, a message's worth at a time; it counts as sent."""
        for lane in self._lanes.values():
            while lane.queue and lane.unanswered < lane.window:
                batch = self._batch(lane.queue)
                if not batch:
                    break
                lane.unanswered += 1
                left = [len(batch)]
                for call in batch:
                    call.batch = left
                    self._sent[call.number] = call
                yield batch

    @staticmethod
    def _batch(queue: deque[Call]) -> list[Call]:
        batch: list[Call] = []
        size = 0
        while queue and len(batch) < BATCH and size < BATCH_BYTES:
            call = queue[0]
            if call.blocked or (batch and call.parent != batch[0].parent):
                break
            queue.popleft()
            batch.append(call)
            if queue:
                size += call.size()
        return batch

    def sent(self, number: int) -> Call | None:
        """Return the call with this number, if it was sent and has not ended."""
        return self._sent.get(number)

    @property
    def unanswered(self) -> Mapping[int, Call]:
        """The calls that were sent and have not ended, by number."""
        return self._sent

    def finish(self, call: Call) -> None:
        """A sent call has been answered to its end."""
        del self._calls[call.number]
        self._unsend(call)

    def _unsend(self, call: Call) -> None:
        del self._sent[call.number]
        call.batch[0] -= 1
        if not call.batch[0]:
            self._lane(call).unanswered -= 1

    def find(self, number: int) -> Call | None:
        """Return the call with this number, sent or not."""
        return self._calls.get(number)

    def calls(self) -> list[tuple[Call, bool]]:
        """Return the calls that have not ended, and which were sent."""
        return [(call, call.number in self._sent) for call in self._calls.values()]

    def again(self, call: Call) -> None:
        """A sent call has failed and is to be run once more, before all that waits."""
        self._unsend(call)
        self._lane(call).queue.appendleft(call)

    def miss(self, call: Call) -> bool:
        """A sent call, or its answer, was lost: return True where it ends by that, else it will be sent again."""
        if not call.retries:
            self.finish(call)
            return True
        call.retries -= call.retries > 0
        self.again(call)
        return False

    def lose(self) -> list[Call]:
        """The incarnation has died: return the calls that end with it; the rest will be sent again, in order.

        One that was not sent yet has used none of its retries.
        """
        again: list[Call] = []
        over: list[Call] = []
        for call in self._calls.values():
            if not call.retries:
                over.append(call)
                continue
            if call.number in self._sent:
                call.retries -= call.retries > 0
            again.append(call)
        self._clear()
        for call in again:
            self.add(call)
        return over

    def clear(self) -> list[Call]:
        """Return all calls and forget them."""
        calls = list(self._calls.values())
        self._clear()
        return calls

    def _clear(self) -> None:
        self._calls.clear()
        self._sent.clear()
        self._aside.clear()
        for lane in self._lanes.values():
            lane.queue.clear()
            lane.unanswered = 0

    def _lane(self, call: Call) -> _Lane:
        return self._lanes.get(call.group) or self._lanes[None]
