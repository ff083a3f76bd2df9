"""Methods and handles: calls, their arguments, returns and order (section 2 of the API)."""

from __future__ import annotations

import gc
import os
import pickle
import random
import threading
import time
import weakref

import pytest

import jactors
from tests.live.counter import TIMEOUT, Counter


def test_synchronous_call_returns_the_value(counter):
    assert counter.echo(1, a=2) == ((1,), {"a": 2})


def test_synchronous_call_with_returns(counter):
    assert counter.pair() == ["a", "b"]
    assert counter.many.options(num_returns=0)(3) is None


def test_num_returns(counter):
    one, two = counter.pair.remote()
    assert (jactors.get(two), jactors.get(one)) == ("b", "a")
    refs = counter.many.options(num_returns=3).remote(3)
    assert jactors.get(refs) == [0, 1, 2]
    assert counter.many.options(num_returns=0).remote(3) is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.many.options(num_returns=2).remote(3), ValueError, "returned 3 objects, but num_returns=2"),
        (lambda c: c.count.options(num_returns=2).remote(), TypeError, "has no len"),
    ],
)
def test_wrong_number_of_returns_fails_every_ref(counter, call, error, text):
    for ref in call(counter):
        with pytest.raises(error, match=text):
            jactors.get(ref, timeout=TIMEOUT)


def test_method_options_are_checked(counter):
    with pytest.raises(TypeError, match=r"num_return.*num_returns"):
        counter.add.options(num_return=2)
    with pytest.raises(ValueError, match="num_returns"):
        counter.add.options(num_returns=-1)
    with pytest.raises(AssertionError, match="num_retrns"):
        jactors.method(num_retrns=1)
    assert counter.add._remote(args=(0,), kwargs={}, num_returns=1) is not None


def test_every_function_member_is_a_method(counter):
    assert counter.static(1) == 2
    assert counter.named() == "Counter"
    assert counter._private() == "private"
    assert jactors.get(counter.__len__.remote()) == 42
    methods = {name for name, member in vars(Counter._class).items() if callable(member) or hasattr(member, "__func__")}
    built_in = {"__init__", "__ray_ready__", "__ray_call__", "__ray_terminate__"}
    assert set(dir(counter)) == methods | built_in  # not the property
    assert not hasattr(counter, "shown")


def test_inherited_methods(session):
    class Base:
        def base(self):
            return "base"

    @jactors.remote
    class Derived(Base):
        def derived(self):
            return super().base() + " derived"

    derived = Derived.remote()
    assert (derived.base(), derived.derived()) == ("base", "base derived")


def test_instance_attribute_does_not_shadow_a_method(counter):
    counter.add(0)
    assert jactors.get(counter.value.remote()).startswith("method")


def test_missing_method_is_an_attribute_error_with_the_nearest(counter):
    with pytest.raises(AttributeError, match=r"'ActorHandle' object has no attribute 'ad'.*'add'"):
        counter.ad  # noqa: B018
    assert not hasattr(counter, "kind")  # an attribute is no method


