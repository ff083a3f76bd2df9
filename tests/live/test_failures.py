"""Failures: what the caller sees of an exception, and of what cannot be pickled (sections 1 and 4)."""

from __future__ import annotations

import pickle
import re
import threading
import time

import pytest

import jactors
from tests.live.risky import TIMEOUT, Custom, NotOnTheOtherSide, Risky, error_of

exceptions = jactors.exceptions


def running(self, path):
    """A method that says when it runs, and goes on until it is stopped."""
    open(path, "w").close()
    while True:
        time.sleep(0.002)


# ---------------------------------------------------------------- a method raises


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        (ValueError, ("boom",)),
        (KeyError, ("key",)),
        (ZeroDivisionError, ()),
        (OSError, (2, "no such file", "name")),
        (UnicodeDecodeError, ("utf-8", b"\xff", 0, 1, "bad")),
        (StopIteration, (3,)),
        (AssertionError, ("not so",)),
        (NotImplementedError, ()),
        (TimeoutError, ("late",)),
        (RecursionError, ("deep",)),
    ],
)
def test_exceptions_keep_their_type(risky, kind, args):
    error = error_of(risky.raises.remote(kind, *args), kind)
    raised = kind(*args)  # OSError picks a subclass
    assert isinstance(error, exceptions.TaskError)
    assert type(error.cause) is type(raised) and error.cause.args == raised.args
    assert risky.ok() > 0


def test_attributes_of_the_exception_are_there(risky):
    error = error_of(risky.raises.remote(OSError, 2, "no such file", "name"), FileNotFoundError)
    assert (error.errno, error.filename) == (2, "name")
    error = error_of(risky.custom.remote(), Custom)
    assert (error.code, error.why) == (7, "because")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, Custom) and again.why == "because"


def test_the_text_has_the_users_frames_and_lines_only(risky):
    text = str(error_of(risky.nested.remote()))
    assert "return 1 / 0" in text and "return inner()" in text and "ZeroDivisionError: division by zero" in text
    assert "in nested" in text and "in inner" in text and "/jactors/" not in text and "instance.py" not in text
    assert re.match(r"Risky\.nested raised in <Risky [0-9a-f]{8}> \(pid \d+\)\n", text)


def test_chains_and_groups(risky):
    text = str(error_of(risky.chained.remote(), ValueError))
    assert "KeyError: 'key'" in text and "direct cause" in text
    error = error_of(risky.group.remote(), ExceptionGroup)
    assert [type(each) for each in error.exceptions] == [ValueError, TypeError]


def test_an_exception_that_holds_a_lock(risky):
    error = error_of(risky.holds_a_lock.remote(), RuntimeError)
    assert "with a lock" in str(error) and "lock" in str(error).partition("left out")[2]


def test_base_exceptions_do_not_end_anything(risky):
    assert isinstance(error_of(risky.raises.remote(KeyboardInterrupt)), exceptions.TaskCancelledError)
    error = error_of(risky.raises.remote(GeneratorExit), exceptions.TaskError)
    assert isinstance(error.cause, GeneratorExit)
    assert risky.ok() > 0


def test_a_repr_of_the_users_is_in_the_text(session):
    @jactors.remote
    class Named:
        def __repr__(self):
            return "Named(for error messages)"

        def fail(self):
            raise ValueError

    assert "Named(for error messages)" in str(error_of(Named.remote().fail.remote(), ValueError))


def test_each_get_raises_a_new_error(risky):
    ref = risky.raises.remote(ValueError, "again")
    assert error_of(ref) is not error_of(ref)


def test_errors_through_two_actors(session, risky):
    @jactors.remote
    class Passes:
        def on(self, risky):
            return risky.custom()

    error = error_of(Passes.remote().on.remote(risky), Custom)
    assert error.why == "because" and "raise Custom(7" in str(error)


