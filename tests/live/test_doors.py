"""The other ways in: the supervisor's channel, the desk, TCP; and what a method forks, which is not the actor."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
import zmq

import jactors
from jactors.wire import messages
from jactors.wire.channel import connect
from jactors.wire.connection import Connection
from tests.live.clients import TIMEOUT, Counter


@pytest.fixture(scope="module")
def counter(session):
    """One actor for all: its count stays."""
    counter = Counter.remote()
    yield counter
    jactors.kill(counter)


# ---------------------------------------------------------------- the supervisor's channel, the desk


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[1, 2]\n",
        b"3\n",
        b"null\n",
        b'{"op": "spawn", "id": 1}\n',
        b'{"op": "kill", "id": 1, "actor_id": []}\n',
        b'{"op": 7, "id": 1}\n',
        b'{"op": {"a": 1}, "id": 1}\n',
        b'{"report": "x"}\n',
        b'{"report": ["x"], "incarnation": 1, "event": "alive"}\n',
        b'{"report": {"a": 1}}\n',
        b"[" * 100_000 + b"\n",
        b'{"op": "' + b"x" * 1_000_000 + b'"}\n',
        b"\x00\xff\xfe\n" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_nonsense_on_the_supervisors_channel_ends_nobodys_session(counter, line):
    address = jactors.session.current().record("")["address"]
    kept = [connect(address) for _ in range(3)]
    for each in kept:
        each.sendall(line)
    assert counter.add(0) == 5
    assert jactors.cluster_resources()["CPU"] == 4
    for each in kept:
        each.close()


def test_the_desk_drops_what_is_not_signed_and_answers_what_comes_behind_it(session, tmp_path):
    gate = tmp_path / "gate"
    actor = Counter.remote()
    ref = actor.wait_for.remote(str(tmp_path / "ready"), str(gate))
    here = jactors.session.current()
    address = here.export_ref(ref._entry)
    connection = Connection.read(address)
    context = zmq.Context()
    good = messages.Signer(connection.key, "tester")
    bad = messages.Signer(b"0" * 64, "tester")
    request = {"id": ref._entry.id.hex()}
    client = connection.socket(context, zmq.DEALER, "desk", identity=b"tester")
    frames = good.pack(messages.FETCH, dict(request))
    for each in ([b"x"], [b""], [messages.DELIMITER], bad.pack(messages.FETCH, dict(request)), [b"x"] * 100):
        client.send_multipart(each)
    client.send_multipart(frames)
    client.send_multipart(frames)  # a replay
    gate.touch()
    assert client.poll(TIMEOUT * 1000)
    reply = messages.Signer(connection.key, "me").unpack(messages.split(client.recv_multipart())[1])
    assert reply.content["id"] == request["id"] and not reply.content["lost"]
    assert not client.poll(50)
    assert here._desk.refused == 6
    client.close()
    context.destroy(linger=0)


# ---------------------------------------------------------------- TCP


def test_over_tcp_whoever_has_not_the_keys_is_told_nothing(run, tmp_path):
    code, out, err = run(
        """
        import json, zmq, jactors
        class Box:
            def get(self):
                return 5
        if __name__ == "__main__":
            jactors.init(num_cpus=1, launcher="spawn")
            box = jactors.remote(Box).remote()
            assert box.get() == 5
            told = jactors.session.current().links.told[box._actor_id.hex()]
            info = json.load(open(told["connection_file"]))
            assert info["transport"] == "tcp" and info["ip"] == "127.0.0.1", info
            context = zmq.Context()
            heard = {}
            for channel, kind in (("iopub", zmq.SUB), ("shell", zmq.DEALER), ("control", zmq.DEALER), ("hb", zmq.REQ)):
                for curve in (False, True):
                    sock = context.socket(kind)
                    if curve:  # with a key pair of its own, and the server's not known
                        public, secret = zmq.curve_keypair()
                        sock.curve_publickey, sock.curve_secretkey = public, secret
                        sock.curve_serverkey = zmq.curve_keypair()[0]
                    if kind == zmq.SUB:
                        sock.subscribe(b"")
                    sock.connect(f"tcp://127.0.0.1:{info[channel + '_port']}")
                    if kind != zmq.SUB:
                        sock.send(b"hello")
                    heard[channel, curve] = sock
            assert [box.get() for _ in range(20)] == [5] * 20
            print([name for name, sock in heard.items() if sock.poll(50)])
            context.destroy(linger=0)
        """,
    )
    assert code == 0 and out.strip() == "[]", out + err


# ---------------------------------------------------------------- forked children


class Forking:
    def fork(self, how):
        if os.fork() == 0 and how != "return":
            if how == "raise":
                raise ValueError("in the child")
            sys.exit(0 if how == "exit" else 3)
        return os.getpid()

    def children(self):
        """Wait until they have ended; their exit codes."""
        codes = []
        while True:
            try:
                codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
            except ChildProcessError:
                return codes

    def pid(self):
        return os.getpid()


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize(("how", "code"), [("return", 0), ("raise", 1), ("exit", 0), ("fail", 3)])
def test_a_forked_child_cannot_answer_as_the_actor(session, how, code, concurrency):
    actor = jactors.remote(max_concurrency=concurrency)(Forking).remote()
    pid = actor.pid()
    assert jactors.get([actor.fork.remote(how) for _ in range(3)], timeout=TIMEOUT) == [pid] * 3
    assert actor.children() == [code] * 3
    assert [actor.pid() for _ in range(20)] == [pid] * 20


def test_a_child_forked_by_init_or_a_coroutine_is_not_the_actor(session):
    class ForkingAtOnce:
        def __init__(self):
            os.fork()
            self.pid = os.getpid()

        async def fork(self):
            os.fork()
            await asyncio.sleep(0)
            return os.getpid(), self.pid

        async def children(self):
            return Forking.children(self)

    actor = jactors.remote(ForkingAtOnce).remote()
    pids = jactors.get([actor.fork.remote() for _ in range(3)], timeout=TIMEOUT)
    assert len({pid for both in pids for pid in both}) == 1
    assert len(actor.children()) == 4
