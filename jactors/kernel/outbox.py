"""The outbox: results on their way back, each call answered once. Of the main thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import zmq

from jactors import injection
from jactors.ids import new_token
from jactors.kernel.incoming import Incoming, Outcome
from jactors.objects.blocks import Segment
from jactors.objects.luggage import Held
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
        self._send = injection.around("rep", messages.send)
        self.answered = 0

    def call_roll(self, idents: list[bytes], header: bytes, number: int, missing: list[int]) -> None:
        """Answer a roll call: which calls of a sender are not here."""
        content = {"status": "ok", "incarnation": self._incarnation, "results": [], "missing": [number, missing]}
        self._send(self._socket, [*idents, *self._signer.pack(messages.REPLY, content, parent=header)])

    def send(self, call: Incoming, outcomes: list[Outcome], *, last: bool = True) -> None:
        """Answer `call` now, in whole or (not `last`) in part."""
        results: list[list[Any]] = []
        streams: list[bytes] = []
        frames: list[Any] = []
        held: dict[int, list[Any]] = {}
        for index, payload in outcomes:
            if payload is None:  # the end of a stream
                results.append([call.number, index, False, 0, False])
                continue
            if payload.luggage:
                held[len(results)] = _hand_over(payload.luggage, call.sender[:32])
            results.append([call.number, index, payload.failed, 1 + len(payload.buffers), False])
            streams.append(payload.stream)
            frames.append(payload.stream)
            frames += payload.buffers
        results[-1][-1] = last
        content: dict[str, Any] = {"status": "ok", "incarnation": self._incarnation, "results": results}
        if held:
            content["held"] = [held.get(row) for row in range(len(results))]
        given = [frame.block for frame in frames if isinstance(frame, Segment)] if len(frames) > len(streams) else []
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
        self._send(self._socket, [*call.idents, *packed])
        for block in given:  # they are the caller's now
            block.give_away()


def _hand_over(luggage: Sequence[Held], to: str) -> list[Any]:
    """Let the caller hold what a result names; return the token and what there is to take by it."""
    token = new_token(8)
    holds = {hold.key: hold for hold in luggage}.values()  # what is named twice is held once
    for hold in holds:
        hold.hand_over(token, to)
    return [token, [[hold.key, hold.address] for hold in holds]]
