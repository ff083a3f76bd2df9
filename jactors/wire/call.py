"""A call on its way, as the submitting process keeps it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from jactors.errors import ObjectLostError, TaskCancelledError
from jactors.objects.store import Entry, Payload, Raised
from jactors.objects.stream import LOST, Stream

__all__ = ["Call"]


class Call:
    """One call: made by a handle, ended through its entries or its stream."""

    __slots__ = (
        "__weakref__",
        "batch",
        "blocked",
        "entries",
        "group",
        "groups",
        "luggage",
        "method",
        "name",
        "number",
        "parent",
        "retries",
        "retry_on",
        "returns",
        "stream",
        "submitted",
    )

    def __init__(
        self,
        *,
        number: int,
        method: str,
        groups: Sequence[Sequence[bytes]],
        entries: list[Entry],
        returns: int = 1,
        group: str | None = None,
        retries: int = 0,
        stream: Stream | None = None,
        luggage: Sequence[Any] = (),
        name: str | None = None,
    ) -> None:
        #: Of the submitting process; with its name it is the task's identifier.
        self.number = number
        self.method = method
        #: What it is called in lists, where that is not the method.
        self.name = name
        #: The pickled arguments, then one group for each top-level ref among them.
        self.groups: list[Sequence[bytes]] = list(groups)
        self.entries = entries
        #: How many values it returns; -1 streams them.
        self.returns = returns
        #: The concurrency group that it runs in.
        self.group = group
        #: Times it may be sent again when its actor dies under it; -1 without limit.
        self.retries = retries
        #: Exceptions of the method after which it is run again, as one of the retries.
        self.retry_on: tuple[type[BaseException], ...] = ()
        self.stream = stream
        #: What must not go before the call has ended: the actor, and what its arguments name.
        self.luggage = luggage
        #: When, in monotonic seconds.
        self.submitted = time.monotonic()
        #: Arguments that are still pending. Of the link's lock, as is the next.
        self.blocked = 0
        #: Calls of its message that have not been answered, shared by them.
        self.batch = [1]
        #: The header of the cell that submitted it, as JSON.
        self.parent = b"{}"

    def fill(self, at: int, payload: Any) -> None:
        """The value of a top-level ref is there: group `at` is its."""
        self.groups[at] = (payload.stream, *payload.buffers)
        if payload.luggage:
            self.luggage = [*self.luggage, *payload.luggage]

    def head(self) -> list[Any]:
        """Return what the actor reads of it in the signed content, sent now."""
        sizes = [len(group) for group in self.groups]
        head = [self.number, self.method, self.returns, self.group, sizes, round(time.monotonic() - self.submitted, 4)]
        room = self.stream.room if self.stream is not None else 0
        if room or self.name:
            taken = self.stream.consumed if self.stream is not None else 0
            head.append({"name": self.name, "room": room, "taken": taken})
        return head

    def results(self, index: int, payload: Payload | None) -> list[tuple[Entry, Payload]]:
        """Return the entries that one row of a reply ends: that of `index`, or all of them for -1."""
        if self.stream is not None:
            return self.stream.results(index, payload)
        assert payload is not None
        return [(entry, payload) for entry in (self.entries if index < 0 else self.entries[index : index + 1])]

    def final(self, index: int, payload: Payload | None) -> list[tuple[Entry, Payload]]:
        """Return what the last row ends, where others came before it: also the values whose rows were lost."""
        results = self.results(index, payload)
        if self.stream is None:  # which sees to its own
            results += [(entry, Raised(ObjectLostError(LOST))) for entry in self.entries[:index] if not entry.done]
        return results

    def fail(self, payload: Payload) -> None:
        """End all that has not ended in `payload`."""
        for entry, each in self.results(-1, payload):
            entry.end(each)

    def runs_again_after(self, failure: Payload) -> bool:
        """Return whether the method is to be run again after what it raised; one retry is then used."""
        if not self.retry_on or not self.retries:
            return False
        try:
            failure.load()
        except TaskCancelledError:
            return False
        except self.retry_on:
            self.retries -= self.retries > 0
            return True
        except BaseException:  # noqa: S110 - of another kind: delivered as it is
            pass
        return False

    def size(self) -> int:
        """Return the number of bytes of its arguments."""
        return sum(len(frame) for group in self.groups for frame in group)

    def passed_over(self, answer: Future[Mapping[str, Any]]) -> None:
        """It was cancelled: where the actor's `answer` is that it waits in its queue there, the caller need not."""
        if answer.exception() is None and answer.result().get("was") == "queued":
            self.fail(Raised(TaskCancelledError(task=self.method)))
