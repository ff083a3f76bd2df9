"""The corpus: real messages to begin with."""

from __future__ import annotations

import pickle
import uuid
from dataclasses import dataclass

from jupyter_client.session import Session

from jactors.wire import messages
from jactors.wire.connection import Connection


class Bomb:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@dataclass(frozen=True)
class Corpus:
    """Frames from the delimiter on. `known` have been delivered once; `foreign` are signed with another key."""

    known: list[list[bytes]]
    foreign: list[list[bytes]]
    bomb: bytes

    @classmethod
    def record(cls, connection: Connection, canary: str) -> Corpus:
        """Make messages as real clients do. Those of `known` add 1 to the counter, or do nothing that lasts."""
        bomb = pickle.dumps(Bomb(canary))
        return cls(_messages(connection, connection.key, canary), _messages(connection, b"f" * 64, canary), bomb)


def _messages(connection, key, canary):
    signer = messages.Signer(key, uuid.uuid4().hex)
    made = []
    for n in range(8):
        stream = pickle.dumps(((1,), {}), protocol=5)
        content = {"incarnation": connection.incarnation, "calls": [[n + 1, "add", 1, None, [1], 0]]}
        made.append(signer.pack(messages.CALL, content, streams=[stream], buffers=[stream]))
    for msg_type, content in (
        ("actor_cancel_request", {"sender": "x" * 32, "number": 1, "recursive": True, "timeout": 1}),
        ("actor_checkpoint_request", {"path": None, "timeout": 1}),
        ("actor_nothing_request", {}),
    ):
        made.append(signer.pack(msg_type, content))
    session = Session(key=key, signature_scheme="hmac-sha256")
    code = f"open({canary!r}, 'w')" if key != connection.key else "1"
    stock = [
        ("execute_request", {"code": code, "silent": True, "store_history": False, "user_expressions": {}}),
        ("complete_request", {"code": "self.", "cursor_pos": 5}),
        ("inspect_request", {"code": "self", "cursor_pos": 4, "detail_level": 0}),
        ("is_complete_request", {"code": "for x in"}),
        ("kernel_info_request", {}),
        ("comm_info_request", {}),
        ("history_request", {"raw": True, "output": False, "hist_access_type": "tail", "n": 1}),
        ("comm_open", {"comm_id": "c", "target_name": "nobody", "data": {}}),
        ("comm_msg", {"comm_id": "c", "data": {}}),
        ("connect_request", {}),
        ("usage_request", {}),
        ("debug_request", {"type": "request", "command": "debugInfo", "seq": 1}),
    ]
    if key != connection.key:
        stock += [("shutdown_request", {"restart": False}), ("interrupt_request", {}), ("input_reply", {"value": "x"})]
    return made + [session.serialize(session.msg(kind, content)) for kind, content in stock]
