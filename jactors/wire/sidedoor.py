"""The side door: an actor's control channel, answered while a call runs. Of the I/O thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import zmq

from jactors.errors import ProtocolError
from jactors.wire import messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread

__all__ = ["SideDoor"]


class SideDoor:
    """A DEALER on one incarnation's control channel; opened when first it is needed."""

    def __init__(self, io: IOThread, connection: Connection, sender: str) -> None:
        self._io = io
        self._signer = messages.Signer(connection.key, sender)
        self._socket = connection.socket(io.context, zmq.DEALER, "control", identity=sender.encode())
        self._asked: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        io.register(descriptor(self._socket), self._on_reply)

    def request(self, msg_type: str, content: dict[str, Any], answered: Callable[[Mapping[str, Any]], None]) -> None:
        """Send a request; `answered` is told the content of the answer."""
        self._asked[f"{self._signer.sender}_{self._signer.seq + 1}"] = answered
        messages.send(self._socket, self._signer.pack(msg_type, content))
        self._on_reply()

    def _on_reply(self) -> None:
        while readable(self._socket):
            try:
                message = self._signer.unpack(messages.split(self._socket.recv_multipart(zmq.NOBLOCK))[1])
            except ProtocolError:
                continue
            answered = self._asked.pop(message.parent.get("msg_id", ""), None)
            if answered is not None:
                answered(message.content)

    def close(self) -> None:
        """Close the socket; what was asked stays unanswered."""
        self._io.unregister(descriptor(self._socket))
        self._socket.close()
