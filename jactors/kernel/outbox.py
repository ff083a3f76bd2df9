"""The outbox: results on their way back, each call answered once. Of the main thread.

A result is a message of its own, sent at once, until the actor has many calls: then results of quick calls are held
until there are `ROWS`, or until the loop turns, and share a message, which is most of what a quick call costs. One
that is held while the next call takes its time would keep its caller waiting, maybe for ever: so the I/O loop of
iopub sends what is older than `PATIENCE`. That is why the shell's socket has a lock.

What is held is lost where the process is killed in that moment, as is what is in zmq's hands. With fewer than `MANY`
calls nothing is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from jactors import injection
from jactors.ids import new_token
from jactors.kernel.incoming import Incoming, Outcome
from jactors.objects.blocks import Segment
from jactors.objects.luggage import Held
from jactors.wire import messages

__all__ = ["MANY", "Outbox"]

#: Calls that the actor has, from which on results may be held.
MANY = 16

#: Results of a message.
ROWS = 32

#: Bytes of a result that is not held.
LARGE = 1024

#: Seconds after which somebody else sends what is held.
PATIENCE = 0.001


class Outbox:
    """Sends results on shell.

    Parameters
    ----------
    lock
        Of the socket: whoever reads it holds it as well.
    later : callable
        Calls a function, after so many seconds, in a thread that does not wait for the main thread.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        lock: threading.Lock,
        signer: messages.Signer,
        incarnation: int,
        mark: Callable[[], int],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._socket = socket
        self._lock = lock
        self._signer = signer
        self._incarnation = incarnation
        self._mark_output = mark
        self._later = later
        self._send = injection.around("rep", messages.send)
        self.answered = 0
        # --- what goes into the next message; under the lock
        self._to: list[bytes] = []
        self._header = b""
        self._rows: list[list[Any]] = []
        self._streams: list[bytes] = []
        self._frames: list[Any] = []
        self._held: dict[int, list[Any]] = {}
        self._mark = 0
        self._overseen = False

    def call_roll(self, idents: list[bytes], header: bytes, number: int, missing: list[int]) -> None:
        """Answer a roll call: which calls of a sender are not here."""
        content = {"status": "ok", "incarnation": self._incarnation, "results": [], "missing": [number, missing]}
        with self._lock:
            self._flush()
            self._send(self._socket, [*idents, *self._signer.pack(messages.REPLY, content, parent=header)])

    def send(self, call: Incoming, outcomes: list[Outcome], *, last: bool = True, hold: bool = False) -> bool:
        """Answer `call`, in whole or (not `last`) in part; return whether that is held, if it may be: see `flush`."""
        mark = self._mark_output()
        with self._lock:
            if self._rows and self._to != call.idents:
                self._flush()
            if not self._rows:
                self._to, self._header = call.idents, call.header
            self._mark = mark or self._mark
            for index, payload in outcomes:
                if payload is None:  # the end of a stream
                    self._rows.append([call.number, index, False, 0, False])
                    continue
                if payload.luggage:
                    self._held[len(self._rows)] = _hand_over(payload.luggage, call.caller)
                self._rows.append([call.number, index, payload.failed, 1 + len(payload.buffers), False])
                self._streams.append(payload.stream)
                self._frames.append(payload.stream)
                self._frames += payload.buffers
                hold = hold and not payload.luggage and not payload.buffers and len(payload.stream) < LARGE
            self._rows[-1][-1] = last
            self.answered += last
            if not hold or len(self._rows) >= ROWS:
                self._flush()
                return False
            if not self._overseen:
                self._overseen = True
                self._later(PATIENCE, self._oversee)
            return True

    def flush(self) -> None:
        """Send what is held; from any thread."""
        with self._lock:
            self._flush()

    def _oversee(self) -> None:
        with self._lock:
            self._overseen = False
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        content: dict[str, Any] = {"status": "ok", "incarnation": self._incarnation, "results": self._rows}
        if self._held:
            content["held"] = [self._held.get(row) for row in range(len(self._rows))]
        if self._mark:
            content["mark"] = self._mark
        streams, frames = self._streams, self._frames
        given = [frame.block for frame in frames if isinstance(frame, Segment)] if len(frames) > len(streams) else []
        packed = self._signer.pack(messages.REPLY, content, parent=self._header, streams=streams, buffers=frames)
        self._rows, self._streams, self._frames, self._held, self._mark = [], [], [], {}, 0
        self._send(self._socket, [*self._to, *packed])
        for block in given:  # they are the caller's now
            block.give_away()


def _hand_over(luggage: Sequence[Held], to: str) -> list[Any]:
    """Let the caller hold what a result names; return the token and what there is to take by it."""
    token = new_token(8)
    holds = {hold.key: hold for hold in luggage}.values()  # what is named twice is held once
    for hold in holds:
        hold.hand_over(token, to)
    return [token, [[hold.key, hold.address] for hold in holds]]
