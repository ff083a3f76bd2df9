"""The door of a supervisor: accepts channels, answers requests, tells watchers.

A request is ``{"op": ..., "id": ...}`` and has one answer, ``{"re": id, ...}``; without an id it has
none, nor has a kernel's report, ``{"report": actor id, ...}``. An operation is a function that takes the
channel and the request and returns the answer: add it to `operations`, or let the supervisor do so at
its start.
"""

from __future__ import annotations

import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from jactors.errors import InsufficientResourcesError
from jactors.life.loop import Loop
from jactors.wire.channel import Channel, is_ours

__all__ = ["Door", "Operation"]

#: Answers one request.
Operation = Callable[[Channel, dict[str, Any]], dict[str, Any]]


class Door:
    """All channels of one supervisor.

    Parameters
    ----------
    secret : str, optional
        What a channel has to say first, where anybody could connect.
    on_report : callable
        Told what a kernel says of itself, and its channel.
    on_gone : callable
        Told a channel whose other end has gone.
    """

    def __init__(
        self,
        loop: Loop,
        server: socket.socket,
        *,
        secret: str | None,
        on_report: Callable[[Channel, dict[str, Any]], None],
        on_gone: Callable[[Channel], None],
    ) -> None:
        self._loop = loop
        self._secret = secret
        self._on_report = on_report
        self._on_gone = on_gone
        #: By name.
        self.operations: dict[str, Operation] = {}
        server.setblocking(False)
        loop.watch(server, lambda: self._accept(server))

    def _accept(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no descriptor is free: whoever knocks waits, and so do we, or the loop would spin
            print(f"cannot accept a channel: {error}", file=sys.stderr)  # noqa: T201 - into the supervisor's log
            self._loop.forget(server)
            self._loop.later(0.1, lambda: self._loop.watch(server, lambda: self._accept(server)))
            return
        if is_ours(connection):
            self.add(connection, known=self._secret is None)
        else:
            connection.close()

    def add(self, connection: socket.socket, *, known: bool) -> Channel:
        """Listen to a connection; `known`: it need not say the secret."""
        channel = Channel(connection)
        state = {"known": known}
        self._loop.watch(channel, lambda: self._read(channel, state), lambda: self._flush(channel))
        return channel

    def _read(self, channel: Channel, state: dict[str, bool]) -> None:
        try:
            for message in channel.receive():
                if not state["known"]:
                    if message.get("secret") != self._secret:
                        raise EOFError  # noqa: TRY301
                    state["known"] = True
                elif "report" in message:
                    self._take_report(channel, message)
                else:
                    self._answer(channel, message)
        except (EOFError, ValueError):
            self._loop.forget(channel)
            channel.close()
            self._on_gone(channel)

    def _take_report(self, channel: Channel, message: dict[str, Any]) -> None:
        try:
            self._on_report(channel, message)
        except Exception:  # of one that makes no sense: what comes behind it may
            traceback.print_exc()

    def _answer(self, channel: Channel, message: dict[str, Any]) -> None:
        try:
            answer = self.operations[message["op"]](channel, message)
        except InsufficientResourcesError as error:
            answer = {"error": "InsufficientResourcesError", "message": str(error)}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": f"the supervisor refused {message.get('op')}: {error}"}
        if "id" in message:
            self.send(channel, {"re": message["id"], **answer})
        elif "error" in answer:
            print(answer["message"], file=sys.stderr)  # noqa: T201 - the supervisor's log

    def send(self, channel: Channel, message: dict[str, Any]) -> None:
        """Send a message, now or when there is room; one that has gone is told nothing."""
        if channel.fileno() >= 0 and channel.send(message):
            self._loop.want_write(channel, True)

    def _flush(self, channel: Channel) -> None:
        if not channel.flush():
            self._loop.want_write(channel, False)
