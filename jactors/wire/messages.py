"""The messages, in Jupyter's wire format: signed, in one direction, of one incarnation, in sequence.

A call message is ``actor_call_request`` on the shell channel and carries one or many calls of one
caller; its answer is ``actor_call_reply`` and carries one or many results::

    idents… <IDS|MSG> signature header parent_header metadata content | stream buffer… stream buffer…
                      └───────────── HMAC-SHA256 ─────────────────┘   └── one group a call ──┘

Jupyter's signature does not cover the buffers. So the signed content carries the digest of every
pickle stream (streams are code; raw buffers are data and need none), the incarnation it is meant
for and a sequence number that only grows. All of it is checked before anything is unpickled: a
message with swapped streams, of another incarnation, replayed or reflected is refused.

``parent_header`` is the header of the notebook cell on whose behalf the call is made, plus
``caller``: the processes that its output has to travel through, nearest last.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from jactors.errors import ProtocolError
from jactors.objects.blocks import swap_out

__all__ = [
    "CALL",
    "CANCEL",
    "DELIMITER",
    "FETCH",
    "FETCHED",
    "REPLY",
    "STATUS",
    "Message",
    "Signer",
    "dump_json",
    "peek_type",
    "send",
    "split",
]

DELIMITER = b"<IDS|MSG>"
CALL = "actor_call_request"
REPLY = "actor_call_reply"
#: A process asks the owner of a value for it, and is answered.
FETCH = "object_request"
FETCHED = "object_reply"
#: A process asks the owner of a value to end the call that makes it.
CANCEL = "object_cancel"
#: On iopub: what the actor says about itself.
STATUS = "actor_status"

#: Refused where their number is not new.
_NUMBERED = frozenset({CALL, REPLY, FETCH, FETCHED, CANCEL})

PROTOCOL_VERSION = "5.4"


def _default(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not part of a message: {value!r}")


#: JSON as it goes over the wire.
dump_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), default=_default).encode
_load_json: Callable[[str], Any] = json.JSONDecoder().decode  # `json.loads` guesses the encoding first


@dataclass(slots=True)  # frozen, it takes four times as long
class Message:
    """A message whose signature, and digest where it has one, were right."""

    msg_type: str
    sender: str
    content: Mapping[str, Any]
    #: As JSON: most readers do not look.
    raw_header: bytes
    raw_parent: bytes
    raw_metadata: bytes
    #: Raw frames behind the content.
    buffers: list[Any]

    def groups(self, sizes: Iterable[int]) -> list[list[Any]]:
        """Return the buffers in groups of these sizes."""
        at = iter(self.buffers)
        return [list(islice(at, size)) for size in sizes]

    @property
    def parent(self) -> dict[str, Any]:
        """The parent header."""
        return json.loads(self.raw_parent)  # type: ignore[no-any-return]

    def renamed(self, msg_type: str) -> Message:
        """Return the same as a message of another type."""
        return replace(self, msg_type=msg_type)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata."""
        return json.loads(self.raw_metadata)  # type: ignore[no-any-return]


