"""Creating actors: what `remote` takes, checks and refuses (section 1 of the API)."""

from __future__ import annotations

import os
import time

import pytest

import jactors
from tests.live.counter import TIMEOUT, Counter


def test_state_lives_across_calls(session):
    counter = Counter.remote(10)
    refs = [counter.add.remote() for _ in range(5)]
    assert jactors.get(refs, timeout=TIMEOUT) == [11, 12, 13, 14, 15]


def test_remote_returns_before_init_ran(session, gate):
    @jactors.remote
    class Slow:
        def __init__(self, path):
            while not os.path.exists(path):
                time.sleep(0.002)

        def ready(self):
            return True

    slow = Slow.remote(str(gate))
    ref = slow.ready.remote()
    assert jactors.wait([ref], timeout=0) == ([], [ref])
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT)


def test_remote_forms(session):
    class Plain:
        def one(self):
            return 1

    for actor_class in (jactors.remote(Plain), jactors.remote(num_cpus=0)(Plain)):
        assert actor_class.remote().one() == 1
        assert actor_class.options(num_cpus=0).remote().one() == 1
        assert actor_class._remote(args=[], kwargs={}, num_cpus=0).one() == 1


def test_remote_refuses_what_is_no_class(session):
    for misuse in (jactors.remote, lambda: jactors.remote(5), lambda: jactors.remote(Counter._class(0))):
        with pytest.raises(AssertionError, match="remote"):
            misuse()
    with pytest.raises(TypeError, match="must be applied to either a function or a class"):
        jactors.remote(Counter)


def test_actor_class_is_not_called_and_not_inherited(session):
    with pytest.raises(TypeError, match=r"use 'Counter.remote\(\)'"):
        Counter()
    with pytest.raises(jactors.actor.ActorClassInheritanceException, match="plain class"):

        class Sub(Counter):
            pass


def test_actor_class_shows_the_plain_class(session):
    assert Counter.kind == "counter"
    assert Counter.static(1) == 2
    assert type(Counter).__name__.startswith("ActorClass") and "Counter" in repr(Counter)
    local = Counter.starting_at(3)
    assert local.add() == 4 and local.value == 4  # a plain object, of this process
    methods = {name for name in vars(Counter._class) if callable(getattr(Counter._class, name))}
    assert set(dir(Counter)) - {"__init__", "__len__"} == (methods | {"options", "remote"}) - set(dir(object)) - {
        "__len__"
    }
    wrapper = Counter.options(num_cpus=0)
    assert not hasattr(wrapper, "kind") and not hasattr(wrapper, "options")


def test_wrong_arguments_of_init_raise_in_the_caller(session):
    with pytest.raises(TypeError, match="too many positional arguments"):
        Counter.remote(1, 2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'zz'"):
        Counter.remote(zz=1)

    @jactors.remote
    class Needs:
        def __init__(self, a):
            pass

    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        Needs.remote()


def test_unknown_options_raise_and_start_nothing(session):
    before = len(jactors.session.current().watch.request("list")["actors"])
    with pytest.raises(ValueError, match=r"Invalid option keyword num_cpu for actors.*num_cpus"):
        jactors.remote(num_cpu=1)
    with pytest.raises(ValueError, match="Invalid option keyword nme"):
        Counter.options(nme="x")
    with pytest.raises(TypeError, match=r"The type of keyword 'num_cpus'.*'two'"):
        Counter.options(num_cpus="two")
    with pytest.raises(ValueError, match=r"negative.*-1"):
        Counter.options(num_gpus=-1)
    with pytest.raises(ValueError, match="empty string"):
        Counter.options(name="").remote()
    with pytest.raises(TypeError, match="name"):
        Counter.options(name=3)
    with pytest.raises(ValueError, match="get_if_exists"):
        Counter.options(get_if_exists=True).remote()
    assert len(jactors.session.current().watch.request("list")["actors"]) == before


def test_class_is_pickled_once(session):
    box = {"value": 1}

    @jactors.remote
    class Captures:
        def look(self):
            return box["value"]

    first = Captures.remote()
    box["value"] = 2
    assert (first.look(), Captures.remote().look()) == (1, 1)
    assert jactors.remote(Captures._class).remote().look() == 2
    assert (first.look(), Captures.remote().look()) == (1, 1)  # old handles keep the old code


def test_a_class_that_captures_much_is_warned_of_and_one_that_captures_too_much_refused(monkeypatch, caplog):
    from jactors.actors import weight

    monkeypatch.setattr(weight, "_LARGE", 10_000)
    monkeypatch.setattr(weight, "_TOO_LARGE", 100_000)

    def capturing(size):
        data = bytes(size)

        class Greedy:
            def size(self):
                return len(data)

        return jactors.remote(Greedy)

    capturing(1000)._pickled()
    assert caplog.text == ""
    capturing(50_000)._pickled()
    assert "The actor Greedy is very large" in caplog.text and "put()" in caplog.text
    with pytest.raises(ValueError, match=r"The actor Greedy is too large.*put\(\)"):
        capturing(200_000).remote()
    data = bytes(200_000)
    with pytest.raises(ValueError, match=r"The remote function .*greedy is too large.*put\(\)"):

        @jactors.remote
        def greedy():
            return len(data)

        greedy._pickled()
