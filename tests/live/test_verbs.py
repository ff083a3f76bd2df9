"""The verbs: get, wait, put, kill, get_actor, init (section 3), and the errors that they raise (4)."""

from __future__ import annotations

import os
import threading
import time

import pytest

import jactors
from jactors.actor import exit_actor
from tests.live.counter import TIMEOUT, Counter

# ---------------------------------------------------------------- 3. get, wait, put, kill, get_actor, init


def test_get_of_lists(counter):
    ref = counter.echo.remote(1)
    assert jactors.get([]) == []
    assert jactors.get([ref, ref]) == [((1,), {})] * 2


def test_get_of_a_generator_is_the_generator(counter):
    """RAY_API 3: whoever gets what a method returns need not know that it yields."""
    found = jactors.get(counter.count_to.remote(3))
    assert isinstance(found, jactors.ObjectRefGenerator) and [jactors.get(ref) for ref in found] == [0, 1, 2]
    with pytest.raises(TypeError, match="not an ObjectRef"):
        jactors.get([counter.count_to.remote(1)])


def test_get_misused(counter):
    ref = counter.echo.remote()
    for misuse in ((ref,), {ref}, 3, counter):
        with pytest.raises(ValueError, match="Invalid type of object refs"):
            jactors.get(misuse)
    with pytest.raises(TypeError, match="not an ObjectRef"):
        jactors.get([ref, 3])
    with pytest.raises(TypeError):
        jactors.get(ref, 1)
    with pytest.raises(ValueError, match=r"timeout.*-1"):
        jactors.get(ref, timeout=-1)


def test_get_timeout_and_again(session, gate):
    counter = Counter.remote()
    ref = counter.wait_for.remote(str(gate))
    for seconds in (0, 0.01):
        with pytest.raises(jactors.exceptions.GetTimeoutError, match="some object"):
            jactors.get(ref, timeout=seconds)
        with pytest.raises(TimeoutError):
            jactors.get([ref], timeout=seconds)
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT) == str(gate)


def test_get_of_a_list_raises_the_first_known_failure(session, counter, gate):
    hangs = Counter.remote()
    refs = [hangs.wait_for.remote(str(gate)), counter.boom.remote("known")]
    with pytest.raises(ValueError, match="known"):
        jactors.get(refs, timeout=TIMEOUT)
    gate.touch()


def test_result_outlives_its_actor(session):
    counter = Counter.remote()
    small, large = counter.count.remote(), counter.many.remote(300_000)
    jactors.wait([large], timeout=TIMEOUT)
    jactors.kill(counter)
    assert jactors.get(small) == 0 and len(jactors.get(large)) == 300_000


def test_wait(session, counter, gate):
    hangs = Counter.remote()
    slow, quick, failed = hangs.wait_for.remote(str(gate)), counter.echo.remote(), counter.boom.remote()
    assert jactors.wait([slow, quick, failed], num_returns=2, timeout=TIMEOUT) == ([quick, failed], [slow])
    assert jactors.wait([slow, quick, failed], timeout=TIMEOUT) == ([quick], [slow, failed])
    assert jactors.wait([slow], timeout=0) == ([], [slow])
    assert jactors.wait([slow, quick], num_returns=2, timeout=0.01) == ([quick], [slow])
    gate.touch()
    assert jactors.wait([slow, quick], num_returns=2, timeout=TIMEOUT) == ([slow, quick], [])
    assert jactors.wait([]) == ([], [])


def test_wait_misused(counter):
    ref = counter.echo.remote()
    for misuse in (ref, (ref,), [3]):
        with pytest.raises(TypeError, match="list"):
            jactors.wait(misuse)
    for refs, options in (([ref, ref], {}), ([ref], {"num_returns": 0}), ([ref], {"num_returns": 2})):
        with pytest.raises(ValueError):
            jactors.wait(refs, **options)
    with pytest.raises(ValueError, match="timeout"):
        jactors.wait([ref], timeout=-1)


def test_put(counter):
    ref = jactors.put({"a": [1]})
    assert jactors.get(ref) == {"a": [1]} and jactors.get(ref) is not jactors.get(ref)
    assert counter.echo(ref) == (({"a": [1]},), {})
    with pytest.raises(TypeError, match="ObjectRef"):
        jactors.put(ref)
    with pytest.raises(TypeError, match="put value"):
        jactors.put(threading.Lock())


def test_kill(session):
    counter = Counter.options(name="victim").remote()
    pid = counter.pid()
    jactors.kill(counter)
    with pytest.raises(jactors.exceptions.ActorDiedError, match=r"killed by `jactors.kill`"):
        jactors.get(counter.count.remote(), timeout=TIMEOUT)
    assert jactors.kill(counter) is None  # a dead one: no error
    with pytest.raises(ValueError, match="only supported for actors"):
        jactors.kill(None)
    assert pid > 0