def test_exceptions_of_main(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)

        class Mine(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")
                self.a = a

        class Base:
            def helper(self): raise Mine(1, b=2)  # raised here

        @jactors.remote
        class Actor(Base):
            def fail(self): self.helper()

        actor = Actor.remote()
        try:
            actor.fail()
        except Mine as error:
            print(type(error).__name__, error.a, type(error.cause) is Mine)
            print("self.helper()" in str(error), "raised here" in str(error))
        actor.fail()
        """
    )
    assert out.splitlines() == ["TaskError(Mine) 1 True", "True True"], err
    assert code == 1 and "1 and 2" in err and "raise Mine(1, b=2)  # raised here" in err


def test_class_of_a_cell_has_its_lines(notebook):
    outputs = notebook(
        """
        import jactors
        class Mine(Exception): pass
        @jactors.remote
        class Cell:
            def fail(self):
                raise Mine("from the cell")  # a line of the cell
        cell = Cell.remote()
        try:
            cell.fail()
        except Mine as error:
            text = str(error)
        """,
        "print(text)",
    )
    assert "# a line of the cell" in outputs[1][0].text and "Mine: from the cell" in outputs[1][0].text, outputs


# ---------------------------------------------------------------- what cannot be pickled


def test_unpicklable_argument_names_the_path(risky):
    with pytest.raises(exceptions.SerializationError, match="lock") as caught:
        risky.takes.remote({"outer": [1, threading.Lock()]})
    assert isinstance(caught.value, TypeError) and "['outer'][1]" in str(caught.value)
    assert "Risky.takes" in str(caught.value)
    assert risky.ok() > 0


def test_unpicklable_attribute_of_an_argument(risky):
    class Holder:
        def __init__(self):
            self.inner = threading.Lock()

    with pytest.raises(exceptions.SerializationError, match=r"\.inner"):
        risky.takes(Holder())


def test_unpicklable_constructor_argument(session):
    with pytest.raises(exceptions.SerializationError, match=r"Risky\.__init__"):
        Risky.remote(threading.Lock())


def test_unpicklable_class_names_the_attribute(session):
    lock = threading.Lock()

    @jactors.remote
    class Captures:
        def use(self):
            return lock

    with pytest.raises(exceptions.SerializationError, match="lock") as caught:
        Captures.remote()
    assert "lock" in str(caught.value) and "use" in str(caught.value)


def test_unpicklable_result_names_the_path_and_the_actor_lives(risky):
    error = error_of(risky.returns.remote("lock"), exceptions.SerializationError)
    assert isinstance(error, TypeError) and isinstance(error, exceptions.TaskError)
    assert "['deep'][0]" in str(error) and "Risky.returns" in str(error)
    assert "generator" in str(error_of(risky.returns.remote("generator"), TypeError))
    assert risky.ok() > 0


def test_unpicklable_one_of_several_results(risky):
    refs = risky.__ray_call__.options(num_returns=2).remote(lambda self: (1, __import__("threading").Lock()))
    for ref in refs:
        assert "lock" in str(error_of(ref, TypeError))


def test_an_argument_that_cannot_be_unpickled_in_the_actor(risky):
    error = error_of(risky.takes.remote(NotOnTheOtherSide()), exceptions.TaskError)
    assert isinstance(error.cause, TypeError)
    assert risky.ok() > 0


def test_a_result_that_cannot_be_unpickled_here(risky):
    ref = risky.__ray_call__.remote(lambda self: NotOnTheOtherSide())
    with pytest.raises(TypeError):
        jactors.get(ref, timeout=TIMEOUT)
    assert risky.ok() > 0


def test_a_module_that_only_the_driver_has(session, tmp_path, monkeypatch):
    """A class that the actor cannot import: every call says so."""
    (tmp_path / "only_here.py").write_text("class Plain:\n    def one(self): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    actor_class = jactors.remote(only_here.Plain)
    assert actor_class.remote().one() == 1
    (tmp_path / "only_here.py").unlink()
    actor = actor_class.remote()
    for _ in range(2):
        error = error_of(actor.one.remote(), exceptions.ActorDiedError)
        assert "only_here" in str(error) and "ModuleNotFoundError" in str(error)


# ---------------------------------------------------------------- errors that nobody looks at

UNREAD = """
import gc, jactors
jactors.init(INIT)

@jactors.remote
class A:
    def boom(self, text):
        raise ValueError(text)

    def ping(self):
        return 1

a = A.remote()
"""


def test_an_error_that_nobody_looks_at_is_logged(run):
    """RAY_API 4: Failed refs dropped unread are logged as "Unhandled error" in the driver."""
    code, _, err = run(
        UNREAD
        + """
ref = a.boom.remote("unread")
jactors.wait([ref])
del ref
seen = a.boom.remote("seen")
try:
    jactors.get(seen)
except ValueError:
    pass
del seen
a.ping()
"""
    )
    assert code == 0
    assert err.count("Unhandled error") == 1 and "A.boom raised" in err and "ValueError: unread" in err


@pytest.mark.parametrize("name", ["JACTORS_IGNORE_UNHANDLED_ERRORS", "RAY_IGNORE_UNHANDLED_ERRORS"])
def test_errors_that_nobody_looks_at_can_be_ignored(run, name):
    code, _, err = run(
        f"import os\nos.environ[{name!r}] = '1'\n" + UNREAD + "jactors.wait([a.boom.remote('unread')])\na.ping()\n"
    )
    assert (code, err) == (0, "")


def test_what_was_cancelled_or_retried_was_looked_at(run):
    code, _, err = run(
        UNREAD
        + """
import time
ref = a.__ray_call__.remote(lambda self: time.sleep(30))
jactors.wait([ref], timeout=0.3)
jactors.cancel(ref)
jactors.wait([ref])
del ref
a.ping()
"""
    )
    assert (code, err) == (0, "")
