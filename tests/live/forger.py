"""Whoever wants to be let in: a client that says what no jactors process would, and what it would like to be loaded."""

from __future__ import annotations

import pickle
import time
import uuid

import zmq

from jactors.wire import messages
from jactors.wire.connection import Connection
from tests.live.clients import TIMEOUT, evaluate, file_of


class Bomb:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


class Forger:
    """A client that says what no jactors process would; `refused` is what the actor has counted."""

    def __init__(self, handle, client):
        self.handle = handle
        self.client = client
        self.connection = Connection.read(file_of(handle))
        self.context = zmq.Context()
        self.sender = uuid.uuid4().hex
        self.socket = self.connection.socket(self.context, zmq.DEALER, "shell", identity=self.sender.encode())
        self.signer = messages.Signer(self.connection.key, self.sender)

    def call(self, *, signer=None, incarnation=None, method="add", value=1, msg_type=messages.CALL, content=None):
        stream = pickle.dumps(((value,), {}), protocol=5)
        incarnation = self.connection.incarnation if incarnation is None else incarnation
        body = {"incarnation": incarnation, "calls": [[1, method, 1, None, [1], 0]], **(content or {})}
        return (signer or self.signer).pack(msg_type, body, streams=[stream], buffers=[stream])

    def send(self, frames):
        self.socket.send_multipart(frames)

    def answered(self, timeout=TIMEOUT):
        return bool(self.socket.poll(timeout * 1000))

    def refused(self):
        # Behind what was sent: another socket, so look until it is counted.
        return int(evaluate(self.client, "get_ipython().kernel.refused"))

    def is_refused(self, frames, times=1):
        before = self.refused()
        self.send(frames)
        deadline = time.monotonic() + 5
        while self.refused() < before + times:
            assert time.monotonic() < deadline, "not refused"
        assert not self.socket.poll(0)
        assert self.handle.add(0) == 5  # it goes on, and nothing ran

    def close(self):
        self.socket.close()
        self.context.destroy(linger=0)
