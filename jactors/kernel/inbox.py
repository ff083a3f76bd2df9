"""The inbox: what arrives on shell. Calls are verified and taken apart here; other messages pass the guard, raw.

Of the main thread. The socket has a lock, since results that are held may be sent by another: see `outbox`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

import zmq

from jactors.errors import ProtocolError
from jactors.kernel.guard import Guard
from jactors.kernel.incoming import Incoming, Room
from jactors.objects import blocks
from jactors.wire import messages
from jactors.wire.connection import readable

__all__ = ["Inbox"]


class Inbox:
    """Reads shell.

    Parameters
    ----------
    lock
        Of the socket.
    on_calls : callable
        Takes the calls of one message: who made them, and the calls.
    on_roll : callable
        Takes a roll call: identities, the request's header, who asks, and its number with the numbers asked after.
    on_stock : callable
        Takes the frames of any other message.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        lock: threading.Lock,
        signer: messages.Signer,
        guard: Guard,
        *,
        on_calls: Callable[[str, list[Incoming]], None],
        on_roll: Callable[[list[bytes], bytes, str, Any], None],
        on_stock: Callable[[list[bytes]], None],
    ) -> None:
        self._socket, self._lock, self._signer, self._guard = socket, lock, signer, guard
        self._on_calls, self._on_roll, self._on_stock = on_calls, on_roll, on_stock
        #: Calls for any other one are refused.
        self.incarnation = 0
        #: The cell that the calls read last were made for; the same object for those of one cell in a row.
        self.parent: dict[str, Any] = {}
        self._raw_parent = b""
        #: Of generators that must not be too far ahead, while they run.
        self._rooms: WeakValueDictionary[tuple[str, int], Room] = WeakValueDictionary()

    def read(self) -> None:
        """Read all that has arrived."""
        socket = self._socket
        while True:
            with self._lock:
                if not readable(socket):
                    return
                frames = socket.recv_multipart(zmq.NOBLOCK)
            if not messages.peek_type(frames, b'"actor_call_request"'):
                if self._guard.admits(frames):
                    self._on_stock(frames)
                continue
            try:
                self._take_calls(frames)
            except (
                ProtocolError,
                KeyError,
                IndexError,
                TypeError,
                ValueError,
                AttributeError,
                RecursionError,
            ) as no:
                self._guard.refuse(no)

    def _take_calls(self, frames: list[bytes]) -> None:
        idents, signed = messages.split(frames)
        message = self._signer.unpack(signed)
        content = message.content
        if message.msg_type != messages.CALL:
            raise ProtocolError(f"{message.msg_type} is not a call")
        if content["incarnation"] != self.incarnation:
            raise ProtocolError(f"a call for incarnation {content['incarnation']}, this is {self.incarnation}")
        if message.raw_parent != self._raw_parent:
            self._raw_parent, self.parent = message.raw_parent, message.parent
        if content.get("blocks"):
            blocks.lent(message.buffers, content["blocks"])
        calls, streams, at = [], [], 0
        header, parent, buffers = message.raw_header, self.parent, message.buffers
        now, caller = time.monotonic(), message.sender[:32]
        for number, method, returns, group, sizes, waited, *more in content["calls"]:
            if not (isinstance(number, int) and isinstance(method, str) and isinstance(returns, int) and sizes):
                raise ProtocolError(f"a call that makes no sense: {number!r}, {method!r}, {returns!r}, {sizes!r}")
            groups = []
            for size in sizes:
                groups.append(buffers[at : at + size])
                streams.append(buffers[at])
                at += size
            call = Incoming(idents, header, parent, caller, number, method, returns, group, groups, now - waited)
            calls.append(call if not more else self._special(call, more[0]))
        messages.check_digest(message, streams)
        self._on_calls(caller, calls)
        if roll := content.get("roll"):
            self._on_roll(idents, header, caller, roll)

    def _special(self, call: Incoming, more: dict[str, Any]) -> Incoming:
        """Return a call that has a name of its own, or a generator that must not be too far ahead."""
        call.name = more["name"]
        if more["room"] > 0:
            call.room = self._rooms[call.key] = Room(more["room"], more["taken"])
        return call

    def taken(self, key: tuple[str, int], number: int) -> None:
        """The caller has taken so many values of a generator. In the control thread."""
        room = self._rooms.get(key)
        if room is not None:
            room.move(number)
