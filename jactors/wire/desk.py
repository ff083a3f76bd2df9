"""The desk: serves the values that this process owns to processes that hold their refs.

A ref that travels nested in an argument or a result stays a name. Whoever needs the value asks the
owner's desk for it: a ROUTER of its own, opened when the first ref is pickled, on a Unix socket in
the session's 0700 directory (elsewhere TCP with CurveZMQ), signed with a key of its own that lies
in a 0600 file beside it. A value that is still pending is answered when it ends. An owner that
dies ends the waiting in `OwnerDiedError`. A value is kept as long as anybody holds a ref to it, and no
longer: see `jactors.holds`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import zmq
from zmq.utils.monitor import parse_monitor_message

from jactors.errors import OwnerDiedError, ProtocolError
from jactors.ids import new_token
from jactors.objects import blocks
from jactors.objects.luggage import Held
from jactors.objects.store import Entry, Raised
from jactors.places import clear_desks, desk_file, read_private, write_private
from jactors.vitals import process_alive, start_time
from jactors.wire import failure, messages
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread
from jactors.wire.payload import Failed, from_frames

__all__ = ["Desk", "Desks"]

#: Holds what has a key and is counted by the supervisor at an address.
Claim = Callable[[str, str], Held]


#: Bytes of the largest frame of a request: it holds a name. The peer that sends more is disconnected.
_LARGEST = 1 << 20


class Desk:
    """Answers for the exported entries of this process."""

    def __init__(self, io: IOThread, folder: Path) -> None:
        self._io = io
        self._folder = folder
        self._lock = threading.Lock()
        #: Entries that somebody else may ask for, while they are there.
        self._exports: WeakValueDictionary[str, Entry] = WeakValueDictionary()
        #: Those that somebody else holds, with the mark of the last hold that was handed out.
        self._pinned: dict[str, tuple[Entry, int]] = {}
        self._address: Path | None = None
        self._router: zmq.Socket[bytes] | None = None
        self._signer: messages.Signer | None = None
        #: Messages that were dropped: not signed, not new, or no request at all. Of the I/O thread.
        self.refused = 0

    def export(self, entry: Entry) -> str:
        """Let other processes ask for `entry`; return the address of this desk."""
        with self._lock:
            self._exports[entry.id.hex()] = entry
            if self._address is None:
                self._address = self._listen()
            return str(self._address)

    def pin(self, entry: Entry, mark: int) -> None:
        """Keep `entry` until nobody else holds it: see `unpin`."""
        with self._lock:
            self._pinned[entry.id.hex()] = (entry, mark)

    def unpin(self, key: str, mark: int) -> None:
        """Nobody else holds a value any more, unless it has been handed out again since `mark`."""
        with self._lock:
            pinned = self._pinned.get(key)
            if pinned is not None and pinned[1] == mark:
                del self._pinned[key]

    def pins(self) -> dict[str, int]:
        """Return the marks of what others hold, by key."""
        with self._lock:
            return {key: mark for key, (_, mark) in self._pinned.items()}

    def owned(self, id_: bytes) -> Entry | None:
        """Return the entry of an exported ref that has come home."""
        return self._exports.get(id_.hex())

    def _listen(self) -> Path:
        token, key = new_token(4), new_token(32)
        pid = os.getpid()
        path, prefix = desk_file(self._folder, pid, token)
        info: dict[str, Any] = {"transport": "ipc", "ip": str(prefix), "desk_port": 1, "key": key}
        info |= {"pid": pid, "started": start_time(pid)}
        router: zmq.Socket[bytes] = self._io.context.socket(zmq.ROUTER)
        router.linger = 0
        router.hwm = 0
        router.maxmsgsize = _LARGEST  # before bind
        if zmq.has("ipc"):
            router.bind(f"ipc://{prefix}-1")
        else:
            public, secret = zmq.curve_keypair()
            router.curve_secretkey, router.curve_publickey, router.curve_server = secret, public, True
            info |= {"transport": "tcp", "ip": "127.0.0.1", "desk_port": router.bind_to_random_port("tcp://127.0.0.1")}
            info |= {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}
        self._router = router
        self._signer = messages.Signer(key.encode(), new_token(8))
        self._io.register(descriptor(router), self._on_request)
        write_private(path, json.dumps(info).encode())
        return path

    def _on_request(self) -> None:
        router = self._router
        while router is not None and readable(router):
            received = router.recv_multipart(zmq.NOBLOCK)
            assert self._signer is not None
            try:
                idents, frames = messages.split(received)
                message = self._signer.unpack(frames)
                name = str(message.content["id"])
            except (ProtocolError, KeyError, TypeError, ValueError):
                self.refused += 1
                continue
            entry = self._exports.get(name)
            if message.msg_type == messages.CANCEL:
                self._cancel(entry, message.content)
            elif message.msg_type != messages.FETCH or entry is None:
                self._answer(idents, name, None)
            else:
                entry.on_end(
                    lambda entry, idents=idents, name=name: self._io.call_soon(  # type: ignore[misc]
                        lambda: self._answer(idents, name, entry)
                    )
                )

    @staticmethod
    def _cancel(entry: Entry | None, content: Mapping[str, Any]) -> None:
        """End the call that makes `entry`, as somebody wishes who has its ref; one that has ended is no error."""
        origin: Any = entry.origin if entry is not None else None
        if origin is not None and entry is not None:
            how = {name: True for name in ("force",) if content.get(name)}
            origin.cancel(entry.number, recursive=bool(content.get("recursive", True)), **how)

    def _answer(self, idents: list[bytes], name: str, entry: Entry | None) -> None:
        if self._router is None or self._signer is None:
            return
        payload: Any = entry.payload if entry is not None else None
        content: dict[str, Any] = {"id": name, "lost": payload is None}
        content["held"] = [[hold.key, hold.address] for hold in getattr(payload, "luggage", ())]
        buffers: list[Any] = []
        if isinstance(payload, Raised):
            payload = Failed(failure.encode(payload.error, task="", pid=os.getpid(), actor=""))
        if payload is not None:
            content["failed"] = payload.failed
            buffers = [payload.stream, *payload.buffers]
        packed = self._signer.pack(messages.FETCHED, content, streams=buffers[:1], buffers=buffers)
        messages.send(self._router, [*idents, *packed])
        self._io.call_soon(self._on_request)

    def close(self) -> None:
        """Stop answering; in the I/O thread."""
        if self._router is not None:
            self._io.unregister(descriptor(self._router))
            self._router.close()
            self._router = None
            clear_desks(self._folder, os.getpid())


class Desks:
    """The other processes' desks, as this process asks them. Of the I/O thread, but for `borrow`."""

    def __init__(self, io: IOThread, claim: Claim) -> None:
        self._io = io
        self._claim = claim
        self._clients: dict[str, _Client] = {}

    def borrow(self, id_: bytes, address: str) -> Entry:
        """Return an entry that fetches its value from `address` when somebody waits for it."""
        entry = Entry(id_)
        entry.address = address
        entry.want = lambda: self._io.call_soon(lambda: self._fetch(entry))
        return entry

    def _fetch(self, entry: Entry) -> None:
        client = self._client(entry)
        if client is None:
            entry.end(Raised(_owner_died(entry)))
        else:
            client.fetch(entry)

    def _client(self, entry: Entry) -> _Client | None:
        """Return the connection to the desk of the owner; None where it has gone."""
        address = entry.address
        client = self._clients.get(address)
        if client is None:
            try:
                client = self._clients[address] = _Client(self._io, Path(address), self._claim)
            except (OSError, ValueError, KeyError):
                pass
        return client

    def cancel(self, entry: Entry, *, recursive: bool, force: bool) -> None:
        """Ask the owner of `entry` to end the call that makes it. From any thread."""

        def ask() -> None:
            client = self._client(entry)
            if client is not None:
                client.send(messages.CANCEL, {"id": entry.id.hex(), "recursive": recursive, "force": force})

        self._io.call_soon(ask)

    def close(self) -> None:
        """Give up what is still awaited."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()


class _Client:
    """The connection to one desk."""

    def __init__(self, io: IOThread, path: Path, claim: Claim) -> None:
        self._io = io
        self._claim = claim
        served = json.loads(read_private(path))
        self._owner: tuple[int, str] = served["pid"], served["started"]
        connection = Connection.read(path)
        sender = new_token(8)
        self._signer = messages.Signer(connection.key, sender)
        self._wanted: dict[str, list[Entry]] = {}
        self._socket = connection.socket(io.context, zmq.DEALER, "desk", identity=sender.encode())
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED)
        io.register(descriptor(self._socket), self._on_reply)
        io.register(descriptor(self._monitor), self._on_monitor)

    def fetch(self, entry: Entry) -> None:
        name = entry.id.hex()
        waiting = self._wanted.setdefault(name, [])
        waiting.append(entry)
        if len(waiting) == 1:
            self.send(messages.FETCH, {"id": name})
        else:
            self._look()

    def send(self, msg_type: str, content: dict[str, Any]) -> None:
        self._socket.send_multipart(self._signer.pack(msg_type, content))
        self._look()

    def _look(self) -> None:
        self._on_reply()
        self._on_monitor()

    def _on_reply(self) -> None:
        while readable(self._socket):
            try:
                message = self._signer.unpack(messages.split(self._socket.recv_multipart(zmq.NOBLOCK))[1])
                messages.check_digest(message, message.buffers[:1]) if message.buffers else None
            except ProtocolError:
                continue
            content = message.content
            if content.get("blocks"):
                blocks.lent(message.buffers, content["blocks"])
            # While the owner keeps the value for us, and with it what it names.
            luggage = [self._claim(key, address) for key, address in content.get("held", ())]
            for entry in self._wanted.pop(str(content.get("id")), ()):
                if content.get("lost"):
                    entry.end(Raised(_owner_died(entry)))
                else:
                    entry.end(from_frames(content["failed"], message.buffers, luggage))

    def _on_monitor(self) -> None:
        gone = False
        while readable(self._monitor):
            event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))
            gone = gone or event["event"] == zmq.EVENT_DISCONNECTED or not process_alive(*self._owner)
        if gone:
            self._on_reply()
            wanted, self._wanted = self._wanted, {}
            for entries in wanted.values():
                for entry in entries:
                    entry.end(Raised(_owner_died(entry)))

    def close(self) -> None:
        self._io.unregister(descriptor(self._monitor))
        self._io.unregister(descriptor(self._socket))
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close()


def _owner_died(entry: Entry) -> OwnerDiedError:
    return OwnerDiedError(
        f"the value {entry.id.hex()} is lost: the process that owned it has ended; "
        "keep the process that submitted the call alive, or pass the value itself"
    )
