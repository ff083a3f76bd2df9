"""A visit: this process talks to an actor as a notebook talks to its kernel.

One cell, its questions for input, its answer; it falls into line on the actor's shell. What the cell prints comes by
the window, as all output does: see `Relay.divert`. The sockets are of the I/O thread, `on_message` is called there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import zmq

from jactors.errors import ProtocolError
from jactors.wire import messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread

__all__ = ["Visit"]


class Visit:
    """A stock client of one incarnation of an actor. Made in the I/O thread.

    Parameters
    ----------
    on_message : callable
        Told each message of the actor: ``input_request``, ``execute_reply``.
    """

    def __init__(
        self, io: IOThread, connection: Connection, sender: str, on_message: Callable[[messages.Message], None]
    ) -> None:
        self._io = io
        self._on_message = on_message
        self._signer = messages.Signer(connection.key, sender)
        self._shell = connection.socket(io.context, zmq.DEALER, "shell", identity=sender.encode())
        # Questions go to who has the same identity as the sender of the request.
        self._stdin = connection.socket(io.context, zmq.DEALER, "stdin", identity=sender.encode())
        self._asked = b"{}"
        for socket in (self._shell, self._stdin):
            io.register(descriptor(socket), self._read)

    def execute(self, code: str, header: Mapping[str, Any], *, allow_stdin: bool) -> None:
        """Send a cell; `header` is what its output will carry."""
        content = {
            "code": code,
            "silent": False,
            "store_history": False,  # Out would hold its results
            "user_expressions": {},
            "allow_stdin": allow_stdin,
            "stop_on_error": False,  # what others have queued behind it is theirs
        }
        messages.send(self._shell, self._signer.stock("execute_request", header, content))
        self._read()

    def answer(self, text: str) -> None:
        """Answer the last question; from any thread."""

        def send() -> None:
            if not self._stdin.closed:
                content = {"status": "ok", "value": text}
                messages.send(self._stdin, self._signer.stock("input_reply", {}, content, parent=self._asked))
                self._read()

        self._io.call_soon(send)

    def _read(self) -> None:
        for socket in (self._shell, self._stdin):
            while not socket.closed and readable(socket):
                try:
                    message = self._signer.unpack(messages.split(socket.recv_multipart(zmq.NOBLOCK))[1])
                except ProtocolError:
                    continue
                if message.msg_type == "input_request":
                    self._asked = message.raw_header
                self._on_message(message)

    def close(self) -> None:
        """End the visit; the cell goes on, if it has not ended."""
        for socket in (self._shell, self._stdin):
            if not socket.closed:
                self._io.unregister(descriptor(socket))
                socket.close()
