"""Raw pyzmq: a DEALER and a ROUTER in two processes, over ipc, with the frames of a Jupyter message and no work at all.

It is the floor: what any system that says the same over the same sockets costs at least.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.bench import measure

HEADER = {
    "msg_id": "0123456789abcdef0123456789abcdef_12345_1",
    "msg_type": "actor_call_request",
    "username": "somebody",
    "session": "0123456789abcdef0123456789abcdef",
    "date": "2026-01-01T00:00:00.000000Z",
    "version": "5.4",
}
#: Delimiter, signature, header, parent header, metadata, content, and one buffer; the ROUTER adds the identity.
FRAMES = [
    b"<IDS|MSG>",
    b"0" * 64,
    json.dumps(HEADER).encode(),
    json.dumps(HEADER).encode(),
    b"{}",
    json.dumps({"method": "add", "call_id": "0123456789abcdef", "number": 1, "digest": "0" * 64}).encode(),
    b"p" * 60,
]


def serve(address):
    import zmq

    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.set_hwm(0)
        socket.bind(address)
        print("up", flush=True)
        while True:
            frames = socket.recv_multipart()
            if len(frames) == 2:
                return
            socket.send_multipart([frames[0], *FRAMES])


@contextmanager
def connected():
    import zmq

    with tempfile.TemporaryDirectory(prefix="jx") as folder:
        address = f"ipc://{Path(folder) / 's'}"
        command = [sys.executable, "-c", f"from tests.bench.subjects.raw import serve; serve({address!r})"]
        with (
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
            zmq.Context() as context,
            context.socket(zmq.DEALER) as socket,
        ):
            assert server.stdout.readline() == "up\n"
            socket.set_hwm(0)
            socket.connect(address)
            yield socket
            socket.send(b"")
            server.wait()


def calls(**counts):
    with connected() as socket:

        def one():
            socket.send_multipart(FRAMES)
            socket.recv_multipart()

        def many(n):
            for _ in range(n):
                socket.send_multipart(FRAMES)
            for _ in range(n):
                socket.recv_multipart()

        return measure.calls(one, many, **counts)
