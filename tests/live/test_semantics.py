"""What RAY_API.md promises and no other module looks at; `tests/parity/bullets.txt` has them all."""

from __future__ import annotations

import abc
import functools
import os
import queue
import signal
import time

import pytest

import jactors
from jactors.actors import lobby
from jactors.util.actor_group import ActorGroup
from tests.live.conftest import gone, until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


class Plain:
    def pid(self):
        return os.getpid()

    def child(self, **options):
        self.made = jactors.remote(Plain).options(**options).remote()
        return self.made, jactors.get(self.made.pid.remote())

    def wait_for(self, path):
        path.with_suffix(".runs").touch()
        until_exists(path)
        return "waited"

    def get(self, box):
        return jactors.get(box[0])

    def count(self, n):
        yield from range(n)


Actor = jactors.remote(Plain)


def got(refs):
    return jactors.get(refs, timeout=TIMEOUT)


def died(actor):
    """Wait until the actor is known here to be dead."""
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.pid.remote())


def listed(actor):
    return jactors.util.state.get_actor(actor._actor_id.hex()).state


# ---------------------------------------------------------------- 0


def test_a_name_whose_actor_has_crashed_is_free_while_a_handle_exists(session):
    crashed = Actor.options(name="crashed").remote()
    os.kill(crashed.pid(), signal.SIGKILL)
    died(crashed)
    with pytest.raises(ValueError, match="crashed"):
        jactors.get_actor("crashed")
    again = Actor.options(name="crashed", get_if_exists=True).remote()
    assert again != crashed and got(again.pid.remote()) and jactors.get_actor("crashed") == again


def test_the_address_auto_joins_the_newest_session(session, run):
    actor = Actor.options(name="found by auto").remote()
    code, out, err = run(
        f"""
        import jactors
        context = jactors.init(address="auto", namespace={session["namespace"]!r})
        print(context["address"], jactors.get_actor("found by auto").pid())
        """
    )
    assert (code, out.split()) == (0, [session["address"], str(actor.pid())]), err


# ---------------------------------------------------------------- 1


def test_a_class_without_init(session):
    class Bare:
        def one(self):
            return 1

    bare = jactors.remote(Bare)
    assert bare.remote().one() == 1
    with pytest.raises(TypeError, match="too many positional arguments"):
        bare.remote(1)


def test_actors_that_ask_for_nothing_run_where_all_is_taken(session):
    all_cores = Actor.options(num_cpus=jactors.cluster_resources()["CPU"]).remote()
    all_cores.pid()
    others = [Actor.remote() for _ in range(6)]
    assert len(set(got([other.pid.remote() for other in others]))) == 6
    jactors.kill(all_cores)
    died(all_cores)


def test_an_actor_that_waits_keeps_its_resources(session, tmp_path, monkeypatch):
    """RAY_API 1: Lifetime resources are not released while the actor blocks in `get`; those of tasks are."""
    holder, other = Actor.options(num_gpus=3).remote(), Actor.remote()
    held = other.wait_for.remote(tmp_path / "gate")
    waits = holder.get.remote([held])
    until_exists(tmp_path / "gate.runs")
    said = queue.Queue()
    monkeypatch.setattr(lobby, "PATIENCE", 0)
    monkeypatch.setattr(lobby.log, "warning", lambda text, *values: said.put(text % values))
    pending = Actor.options(num_gpus=2).remote()
    ref = pending.pid.remote()
    assert f"not started yet, and calls of it wait: Plain {pending._actor_id.hex()[:8]} waits for 2 GPU" in said.get(
        timeout=TIMEOUT
    )
    assert jactors.wait([ref], timeout=0.2)[0] == [] and jactors.available_resources()["GPU"] == 1
    (tmp_path / "gate").touch()
    assert got(waits) == "waited"
    jactors.kill(holder)
    assert got(ref)
    jactors.kill(pending)
    died(pending)


def test_an_abstract_class_is_refused_in_the_caller(session):
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        def area(self):
            return 4

    with pytest.raises(TypeError, match=r"Can't instantiate abstract class Shape.*area"):
        jactors.remote(Shape).remote()
    assert jactors.remote(Square).remote().area() == 4


