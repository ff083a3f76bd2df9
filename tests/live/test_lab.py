"""What a Jupyter server makes of actors: our provisioner in its process, this test as the driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from urllib.error import HTTPError

import pytest

import jactors
from jactors import session as sessions
from jactors.errors import ActorDiedError, ActorUnavailableError, TaskCancelledError
from jactors.notebook.lab import Listing, Server
from tests.browser.jupyter import Jupyter
from tests.waiting import until

PATIENCE = 30


def make():
    """Travels by value: the actor need not import what this module imports."""

    @jactors.remote(max_restarts=1, max_task_retries=-1)
    class Counter:
        def __init__(self):
            self.count = 0

        def add(self, n=1):
            self.count += n
            return self.count

        def wait(self):
            time.sleep(60)

        def pid(self):
            return os.getpid()

    return Counter


Counter = make()


@pytest.fixture(scope="module")
def jupyter(launcher, tmp_path_factory):
    if launcher == "spawn":
        pytest.skip("Curve keys over TCP are not for every server")
    server = Jupyter(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def counter(jupyter, session):
    counter = Counter.options(name="tally").remote()
    counter.add(2)
    yield counter
    jactors.kill(counter)
    jupyter.clear()


@pytest.fixture
def kernel(jupyter, counter):
    """The server's kernel that is the counter."""
    told = sessions.current().links.told[counter._actor_id.hex()]
    shown = Server(jupyter.url, jupyter.token).show(told)
    assert shown["name"] == "Counter 'tally'"
    return shown["kernel"]["id"]


def test_a_restart_by_the_server_keeps_the_handle_and_uses_no_restart_up(jupyter, counter, kernel):
    for _ in range(3):
        before = counter.pid()
        counter.add()
        jupyter.api("POST", f"kernels/{kernel}/restart")
        assert counter.pid() != before
        assert counter.add(0) == 0
    assert sessions.current().links.told[counter._actor_id.hex()]["restarts"] == 0


def test_a_busy_actor_is_restarted_too(jupyter, counter, kernel):
    ref = counter.wait.options(max_task_retries=0).remote()
    jupyter.api("POST", f"kernels/{kernel}/restart")
    with pytest.raises((TaskCancelledError, ActorUnavailableError)):  # a server interrupts first
        jactors.get(ref)
    assert counter.add() == 1


def test_an_interrupt_by_the_server_reaches_the_method(jupyter, counter, kernel):
    ref = counter.wait.remote()
    counter.add.remote(40)
    for _ in range(500):
        jupyter.api("POST", f"kernels/{kernel}/interrupt")
        if jactors.wait([ref], timeout=0.1)[0]:
            break
    with pytest.raises(TaskCancelledError, match="was interrupted"):
        jactors.get(ref)
    assert counter.add(0) == 42


def test_what_the_server_shuts_down_has_ended_for_good(jupyter, counter, kernel):
    jupyter.api("DELETE", f"kernels/{kernel}")
    with pytest.raises(ActorDiedError, match="a Jupyter client shut it down"):
        counter.add()


def test_a_page_that_is_open_goes_on_after_a_crash(jupyter, counter, kernel):
    websocket = pytest.importorskip("websocket")
    other = Counter.remote()  # newer: the path says which one is meant
    other.add(100)
    address = jupyter.url.replace("http", "ws") + f"/api/kernels/{kernel}/channels?token={jupyter.token}"
    page = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)

    def execute(code, msg_id):
        header = {
            "msg_id": msg_id,
            "session": "page",
            "username": "me",
            "version": "5.3",
            "msg_type": "execute_request",
        }
        content = {"code": code, "silent": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        while True:
            page.send(json.dumps(message))  # what is sent while it restarts is lost, as with any kernel
            try:
                while True:
                    told = json.loads(page.recv())
                    if told["msg_type"] == "stream" and told["parent_header"].get("msg_id") == msg_id:
                        return told["content"]["text"]
            except websocket.WebSocketTimeoutException:
                continue

    page.settimeout(1.0)
    assert execute("print(self.count)", "one") == "2\n"
    page.settimeout(PATIENCE)
    jactors.kill(counter, no_restart=False)
    assert counter.add() == 1
    states = []
    while "restarting" not in states:  # within a poll of the server's
        told = json.loads(page.recv())
        states.append(told["content"].get("execution_state"))
    page.settimeout(1.0)
    assert execute("print(self.count)", "two") == "1\n"
    page.close()


def test_a_dead_one_vanishes(jupyter, counter, kernel):
    jactors.kill(counter)
    until(lambda: jupyter.api("GET", "sessions") == [])
    assert jupyter.api("GET", "kernels") == []


def test_one_whose_driver_was_killed_vanishes(jupyter, start):
    driver = start(
        """
        import json, jactors
        from jactors import session
        jactors.init(INIT)
        @jactors.remote
        class A:
            def one(self): return 1
        a = A.remote(); a.one()
        print(json.dumps(session.current().links.told[a._actor_id.hex()]), flush=True)
        input()
        """
    )
    Server(jupyter.url, jupyter.token).show(json.loads(driver.stdout.readline()))
    assert len(jupyter.api("GET", "sessions")) == 1
    driver.kill()
    until(lambda: jupyter.api("GET", "sessions") == [])


def test_what_is_no_actor_is_refused(jupyter, counter):
    asked = {"path": "actors/jactors-00000000-0000000000", "type": "console", "kernel": {"name": "jactors"}}
    with pytest.raises(HTTPError) as refused:
        jupyter.api("POST", "sessions", asked)
    assert "there is no living actor jactors-00000000-0000000000" in refused.value.read().decode()
    refused.value.close()


def test_a_kernel_that_names_no_actor_is_the_newest(jupyter, counter):
    kernel = jupyter.api("POST", "kernels", {"name": "jactors"})["id"]
    jupyter.api("DELETE", f"kernels/{kernel}")
    with pytest.raises(ActorDiedError):
        counter.add()


def test_a_listing_follows_births_and_deaths(jupyter, session):
    listing = Listing(Server(jupyter.url, jupyter.token))
    one = Counter.options(name="one").remote()
    listing.on_created(one)
    two = Counter.options(name="two").remote()
    listing.on_created(two)
    until(lambda: {each["name"] for each in jupyter.api("GET", "sessions")} == {"Counter 'one'", "Counter 'two'"})
    jactors.kill(one)
    until(lambda: {each["name"] for each in jupyter.api("GET", "sessions")} == {"Counter 'two'"})
    jactors.kill(two)
    until(lambda: jupyter.api("GET", "sessions") == [])
    assert listing.trouble == ""
    listing.close()


def test_a_server_that_cannot_be_asked_is_left_alone(session, launcher):
    listing = Listing(Server("http://127.0.0.1:9", "x"))
    one = Counter.remote()
    listing.on_created(one)
    one.add()
    until(lambda: listing.trouble)
    assert "does not answer" in listing.trouble
    jactors.kill(one)


def test_a_process_that_no_server_has_started_has_none():
    code = "import jactors.notebook.lab as lab; print(lab.Server.of_this_kernel())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
