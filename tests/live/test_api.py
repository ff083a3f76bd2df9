"""The API, as RAY_API.md says: creating (1), methods and handles (2), the verbs (3), refs (6), the context (8)."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import random
import threading
import time
import weakref

import pytest

import jactors
from jactors.actor import exit_actor

TIMEOUT = 30


@jactors.remote
class Counter:
    """Counts."""

    kind = "counter"

    def __init__(self, start=0, *, step=1):
        self.value = start  # an attribute with a method's name
        self.step = step

    def add(self, by: float | None = None):
        """Add `by`, or the step."""
        self.value += self.step if by is None else by
        return self.value

    def count(self):
        return self.value

    def value(self):
        return f"method, attribute {self.value}"

    def echo(self, *args, **kwargs):
        return args, kwargs

    def boom(self, text="boom"):
        raise ValueError(text)

    def wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.002)
        return path

    @jactors.method(num_returns=2)
    def pair(self):
        return "a", "b"

    def many(self, n):
        return list(range(n))

    @staticmethod
    def static(x):
        return x + 1

    @classmethod
    def named(cls):
        return cls.__name__

    def _private(self):
        return "private"

    def __len__(self):
        return 42

    @property
    def shown(self):
        return "a property"

    @classmethod
    def starting_at(cls, n):
        return cls(n)

    def count_to(self, n):
        yield from range(n)

    def make(self, name):
        self.made = Counter.options(name=name).remote()
        return self.made.pid()

    def context(self):
        here = jactors.get_runtime_context()
        return {
            "actor_id": here.get_actor_id(),
            "name": here.get_actor_name(),
            "task_id": here.get_task_id(),
            "task_name": here.get_task_name(),
            "resources": here.get_assigned_resources(),
            "accelerators": here.get_accelerator_ids(),
            "reconstructed": here.was_current_actor_reconstructed,
            "namespace": here.namespace,
            "get": here.get(),
            "names": (here.get_task_name(), here.get_task_function_name()),
            "session": here.get_session_name(),
            "job": here.get_job_id(),
            "node": here.get_node_id(),
            "worker": here.get_worker_id(),
            "runtime_env": here.get_runtime_env_string(),
        }

    def me(self):
        return jactors.get_runtime_context().current_actor

    def gpus(self):
        return jactors.get_gpu_ids()

    def initialized(self):
        return jactors.is_initialized()

    def leave(self):
        exit_actor()

    def pid(self):
        return os.getpid()


@pytest.fixture(scope="module")
def counter(session):
    return Counter.remote()


@pytest.fixture
def gate(tmp_path):
    """A file that `wait_for` waits for."""
    return tmp_path / "gate"


# ---------------------------------------------------------------- 1. creating actors


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


# ---------------------------------------------------------------- 2. methods and handles


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


# ---------------------------------------------------------------- 6. ObjectRef


def test_ref_identity(counter):
    a, b = counter.echo.remote(), counter.echo.remote()
    assert a == a and a != b and {a: 1}[a] == 1 and a  # noqa: PLR0124
    assert len(a.hex()) == 56 and len(a.binary()) == 28 and not a.is_nil()
    assert repr(a) == f"ObjectRef({a.hex()})"
    with pytest.raises(TypeError):
        iter(a)
    assert jactors.ObjectRef[int] is not None


def test_ref_pickles_to_the_same(counter):
    ref = counter.echo.remote(3)
    again = pickle.loads(pickle.dumps(ref))
    assert again == ref and hash(again) == hash(ref) and jactors.get(again) == ((3,), {})
    jactors.get(ref)
    assert jactors.get(pickle.loads(pickle.dumps(ref))) == ((3,), {})


def test_ref_future(counter, gate):
    hangs = Counter.remote()
    ref = hangs.wait_for.remote(str(gate))
    future = ref.future()
    assert not future.done()
    gate.touch()
    assert future.result(TIMEOUT) == str(gate)
    with pytest.raises(ValueError, match="boom"):
        counter.boom.remote().future().result(TIMEOUT)


def test_cancelling_a_future_does_not_cancel_the_call(counter, gate):
    hangs = Counter.remote()
    ref = hangs.wait_for.remote(str(gate))
    assert ref.future().cancel()
    gate.touch()
    assert jactors.get(ref, timeout=TIMEOUT) == str(gate)


def test_await(counter):
    async def main():
        first = await counter.echo.remote(1)
        many = await asyncio.gather(*[counter.echo.remote(i) for i in range(10)])
        with pytest.raises(ValueError, match="boom"):
            await counter.boom.remote()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(counter.wait_for.remote("/nonexistent/first"), 0.01)
        return first, many

    # its last call never returns: an actor of its own
    counter = Counter.remote()
    first, many = asyncio.run(main())
    assert first == ((1,), {}) and many == [((i,), {}) for i in range(10)]
    jactors.kill(counter)


def test_on_completed(counter):
    done = threading.Event()
    seen = []
    counter.boom.remote()._on_completed(lambda value: (seen.append(value), done.set()))
    assert done.wait(TIMEOUT) and isinstance(seen[0], ValueError)


def test_task_id_of_a_ref_is_the_contexts(counter):
    ref = counter.context.remote()
    assert jactors.get(ref)["task_id"] == ref.task_id().hex()


# ---------------------------------------------------------------- 8. the runtime context


def test_a_call_is_called_as_its_caller_says(counter):
    """RAY_API 8: get_task_name() is "A.m", or the name of the options; get_task_function_name() stays the method's."""
    named = jactors.get(counter.context.options(name="mine").remote())
    assert named["task_name"] == "mine"
    assert counter.context()["task_name"] == "Counter.context"


