"""The outbox: results on their way back, each call answered once. Of the main thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

from jactors.kernel.instance import Outcome
from jactors.wire import messages

__all__ = ["Incoming", "Outbox"]


@dataclass(slots=True, eq=False)
class Incoming:
    """One call as it was read: verified, not unpickled."""

    idents: list[bytes]
    #: The header of the request, as it came.
    header: bytes
    #: Its parent header: the cell; the same object for calls of the same cell in a row.
    parent: Any
    sender: str
    number: int
    method: str
    returns: int
    group: str | None
    groups: list[list[bytes]]


class Outbox:
    """Sends results on shell."""

    def __init__(
        self, socket: zmq.Socket[bytes], signer: messages.Signer, incarnation: int, mark: Callable[[], int]
    ) -> None:
        self._socket = socket
        self._signer = signer
        self._incarnation = incarnation
        self._mark = mark
        self.answered = 0

    def send(self, call: Incoming, outcomes: list[Outcome]) -> None:
        """Answer `call` now."""
        results, streams, frames = [], [], []
        for index, payload in outcomes:
            results.append([call.number, index, payload.failed, 1 + len(payload.buffers)])
            streams.append(payload.stream)
            frames.append(payload.stream)
            frames += payload.buffers
        content: dict[str, Any] = {"status": "ok", "incarnation": self._incarnation, "results": results}
        mark = self._mark()
        if mark:
            content["mark"] = mark
        packed = self._signer.pack(
            messages.REPLY,
            content,
            parent=call.header,
            streams=streams,
            buffers=frames,
        )
        self.answered += 1
        messages.send(self._socket, [*call.idents, *packed])
