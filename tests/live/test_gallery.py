"""All actors in one picture, and one of them from near: what the inspector, ``jactors top`` and snapshots show."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

import jactors
from jactors import session
from jactors.actors.exhibit import Exhibit
from jactors.actors.gallery import gallery
from jactors.actors.handle import home_of
from jactors.errors import JactorsError
from jactors.notebook.snapshot import snapshot
from tests.waiting import until

PATIENCE = 30


@pytest.fixture(scope="module", autouse=True)
def running(launcher):
    jactors.init(num_cpus=4, launcher=launcher)
    yield
    jactors.shutdown()


@pytest.fixture
def watched():
    found = gallery()
    yield found
    found.close()


@jactors.remote(num_cpus=0, max_restarts=1)
class Worker:
    def __init__(self, other=None):
        self.other = other

    def pid(self):
        return os.getpid()

    def print(self, text):
        print(text, flush=True)

    def block(self, started, release):
        open(started, "w").close()
        while not os.path.exists(release):
            time.sleep(0.005)

    def spin(self, release):
        while not os.path.exists(release):
            pass

    def ask(self, times):
        return len(jactors.get([self.other.pid.remote() for _ in range(times)]))

    def setenv(self, **values):
        os.environ.update(values)

    def make(self, name):
        self.child = Worker.options(name=name).remote()
        return self.child.pid()


@pytest.fixture
def make():
    actors = []

    def make(*args, **options):
        actors.append(Worker.options(**options).remote(*args))
        return actors[-1]

    yield make
    for actor in actors:
        jactors.kill(actor)


def of(picture, handle):
    """Return the part of a picture that one actor has."""
    return next(each for each in picture["actors"] if each["id"] == handle._actor_id.hex())


def shown(watched, handle, **facts):
    """Wait until a picture says this of an actor; return what it says of it."""

    def look():
        mine = [each for each in watched.picture()["actors"] if each["id"] == handle._actor_id.hex()]
        return next((each for each in mine if all(each[key] == value for key, value in facts.items())), None)

    return until(look)


def test_a_picture_shows_what_every_actor_does(watched, make, tmp_path):
    busy, free = make(name="busy", num_cpus=1), make()
    jactors.get([busy.pid.remote(), free.pid.remote()])
    started, release = tmp_path / "started", tmp_path / "release"
    calls = [busy.block.remote(str(started), str(release)), *(busy.pid.remote() for _ in range(7))]
    until(started.exists)
    told = shown(watched, busy, state="busy", queued=7)
    assert [(call["method"], call["caller"], call["caller_id"]) for call in told["running"]] == [
        ("block", "driver", "driver")
    ]
    assert (told["label"], told["class"], told["done"], told["failed"], told["busy"]) == ("busy", "Worker", 1, 0, 1)
    assert told["rss"] > 10e6 and told["up"] > 0 and told["p95"] >= told["p50"] > 0 and told["gpu"] is None
    assert shown(watched, free, state="idle", done=1)["running"] == []
    release.touch()
    jactors.get(calls)
    assert shown(watched, busy, state="idle", done=9, queued=0)["running"] == []
    picture = watched.picture()
    assert json.loads(json.dumps(picture)) == picture
    (cpu,) = [bar for bar in picture["resources"] if bar["name"] == "CPU"]
    assert (cpu["total"], [(held["label"], held["amount"]) for held in cpu["held"]]) == (4, [("busy", 1)])
    assert picture["driver"]["pid"] == os.getpid() and picture["driver"]["rss"] > 10e6


def test_the_cpu_time_of_a_process_is_a_share_of_a_core(watched, make, tmp_path):
    busy, free = make(), make()
    jactors.get([busy.pid.remote(), free.pid.remote()])
    release = tmp_path / "release"
    call = busy.spin.remote(str(release))
    told = until(lambda: (each := of(watched.picture(), busy))["cpu"] is not None and each["cpu"] > 0.2 and each)
    assert told["cpu"] < 1.5 and of(watched.picture(), free)["cpu"] < 0.2
    release.touch()
    jactors.get(call)


def test_edges_say_who_calls_whom_and_how_often(watched, make):
    server = make(name="server")
    client = make(server, name="client")
    assert client.ask(50) == 50
    server.pid()
    ids = {server._actor_id.hex(): "server", client._actor_id.hex(): "client", "driver": "driver"}

    def look():
        found = {(ids[e["from"]], ids[e["to"]]): e for e in watched.picture()["edges"] if e["from"] in ids}
        wanted = {("driver", "client"): 1, ("client", "server"): 50, ("driver", "server"): 1}
        return {way: edge["calls"] for way, edge in found.items()} == wanted and found

    found = until(look)
    assert found["client", "server"]["rate"] > 0 and found["client", "server"]["waiting"] == 0


def test_an_actor_that_another_makes_is_shown_and_its_output_comes_once(watched, make, capfd):
    parent = make()
    pid = parent.make("child")
    (child,) = until(lambda: [each for each in watched.picture()["actors"] if each["name"] == "child"])
    assert until(lambda: [each for each in watched.picture()["actors"] if each["pid"] == pid])
    assert child["owner"] == parent._actor_id.hex()
    jactors.get_actor("child").print("here I am")
    assert capfd.readouterr().err.count("here I am") + capfd.readouterr().out.count("here I am") <= 1


def test_a_death_is_told_and_the_next_incarnation_is_watched(watched, make):
    actor = make(name="mortal")
    shown(watched, actor, state="idle", incarnation=1)
    os.kill(actor.pid(), signal.SIGKILL)
    told = shown(watched, actor, state="idle", incarnation=2)
    assert (told["restarts"], told["asked"], told["done"]) == (1, 0, 0)
    (death,) = [death for death in watched.picture()["deaths"] if death["label"] == "mortal"]
    assert (death["incarnation"], death["signal"], death["kind"]) == (1, signal.SIGKILL, "crash")
    assert death["id"] == told["id"]
    assert death["at"] <= time.time() and death["died_of"]
    os.kill(actor.pid(), signal.SIGKILL)
    told = shown(watched, actor, state="dead")
    assert told["pid"] is None and told["reason"]
    assert len([death for death in watched.picture()["deaths"] if death["label"] == "mortal"]) == 2


def test_what_was_asked_for_is_told_apart_from_a_crash(watched, make):
    actor, released = make(name="asked"), make(name="released")
    jactors.get([actor.pid.remote(), released.pid.remote()])
    session.current().restart(actor._actor_id.hex(), reason="`the test`")
    told = shown(watched, actor, state="idle", incarnation=2)
    assert (told["restarts"], told["asked"]) == (0, 1)
    (statistics,) = [each for each in jactors.statistics() if each.name == "asked"]
    assert (statistics.restarts, statistics.restarts_asked) == (0, 1)
    assert "0 of 1, 1 asked" in repr(jactors.statistics())
    jactors.kill(actor)
    shown(watched, actor, state="dead")
    released.__ray_terminate__.remote()
    shown(watched, released, state="dead")
    deaths = [death for death in watched.picture()["deaths"] if death["label"] in ("asked", "released")]
    assert [(death["kind"], death["died_of"]) for death in deaths] == [
        ("restart", "it was restarted by `the test`"),
        ("killed", "it was killed by `jactors.kill`"),
    ]


def test_where_the_supervisor_is_killed_the_next_one_is_watched(watched, make):
    survivor, mortal = make(), make(max_restarts=0)
    for actor in (survivor, mortal):
        shown(watched, actor, state="idle")
    os.kill(session.current().supervisor_pid, signal.SIGKILL)
    assert shown(watched, survivor, state="idle", restarts=1)["incarnation"] == 2
    assert "supervisor" in shown(watched, mortal, state="dead")["reason"]
    shown(watched, make(), state="idle")


def test_an_actor_that_is_asked_while_it_leaves_does_leave(make):
    def leave(actor):
        actor.pid()
        link, told, actor_id = home_of(actor).link, session.current().links.told, actor._actor_id.hex()
        actor.__ray_terminate__.remote()
        until(lambda: [link.ask("actor_status_request", {}) for _ in range(5)] and told[actor_id]["state"] == "DEAD")

    for _ in range(10):  # what went wrong did so in every tenth
        leave(make())


def test_a_pending_one_says_what_it_waits_for(watched, make):
    make(num_cpus=4)
    waits = make(num_cpus=4)
    assert "CPU" in shown(watched, waits, state="pending")["reason"]


def test_a_stopped_one_is_shown_as_stopped(watched, make):
    actor = make()
    pid = actor.pid()
    os.kill(pid, signal.SIGSTOP)
    assert "kill -CONT" in shown(watched, actor, state="stopped")["reason"]
    (statistics,) = [each for each in jactors.statistics(timeout=0) if each.actor_id == actor._actor_id.hex()]
    assert statistics.state == "stopped"
    os.kill(pid, signal.SIGCONT)
    shown(watched, actor, state="idle")


def test_from_near_an_actor_tells_all_but_its_secrets(watched, make):
    actor = make(name="near")
    actor.setenv(MY_API_KEY="k-123", DB_PASSWORD="hunter2", URL="https://me:hunter2@host/x", PLAIN="plain")
    actor.print("hello log")
    shown(watched, actor, state="idle", done=2)
    told = watched.closer(actor._actor_id.hex()).result(PATIENCE)
    assert told["errors"] == {}
    assert [each["name"] for each in told["state"]["attributes"]] == ["other"]
    assert [(call["method"], call["caller"]) for call in told["calls"]["ended"]] == [
        ("setenv", "driver"),
        ("print", "driver"),
    ]
    assert told["stack"]["stacks"] and "hello log" in told["tail"]
    assert told["about"]["options"]["concurrency"] == {"default": 1} and told["about"]["python"].startswith("3.")
    environment = told["about"]["environment"]
    assert environment["PLAIN"] == "plain" and environment["URL"].endswith("@host/x")
    assert not any(secret in json.dumps(told["about"]) for secret in ("k-123", "hunter2"))
    assert told["told"]["log_file"] and json.dumps(told)


def test_from_near_a_stopped_one_has_a_log_and_reasons(watched, make, monkeypatch):
    monkeypatch.setattr(sys.modules[gallery.__module__], "_PATIENCE", 0.5)  # it answers nothing: only waited for
    actor = make()
    pid = actor.pid()
    actor.print("before")
    os.kill(pid, signal.SIGSTOP)
    shown(watched, actor, state="stopped")
    told = watched.closer(actor._actor_id.hex()).result(0)  # it is not asked
    os.kill(pid, signal.SIGCONT)
    assert told["state"] is None and set(told["errors"]) == {"state", "stack", "calls", "about"}
    assert "kill -CONT" in told["errors"]["stack"]
    assert "before" in told["tail"]


def test_two_watch_and_one_leaves(watched, make):
    actor = make()
    actor.pid()
    with gallery() as other:
        shown(other, actor, state="idle", done=1)
        shown(watched, actor, state="idle", done=1)
    actor.pid()
    shown(watched, actor, state="idle", done=2)


def test_an_idle_actor_says_nothing_while_another_does(watched, make, monkeypatch):
    idle, other = make(), make()
    said = []
    told = Exhibit._on_news
    monkeypatch.setattr(Exhibit, "_on_news", lambda self, status: (said.append(self.actor_id), told(self, status)))
    with gallery() as fresh:

        def hear_of_other():  # it speaks at most once an interval: so one has passed
            shown(fresh, other, done=other.pid() and len(done) + 1)
            done.append(True)

        done = []
        idle.pid()
        shown(fresh, idle, state="idle", done=1)
        for _ in range(2):
            hear_of_other()
        before = said.count(idle._actor_id.hex())
        for _ in range(3):
            hear_of_other()
        assert said.count(idle._actor_id.hex()) == before > 0


def test_without_a_session_none_is_started(monkeypatch):
    monkeypatch.setattr(session, "is_initialized", lambda: False)
    with pytest.raises(JactorsError, match="there is no session"):
        gallery()


def test_a_snapshot_of_all_and_of_one(make):
    actor, other = make(name="shot"), make(name="beside")
    jactors.get([actor.print.remote("hello log"), other.pid.remote()])
    everybody = snapshot()._repr_mimebundle_()
    assert all(name in everybody[kind] for name in ("shot", "beside") for kind in ("text/html", "text/plain"))
    one = repr(snapshot(actor))
    assert "beside" not in one and "other" in one and "print" in one and "hello log" in one