def test_kill_frees_the_name_at_once(session):
    counter = Counter.options(name="again").remote()
    counter.count()
    jactors.kill(counter)
    with pytest.raises(ValueError, match="Failed to look up actor with name 'again'"):
        jactors.get_actor("again")
    assert Counter.options(name="again").remote(9).count() == 9


def test_kill_fails_running_and_queued_calls(session, gate):
    counter = Counter.remote()
    refs = [counter.wait_for.remote(str(gate)), counter.count.remote()]
    counter_two = Counter.remote()  # something else goes on meanwhile
    jactors.kill(counter)
    for ref in refs:
        with pytest.raises(jactors.exceptions.RayActorError):
            jactors.get(ref, timeout=TIMEOUT)
    assert counter_two.count() == 0


def test_get_actor(session):
    counter = Counter.options(name="tally").remote(4)
    found = jactors.get_actor("tally")
    assert found == counter and found.add() == 5 and counter.count() == 5
    assert jactors.get_actor("tally", namespace=session["namespace"]) == counter
    with pytest.raises(ValueError, match=r"'tallly'.*'tally'"):
        jactors.get_actor("tallly")
    for nothing in ("", None):
        with pytest.raises(ValueError, match="non-empty value"):
            jactors.get_actor(nothing)
    with pytest.raises(TypeError):
        jactors.get_actor(3)
    with pytest.raises(TypeError, match="namespace"):
        jactors.get_actor("tally", namespace=5)
    with pytest.raises(ValueError, match="Failed to look up actor with name '   '"):
        jactors.get_actor("   ")
    with pytest.raises(ValueError, match="namespace"):
        jactors.get_actor("tally", namespace="")
    with pytest.raises(ValueError):
        jactors.get_actor("tally", namespace="elsewhere")


def test_get_actor_of_a_pending_one(session, gate):
    @jactors.remote
    class Slow:
        def __init__(self, path):
            while not os.path.exists(path):
                time.sleep(0.002)

        def ready(self):
            return True

    slow = Slow.options(name="slow").remote(str(gate))
    ref = jactors.get_actor("slow").ready.remote()
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT) and slow.ready()


def test_a_name_is_taken_once(session):
    first = Counter.options(name="one").remote()
    with pytest.raises(jactors.exceptions.ActorAlreadyExistsError, match=r"name one .*already taken"):
        Counter.options(name="one").remote()
    assert Counter.options(name="one", get_if_exists=True).remote() == first
    other = Counter.options(name="one", namespace="another").remote()
    assert other != first and jactors.get_actor("one", namespace="another") == other


def test_get_if_exists_makes_one(session):
    handles = []
    threads = [
        threading.Thread(target=lambda: handles.append(Counter.options(name="race", get_if_exists=True).remote()))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(handles) == 10 and len(set(handles)) == 1
    assert len({handle.pid() for handle in handles}) == 1


def test_init_twice(session, launcher):
    assert jactors.is_initialized()
    with pytest.raises(RuntimeError, match="ignore_reinit_error"):
        jactors.init()
    assert jactors.init(ignore_reinit_error=True)["address"] == session["address"]


def test_init_context(session):
    assert session["address"] and session.address_info["address"] == session["address"]


def test_init_options_are_checked(session):
    with pytest.raises(RuntimeError, match=r"num_cpu.*num_cpus"):
        jactors.init(num_cpu=1, ignore_reinit_error=True)
    with pytest.raises(ValueError, match=r"'namespace'|namespace"):
        jactors.init(namespace="", ignore_reinit_error=True)


def test_resources_of_the_session(session):
    assert jactors.cluster_resources()["CPU"] == 4 and jactors.cluster_resources()["GPU"] == 4
    counter = Counter.options(num_cpus=1, num_gpus=4).remote()
    counter.count()
    free = jactors.available_resources()
    assert "GPU" not in free  # what is used up is not in it
    assert free["CPU"] <= 3


# ---------------------------------------------------------------- 4. errors


def test_task_error_is_of_the_users_type(counter):
    with pytest.raises(ValueError, match="boom") as caught:
        counter.boom()
    error = caught.value
    assert isinstance(error, jactors.exceptions.RayTaskError)
    assert type(error.cause) is ValueError and error.args == (error.cause,) and "Counter.boom" in str(error)
    with pytest.raises(jactors.exceptions.RayError):
        jactors.get(counter.boom.remote())


def test_exit_actor(session):
    counter = Counter.remote()
    before = counter.add.remote()
    ref = counter.leave.remote()
    assert jactors.get(before) == 1
    for last in (ref, counter.count.remote()):
        with pytest.raises(jactors.exceptions.ActorDiedError, match=r"exit_actor\(\) is called"):
            jactors.get(last, timeout=TIMEOUT)
    with pytest.raises(TypeError, match="non-actor worker"):
        exit_actor()
