"""The side door: an actor's control channel, answered while a call runs.

Guarantees: every request ends, in an answer or in an error that says why there is none: the
incarnation has gone, there is none yet, or it is silent (a stopped process answers nobody).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from typing import Any

import zmq

from jactors.errors import ActorUnavailableError, JactorsError, ProtocolError
from jactors.ids import new_token
from jactors.wire import messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread

__all__ = ["ControlError", "SideDoor"]

#: Seconds that an answer may be under way, in addition to what the actor has for it.
_TRAVEL = 2.0

#: Seconds between two looks at what has not been answered.
_LOOK = 0.5


class ControlError(JactorsError):
    """The actor could not do what it was asked on its control channel; `ename` and `evalue` say why."""

    def __init__(self, verb: str, ename: str, evalue: str) -> None:
        super().__init__(verb, ename, evalue)
        self.verb, self.ename, self.evalue = verb, ename, evalue

    def __str__(self) -> str:
        return f"{self.verb} failed in the actor: {self.ename}: {self.evalue}"


class _Opened:
    """A DEALER on one incarnation's control channel. Of the I/O thread."""

    def __init__(self, io: IOThread, connection: Connection, actor_id: str, sender: str) -> None:
        self._io = io
        self._actor_id = actor_id
        self._signer = messages.Signer(connection.key, sender)
        self._socket = connection.socket(io.context, zmq.DEALER, "control", identity=sender.encode())
        #: What has not been answered, by the message's id; with the monotonic time at which it is given up.
        self.asked: dict[str, tuple[float, Future[Mapping[str, Any]]]] = {}
        self._looking = False
        io.register(descriptor(self._socket), self.on_reply)

    def request(self, msg_type: str, content: dict[str, Any], answer: Future[Mapping[str, Any]]) -> None:
        """Send a request; it is given up ``content["timeout"]`` seconds from now."""
        number = f"{self._signer.sender}_{self._signer.seq + 1}"
        self.asked[number] = (time.monotonic() + content["timeout"] + _TRAVEL, answer)
        messages.send(self._socket, self._signer.pack(msg_type, content))
        self.on_reply()
        if self.asked and not self._looking:
            self._looking = True
            self._io.call_later(_LOOK, self._give_up)

    def _give_up(self) -> None:
        """End what has waited for too long."""
        now = time.monotonic()
        for number, (until, answer) in list(self.asked.items()):
            if until <= now:
                del self.asked[number]
                silent = "it does not answer on its control channel: its process is stopped, or holds the GIL"
                _end(answer, ActorUnavailableError(actor_id=self._actor_id, reason=silent))
        self._looking = bool(self.asked) and not self._socket.closed
        if self._looking:
            self._io.call_later(_LOOK, self._give_up)

    def on_reply(self) -> None:
        """Take what has arrived."""
        while not self._socket.closed and readable(self._socket):
            try:
                message = self._signer.unpack(messages.split(self._socket.recv_multipart(zmq.NOBLOCK))[1])
            except ProtocolError:
                continue
            asked = self.asked.pop(message.parent.get("msg_id", ""), None)
            if asked is not None:
                _settle(asked[1], message)

    def close(self) -> None:
        self._io.unregister(descriptor(self._socket))
        self._socket.close()


class SideDoor:
    """The control channel of an actor, through all its incarnations; opened when first it is needed.

    Parameters
    ----------
    sender : str
        32 hex digits that name this process.
    """

    def __init__(self, io: IOThread, actor_id: str, sender: str) -> None:
        self._io = io
        self._actor_id = actor_id
        self._sender = sender
        # --- of the I/O thread
        self._connection: Connection | None = None
        self._opened: _Opened | None = None
        #: Makes the error of whoever asks while there is no incarnation.
        self._why: Callable[[], BaseException] = self._unborn

    def _unborn(self) -> BaseException:
        return ActorUnavailableError(actor_id=self._actor_id, reason="it has not started yet")

    def ask(self, msg_type: str, content: Mapping[str, Any], *, timeout: float) -> Future[Mapping[str, Any]]:
        """Send a request; from any thread. See `Link.ask`."""
        answer: Future[Mapping[str, Any]] = Future()
        self._io.call_soon(lambda: self._ask(msg_type, {**content, "timeout": timeout}, answer))
        if self._io.stopping:
            _end(answer, self._why())
        return answer

    def _ask(self, msg_type: str, content: dict[str, Any], answer: Future[Mapping[str, Any]]) -> None:
        if self._connection is None:
            _end(answer, self._why())
            return
        if self._opened is None:
            try:
                self._opened = _Opened(self._io, self._connection, self._actor_id, self._sender + new_token(4))
            except OSError as error:  # no descriptor is left
                _end(answer, ActorUnavailableError(actor_id=self._actor_id, reason=f"cannot ask it: {error.strerror}"))
                return
        self._opened.request(msg_type, content, answer)

    # ---------------------------------------------------------------- the I/O thread

    def connect(self, connection: Connection) -> None:
        """An incarnation listens."""
        self.close(self._unborn)
        self._connection = connection

    def close(self, why: Callable[[], BaseException]) -> None:
        """The incarnation has gone: what was not answered, and all that is asked from now on, ends in ``why()``."""
        self._connection = None
        self._why = why
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.on_reply()  # what it has still said
            opened.close()
            for _, answer in list(opened.asked.values()):
                _end(answer, why())


def _settle(answer: Future[Mapping[str, Any]], message: messages.Message) -> None:
    """End a request in what was answered."""
    content = message.content
    if content.get("status", "ok") == "ok":
        _end(answer, content)
    else:
        verb = message.msg_type.removesuffix("_reply")
        _end(answer, ControlError(verb, str(content.get("ename", "error")), str(content.get("evalue", ""))))


def _end(answer: Future[Mapping[str, Any]], outcome: Mapping[str, Any] | BaseException) -> None:
    """End a request; one that whoever asked has cancelled stays as it is."""
    try:
        if isinstance(outcome, BaseException):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
    except InvalidStateError:
        pass