# ---------------------------------------------------------------- 2


def loud(method):
    @functools.wraps(method)
    async def called(self, *args, **kwargs):
        return "loud", await method(self, *args, **kwargs)

    return called


@jactors.remote
class Made:
    def add(self, a, b):
        return a + b

    add_one = functools.partialmethod(add, 1)
    twice = lambda self, x: 2 * x

    @loud
    async def say(self, text):
        return text

    def __call__(self, x):
        return -x


def test_methods_that_are_made_by_the_class(session):
    """Partial methods, decorated ones, lambdas, ``__call__``: functions all, when the class is asked for them."""
    made = Made.remote()
    assert got([made.add_one.remote(2), made.twice.remote(3), made.__call__.remote(1)]) == [3, 6, -1]
    assert got(made.say.remote("hi")) == ("loud", "hi")
    with pytest.raises(TypeError, match="too many positional arguments"):
        made.add_one.remote(1, 2)


def test_method_with_and_without_parentheses(session):
    @jactors.remote(max_restarts=-1, max_task_retries=0)
    class Marked:
        def __init__(self):
            self.runs = 0

        @jactors.method
        def bare(self):
            return "bare"

        @jactors.method()
        def empty(self):
            return "empty"

        @jactors.method(max_task_retries=2, retry_exceptions=True)
        def flaky(self):
            """Retried by what @method says, though the actor says otherwise."""
            self.runs += 1
            if self.runs < 3:
                raise ValueError(self.runs)
            return self.runs

    actor = Marked.remote()
    assert (actor.bare(), actor.empty(), actor.flaky()) == ("bare", "empty", 3)
    for misuse in (lambda: jactors.method(2), lambda: jactors.method(len, num_returns=1)):
        with pytest.raises(AssertionError, match="@method"):
            misuse()


# ---------------------------------------------------------------- 3


def test_wait_for_generators(session, tmp_path):
    """RAY_API 3: Accepts generators (ready = next item available or exhausted)."""
    first, second = Actor.remote(), Actor.remote()
    held = second.wait_for.remote(tmp_path / "gate")
    quick, slow = first.count.remote(1), second.count.remote(1)
    assert jactors.wait([slow, quick], timeout=TIMEOUT) == ([quick], [slow])
    assert got(next(quick)) == 0
    assert jactors.wait([quick, held], timeout=TIMEOUT, fetch_local=False) == ([quick], [held])  # exhausted
    (tmp_path / "gate").touch()
    assert jactors.wait([slow, held], num_returns=2, timeout=TIMEOUT)[1] == []


@jactors.remote(max_restarts=-1)
class Slow(Plain):
    """Comes up at once the first time, then when it may."""

    def __init__(self, log, gate):
        with log.open("a") as file:
            file.write("init\n")
        if log.read_text().count("init") > 1:
            until_exists(gate)


def test_a_restarting_actor_is_found_and_listed(session, tmp_path):
    actor = Slow.options(name="restarting").remote(tmp_path / "log", tmp_path / "gate")
    os.kill(actor.pid(), signal.SIGKILL)
    with pytest.raises(exceptions.ActorUnavailableError):
        while True:
            got(actor.pid.remote())
    assert listed(actor) == "RESTARTING"
    assert "restarting" in jactors.util.list_named_actors()
    found = jactors.get_actor("restarting")
    waits = found.pid.options(max_task_retries=-1).remote()
    (tmp_path / "gate").touch()
    assert got(waits) and found == actor


def test_a_handle_of_what_exists_is_weak(session):
    strong = Actor.options(name="exists").remote()
    weak = Actor.options(name="exists", get_if_exists=True).remote()
    pid = weak.pid()
    del strong
    assert gone(pid) == []
    with pytest.raises(exceptions.ActorDiedError, match="all references to the actor were removed"):
        weak.pid()


def test_the_name_of_what_was_let_go_of_is_free_at_once(session):
    """RAY_API 3: Dropping the handle or kill frees the name."""
    pids = {got(Actor.options(name="again and again").remote().pid.remote()) for _ in range(10)}
    pids |= {got(Actor.options(name="again and again", get_if_exists=True).remote().pid.remote()) for _ in range(10)}
    assert len(pids) == 20


