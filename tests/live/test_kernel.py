"""An actor is a Jupyter kernel: stock clients attach, interrupts reach the running method."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import threading
from pathlib import Path

import pytest

import jactors
from tests.live.clients import TIMEOUT, Counter, attached, evaluate, file_of
from tests.live.conftest import gone, until_exists


@pytest.fixture
def counter(session):
    counter = Counter.remote()
    yield counter
    jactors.kill(counter)


@pytest.fixture
def client(counter):
    client = attached(counter)
    yield client
    client.stop_channels()
    client.context.destroy(linger=0)


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
    with pytest.raises(jactors.exceptions.ActorDiedError, match="a Jupyter client shut it down") as caught:
        jactors.get(counter.add.remote(), timeout=TIMEOUT)
    assert "os._exit" not in str(caught.value)


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
