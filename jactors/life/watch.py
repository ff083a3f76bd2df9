"""Watching: a process' side of the channel to a supervisor, and to the one after it.

A supervisor that has gone is followed by another where somebody starts one: `on_gone` says so with
`renew`, then or later. What was asked and not answered is asked again; what is only told meanwhile
is lost, so whoever tells must say once more what still counts.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from jactors.errors import InsufficientResourcesError, JactorsError
from jactors.wire.channel import Channel
from jactors.wire.io import IOThread
from jactors.wire.waiting import Shield

__all__ = ["Watch", "supervisor_gone"]

#: Supervisors that are asked again what one before them has died of, or with: it may be that which they die of.
AGAIN = 2

#: Seconds that `say` waits for a supervisor that does not read.
PATIENCE = 5.0


class Watch:
    """The connection to one supervisor: requests, and events of the actors that are watched.

    Parameters
    ----------
    on_event : callable
        Told each event, in the I/O thread.
    on_gone : callable
        Told when a supervisor has gone, in the I/O thread: it calls `renew` or `close`, now or later.
    """

    def __init__(
        self,
        io: IOThread,
        connection: socket.socket,
        *,
        on_event: Callable[[dict[str, Any]], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._io = io
        #: None while there is no supervisor. Under the lock.
        self._channel: Channel | None = Channel(connection)
        self._on_event = on_event
        self._on_gone = on_gone
        self._ids = itertools.count(1)
        #: What is not answered yet, and who waits for it. Of the I/O thread.
        self._asked: dict[int, tuple[Future[dict[str, Any]], dict[str, Any]]] = {}
        #: Of the sending side of the channel.
        self._lock = threading.Lock()
        #: There is no supervisor, and there will be none.
        self.gone = False
        io.register(connection.fileno(), self._read)

    def request(self, op: str, *, timeout: float | None = 60.0, **fields: Any) -> dict[str, Any]:
        """Ask, and wait for the answer.

        Raises
        ------
        JactorsError
            The supervisor has gone, did not answer within `timeout` seconds, or refused.
        """
        if self._io.is_current():
            raise AssertionError("the I/O thread cannot wait for itself; please report")
        answer: Future[dict[str, Any]] = Future()
        number = next(self._ids)
        message = {"op": op, "id": number, **fields}
        self._io.call_soon(lambda: self._send(number, answer, message))
        try:
            told = answer.result(timeout)
        except TimeoutError:
            raise JactorsError(f"the supervisor did not answer {op!r} within {timeout} s: is it stopped?") from None
        if "error" in told:
            kind = InsufficientResourcesError if told["error"] == "InsufficientResourcesError" else JactorsError
            raise kind(told["message"])
        return told

    def ask(self, op: str, answer: Callable[[dict[str, Any]], None], **fields: Any) -> None:
        """Ask without waiting; `answer` is called in the I/O thread with what is said, or the error."""
        future: Future[dict[str, Any]] = Future()

        def settle(future: Future[dict[str, Any]]) -> None:
            error = future.exception()
            answer({"message": str(error)} if error is not None else future.result())

        future.add_done_callback(settle)
        number = next(self._ids)
        self._io.call_soon(lambda: self._send(number, future, {"op": op, "id": number, **fields}))

    def tell(self, op: str, **fields: Any) -> None:
        """Ask without waiting; from any thread, also from a finalizer."""
        message = {"op": op, **fields}
        self._io.call_soon(lambda: self._flush(message))

    def say(self, op: str, **fields: Any) -> None:
        """Tell without waiting, and before anything that this thread does next; not from a finalizer."""
        with Shield():
            left = self._write({"op": op, **fields})
            until = time.monotonic() + PATIENCE
            while left and time.monotonic() < until:  # the supervisor is behind with its reading
                time.sleep(0.002)
                left = self._write()
        if left:
            self._io.call_soon(self._flush)

    def _send(self, number: int, answer: Future[dict[str, Any]], message: dict[str, Any]) -> None:
        if self.gone:
            answer.set_exception(supervisor_gone())
            return
        self._asked[number] = answer, message
        self._flush(message)

    def _flush(self, message: dict[str, Any] | None = None) -> None:
        if self._write(message):
            self._io.call_later(0.01, self._flush)

    def _write(self, message: dict[str, Any] | None = None) -> bool:
        with self._lock:
            if self._channel is None:
                return False
            return self._channel.send(message) if message is not None else self._channel.flush()

    def _read(self) -> None:
        channel = self._channel
        if channel is None:
            return
        try:
            for message in channel.receive():
                if "re" in message:
                    answer, _ = self._asked.pop(message["re"], (None, None))
                    if answer is not None:
                        answer.set_result(message)
                else:
                    self._on_event(message)
        except EOFError:
            self._hang_up()
            self._on_gone()

    def _hang_up(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            self._io.unregister(channel.fileno())
            channel.close()

    def renew(self, connection: socket.socket, *first: dict[str, Any]) -> None:
        """There is another supervisor: tell it what comes `first`, then ask again; in the I/O thread."""
        if self.gone:  # closed meanwhile
            connection.close()
            return
        channel = Channel(connection)
        for number, (answer, message) in list(self._asked.items()):
            message["again"] = message.get("again", 0) + 1
            if message["again"] > AGAIN:
                del self._asked[number]
                answer.set_exception(JactorsError(f"{AGAIN + 1} supervisors have died of {message['op']!r}"))
        with self._lock:
            for message in (*first, *(message for _, message in self._asked.values())):
                channel.send(message)
            self._channel = channel
        self._io.register(channel.fileno(), self._read)
        self._flush()

    def close(self) -> None:
        """Close the channel for good; in the I/O thread."""
        self._hang_up()
        self.gone = True
        asked, self._asked = self._asked, {}
        for answer, _ in asked.values():
            answer.set_exception(supervisor_gone())


def supervisor_gone() -> JactorsError:
    """Return the error of whoever needs a supervisor that has ended."""
    return JactorsError("the supervisor of this session has ended: call jactors.shutdown(), then jactors.init()")
