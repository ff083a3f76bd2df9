"""A channel: JSON objects, one a line, over a Unix socket (where there is none, loopback TCP).

What is said is small: everything large lies in files of the session's 0700 directory. TCP, for
systems without Unix sockets, opens with a secret that only files of this user hold. On Linux the
kernel says who is at the other end, and only this user and root are listened to.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jactors.ids import new_token

__all__ = ["Channel", "connect", "is_ours", "listen"]

_UNIX = hasattr(socket, "AF_UNIX")


def listen(folder: Path) -> tuple[socket.socket, str]:
    """Return a listening socket and its address, for `connect`."""
    if _UNIX:
        path = folder / "sup"
        path.unlink(missing_ok=True)  # of a supervisor before this one, that was killed
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(path))
        path.chmod(0o600)
        server.listen(128)
        return server, str(path)
    server = socket.create_server(("127.0.0.1", 0))
    secret = new_token()
    return server, f"{server.getsockname()[1]}:{secret}"


def connect(address: str) -> socket.socket:
    """Return a socket connected to `address`; OSError where nobody listens."""
    if _UNIX and not address.partition(":")[0].isdigit():
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            client.connect(address)
        except OSError:
            client.close()
            raise
        return client
    port, _, secret = address.partition(":")
    client = socket.create_connection(("127.0.0.1", int(port)))
    client.sendall(json.dumps({"secret": secret}).encode() + b"\n")
    return client


def is_ours(connection: socket.socket) -> bool:
    """Return whether the process at the other end of a Unix socket is this user's, or root's."""
    if connection.family != getattr(socket, "AF_UNIX", None) or not hasattr(socket, "SO_PEERCRED"):
        return True  # the directory, or the secret, has to do
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(credentials)[1] in (os.getuid(), 0)


#: pid, uid, gid
_CREDENTIALS = struct.Struct("iII")

#: Bytes of the longest line: an environment and a path or two are in it. And of what a peer leaves unread.
_LONGEST = 1 << 26


class Channel:
    """One end. Never blocks: what the other side does not read yet is kept."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.setblocking(False)
        self._in = bytearray()
        self._out = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self.socket.fileno()

    def send(self, message: dict[str, Any]) -> bool:
        """Queue `message` and send what goes; return whether something is left to `flush`.

        A peer that reads nothing for too long is told no more: it will find the end of the channel.
        """
        self._out += json.dumps(message).encode() + b"\n"
        if len(self._out) > _LONGEST:
            self._out.clear()
            self.socket.shutdown(socket.SHUT_WR)
        return self.flush()

    def flush(self) -> bool:
        """Send what goes; return whether something is left. A peer that has gone is noticed by `receive`."""
        while self._out:
            try:
                sent = self.socket.send(self._out)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                self._out.clear()
                return False
            del self._out[:sent]
        return False

    def receive(self) -> Iterator[dict[str, Any]]:
        """Yield what has arrived.

        Raises
        ------
        EOFError
            The other side has gone, after all that it had sent.
        ValueError
            It says what is no message.
        """
        gone = False
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b""
            if not data:
                gone = True
                break
            self._in += data
            if len(self._in) > _LONGEST and b"\n" not in data:
                raise ValueError("a line that does not end")
        *lines, rest = bytes(self._in).split(b"\n")
        self._in[:] = rest
        for line in lines:
            yield _parse(line)
        if gone:
            raise EOFError

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except RecursionError:
        raise ValueError("a message that is nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError(f"a message that is a {type(message).__name__}")
    return message
