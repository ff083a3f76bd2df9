"""What one can see of actors while they work: statistics, state, stack, calls, and what they push."""

from __future__ import annotations

import os
import queue
import signal
import time

import pytest

import jactors
from jactors import insight
from jactors.exceptions import ActorDiedError
from tests.waiting import until

PATIENCE = 30


@pytest.fixture(scope="module", autouse=True)
def session(launcher):
    jactors.init(num_cpus=4, launcher=launcher)
    yield
    jactors.shutdown()


@jactors.remote(num_cpus=0, max_restarts=1)
class Worker:
    def __init__(self, other=None):
        self.count = 0
        self.other = other

    def pid(self):
        return os.getpid()

    def touch(self, path):
        open(path, "w").close()

    def block(self, started, release):
        self.count += 1
        self.touch(started)
        while not os.path.exists(release):
            time.sleep(0.005)  # the line

    def fail(self):
        raise ValueError("on purpose")

    def churn(self, started, release):
        """Attributes come and go all the time."""
        self.touch(started)
        number = 0
        while not os.path.exists(release):
            number += 1
            setattr(self, f"a{number % 997}", number)
            self.__dict__.pop(f"a{number * 7 % 997}", None)

    def ask_other(self, *arguments):
        return jactors.get(self.other.block.remote(*arguments))

    def statistics(self):
        return "the user's own"


@pytest.fixture
def make():
    actors = []

    def make(cls=Worker, *args, **options):
        actors.append(cls.options(**options).remote(*args))
        return actors[-1]

    yield make
    for actor in actors:
        jactors.kill(actor)


@pytest.fixture
def gate(tmp_path):
    """Two files: one that a method makes when it runs, one that lets it end; and what waits for the first."""
    started, release = tmp_path / "started", tmp_path / "release"

    class Gate:
        arguments = (str(started), str(release))

        def wait(self):
            until(started.exists)

        def open(self):
            release.touch()

    gate = Gate()
    yield gate
    gate.open()


# ---------------------------------------------------------------------- statistics


def test_a_busy_actor_tells_what_runs_what_waits_and_what_it_has_done(make, gate):
    actor = make(name="busy")
    actor.pid()
    with pytest.raises(ValueError):
        actor.fail()
    calls = [actor.block.remote(*gate.arguments), *(actor.pid.remote() for _ in range(9))]
    gate.wait()
    told = insight.statistics(actor)
    assert (told.state, told.queued, told.done, told.failed, told.restarts) == ("busy", 9, 1, 1, 0)
    assert [(call.method, call.caller, call.state) for call in told.running] == [("block", "driver", "running")]
    assert told.label == "busy" and told.p95 >= told.p50 > 0 and told.rss > 10e6 and told.uptime > 0 and told.cpu > 0
    assert "busy, runs block for" in repr(told) and "9 queued, 1 done, 1 failed" in repr(told)
    gate.open()
    jactors.get(calls)
    told = insight.statistics(actor)
    assert (told.state, told.queued, told.done, told.running) == ("idle", 0, 11, ())


def test_a_users_own_statistics_method_is_not_shadowed(make):
    actor = make()
    assert actor.statistics() == "the user's own"
    assert actor._statistics().done == 1


def test_all_actors_are_told_of_in_one_table(make, gate):
    busy, free, hungry = make(name="first"), make(), make(num_cpus=4)
    greedy = make(num_cpus=4)
    jactors.get([free.pid.remote(), hungry.pid.remote()])
    call = busy.block.remote(*gate.arguments)
    gate.wait()
    told = jactors.statistics()
    mine = {actor.actor_id: actor for actor in told}
    states = [mine[actor._actor_id.hex()].state for actor in (busy, free, hungry, greedy)]
    assert states == ["busy", "idle", "idle", "pending"]
    assert "CPU" in mine[greedy._actor_id.hex()].reason and told.states["pending"] == 1
    assert told.total["CPU"] == 4 and told.available.get("CPU", 0) == 0
    line = next(line for line in repr(told).splitlines() if line.startswith("first"))
    assert line.split()[:4] == ["first", "Worker", "busy", "block"]
    gate.open()
    jactors.get(call)