def test_signature_errors_in_the_caller(counter):
    with pytest.raises(TypeError, match="too many positional arguments"):
        counter.add.remote(1, 2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'bye'"):
        counter.add(bye=1)
    with pytest.raises(TypeError, match="missing a required argument: 'path'"):
        counter.wait_for.remote()


def test_kwargs_of_any_name(counter):
    kwargs = dict.fromkeys(
        [
            "method",
            "link",
            "call",
            "groups",
            "entries",
            "args",
            "kwargs",
            "name",
            "num_returns",
            "task_id",
            "handle",
            "function",
            "number",
            "head",
            "returns",
            "group",
            "timeout",
            "key",
            "parent",
            "options",
            "self_",
        ],
        1,
    )
    assert counter.echo(**kwargs) == ((), kwargs)
    assert jactors.get(counter.echo.remote(**kwargs)) == ((), kwargs)


def test_kwargs_named_self_and_cls(counter):
    # Only a catch-all in the method can take them, and then they belong to the user.
    @jactors.remote
    class Takes:
        def take(this, **kwargs):  # noqa: N805
            return kwargs

    assert Takes.remote().take(cls=1, name=2) == {"cls": 1, "name": 2}


def test_kwargs_of_any_name_in_init(session):
    @jactors.remote
    class Takes:
        def __init__(self, **kwargs):
            self.kwargs = kwargs

        def got(self):
            return self.kwargs

    kwargs = {"options": 1, "name": 2, "creation": 3, "class_name": 4}
    assert Takes.remote(**kwargs).got() == kwargs


def test_handles_are_equal_and_hashable(counter):
    copy = pickle.loads(pickle.dumps(counter))
    assert copy == counter and hash(copy) == hash(counter) and {counter: 1}[copy] == 1
    assert counter != 1 and counter != Counter.remote()
    for verb in (len, iter):  # the class has a __len__: a method like any other
        with pytest.raises(TypeError):
            verb(counter)
    assert repr(counter) == f"Actor(Counter, {counter._actor_id.hex()})" and len(counter._actor_id.hex()) == 32
    assert copy.count() == counter.count()


def test_a_bound_method_keeps_the_actor_alive(session):
    add = Counter.remote(5).add
    assert jactors.get(add.remote()) == 6
    assert Counter.remote(7).add() == 8


def test_identifiers_come_from_no_seed(session):
    found = []
    for _ in range(2):
        random.seed(1)
        found.append(Counter.remote()._actor_id.hex())
    assert found[0] != found[1]


def test_options_of_a_method_make_no_cycle(session):
    """RAY_API 2: else a handle would only go, and its actor with it, when the collector runs."""
    gc.disable()
    try:
        counter = Counter.remote()
        seen = weakref.ref(counter)
        jactors.get(counter.add.options(name="once").remote(), timeout=TIMEOUT)
        method = counter.add.options(num_returns=1)
        del counter, method
        assert seen() is None
    finally:
        gc.enable()


def test_method_shows_what_it_is(counter):
    import inspect

    for handle in (counter, pickle.loads(pickle.dumps(counter))):
        add = handle.add.options(name="again")
        assert add.__name__ == "add" and add.__doc__ == "Add `by`, or the step."
        assert str(inspect.signature(add)) == "(by: float | None = None)"
        assert str(inspect.signature(add.remote)) == "(by: float | None = None) -> ObjectRef"
        assert inspect.getdoc(add.remote).startswith("Add `by`, or the step.\n\nSubmit a call")
        assert inspect.getdoc(handle) == "Counts."
    with pytest.raises(TypeError, match=r"^add\(by: float \| None = None\): too many"):
        counter.add(1, 2)
    assert "An actor." in inspect.getdoc(jactors.ActorHandle)
    assert jactors.typed(counter) is counter


def test_a_decorator_of_the_invocation(session):
    """RAY_API 2: `__ray_invocation_decorator__` on a method wraps the *invocation* in the caller."""

    def twice(invocation):
        return lambda args, kwargs: [invocation(args, kwargs), invocation((10,), kwargs)]

    class Decorated:
        def add(self, a, b=1):
            return a + b, os.getpid()

        add.__ray_invocation_decorator__ = twice

        def use(self, other):
            return [jactors.get(ref)[0] for ref in other.add.remote(3, b=4)]

    actor, other = jactors.remote(Decorated).remote(), jactors.remote(Decorated).remote()
    results = jactors.get(actor.add.remote(1, b=2))
    assert [value for value, _ in results] == [3, 12] and results[0][1] != os.getpid()
    assert actor.use(other) == [7, 14]  # in every caller

    class Locally:
        def add(self, a):
            return a

        add.__ray_invocation_decorator__ = lambda invocation: lambda args, kwargs: invocation((args[0] + 1,), kwargs)

    local = jactors.remote(Locally).remote()
    assert jactors.get(pickle.loads(pickle.dumps(local)).add.remote(1)) == 2  # a lambda is pickled by value


def test_built_in_methods(session):
    counter = Counter.remote(3)
    assert jactors.get(counter.__ray_ready__.remote()) is True
    assert jactors.get(counter.__ray_call__.remote(lambda self, by: self.count() + by, 4)) == 7
    last = counter.add.remote()
    end = counter.__ray_terminate__.remote()
    assert jactors.get(last) == 4
    for ref in (end, counter.add.remote()):
        with pytest.raises(jactors.exceptions.ActorDiedError):
            jactors.get(ref, timeout=TIMEOUT)


def test_setting_attributes_of_a_handle(session):
    counter = Counter.remote()
    counter.note = "mine"
    assert counter.note == "mine"


def test_calls_of_one_caller_run_in_order(counter):
    refs = [counter.echo.remote(i) for i in range(2000)]
    assert [args[0] for args, _ in jactors.get(refs, timeout=TIMEOUT)] == list(range(2000))


def test_different_actors_run_in_parallel(session, tmp_path):
    @jactors.remote
    class Meets:
        def meet(self, mine, other):
            open(mine, "w").close()
            while not os.path.exists(other):
                time.sleep(0.002)
            return True

    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    left, right = Meets.remote(), Meets.remote()
    assert jactors.get([left.meet.remote(a, b), right.meet.remote(b, a)], timeout=TIMEOUT) == [True, True]


def test_calls_from_many_threads(session):
    counter = Counter.remote()
    refs = []

    def call():
        for _ in range(100):
            refs.append(counter.add.remote())
            counter.count()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(jactors.get(refs, timeout=TIMEOUT)) == list(range(1, 801))