def test_the_verbs_take_what_rays_take_by_keyword(session):
    actor = Actor.remote()
    ref = actor.pid.remote()
    assert jactors.get(object_refs=[ref], timeout=TIMEOUT) and jactors.wait(ray_waitables=[ref]) == ([ref], [])
    assert jactors.get(jactors.put(value=1)) == 1 and jactors.cancel(ray_waitable=ref) is None
    jactors.kill(actor=actor)
    with pytest.raises(ValueError):
        jactors.get_actor(name="nobody", namespace="nowhere")


# ---------------------------------------------------------------- 4


def test_what_an_actor_has_made_dies_with_it_also_where_it_could_restart(session):
    """RAY_API 4: Owner dies -> non-detached children die: "its owner has died", even with max_restarts."""
    parent = Actor.remote()
    child, pid = parent.child(max_restarts=-1, max_task_retries=-1)
    os.kill(parent.pid(), signal.SIGKILL)
    assert gone(pid) == []
    with pytest.raises(exceptions.ActorDiedError, match="its owner has died"):
        got(child.pid.remote())


def test_sigterm_lets_the_running_calls_of_a_pool_end(session, tmp_path):
    """RAY_API 4, the table: async/threaded: running call may finish its get."""
    actor = Actor.options(max_concurrency=2).remote()
    pid = actor.pid()
    running = actor.wait_for.remote(tmp_path / "gate")
    until_exists(tmp_path / "gate.runs")
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.05)  # it has it, or will have it: the call ends in its result either way
    (tmp_path / "gate").touch()
    assert got(running) == "waited"
    assert gone(pid) == []
    died(actor)


def test_a_shutdown_hook_that_hangs_is_ended(run, environment):
    """RAY_API 4: __ray_shutdown__: force kill after a while, which the environment may shorten."""
    code, out, err = run(
        """
        import time, jactors
        jactors.init(INIT)
        @jactors.remote
        class Hangs:
            def __ray_shutdown__(self): time.sleep(1000)
        hangs = Hangs.remote()
        try: jactors.get(hangs.__ray_terminate__.remote())
        except jactors.exceptions.ActorDiedError as error: print("leaving for 0.2 seconds" in str(error))
        """,
        env={**environment, "JACTORS_LEAVE_TIMEOUT": "0.2"},
    )
    assert (code, out) == (0, "True\n"), err


# ---------------------------------------------------------------- 9


class Member:
    def __init__(self, start, *, step=1):
        self.value, self.step = start, step

    def get_actor_metadata(self):
        return f"starts at {self.value}"

    def add(self, by):
        self.value += by * self.step
        return self.value

    def pid(self):
        return os.getpid()


def test_a_group_calls_all_its_actors(session):
    group = ActorGroup(Member, num_actors=2, num_cpus_per_actor=0, init_args=(10,), init_kwargs={"step": 2})
    assert len(group) == 2 and group.actor_metadata == ["starts at 10"] * 2
    assert got(group.add.remote(1)) == [12, 12]
    with pytest.raises(TypeError, match="cannot be called directly"):
        group.add(1)
    with pytest.raises(RuntimeError, match="already been started"):
        group.start()
    assert got(group[0].actor.add.remote(1)) == 14
    group.remove_actors([0])
    group.add_actors(1)
    assert got(group.add.remote(0)) == [12, 10]
    pids = got(group.pid.remote())
    group.shutdown()
    assert gone(*pids) == [] and len(group) == 0
    with pytest.raises(RuntimeError, match="has been shutdown"):
        group.add  # noqa: B018
    group.start()
    pids = got(group.pid.remote())
    group.shutdown(patience_s=0)
    assert gone(*pids) == []
    for wrong in ({"num_actors": 0}, {"num_cpus_per_actor": -1}):
        with pytest.raises(ValueError, match=r"greater than 0|negative"):
            ActorGroup(Member, init_args=(0,), **wrong)