def test_an_actor_that_somebody_else_has_made_is_among_them(make):
    @jactors.remote(num_cpus=0)
    class Parent:
        def make(self):
            self.child = Worker.options(name="child").remote()
            return self.child.pid()

    make(Parent).make()
    (child,) = [actor for actor in jactors.statistics() if actor.name == "child"]
    assert child.state == "idle" and child.done == 1
    handle = jactors.get_actor("child")  # a handle comes later: its calls take the link that has looked
    assert handle.pid() == child.pid


def test_a_stopped_actor_is_shown_as_stopped_and_holds_up_nobody(make):
    actor, other = make(), make()
    other.pid()
    os.kill(pid := actor.pid(), signal.SIGSTOP)
    told = until(lambda: (each := insight.statistics(actor, timeout=0.05)).state == "stopped" and each)
    assert (told.done, told.pid) == (None, pid) and "kill -CONT" in told.reason
    everybody = {each.actor_id: each.state for each in jactors.statistics(timeout=PATIENCE)}  # it is not waited for
    assert everybody[actor._actor_id.hex()] == "stopped" and everybody[other._actor_id.hex()] == "idle"
    os.kill(pid, signal.SIGCONT)
    until(lambda: insight.statistics(actor, timeout=PATIENCE).state == "idle")


def test_a_dead_actor_says_what_it_died_of(make):
    actor = make()
    actor.pid()
    jactors.kill(actor)
    told = until(lambda: (s := insight.statistics(actor)).state == "dead" and s)
    assert "jactors.kill" in told.reason and told.running == () and told.done is None
    for look in (insight.state, insight.stack, insight.calls):
        with pytest.raises(ActorDiedError):
            look(actor)


def test_insight_takes_handles_alone():
    with pytest.raises(TypeError, match="an actor's handle, got int"):
        insight.statistics(3)


# ---------------------------------------------------------------------- calls


def test_calls_say_who_has_made_them_and_how_they_went(make, gate):
    server = make(name="server")
    client = make(Worker, server, name="client")
    with pytest.raises(ValueError):
        server.fail()
    asked = client.ask_other.remote(*gate.arguments)
    gate.wait()
    waiting = [server.pid.remote() for _ in range(20)]
    told = until(lambda: (c := insight.calls(server)).queued and c)
    assert [(c.method, c.caller, c.state) for c in told.ended] == [("fail", "driver", "failed")]
    assert [(c.method, c.caller) for c in told.running] == [("block", "client")]
    assert {(c.method, c.caller, c.state) for c in told.queued} == {("pid", "driver", "queued")}
    assert len(told.queued) == 20, "those that the actor has not read are among them"
    assert repr(told).splitlines()[2].split()[:3] == ["fail", "driver", "failed"]
    gate.open()
    jactors.get([asked, *waiting])
    told = insight.calls(server)
    assert [c.method for c in told.ended] == ["fail", "block", *["pid"] * 20] and not told.queued + told.running
    assert all(c.submitted <= c.began <= c.ended for c in told.ended)


# ---------------------------------------------------------------------- state


class Trap:
    """Whoever looks at it more closely than at its type hangs, or fails."""

    def __repr__(self):
        time.sleep(PATIENCE)

    def __len__(self):
        raise RuntimeError

    def __getattr__(self, name):
        raise RuntimeError

    @property
    def shape(self):
        raise RuntimeError


@jactors.remote(num_cpus=0)
class Holder:
    __slots__ = ("__dict__", "slot", "unset")

    def __init__(self):
        import numpy as np

        self.slot = 1
        self.name = "x" * 5000
        self.trap = Trap()
        self.traps = {"one": Trap(), Trap(): [1, 2]}
        self.array = np.zeros((1000, 3), dtype="float32")
        self.few = np.arange(3)
        self.huge = 10**100_000
        self.list = list(range(100_000))
        self.loop = [1]
        self.loop.append(self.loop)

    def ready(self):
        return True

    @property
    def never(self):
        raise RuntimeError("a property was asked")


def test_state_shows_values_of_known_types_and_runs_nothing_of_the_users(make):
    actor = make(Holder)
    actor.ready()
    told = insight.state(actor)
    assert told["slot"].text == "1" and told.hidden == 0
    assert [each.name for each in told.attributes if each.name in ("unset", "never", "__dict__")] == []
    assert len(told["name"].text) < 200 and told["name"].size > 5000
    assert told["trap"].text == "<Trap>" and told["trap"].type.endswith("Trap")
    assert told["traps"].text == "{'one': <Trap>, <Trap>: [1, 2]}"
    array = told["array"]
    assert (array.type, array.shape, array.dtype, array.size) == ("numpy.ndarray", (1000, 3), "float32", 12000)
    assert told["few"].text == "[0, 1, 2]" and "bits" in told["huge"].text
    assert told["list"].shape == (100_000,) and told["list"].text.endswith("(100000)")
    assert told["loop"].text == "[1, [1, <list of 2>]]"
    assert "1000 × 3 float32" in repr(told)