def test_context_in_an_actor(session):
    counter = Counter.options(name="ctx", num_cpus=1, num_gpus=0.5).remote()
    seen = counter.context()
    assert seen["actor_id"] == counter._actor_id.hex() and seen["name"] == "ctx"
    assert seen["task_name"] == "Counter.context" and seen["resources"] == {"CPU": 1.0, "GPU": 0.5}
    assert seen["reconstructed"] is False and seen["namespace"] == session["namespace"]
    assert seen["accelerators"] == {"GPU": [str(gpu) for gpu in counter.gpus()]} and len(counter.gpus()) == 1
    assert seen["get"]["actor_id"] == seen["actor_id"]
    assert counter.initialized()
    assert seen["names"] == ("Counter.context", f"{Counter.__module__}.Counter.context")
    assert seen["session"] == jactors.get_runtime_context().get_session_name()
    assert len(seen["job"]) == 8 and seen["node"] == jactors.get_runtime_context().get_node_id()
    assert len(seen["worker"]) == 32 and seen["worker"] != jactors.get_runtime_context().get_worker_id()
    assert seen["runtime_env"] == "{}"


def test_unnamed_actor_in_the_context(counter):
    seen = counter.context()
    assert seen["name"] == "" and seen["resources"] == {} and counter.gpus() == []


def test_namespace_in_an_actor_is_the_drivers(session):
    there = Counter.options(namespace="other", name="there").remote()
    assert there.context()["namespace"] == session["namespace"]
    pid = there.make("made there")
    assert jactors.get_actor("made there").pid() == pid


def test_current_actor_is_a_handle(session):
    counter = Counter.remote(5)
    assert counter.me() == counter and counter.me().count() == 5


def test_context_in_the_driver(session):
    here = jactors.get_runtime_context()
    assert here.get_actor_id() is here.get_actor_name() is here.get_task_id() is None
    assert jactors.get_gpu_ids() == [] and here.namespace == session["namespace"]
    with pytest.raises(RuntimeError):
        here.current_actor  # noqa: B018
    with pytest.raises(AssertionError):
        here.get_assigned_resources()
    with pytest.raises(AssertionError):
        here.was_current_actor_reconstructed  # noqa: B018
