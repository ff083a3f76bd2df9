"""An actor is a Jupyter kernel: stock clients attach; forged messages are refused before they are unpickled."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pickle
import re
import signal
import stat
import threading
import time
import uuid
from pathlib import Path

import pytest
import zmq
from jupyter_client import BlockingKernelClient

import jactors
from jactors.wire import messages
from jactors.wire.connection import Connection
from tests.live.conftest import gone, until_exists

TIMEOUT = 30


@jactors.remote
class Counter:
    def __init__(self):
        self.count = 5
        self.log = []

    def add(self, by=1):
        self.count += by
        return self.count

    def note(self, what):
        self.log.append(what)

    def wait_for(self, ready, path):
        open(ready, "w").close()
        while not os.path.exists(path):
            time.sleep(0.002)
        self.log.append("waited")
        return "waited"

    def loop(self, ready):
        self.count = 100
        open(ready, "w").close()
        try:
            while True:
                self.count += 1
        finally:
            self.log.append("cleaned up")

    def history(self):
        return self.log

    def total(self, array):
        return float(sum(array))

    def pid(self):
        return os.getpid()


def file_of(handle):
    handle.__ray_ready__()
    return jactors.session.current().links.told[handle._actor_id.hex()]["connection_file"]


@pytest.fixture
def counter(session):
    counter = Counter.remote()
    yield counter
    jactors.kill(counter)


def attached(handle):
    """A stock client of an actor."""
    client = BlockingKernelClient(connection_file=file_of(handle))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    return client


@pytest.fixture
def client(counter):
    client = attached(counter)
    yield client
    client.stop_channels()
    client.context.destroy(linger=0)


def evaluate(client, expression):
    reply = client.execute("", user_expressions={"x": expression}, reply=True, timeout=TIMEOUT)["content"]
    found = reply["user_expressions"]["x"]
    assert found["status"] == "ok", found
    return found["data"]["text/plain"]


# ---------------------------------------------------------------- a stock client


def test_the_connection_file_is_the_standard_one(counter):
    from jupyter_core.paths import jupyter_runtime_dir

    path = file_of(counter)
    info = json.loads(Path(path).read_text())
    assert os.path.dirname(path) == jupyter_runtime_dir() and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    channels = ("shell", "iopub", "stdin", "control", "hb")
    assert {*(f"{channel}_port" for channel in channels), "ip", "key", "transport"} <= info.keys()
    assert len(info["key"]) >= 32 and info["signature_scheme"] == "hmac-sha256"


def test_kernel_info(client):
    content = client.kernel_info(reply=True, timeout=TIMEOUT)["content"]
    assert content["status"] == "ok" and content["language_info"]["name"] == "python"


def test_self_is_the_object(counter, client):
    assert evaluate(client, "self.count") == "5"
    assert counter.add() == 6
    assert evaluate(client, "self.count") == "6"
    client.execute("self.count = 40; x = 1", reply=True, timeout=TIMEOUT)
    assert counter.add() == 41 and evaluate(client, "x") == "1"


def test_output_and_errors_of_a_cell(client):
    shown = {}
    reply = client.execute_interactive(
        "print('hello'); self.count",
        output_hook=lambda message: shown.setdefault(message["msg_type"], message["content"]),
        timeout=TIMEOUT,
    )
    assert reply["content"]["status"] == "ok"
    assert shown["stream"]["text"] == "hello\n" and shown["execute_result"]["data"]["text/plain"] == "5"
    reply = client.execute("1/0", reply=True, timeout=TIMEOUT)["content"]
    assert (reply["status"], reply["ename"]) == ("error", "ZeroDivisionError")
    assert evaluate(client, "self.count") == "5"


def test_complete_and_inspect(client):
    code = "self.co"
    content = client.complete(code, len(code), reply=True, timeout=TIMEOUT)["content"]
    assert any(match.endswith("count") for match in content["matches"])
    content = client.inspect("self.add", 8, reply=True, timeout=TIMEOUT)["content"]
    assert content["found"] and "by=1" in re.sub(r"\x1b\[\d+m", "", content["data"]["text/plain"])


def test_top_level_await(client):
    client.execute("import asyncio; await asyncio.sleep(0); y = 2", reply=True, timeout=5)
    assert evaluate(client, "y") == "2"


def test_is_complete(client):
    request = client.is_complete("for x in y:")
    reply = client.get_shell_msg(timeout=TIMEOUT)
    assert reply["parent_header"]["msg_id"] == request and reply["content"]["status"] == "incomplete"


def test_control_answers_while_a_call_runs(counter, client, tmp_path):
    ref = counter.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    until_exists(tmp_path / "ready")
    client.control_channel.send(client.session.msg("kernel_info_request", {}))
    assert client.get_control_msg(timeout=TIMEOUT)["msg_type"] == "kernel_info_reply"
    assert client.hb_channel.is_beating()
    (tmp_path / "gate").touch()
    assert jactors.get(ref, timeout=TIMEOUT) == "waited"


def test_a_cell_falls_into_line_behind_queued_calls(counter, client, tmp_path):
    refs = [counter.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))]
    refs += [counter.note.remote(i) for i in range(20)]
    until_exists(tmp_path / "ready")
    request = client.execute("self.note('cell')")
    (tmp_path / "gate").touch()
    while client.get_shell_msg(timeout=TIMEOUT)["parent_header"].get("msg_id") != request:
        pass
    jactors.get(refs, timeout=TIMEOUT)
    history = counter.history()
    # It takes its turn: never in the middle of a call. Between callers there is no order to keep.
    assert history[0] == "waited" and history.count("cell") == 1
    assert [each for each in history[1:] if each != "cell"] == list(range(20))


def test_calls_fall_into_line_behind_a_cell(counter, client, tmp_path):
    code = f"self.wait_for({str(tmp_path / 'ready')!r}, {str(tmp_path / 'gate')!r})"
    client.execute(code)
    until_exists(tmp_path / "ready")
    ref = counter.note.remote("call")
    (tmp_path / "gate").touch()
    jactors.get(ref, timeout=TIMEOUT)
    assert counter.history() == ["waited", "call"]


def test_calls_that_wait_behind_a_cell_that_fails_are_not_lost(counter, client, tmp_path):
    client.execute(f"self.wait_for({str(tmp_path / 'ready')!r}, {str(tmp_path / 'gate')!r}); 1 / 0")
    until_exists(tmp_path / "ready")
    refs = [counter.note.remote(i) for i in range(3)]
    (tmp_path / "gate").touch()
    assert jactors.get(refs, timeout=5) == [None] * 3
    assert counter.history() == ["waited", 0, 1, 2]


def test_calls_go_on_while_a_cell_awaits_nothing_and_after_an_error(counter, client):
    client.execute("1/0")
    assert counter.add() == 6
    client.execute("raise SystemError('x')", reply=True, timeout=TIMEOUT)
    assert counter.add() == 7


def test_two_clients(counter, client):
    other = attached(counter)
    try:
        other.execute("z = 3", reply=True, timeout=TIMEOUT)
        assert evaluate(client, "z") == "3" and evaluate(other, "self.count") == "5"
    finally:
        other.stop_channels()
        other.context.destroy(linger=0)


def test_console_attaches(counter, environment, launcher):
    if launcher == "spawn":
        pytest.skip("jupyter_client's console application does not pass on a connection file's CurveZMQ keys")
    import subprocess
    import sys

    console = subprocess.run(
        [sys.executable, "-m", "jupyter_console", "--existing", file_of(counter), "--simple-prompt"],
        input="print('count is', self.count)\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=environment,
        check=False,
    )
    assert "count is 5" in console.stdout, console.stdout + console.stderr


def test_shutdown_request_ends_the_actor(counter, client):
    pid = counter.pid()
    client.shutdown()
    assert gone(pid) == []
    with pytest.raises(jactors.exceptions.ActorDiedError):
        jactors.get(counter.add.remote(), timeout=TIMEOUT)


# ---------------------------------------------------------------- interrupts


def interrupt(client):
    client.control_channel.send(client.session.msg("interrupt_request", {}))
    assert client.get_control_msg(timeout=TIMEOUT)["msg_type"] == "interrupt_reply"


def test_interrupt_reaches_the_running_method_and_state_is_kept(counter, client, tmp_path):
    ref = counter.loop.remote(str(tmp_path / "ready"))
    queued = counter.add.remote()
    until_exists(tmp_path / "ready")
    interrupt(client)
    with pytest.raises(jactors.exceptions.TaskCancelledError, match=r"Counter\.loop was interrupted") as caught:
        jactors.get(ref, timeout=TIMEOUT)
    assert isinstance(caught.value.cause, KeyboardInterrupt)
    assert jactors.get(queued, timeout=TIMEOUT) > 100
    assert counter.history() == ["cleaned up"] and counter.add() > 100


def test_interrupt_by_signal(counter, tmp_path):
    pid = counter.pid()
    ref = counter.loop.remote(str(tmp_path / "ready"))
    until_exists(tmp_path / "ready")
    os.kill(pid, signal.SIGINT)
    with pytest.raises(jactors.exceptions.TaskCancelledError):
        jactors.get(ref, timeout=TIMEOUT)
    assert counter.pid() == pid


def test_interrupt_of_a_cell(counter, client, tmp_path):
    request = client.execute(f"self.loop({str(tmp_path / 'ready')!r})")
    until_exists(tmp_path / "ready")
    interrupt(client)
    while True:
        reply = client.get_shell_msg(timeout=TIMEOUT)
        if reply["parent_header"].get("msg_id") == request:
            break
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert counter.add() > 100


def test_interrupt_while_idle_hurts_nothing(counter, client):
    for _ in range(5):
        interrupt(client)
    assert counter.add() == 6 and evaluate(client, "self.count") == "6"
    os.kill(counter.pid(), signal.SIGINT)
    assert [counter.add() for _ in range(20)] == list(range(7, 27))


def test_interrupts_at_any_time_lose_no_reply(counter, client):
    pid = counter.pid()
    stop = threading.Event()

    def shower():
        while not stop.is_set():
            os.kill(pid, signal.SIGINT)

    thread = threading.Thread(target=shower)
    thread.start()
    try:
        refs = [counter.total.remote(list(range(200))) for _ in range(2000)]
        ends = {"value": 0, "interrupted": 0}
        for ref in refs:
            try:
                assert jactors.get(ref, timeout=TIMEOUT) == 19900
                ends["value"] += 1
            except jactors.exceptions.TaskCancelledError:
                ends["interrupted"] += 1
    finally:
        stop.set()
        thread.join()
    assert sum(ends.values()) == 2000
    assert counter.add() == 6 and counter.pid() == pid


# ---------------------------------------------------------------- forged messages


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
        body = {"incarnation": incarnation, "calls": [[1, method, 1, None, [1]]], **(content or {})}
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
    body = {"incarnation": forger.connection.incarnation, "calls": [[1, "add", 1, None, [1]]]}
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
        [[1, "add", 1, None, [-1]]],
        [[1, "add", 1, None, [50]]],
        [[1, "add", 1, None, []]],
        [["x", "add", 1, None, [1]]],
        [[1, "add", "many", None, [1]]],
        [[1, 7, 1, None, [1]]],
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
