"""Nobody is let in: what is not signed, not new or not for this actor is dropped before it is unpickled."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
import socket
import time
import uuid

import pytest
import zmq

import jactors
from jactors.wire import messages
from jactors.wire.connection import Connection
from tests.live.clients import TIMEOUT, Counter, attached, evaluate, file_of
from tests.live.conftest import until_exists
from tests.live.forger import Bomb, Forger


@pytest.fixture
def counter(session):
    counter = Counter.remote()
    yield counter
    jactors.kill(counter)


# ---------------------------------------------------------------- forged messages


@pytest.fixture(scope="module")
def target(session):
    """One actor for all that is refused: nothing of it may run, so its count stays."""
    counter = Counter.remote()
    client = attached(counter)
    yield counter, client
    client.stop_channels()
    client.context.destroy(linger=0)


@pytest.fixture
def forger(target):
    forger = Forger(*target)
    yield forger
    forger.close()


def test_the_forger_knows_how_to_call(forger):
    before = forger.refused()
    forger.send(forger.call(value=0))
    assert forger.answered()
    assert forger.handle.add(0) == 5 and forger.refused() == before


def test_unsigned_is_refused(forger):
    frames = forger.call()
    frames[1] = b""
    forger.is_refused(frames)


def test_a_wrong_key_is_refused(forger, session):
    forger.is_refused(forger.call(signer=messages.Signer(b"0" * 64, forger.sender)))


def test_another_actors_key_is_refused(forger):
    other = Counter.remote()
    key = Connection.read(file_of(other)).key
    forger.is_refused(forger.call(signer=messages.Signer(key, forger.sender)))


def test_a_replay_is_refused(forger):
    frames = forger.call(value=0)
    forger.send(frames)
    assert forger.answered()
    forger.socket.recv_multipart()
    forger.is_refused(frames)


def test_an_older_message_is_refused(forger):
    older = forger.call(value=100)
    newer = forger.call(value=0)
    forger.send(newer)
    assert forger.answered()
    forger.socket.recv_multipart()
    forger.is_refused(older)


def test_a_swapped_pickle_stream_is_refused_before_it_is_loaded(forger, tmp_path):
    trace = tmp_path / "trace"
    frames = forger.call()
    frames[-1] = pickle.dumps(Bomb(str(trace)))
    forger.is_refused(frames)
    assert not trace.exists()


def test_a_missing_digest_is_refused(forger):
    stream = pickle.dumps(((1,), {}))
    body = {"incarnation": forger.connection.incarnation, "calls": [[1, "add", 1, None, [1], 0]]}
    forger.is_refused(forger.signer.pack(messages.CALL, body, streams=[], buffers=[stream]))


def test_a_message_without_sequence_is_refused(forger):
    """A call without a number could be replayed for ever."""
    frames = forger.call()
    content = json.loads(frames[5])
    del content["seq"]
    frames[5] = json.dumps(content).encode()
    frames[1] = hmac.new(forger.connection.key, b"".join(frames[2:6]), hashlib.sha256).hexdigest().encode()
    forger.is_refused(frames)


@pytest.mark.parametrize("incarnation", [0, 2, None, "1"])
def test_a_wrong_incarnation_is_refused(forger, incarnation):
    forger.is_refused(forger.call(content={"incarnation": incarnation}))


def test_a_reply_in_the_wrong_direction_is_refused(forger, tmp_path):
    # A reply of the actor's own, recorded and reflected, with the type that the peek looks for in its content.
    forger.is_refused(forger.call(msg_type=messages.REPLY, content={"note": '"actor_call_request"'}), times=0)
    frames = forger.call(msg_type="actor_call_reply")
    frames[2] = frames[2][:-1] + b',"x":"\\"actor_call_request\\""}'
    forger.send(frames)
    assert forger.handle.add(0) == 5


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"GET / HTTP/1.1\r\n\r\n"],
        [messages.DELIMITER],
        [messages.DELIMITER, b"", b'"actor_call_request"'],
        [messages.DELIMITER, b"x", b'{"msg_type":"actor_call_request"}', b"{}", b"{}", b"{}"],
        [b"x"] * 200,
        [messages.DELIMITER, b"x", b"{}", b"{}", b"{}", b"{}"],
    ],
)
def test_what_is_no_message_hurts_nothing(forger, frames):
    forger.send(frames)
    assert forger.handle.add(0) == 5
    assert evaluate(forger.client, "self.count") == "5"


@pytest.mark.parametrize(
    "calls",
    [
        None,
        [],
        [[1]],
        [[1, "add", 1, None, [-1], 0]],
        [[1, "add", 1, None, [50], 0]],
        [[1, "add", 1, None, [], 0]],
        [["x", "add", 1, None, [1], 0]],
        [[1, "add", "many", None, [1], 0]],
        [[1, 7, 1, None, [1], 0]],
        "calls",
    ],
)
def test_a_signed_call_that_makes_no_sense_hurts_nothing(forger, calls):
    forger.send(forger.call(value=0, content={"calls": calls}))
    assert jactors.get(forger.handle.add.remote(0), timeout=5) == 5
    assert evaluate(forger.client, "self.count") == "5"


def test_a_call_of_a_method_that_is_not_there_is_answered(forger):
    forger.send(forger.call(method="__reduce__"))
    forger.send(forger.call(method="nothing"))
    assert forger.answered()
    assert forger.handle.add(0) == 5


def test_a_forged_reply_is_refused_by_the_caller(counter, session, tmp_path):
    """Without the key nothing that looks like a reply ends a call."""
    link = counter._home.link
    ref = counter.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    until_exists(tmp_path / "ready")
    ended = []
    forged = messages.Signer(b"0" * 64, "x").pack(
        messages.REPLY, {"incarnation": 1, "results": [[1, -1, False, 1]]}, streams=[b"x"], buffers=[b"x"]
    )
    with pytest.raises(jactors.exceptions.ProtocolError):
        link._reply(forged, ended)
    assert ended == [] and not ref._entry.done
    (tmp_path / "gate").touch()
    assert jactors.get(ref, timeout=TIMEOUT) == "waited"


# ---------------------------------------------------------------- stock messages


@pytest.fixture
def stranger(forger, launcher):
    """Sends raw frames to shell or control; `request` is a signed execute_request that leaves a trace."""

    class Stranger:
        def __init__(self):
            self.sockets = {
                channel: forger.connection.socket(
                    forger.context, zmq.DEALER, channel, identity=uuid.uuid4().hex.encode()
                )
                for channel in ("shell", "control")
            }

        def send(self, channel, frames):
            self.sockets[channel].send_multipart(frames)

        def answered(self, channel, timeout=TIMEOUT):
            return bool(self.sockets[channel].poll(timeout * 1000))

        def is_refused(self, channel, frames):
            before = forger.refused()
            self.send(channel, frames)
            deadline = time.monotonic() + 5
            while forger.refused() == before:
                assert time.monotonic() < deadline, "not refused"
            assert not self.answered(channel, 0)

        @staticmethod
        def request(trace, key=None):
            from jupyter_client.session import Session

            session = Session(key=key or forger.connection.key, signature_scheme="hmac-sha256")
            content = {"code": f"open({str(trace)!r}, 'a').write('ran ')", "silent": True, "store_history": False}
            return session.serialize(session.msg("execute_request", content))

    stranger = Stranger()
    yield stranger
    for each in stranger.sockets.values():
        each.close()


CHANNELS = ("shell", "control")


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_stock_request_that_is_not_signed_with_the_key_does_not_run(stranger, tmp_path, channel):
    stranger.is_refused(channel, stranger.request(tmp_path / "trace", key=b"0" * 64))
    frames = stranger.request(tmp_path / "trace")
    frames[1] = b""
    stranger.is_refused(channel, frames)
    frames = stranger.request(tmp_path / "trace")
    frames[5] = frames[5].replace(b"ran ", b"run ")
    stranger.is_refused(channel, frames)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("again", CHANNELS)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_recorded_stock_request_does_not_run_again_on_either_channel(stranger, tmp_path, channel, again):
    frames = stranger.request(tmp_path / "trace")
    stranger.send(channel, frames)
    assert stranger.answered(channel)
    stranger.sockets[channel].recv_multipart()
    stranger.is_refused(again, frames)
    assert (tmp_path / "trace").read_text() == "ran "


def test_what_was_recorded_before_a_restart_is_refused_after_it(session, tmp_path):
    counter = jactors.remote(max_restarts=1)(Counter._class).remote()
    client = attached(counter)
    forger = Forger(counter, client)
    call = forger.call(value=100)
    from jupyter_client.session import Session

    stock = Session(key=forger.connection.key)
    frames = stock.serialize(stock.msg("execute_request", {"code": f"open({str(tmp_path / 'x')!r}, 'w')"}))
    client.stop_channels()
    client.context.destroy(linger=0)
    forger.close()
    jactors.kill(counter, no_restart=False)
    while True:
        try:
            assert counter.add(0) == 5
            break
        except jactors.exceptions.ActorUnavailableError:
            pass
    client = attached(counter)
    second = Forger(counter, client)
    second.handle = counter
    second.is_refused(call)
    second.is_refused(frames)
    assert not (tmp_path / "x").exists()
    second.close()
    client.stop_channels()
    client.context.destroy(linger=0)


def test_the_frame_with_which_ipykernel_talks_to_itself_is_refused_from_outside(stranger):
    stranger.is_refused("shell", [b"stop aborting"])


# ---------------------------------------------------------------- what is no message at all


def raw(path, data, *, close=True):
    """Write bytes to a Unix socket as a process that knows nothing of zmq."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))
    client.sendall(data)
    if close:
        client.close()
    return client


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"",
        b"\xff",
        GREETING[:20],
        GREETING,
        GREETING + READY[:9],
        GREETING + READY + b"\x02" + (1 << 62).to_bytes(8, "big") + b"x",  # a frame that would fill any memory
        GREETING + READY + b"\x00\x64half",
        bytes(range(256)) * 50,
    ],
)
def test_what_is_not_zmq_hurts_nothing(forger, launcher, data):
    if launcher == "spawn":
        pytest.skip("TCP there: the same code of zmq reads it")
    kept = [
        raw(f"{forger.connection.ip}-{forger.connection.ports[channel]}", data, close=close)
        for channel in ("shell", "control", "iopub", "stdin", "hb")
        for close in (True, False)
    ]
    try:
        assert forger.handle.add(0) == 5
        assert evaluate(forger.client, "self.count") == "5"
    finally:
        for each in kept:
            each.close()


def test_a_control_message_that_is_too_large_is_not_read(stranger, forger):
    stranger.send("control", [messages.DELIMITER, bytes(70 << 20)])
    assert forger.handle.add(0) == 5
    client = attached(forger.handle)
    client.control_channel.send(client.session.msg("kernel_info_request", {}))
    assert client.get_control_msg(timeout=TIMEOUT)["msg_type"] == "kernel_info_reply"
    client.stop_channels()
    client.context.destroy(linger=0)
