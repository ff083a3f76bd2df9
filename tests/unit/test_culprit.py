from __future__ import annotations

import collections
import functools
import threading

import pytest

from jactors.errors import SerializationError
from jactors.wire import culprit, pack
from jactors.wire.culprit import blame


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time stands still: where the machine is slow, a search must not end early. Returns how to set another clock."""

    def set_clock(now):
        monkeypatch.setattr(culprit, "monotonic", now)

    set_clock(lambda: 0.0)
    return set_clock


class Model:
    def __init__(self, **state):
        self.__dict__.update(state)

    @property
    def trap(self):
        raise AssertionError("a property was called")

    def step(self):
        return self


class Slots:
    __slots__ = ("lock", "other", "unset")


class Stateful:
    """Its lock stays at home; the rest does not."""

    def __init__(self, **state):
        self.__dict__.update(state)
        self.lock = threading.Lock()

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "lock"}


class Refuses:
    def __reduce__(self):
        raise TypeError("I will not be moved")


def refusal(value, what="argument 'model' of Trainer.__init__"):
    with pytest.raises(SerializationError) as caught:
        pack.dumps(value, what=what)
    message = str(caught.value)
    assert message.startswith(f"cannot pickle {what}: ")
    assert "Cure: " in message
    return message


def slots():
    value = Slots()
    value.other, value.lock = 1, threading.Lock()
    return value


def closure():
    lock, fine = threading.Lock(), 1
    return lambda: (lock, fine)


def deep_closure():
    cfg = {"lock": threading.Lock()}

    def train():
        return cfg

    return train


def decorated():
    inner = closure()

    @functools.wraps(inner)
    def outer():
        return inner()

    return outer


def dynamic_class():
    lock = threading.Lock()

    class Trainer:
        def step(self):
            return lock

    return Trainer


def class_attribute():
    class Trainer:
        lock = threading.Lock()

        def me(self):
            return __class__  # the class from within: a ring

    return Trainer


def ring():
    a, b = Model(), Model()
    a.b, b.a = b, a
    a.z = {"lock": threading.Lock()}
    return a


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: Model(cfg={"n": 1, "lock": threading.Lock()}), "model.cfg['lock'] is a _thread.lock: cannot pickle"),
        (threading.Lock, "it is a _thread.lock: cannot pickle '_thread.lock' object."),
        (lambda: [1, (2, threading.Lock())], "model[1][1] is a _thread.lock"),
        (lambda: {1, Refuses()}, "model element <Refuses> is a tests.unit.test_culprit.Refuses: I will not be moved"),
        (lambda: {Refuses(): 1}, "model key <Refuses> is a"),
        (lambda: collections.deque([threading.Lock()]), "model[0] is a _thread.lock"),
        (slots, "model.lock is a _thread.lock"),
        (lambda: Stateful(ok=1, bad=[threading.Lock()]), "model.bad[0] is a _thread.lock"),
        (lambda: ValueError("text", threading.Lock()), "[1] is a _thread.lock"),
        (lambda: functools.partial(print, threading.Lock()), "is a _thread.lock"),
        (closure, "captured variable 'lock' of model is a _thread.lock"),
        (deep_closure, "cfg['lock'] (captured variable 'cfg' of model) is a _thread.lock"),
        (decorated, "captured variable 'lock' of inner is a _thread.lock"),
        (lambda: Model(lock=threading.Lock()).step, "model.__self__.lock is a _thread.lock"),
        (dynamic_class, "captured variable 'lock' of model.step is a _thread.lock"),
        (class_attribute, "model.lock is a _thread.lock"),
        (ring, "model.z['lock'] is a _thread.lock"),
        (lambda: (i for i in "x"), "it is a generator: cannot pickle 'generator' object"),
    ],
)
def test_the_smallest_part_is_named(make, path):
    assert path in refusal(make())


def test_a_global_that_a_function_uses():
    namespace = {"lock": threading.Lock(), "__name__": "__main__"}
    exec("def train(): return [lock for _ in 'ab']", namespace)
    message = refusal(namespace["train"], what="the function train")
    assert "captured variable 'lock' of train is a _thread.lock" in message


def test_results_and_classes_have_names_too():
    assert "result['lock'] is a" in refusal({"lock": threading.Lock()}, what="the result of Counter.get")
    assert "value['lock'] is a" in refusal({"lock": threading.Lock()}, what="what you put")
    assert "Trainer.lock is a" in refusal(class_attribute(), what="class Trainer")


def test_too_deep():
    value = []
    for _ in range(100_000):
        value = [value]
    assert "nested too deeply" in refusal(value)


def test_depth_is_bounded():
    value = threading.Lock()
    for _ in range(20):
        value = [value]
    assert "model[0][0][0][0][0][0] is a list" in refusal(value)


def test_trials_are_bounded():
    trials = []

    def trial(value):
        trials.append(value)
        if isinstance(value, list):
            raise TypeError("no")

    value = [[Model() for _ in range(50)] for _ in range(100)]
    message = blame(value, what="x", error=TypeError("no"), trial=trial)
    assert len(trials) <= culprit._MAX_TRIALS
    assert "value[0] is a list: no" in message


def test_time_is_bounded(clock):
    seconds = iter(range(100))
    clock(lambda: next(seconds))
    trials = []
    blame([Model() for _ in range(50)], what="x", error=TypeError("no"), trial=trials.append)
    assert len(trials) <= 2


def test_whatever_is_thrown_at_it_the_reason_is_told():
    class Liar:
        @property
        def __class__(self):
            raise ValueError("no class")

        def __reduce__(self):
            raise TypeError("no")

    class SilentError(Exception):
        def __str__(self):
            raise ValueError

    assert blame(Liar(), what="it all", error=TypeError("no")).startswith("cannot pickle it all: ")
    assert "SilentError" in blame(Liar(), what="it all", error=SilentError())


def test_no_search_within_a_search():
    class Nested:
        def __reduce__(self):
            pack.dumps([threading.Lock()], what="the inside")
            raise AssertionError

    assert "cannot pickle the inside: cannot pickle '_thread.lock' object" in refusal([Nested()])
    with culprit.searches_paused():
        assert blame([threading.Lock()], what="x", error=TypeError("no")) == "cannot pickle x: no"
