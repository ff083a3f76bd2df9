"""The outbox: results on their way back, each call answered once. Of the main thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import zmq

from jactors.kernel.incoming import Incoming, Outcome
from jactors.wire import messages

__all__ = ["Outbox"]


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

    def send(self, call: Incoming, outcomes: list[Outcome], *, last: bool = True) -> None:
        """Answer `call` now, in whole or (not `last`) in part."""
        results, streams, frames = [], [], []
        for index, payload in outcomes:
            if payload is None:  # the end of a stream
                results.append([call.number, index, False, 0, False])
                continue
            results.append([call.number, index, payload.failed, 1 + len(payload.buffers), False])
            streams.append(payload.stream)
            frames.append(payload.stream)
            frames += payload.buffers
        results[-1][-1] = last
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
        self.answered += last
        messages.send(self._socket, [*call.idents, *packed])
