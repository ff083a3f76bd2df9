"""A connection to an actor: what becomes of this process when the other end dies at the worst moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).parents[2]

#: Each round: a peer that reads, a backlog of long messages, its death, and the close of our socket at the same time.
ROUNDS = """
import os, random, sys, time, zmq
from jactors.wire.connection import Connection

context, frames = zmq.Context(), [bytes(3000)] * 40
for number in range(100):
    prefix = f"{sys.argv[1]}/{number}"
    peer = os.fork()
    if not peer:
        router = zmq.Context().socket(zmq.ROUTER)
        router.hwm = 0
        router.bind(f"ipc://{prefix}-1")
        while True:
            router.recv_multipart()
    while not os.path.exists(f"{prefix}-1"):
        time.sleep(0.0005)
    connection = Connection(transport="ipc", ip=prefix, ports={"shell": 1}, key=b"", incarnation=1)
    dealer = connection.socket(context, zmq.DEALER, "shell")
    for _ in range(60):
        dealer.send_multipart(frames)
    time.sleep(random.random() * 0.01)
    os.kill(peer, 9)
    dealer.close()
    os.waitpid(peer, 0)
context.term()
"""


@pytest.mark.skipif(not zmq.has("ipc"), reason="there is no ipc here")
def test_a_peer_that_dies_in_the_middle_of_a_message_does_not_abort_this_process(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ROUNDS, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