def test_state_of_a_busy_actor_is_that_of_now_and_the_method_may_change_it(make, gate):
    actor = make()
    call = actor.churn.remote(*gate.arguments)
    gate.wait()
    seen = [{each.name for each in insight.state(actor).attributes} for _ in range(20)]
    assert all("count" in names for names in seen) and len(set(map(frozenset, seen))) > 1
    gate.open()
    jactors.get(call)


# ---------------------------------------------------------------------- stack


def test_stack_of_a_busy_actor_begins_with_the_line_that_runs(make, gate):
    actor = make()
    call = actor.block.remote(*gate.arguments)
    gate.wait()
    told = insight.stack(actor)
    first = told.stacks[0]
    assert (first.kind, first.call, first.yours) == ("thread", "block", True)
    assert all(frame.yours for frame in first.own()) and first.own()[-1].function.endswith("block")
    assert "in Worker.block" in repr(told) and told.stacks[-1].call is None
    gate.open()
    jactors.get(call)
    assert repr(insight.stack(actor)).startswith("nothing of yours runs")


def test_stack_shows_where_a_coroutine_waits(make):
    @jactors.remote(num_cpus=0)
    class Waits:
        async def outer(self):
            await self.inner()

        async def inner(self):
            import asyncio

            self.entered = True
            await asyncio.Event().wait()

        async def ready(self):
            return hasattr(self, "entered")

    actor = make(Waits)
    call = actor.outer.remote()
    until(actor.ready)
    (waits,) = [stack for stack in insight.stack(actor).stacks if stack.kind == "coroutine"]
    assert waits.call == "outer"
    assert [frame.function.rpartition(".")[2] for frame in waits.own() if frame.yours] == ["outer", "inner"]
    jactors.cancel(call)


# ---------------------------------------------------------------------- what an actor pushes


@pytest.fixture
def pushed(make):
    """An actor, and what it pushes."""
    actor = make()
    actor.pid()
    link, told = actor._home.link, queue.Queue()
    unwatch = []
    link._io.call_soon(lambda: unwatch.append(link.window.watch(told.put)))
    until(lambda: unwatch)
    told.unwatch = lambda: link._io.call_soon(unwatch[0])
    yield actor, told
    told.unwatch()


def test_news_are_pushed_while_something_changes(pushed, gate):
    actor, told = pushed
    assert told.get(timeout=PATIENCE)["counts"]["done"] == 1, "whoever begins to listen is told how things stand"
    call = actor.block.remote(*gate.arguments)
    news = told.get(timeout=PATIENCE)
    assert (news["busy"], [each["method"] for each in news["running"]]) == (1, ["block"])
    gate.open()
    jactors.get(call)
    news = told.get(timeout=PATIENCE)
    assert (news["busy"], news["counts"]["done"], news["open"]) == (0, 2, {})


def test_many_calls_are_few_news_and_the_last_one_is_not_missed(pushed):
    actor, told = pushed
    jactors.get([actor.pid.remote() for _ in range(3000)])
    done, count = 0, 0
    while done < 3001:
        done, count = told.get(timeout=PATIENCE)["counts"]["done"], count + 1
    assert count < 100


def test_the_next_incarnation_goes_on_to_tell(pushed):
    actor, told = pushed
    os.kill(actor.pid(), signal.SIGKILL)
    until(lambda: told.get(timeout=PATIENCE)["incarnation"] == 2)


def test_nobody_listens_nothing_is_pushed(pushed):
    actor, told = pushed
    told.get(timeout=PATIENCE)
    told.unwatch()
    other = queue.Queue()
    link = actor._home.link
    jactors.get([actor.pid.remote() for _ in range(10)])
    link._io.call_soon(lambda: link.window.watch(other.put))
    assert other.get(timeout=PATIENCE)["counts"]["done"] == 11
    assert told.empty()
