"""The lookout: what an actor says of itself, to somebody who watches it and calls nothing.

Beside a `Link` for two reasons: a watcher wants no output (the one who calls gets it, once), and may be
a process that is no member of the session, as ``jactors top`` is none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import zmq

from jactors.errors import ActorUnavailableError, ProtocolError
from jactors.ids import new_token
from jactors.wire import messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread
from jactors.wire.sidedoor import SideDoor
from jactors.wire.window import NEWS

__all__ = ["Lookout"]

log = logging.getLogger("jactors")


#: Seconds after which an actor that did not answer is asked again.
_AGAIN = 1.0


class Lookout:
    """A subscription to one actor's news, through all its incarnations. Of the I/O thread, but for `ask`.

    Parameters
    ----------
    on_news : callable
        Told the actor's status whenever it has changed, and once for each incarnation.
    """

    def __init__(self, io: IOThread, actor_id: str, on_news: Callable[[Mapping[str, Any]], None]) -> None:
        self._io = io
        self._actor_id = actor_id
        self._on_news = on_news
        self._sender = new_token(16)
        self._door = SideDoor(io, actor_id, self._sender)
        self._sub: zmq.Socket[bytes] | None = None
        self._signer: messages.Signer | None = None
        #: The incarnation that is watched; 0 where there is none.
        self.incarnation = 0
        self.refused = 0

    def connect(self, path: Path | str) -> None:
        """An incarnation listens: subscribe to its news, and ask once how things stand.

        Raises
        ------
        OSError, ValueError
            It has gone meanwhile, or this process has no descriptor left.
        """
        connection = Connection.read(path)
        if connection.incarnation == self.incarnation:
            return
        self.close()
        sub = connection.socket(self._io.context, zmq.SUB, "iopub")
        sub.setsockopt(zmq.SUBSCRIBE, NEWS)
        self._sub, self._signer = sub, messages.Signer(connection.key, self._sender)
        self.incarnation = connection.incarnation
        self._io.register(descriptor(sub), self._read)
        self._io.call_soon(self._read)
        self._door.connect(connection)
        self._ask_how_it_is(connection.incarnation)

    def _ask_how_it_is(self, incarnation: int) -> None:
        """Ask until there is an answer: the actor hears of a subscription only where it is the first to its topic."""

        def answered(answer: Future[Mapping[str, Any]]) -> None:
            if answer.cancelled() or self.incarnation != incarnation:
                return
            if answer.exception() is None:
                self._on_news(answer.result())
            else:
                self._io.call_later(_AGAIN, lambda: self._ask_how_it_is(incarnation))

        if self.incarnation == incarnation:
            self.ask("actor_status_request", timeout=2.0).add_done_callback(answered)

    def ask(
        self, msg_type: str, content: Mapping[str, Any] | None = None, *, timeout: float
    ) -> Future[Mapping[str, Any]]:
        """Ask the incarnation something on its control channel, from any thread; see `Link.ask`."""
        return self._door.ask(msg_type, content or {}, timeout=timeout)

    def _read(self) -> None:
        while self._sub is not None and self._signer is not None and readable(self._sub):
            frames = self._sub.recv_multipart(zmq.NOBLOCK)
            try:
                message = self._signer.unpack(messages.split(frames)[1])
            except ProtocolError as error:
                self.refused += 1
                log.warning("actor %s: refused news: %s", self._actor_id[:8], error)
                continue
            if message.msg_type == messages.STATUS and "counts" in message.content:
                self._on_news(message.content)

    def close(self) -> None:
        """The incarnation has gone, or nobody looks any more."""
        self.incarnation = 0
        self._door.close(self._gone)
        if self._sub is not None:
            self._io.unregister(descriptor(self._sub))
            self._sub.close()
            self._sub = None

    def _gone(self) -> BaseException:
        return ActorUnavailableError(actor_id=self._actor_id, reason="it has gone, or has not started yet")
