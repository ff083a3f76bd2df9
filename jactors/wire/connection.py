"""A connection file, read: where an incarnation listens, and its key."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from jactors.places import read_private

__all__ = ["Connection", "descriptor", "new_curve_keys", "readable"]


def descriptor(socket: zmq.Socket[Any]) -> int:
    """Return the descriptor to watch: readable when something happened, once (edge-triggered)."""
    return int(socket.getsockopt(zmq.FD))


def readable(socket: zmq.Socket[Any]) -> bool:
    """Return whether a message can be read; asking also takes note of what the descriptor announced."""
    return bool(int(socket.get(zmq.EVENTS)) & _IN)


#: Milliseconds that a socket which is closed goes on to send. Not 0: where the peer dies at that very moment, with half
#: of a message read from the socket, libzmq (4.3.5, session_base.cpp:233) would abort this process. Less than the
#: 100 ms after which zmq connects again: what was meant for a dead incarnation is not for the next one.
LINGER = 50

_IN = int(zmq.POLLIN)  # a plain number: with the flag it takes half as long again


def new_curve_keys() -> dict[str, str]:
    """Return a new CurveZMQ key pair as a connection file has it."""
    public, secret = zmq.curve_keypair()
    return {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The standard content of a Jupyter connection file, and the incarnation it belongs to."""

    transport: str
    ip: str
    ports: dict[str, int]
    key: bytes
    incarnation: int
    curve: tuple[bytes, bytes] | None = None

    @classmethod
    def read(cls, path: Path | str) -> Connection:
        """Read the file; OSError or ValueError where there is none."""
        info: dict[str, Any] = json.loads(read_private(path))
        curve = None
        if info.get("curve_publickey"):
            curve = (info["curve_publickey"].encode(), info["curve_secretkey"].encode())
        return cls(
            transport=info["transport"],
            ip=info["ip"],
            ports={name[:-5]: port for name, port in info.items() if name.endswith("_port")},
            key=info["key"].encode(),
            incarnation=info.get("jactors", {}).get("incarnation", 0),
            curve=curve,
        )

    def address(self, channel: str) -> str:
        """Return the zmq address of ``shell``, ``iopub``, ``control``, ``stdin`` or ``hb``."""
        return f"{self.transport}://{self.ip}{'-' if self.transport == 'ipc' else ':'}{self.ports[channel]}"

    def socket(
        self, context: zmq.Context[Any], kind: int, channel: str, *, identity: bytes | None = None
    ) -> zmq.Socket[bytes]:
        """Return a new socket connected to `channel`, without high-water mark, encrypted where the file says so.

        Raises
        ------
        OSError
            This process has no descriptor left.
        """
        _check_descriptors()
        try:
            socket: zmq.Socket[bytes] = context.socket(kind)
        except zmq.ZMQError as error:
            raise OSError(error.errno, error.strerror) from error
        socket.linger = LINGER
        socket.hwm = 0
        if identity is not None:
            socket.identity = identity
        if self.curve is not None:
            socket.curve_serverkey = self.curve[0]
            socket.curve_publickey, socket.curve_secretkey = self.curve
        socket.connect(self.address(channel))
        return socket


#: Descriptors that have to be free: zmq connects later, in a thread of its own, and where none is left says nothing.
_SPARE = 16


def _check_descriptors() -> None:
    """Raise OSError where this process has next to no descriptors left."""
    spare: list[int] = []
    try:
        for _ in range(_SPARE):
            spare.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - those before an error are to be closed
    finally:
        for each in spare:
            os.close(each)
