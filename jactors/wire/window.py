"""The window: an actor's iopub channel. Output in, to be relayed; and what the actor says of itself.

An actor publishes its status only where somebody wants it: the window tells it so by subscribing to
the topic `NEWS`, which the actor's socket notices, as it notices the end of whoever had subscribed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import zmq

from jactors.errors import ProtocolError
from jactors.ids import new_token
from jactors.wire import messages, questions
from jactors.wire.comms import TYPES
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread
from jactors.wire.relay import Relay
from jactors.wire.visit import Visit

__all__ = ["CALLER", "NEWS", "Window"]

log = logging.getLogger("jactors")

#: Seconds after which somebody should have begun to answer a question.
_PATIENCE = 1.0

#: The topic of an actor's status; to subscribe to it makes the actor publish it.
NEWS = b"actor_news"

#: What a caller subscribes to, with its own name: so the actor knows who is there to be asked. Nothing is published.
CALLER = b"actor_caller:"

#: Messages on iopub that somebody looks at; execute_input is not among them.
_SHOWN = TYPES | {"stream", "display_data", "update_display_data", "clear_output", "error", "execute_result", "status"}


#: Seconds that calls wait for the subscription to be known to the actor: it is, within a round trip; of a slow machine.
JOINING = 5.0


class Window:
    """The subscription to one actor's iopub, through all its incarnations. Of the I/O thread.

    Parameters
    ----------
    sender : str
        32 hex digits that name this process.
    on_mark : callable
        Told the number of each mark, when all output before it has been relayed.
    ask : callable
        Asks the incarnation something on its control channel.

    Attributes
    ----------
    label : str
        ``Counter pid=123``, for lines relayed to a script.
    """

    def __init__(
        self,
        io: IOThread,
        relay: Relay,
        *,
        actor_id: str,
        sender: str,
        on_mark: Callable[[int], None],
        ask: Callable[[str, Mapping[str, Any]], Any],
    ) -> None:
        self._io = io
        self._relay = relay
        self._sender = sender
        self._on_mark = on_mark
        self._ask_actor = ask
        self.actor_id = actor_id
        self.label = actor_id[:8]
        #: What a call of this process last raised, encoded. Written under the link's lock.
        self.failure: bytes | None = None
        #: Where the incarnation listens; None between two of them.
        self.connection: Connection | None = None
        #: For messages of the page to widgets in the actor; opened when there is the first.
        self._letterbox: tuple[zmq.Socket[bytes], messages.Signer] | None = None
        self._sub: zmq.Socket[bytes] | None = None
        self._signer: messages.Signer | None = None
        self.refused = 0
        #: The numbers of the questions that have come: one may be sent twice.
        self._asked: set[int] = set()
        #: The actor's socket knows of the subscription: what it publishes from now on is not missed.
        self._joined = False
        self._on_joined: Callable[[], object] | None = None
        #: Told what the actor says of itself.
        self._watchers: list[Callable[[Mapping[str, Any]], None]] = []

    def watch(self, on_status: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """Tell `on_status` whenever the actor's status has changed, from now on; return what takes that back."""
        self._watchers.append(on_status)
        if len(self._watchers) == 1 and self._sub is not None:
            self._sub.setsockopt(zmq.SUBSCRIBE, NEWS)

        def unwatch() -> None:
            if on_status in self._watchers:
                self._watchers.remove(on_status)
                if not self._watchers and self._sub is not None:
                    self._sub.setsockopt(zmq.UNSUBSCRIBE, NEWS)

        return unwatch

    def when_joined(self, start: Callable[[], object]) -> None:
        """Call `start` as soon as nothing that the actor prints is missed; after `JOINING` seconds all the same."""
        if self._joined:
            start()
            return

        def late() -> None:
            if self._on_joined is start:
                self._join()

        self._on_joined = start
        self._io.call_later(JOINING, late)

    def _join(self) -> None:
        self._joined = True
        start, self._on_joined = self._on_joined, None
        if start is not None:
            start()

    def connect(self, connection: Connection) -> None:
        """An incarnation listens: subscribe."""
        self._joined, self._on_joined = False, None
        self._asked.clear()
        self.connection = connection
        self._signer = messages.Signer(connection.key, self._sender + new_token(4))
        self._sub = connection.socket(self._io.context, zmq.SUB, "iopub")
        self._sub.setsockopt(zmq.SUBSCRIBE, CALLER + self._sender.encode())  # known before anything is heard
        self._sub.setsockopt(zmq.SUBSCRIBE, b"")
        if self._watchers:
            self._sub.setsockopt(zmq.SUBSCRIBE, NEWS)
        self._io.register(descriptor(self._sub), self.read)
        self._io.call_soon(self.read)

    def close(self) -> None:
        """Close the sockets: the incarnation has gone, and with it the widgets that it had."""
        if self.connection is not None:
            self._relay.gone(self)
        self.connection = None
        self._joined, self._on_joined = False, None
        questions.drop(self)
        if self._letterbox is not None:
            self._letterbox[0].close()
            self._letterbox = None
        if self._sub is not None:
            self._io.unregister(descriptor(self._sub))
            self._sub.close()
            self._sub = None

    def visit(self, on_message: Callable[[messages.Message], None]) -> Visit | None:
        """Return a new conversation with the incarnation; None where there is none now."""
        if self.connection is None:
            return None
        return Visit(self._io, self.connection, self._sender + new_token(4), on_message)

    def send(
        self,
        msg_type: str,
        header: Mapping[str, Any],
        content: Mapping[str, Any],
        metadata: Mapping[str, Any],
        buffers: Sequence[Any],
    ) -> None:
        """Send a message that is not answered to the actor's shell; from any thread. Lost where it does not live."""

        def send() -> None:
            if self.connection is None:
                return
            if self._letterbox is None:
                sender = self._sender + new_token(4)
                socket = self.connection.socket(self._io.context, zmq.DEALER, "shell", identity=sender.encode())
                self._letterbox = socket, messages.Signer(self.connection.key, sender)
            socket, signer = self._letterbox
            stamped = self._relay.parents.stamp(header)
            frames = [bytes(buffer) for buffer in buffers]
            messages.send(socket, signer.stock(msg_type, stamped, content, metadata=metadata, buffers=frames))

        self._io.call_soon(send)

    def read(self) -> None:
        """Take what has arrived."""
        sub, signer = self._sub, self._signer
        while sub is not None and signer is not None and readable(sub):
            frames = sub.recv_multipart(zmq.NOBLOCK)
            if frames[0] == NEWS and not self._watchers:  # for somebody else
                continue
            try:
                message = signer.unpack(messages.split(frames)[1])
            except ProtocolError as error:
                self.refused += 1
                log.warning("actor %s: refused output: %s", self.label, error)
                continue
            if not self._joined:  # a welcome, or whatever else: we hear it
                self._join()
            if message.msg_type == messages.STATUS:
                if "mark" in message.content:
                    self._relay.settle(self)
                    self._on_mark(int(message.content["mark"]))
                for watcher in list(self._watchers) if "counts" in message.content else ():
                    watcher(message.content)
            elif message.msg_type == "actor_question":
                self._question(message)
            elif message.msg_type in _SHOWN:
                self._relay.publish(message, self)

    def _question(self, message: messages.Message) -> None:
        """A method asks its caller something, or wants to know it no more."""
        header = self._relay.parents.mine(message.parent)
        if header is None:
            return  # somebody else's call
        content = message.content
        number = int(content["number"])
        if content.get("withdrawn"):
            questions.drop(self, number)
            return
        if number in self._asked:
            return
        self._asked.add(number)

        def reply(answer: Mapping[str, Any]) -> None:
            self._ask_actor("actor_answer_request", {"number": number, **answer})

        prompt, password = str(content["prompt"]), bool(content["password"])
        who = str(content.get("who") or self.label)
        questions.put(questions.Question(self, number, prompt, password, who, reply), header)
        self._io.call_later(_PATIENCE, questions.urge)
        self._io.call_later(1.5 * _PATIENCE, lambda: self._say_so(message, number, who))

    def _say_so(self, message: messages.Message, number: int, who: str) -> None:
        """Nobody waits for the call whose method asks: say under its cell how to answer."""
        if questions.is_open(self, number):
            text = f"{who} waits for an answer: jactors.get(ref), in a cell of its own, asks you\n"
            told = replace(message, msg_type="stream", content={"name": "stderr", "text": text})
            self._relay.publish(told, self)