class Signer:
    """Signs and checks the messages of one key; `sender` is this process' name in the headers.

    One signer belongs to one socket pair, under its lock: `seq` only grows.
    """

    __slots__ = ("_mac", "_prefix", "_seen", "key", "sender", "seq")

    def __init__(self, key: bytes, sender: str) -> None:
        self.key = key
        self.sender = sender
        self.seq = 0
        #: The last sequence number of each sender.
        self._seen: dict[str, int] = {}
        self._mac = hmac.new(key, digestmod=hashlib.sha256)
        self._prefix = f'{{"session":"{sender}","username":"jactors","version":"{PROTOCOL_VERSION}",'

    def _sign(self, frames: Sequence[bytes]) -> bytes:
        mac = self._mac.copy()
        for frame in frames:
            mac.update(frame)
        return mac.hexdigest().encode()

    def pack(
        self,
        msg_type: str,
        content: dict[str, Any],
        *,
        parent: bytes = b"{}",
        streams: Sequence[bytes] = (),
        buffers: Sequence[bytes] = (),
    ) -> list[bytes]:
        """Return the frames from the delimiter on.

        Parameters
        ----------
        parent : bytes
            The parent header, as JSON.
        streams
            The pickle streams among `buffers`, in order: their digest is signed.
        buffers
            Frames; those that lie in shared memory are only named.
        """
        self.seq = seq = self.seq + 1
        content["seq"] = seq
        if streams:
            content["digest"] = digest(streams)
        if len(buffers) > len(streams):
            buffers = list(buffers)
            content["blocks"] = swap_out(buffers)
        header = (
            f'{self._prefix}"msg_id":"{self.sender}_{seq}","msg_type":"{msg_type}",'
            f'"date":"{datetime.now(UTC).isoformat()}"}}'
        ).encode()
        signed = (header, parent, b"{}", dump_json(content).encode())
        return [DELIMITER, self._sign(signed), *signed, *buffers]

    def verify(self, frames: Sequence[bytes]) -> None:
        """Check the signature of the frames behind the delimiter.

        Raises
        ------
        ProtocolError
            It is wrong, or the message is truncated.
        """
        if len(frames) < 5:
            raise ProtocolError(f"a message of {len(frames)} frames behind the delimiter is truncated")
        if not hmac.compare_digest(self._sign(frames[1:5]), frames[0]):
            raise ProtocolError("a message with a wrong signature: not of this actor, or of an earlier incarnation")

    def stock(
        self,
        msg_type: str,
        header: Mapping[str, Any],
        content: Mapping[str, Any],
        *,
        parent: bytes = b"{}",
        metadata: Mapping[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> list[bytes]:
        """Return the frames of a message that any kernel knows, from the delimiter on.

        Parameters
        ----------
        header : mapping
            What it says besides its type, sender and date; its ``msg_id``, or a new one.
        """
        self.seq += 1
        own = {
            "msg_id": f"{self.sender}_{self.seq}",
            "username": "jactors",
            "version": PROTOCOL_VERSION,
            **header,
            "session": self.sender,
            "msg_type": msg_type,
            "date": datetime.now(UTC),
        }
        signed = (
            dump_json(own).encode(),
            parent,
            dump_json(dict(metadata or {})).encode(),
            dump_json(dict(content)).encode(),
        )
        return [DELIMITER, self._sign(signed), *signed, *buffers]

    def unpack(self, frames: Sequence[bytes]) -> Message:
        """Check the frames behind the delimiter: signature, then sequence.

        Raises
        ------
        ProtocolError
            If anything is wrong; nothing was unpickled.
        """
        self.verify(frames)
        signed = frames[1:5]
        try:
            header, content = _load_json(signed[0].decode()), _load_json(signed[3].decode())
            sender, msg_type = header["session"], header["msg_type"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ProtocolError(f"a signed message that is not Jupyter's: {error!r}") from error
        if msg_type in _NUMBERED:
            seq = content.get("seq") if isinstance(content, dict) else None
            if not isinstance(seq, int) or seq <= self._seen.get(sender, 0):
                raise ProtocolError(f"{msg_type} {seq} of {sender} came again, or has no number")
            self._seen[sender] = seq
        return Message(msg_type, sender, content, signed[0], signed[1], signed[2], list(frames[5:]))


def digest(streams: Sequence[bytes]) -> str:
    """Return the digest of pickle streams: BLAKE2b of their lengths and bytes, 16 bytes as hex."""
    summary = hashlib.blake2b(digest_size=16)
    for stream in streams:
        summary.update(len(stream).to_bytes(8, "big"))
        summary.update(stream)
    return summary.hexdigest()


def check_digest(message: Message, streams: Sequence[bytes]) -> None:
    """Raise ProtocolError unless `streams` are those that were signed."""
    if message.content.get("digest") != (digest(streams) if streams else None):
        raise ProtocolError(f"{message.msg_type}: the pickle streams are not those that were signed")


def split(frames: Sequence[bytes]) -> tuple[list[bytes], Sequence[bytes]]:
    """Return the identities before the delimiter and the frames behind it.

    Raises
    ------
    ProtocolError
        Where there is no delimiter among the first frames.
    """
    for index, frame in enumerate(frames[:8]):
        if frame == DELIMITER:
            return list(frames[:index]), frames[index + 1 :]
    raise ProtocolError("a message without delimiter: not of Jupyter's protocol")


def peek_type(frames: Sequence[bytes], msg_type: bytes) -> bool:
    """Return whether the (unverified) header of a message from a DEALER names `msg_type`.

    Only to choose who parses it; the chosen one verifies.
    """
    for index, frame in enumerate(frames[:4]):
        if frame == DELIMITER:
            return len(frames) > index + 2 and msg_type in frames[index + 2]
    return False


def send(socket: Any, frames: Sequence[bytes]) -> None:
    """Send a message: zmq's own ``send_multipart`` takes 6 µs longer; only large frames are not copied."""
    last = len(frames) - 1
    for index, frame in enumerate(frames):
        socket.send(frame, _MORE if index < last else 0, len(frame) < _COPY)


_MORE = 2
_COPY = 1 << 16
