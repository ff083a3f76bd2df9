"""The window: an actor's iopub channel. Output in, to be relayed; and what the actor says of itself.

An actor publishes its status only where somebody wants it: the window tells it so by subscribing to
the topic `PULSE`, which the actor's socket notices, as it notices the end of whoever had subscribed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import zmq

from jactors.errors import ProtocolError
from jactors.ids import new_token
from jactors.wire import messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread
from jactors.wire.relay import Relay

__all__ = ["PULSE", "Window"]

log = logging.getLogger("jactors")

#: The topic of an actor's status; to subscribe to it makes the actor publish it.
PULSE = b"actor_pulse"

#: Messages on iopub that somebody looks at; busy, idle and execute_input are not among them.
_SHOWN = frozenset({"stream", "display_data", "update_display_data", "clear_output", "error", "execute_result"})


class Window:
    """The subscription to one actor's iopub, through all its incarnations. Of the I/O thread.

    Parameters
    ----------
    sender : str
        32 hex digits that name this process.
    on_mark : callable
        Told the number of each mark, when all output before it has been relayed.

    Attributes
    ----------
    label : str
        ``Counter pid=123``, for lines relayed to a script.
    """

    def __init__(self, io: IOThread, relay: Relay, *, label: str, sender: str, on_mark: Callable[[int], None]) -> None:
        self._io = io
        self._relay = relay
        self._sender = sender
        self._on_mark = on_mark
        self.label = label
        self._sub: zmq.Socket[bytes] | None = None
        self._signer: messages.Signer | None = None
        self.refused = 0
        #: Told what the actor says of itself.
        self._watchers: list[Callable[[Mapping[str, Any]], None]] = []

    def watch(self, on_status: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """Tell `on_status` whenever the actor's status has changed, from now on; return what takes that back."""
        self._watchers.append(on_status)
        if len(self._watchers) == 1 and self._sub is not None:
            self._sub.setsockopt(zmq.SUBSCRIBE, PULSE)

        def unwatch() -> None:
            if on_status in self._watchers:
                self._watchers.remove(on_status)
                if not self._watchers and self._sub is not None:
                    self._sub.setsockopt(zmq.UNSUBSCRIBE, PULSE)

        return unwatch

    def connect(self, connection: Connection) -> None:
        """An incarnation listens: subscribe."""
        self._signer = messages.Signer(connection.key, self._sender + new_token(4))
        self._sub = connection.socket(self._io.context, zmq.SUB, "iopub")
        self._sub.setsockopt(zmq.SUBSCRIBE, b"")
        if self._watchers:
            self._sub.setsockopt(zmq.SUBSCRIBE, PULSE)
        self._io.register(descriptor(self._sub), self.read)
        self._io.call_soon(self.read)

    def close(self) -> None:
        """Close the socket."""
        if self._sub is not None:
            self._io.unregister(descriptor(self._sub))
            self._sub.close()
            self._sub = None

    def read(self) -> None:
        """Take what has arrived."""
        sub, signer = self._sub, self._signer
        while sub is not None and signer is not None and readable(sub):
            frames = sub.recv_multipart(zmq.NOBLOCK)
            try:
                message = signer.unpack(messages.split(frames)[1])
            except ProtocolError as error:
                self.refused += 1
                log.warning("actor %s: refused output: %s", self.label, error)
                continue
            if message.msg_type == messages.STATUS:
                if "mark" in message.content:
                    self._on_mark(int(message.content["mark"]))
                for watcher in list(self._watchers) if "counts" in message.content else ():
                    watcher(message.content)
            elif message.msg_type in _SHOWN:
                self._relay.publish(message, self.label)
