"""Nobody is let in: what is not signed, not new or not for this actor is dropped before it is unpickled."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import os
import pickle
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from pathlib import Path

import psutil
import pytest
import zmq

import jactors
from jactors import places
from jactors.wire import messages
from jactors.wire.channel import connect
from jactors.wire.connection import Connection
from jactors.wire.creation import Creation
from tests.live.clients import TIMEOUT, Counter, attached, evaluate, file_of
from tests.live.conftest import until_exists


@pytest.fixture
def counter(session):
    counter = Counter.remote()
    yield counter
    jactors.kill(counter)


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
def test_nonsense_on_the_supervisors_channel_ends_nobodys_session(target, session, line):
    address = jactors.session.current().record("")["address"]
    kept = [connect(address) for _ in range(3)]
    for each in kept:
        each.sendall(line)
    assert target[0].add(0) == 5
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


# ---------------------------------------------------------------- files


OPEN = """
    import os, sys
    os.umask(0)
    import numpy
    import jactors
    @jactors.remote(max_restarts=1, checkpoint=1)
    class Box:
        def __init__(self):
            self.array = numpy.zeros(1 << 20)
        def put(self, value):
            self.value = value
            return value
    @jactors.remote
    def task(x):
        return x
    if __name__ == "__main__":
        jactors.init(num_cpus=2, namespace="open", INIT)
        box = Box.options(name="box").remote()
        kept = box.put.remote(numpy.zeros(1 << 20))
        jactors.get([kept, task.remote(1)])
        nested = jactors.get(box.put.remote([jactors.put(numpy.zeros(1 << 20))]))
        jactors.get(nested[0])
        print(jactors.session.current().folder, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def exposed(start, environment):
    """A driver with umask 0 whose runtime directory lies where everybody may look."""
    root = Path(tempfile.mkdtemp(prefix="jo", dir="/tmp"))
    root.chmod(0o755)
    runtime = root / "r"
    runtime.mkdir(mode=0o755)
    driver = start(OPEN, env={**environment, "JUPYTER_RUNTIME_DIR": str(runtime)})
    folder = Path(driver.stdout.readline().strip())
    assert folder.is_dir(), driver.stderr.read()
    yield runtime, folder, driver
    driver.stdin.close()
    driver.wait(TIMEOUT)
    shutil.rmtree(root)


def blocks():
    return [
        Path(folder) / name for folder, _, names in os.walk("/dev/shm") for name in names if "jactors" in folder + name
    ]


def test_umask_0_changes_nothing(exposed):
    runtime, folder, _ = exposed
    bad = []
    for path in [*runtime.rglob("*"), *blocks()]:
        info = path.lstat()
        mode = stat.S_IMODE(info.st_mode)
        allowed = {0o700} if stat.S_ISDIR(info.st_mode) else {0o600, 0o400}
        if stat.S_ISSOCK(info.st_mode):
            continue  # in a directory that nobody else may enter
        if mode not in allowed:
            bad.append((str(path), oct(mode)))
    assert bad == []
    assert len(list(runtime.rglob("*"))) > 8 and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_are_in_files_alone(exposed):
    runtime, folder, driver = exposed
    keys = [json.loads(path.read_text())["key"] for path in [*runtime.glob("*.json"), *folder.glob("desk-*.json")]]
    assert len(keys) >= 3
    told = [path.read_text(errors="replace") for path in folder.glob("*.log")]
    family = [driver.pid, *(child.pid for child in psutil.Process(driver.pid).children(recursive=True))]
    assert len(family) >= 3
    for pid in family:
        told += [Path(f"/proc/{pid}/{what}").read_text(errors="replace") for what in ("cmdline", "environ")]
    assert not [key for key in keys for text in told if key in text]


def as_uid_1000(function):
    """Run `function` in a child that is another user; return what it returns."""
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(1000)
            os.setuid(1000)
            os.write(into, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def attempt(function, *args):
    """Return "allowed", or the error's name."""
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "allowed"


root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else for a while")


@root_only
def test_another_user_can_neither_read_nor_list_nor_connect(exposed):
    runtime, folder, driver = exposed
    files = [path for path in [*runtime.rglob("*"), *blocks()] if path.is_file()]
    folders = [path for path in runtime.rglob("*") if path.is_dir()]
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    family = [driver.pid, *(child.pid for child in psutil.Process(driver.pid).children(recursive=True))]
    assert len(files) >= 6 and len(folders) >= 2 and len(sockets) >= 6

    def look():
        told = {}
        for path in files:
            told[f"read {path}"] = attempt(open, path)
            told[f"write {path}"] = attempt(open, path, "r+")
            told[f"remove {path}"] = attempt(os.unlink, path)
        for path in folders:
            told[f"list {path}"] = attempt(os.listdir, path)
            told[f"plant in {path}"] = attempt(open, path / "x", "w")
        for path in sockets:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            told[f"connect {path}"] = attempt(client.connect, str(path))
            client.close()
        for pid in family:
            told[f"environment of {pid}"] = attempt(Path(f"/proc/{pid}/environ").read_bytes)
            told[f"memory of {pid}"] = attempt(open, f"/proc/{pid}/mem", "rb")
            told[f"kill {pid}"] = attempt(os.kill, pid, 15)
        return told

    told = as_uid_1000(look)
    assert {what: how for what, how in told.items() if how not in ("EACCES", "EPERM")} == {}


@root_only
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_the_shell_of_another_user_sees_nothing(exposed):
    runtime, folder, _ = exposed
    look = f"ls {runtime}; ls {folder}; cat {runtime}/jactors-*.json; ls {runtime}/jactors/names"
    names = subprocess.run(
        ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "sh", "-c", look],
        capture_output=True,
        text=True,
        check=False,
    )
    shown = [line for line in names.stdout.splitlines() if not line.startswith("jactors")]
    assert shown == [] and names.stderr.count("Permission denied") >= 3


def init_in(run, environment, runtime):
    code, out, err = run(
        "import jactors\njactors.init(num_cpus=1, INIT)\nprint('started')",
        env={**environment, "JUPYTER_RUNTIME_DIR": str(runtime)},
    )
    return code, out + err


@pytest.mark.parametrize("trap", ["symlink", "file", "open parent", "somebody else's", "somebody else's parent"])
def test_a_trap_in_the_runtime_directory_is_refused(run, environment, trap):
    if "somebody" in trap and os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    root = Path(tempfile.mkdtemp(prefix="jt", dir="/tmp"))
    runtime, here = root / "r", root / "r" / "jactors"
    runtime.mkdir(mode=0o700)
    try:
        if trap == "symlink":
            (root / "elsewhere").mkdir()
            here.symlink_to(root / "elsewhere")
        elif trap == "file":
            here.touch()
        elif trap == "open parent":
            runtime.chmod(0o777)
        elif trap == "somebody else's":
            here.mkdir()
            os.chown(here, 1000, 1000)
        else:
            os.chown(runtime, 1000, 1000)
        code, told = init_in(run, environment, runtime)
        assert code != 0 and "PermissionError" in told and str(runtime) in told and "JUPYTER_RUNTIME_DIR" in told
    finally:
        shutil.rmtree(root)


@root_only
@pytest.mark.parametrize("what", ["connection file", "name", "creation file"])
def test_a_file_that_somebody_else_has_put_there_is_not_believed(session, tmp_path, what):
    """Where a directory has been open for a moment: whose file it is decides, not what is in it."""
    path = tmp_path / "planted"
    path.write_text("{}")
    os.chown(path, 1000, 1000)
    with pytest.raises(PermissionError, match=r"written by somebody else \(uid 1000\)"):
        {"connection file": Connection.read, "creation file": Creation.read, "name": places.read_private}[what](path)


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
