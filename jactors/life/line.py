"""The line: a kernel's own connection to its supervisor, on which it says how far it is."""

from __future__ import annotations

import json
import socket
from typing import Any

from jactors.wire.channel import Channel, connect

__all__ = ["Line"]


class Line:
    """One incarnation's line. A supervisor that has gone is no error: this process is about to follow it."""

    def __init__(self, address: str, actor_id: str, incarnation: int) -> None:
        self._head = {"report": actor_id, "incarnation": incarnation}
        self._socket: socket.socket | None
        try:
            self._socket = connect(address)
        except OSError:
            self._socket = None
        self._channel = Channel(self._socket) if self._socket is not None else None

    def fileno(self) -> int:
        """Return the descriptor, for a loop; -1 where there is nobody."""
        return -1 if self._socket is None else self._socket.fileno()

    def report(self, event: dict[str, Any]) -> None:
        """Say something about this actor; sent when this returns."""
        if self._socket is None:
            return
        try:
            self._socket.setblocking(True)
            self._socket.sendall(json.dumps({**self._head, **event}).encode() + b"\n")
        except OSError:
            pass
        finally:
            self._socket.setblocking(False)

    def hear(self) -> list[dict[str, Any]]:
        """Return what the supervisor has said.

        Raises
        ------
        EOFError
            It has gone.
        """
        return [] if self._channel is None else list(self._channel.receive())
