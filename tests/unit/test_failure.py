from __future__ import annotations

import asyncio
import sys
import threading
import types

import pytest

from jactors.errors import SerializationError, TaskCancelledError, TaskError
from jactors.wire import pack
from jactors.wire.failure import decode, encode


def crossed(function, task="Counter.boom", **kwargs):
    """What the caller sees of `function`'s failure."""
    try:
        function(**kwargs)
    except BaseException as error:
        data = encode(error, task=task, pid=123, actor="<Counter 3fa2c1d0>")
    assert isinstance(data, bytes)
    found = decode(data)
    assert isinstance(found, TaskError)
    again = pack.loads(pack.dumps_inband(found, what="it"))  # local classes, too
    assert type(again) is type(found)
    assert str(again) == str(found)
    return found


def raises(error):
    def boom():
        raise error

    return crossed(boom)


class TwoError(ValueError):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b


class DoublesError(ValueError):
    """Loads without complaint, but not as what it was."""

    def __init__(self, text):
        super().__init__(f"oh: {text}")


class KeywordOnlyError(Exception):
    def __init__(self, *, code):
        super().__init__(f"code {code}")
        self.code = code


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("no comment")


class BadReduceError(LookupError):
    def __reduce__(self):
        raise SystemExit(1)


class Meta(type):
    pass


class Base(BaseException):
    pass


def test_the_users_frames_with_their_source_lines():
    def helper():
        raise ValueError("boom")  # this very line

    def boom():
        helper()

    error = crossed(boom)
    assert isinstance(error, ValueError)
    assert "helper()\n" in str(error)
    assert 'raise ValueError("boom")  # this very line' in error.remote_traceback
    assert str(error).startswith("Counter.boom raised in <Counter 3fa2c1d0> (pid 123)\nTraceback")
    assert str(error).endswith("ValueError: boom")


def test_plumbing_before_the_users_frame_is_hidden():
    async def method():
        raise ValueError("boom")

    error = crossed(lambda: asyncio.run(method()))
    frames = [line for line in error.remote_traceback.splitlines() if line.startswith("  File")]
    assert "in method" in frames[-1]

    def through_jactors():
        decode(encode(ValueError("x"), task="", pid=0, actor="").cause)

    error = crossed(through_jactors)
    assert "jactors/wire" not in error.remote_traceback


@pytest.mark.parametrize(
    "error",
    [
        TwoError(1, 2),
        KeywordOnlyError(code=3),
        DoublesError("dear"),
        OSError(2, "no", "/nope"),
        Base("x"),
        KeyError("k"),
    ],
)
def test_the_type_is_kept(error):
    found = raises(error)
    assert isinstance(found, type(error))
    assert type(found.cause) is type(error)
    assert str(found.cause) == str(error)
    assert vars(found.cause) == vars(error)


def test_what_cannot_be_pickled_is_left_out_and_named():
    error = TwoError(1, 2)
    error.lock = threading.Lock()
    found = raises(error)
    assert isinstance(found, TwoError)
    assert (found.a, found.b) == (1, 2)
    assert not hasattr(found, "lock")
    assert "lock (_thread.lock)" in str(found)

    found = raises(ValueError("text", threading.Lock()))
    assert type(found.cause) is ValueError
    assert found.cause.args[0] == "text"
    assert "unlocked _thread.lock" in found.cause.args[1]


def test_a_class_that_cannot_be_pickled_becomes_its_base():
    lock = threading.Lock()

    class LocalError(TwoError):
        def use(self):
            return lock

        def __str__(self):
            return f"local {self.a}"

    found = raises(LocalError(1, 2))
    assert type(found.cause) is TwoError
    assert found.a == 1
    assert "LocalError: local 1" in str(found)


def test_a_local_class_travels_by_value():
    class LocalError(Exception):
        def __init__(self, a, *, b):
            super().__init__(a)
            self.b = b

    found = raises(LocalError(1, b=2))
    assert type(found.cause).__name__ == "LocalError"
    assert found.b == 2


@pytest.fixture
def foreign(monkeypatch):
    """A module that only the actor has."""
    module = types.ModuleType("only_in_the_actor")
    source = """
class NearError(OSError): pass
class FarError(NearError):
    def __str__(self): return "far: " + NearError.__str__(self)
class Group(ExceptionGroup): pass
"""
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def lost(error, foreign, monkeypatch):
    data = encode(error, task="Counter.boom", pid=1, actor="")
    monkeypatch.delitem(sys.modules, foreign.__name__)
    return decode(data)


def test_a_class_that_is_not_here_becomes_its_nearest_base(foreign, monkeypatch):
    found = lost(foreign.NearError(5, "no"), foreign, monkeypatch)
    assert type(found.cause) is OSError
    assert found.errno == 5
    assert "only_in_the_actor.NearError: [Errno 5] no" in str(found)


def test_the_text_of_a_class_that_is_not_here_is_kept(foreign, monkeypatch):
    error = foreign.FarError(5, "no")
    error.hint = "look"
    found = lost(error, foreign, monkeypatch)
    assert str(found.cause) == "far: [Errno 5] no"
    assert isinstance(found, OSError)
    assert found.hint == "look"


def test_a_group_with_a_member_that_is_not_here(foreign, monkeypatch):
    found = lost(foreign.Group("many", [foreign.NearError(5, "no"), TwoError(1, 2)]), foreign, monkeypatch)
    assert type(found.cause) is ExceptionGroup
    assert found.message == "many"
    assert [type(member) for member in found.exceptions] == [OSError, TwoError]


def test_nested_actors_and_a_class_that_is_not_here(foreign, monkeypatch):
    inner = decode(encode(foreign.NearError(5, "no"), task="A.fail", pid=1, actor=""))
    found = lost(inner, foreign, monkeypatch)
    assert isinstance(found, OSError)
    assert "A.fail raised" in str(found)


def test_groups():
    found = raises(ExceptionGroup("many", [TwoError(1, 2), KeywordOnlyError(code=3), OSError(5, "no")]))
    caught = []
    try:
        raise found
    except* TwoError as twos:
        caught += twos.exceptions
    except* (KeywordOnlyError, OSError) as rest:
        caught += rest.exceptions
    assert [type(error) for error in caught] == [TwoError, KeywordOnlyError, OSError]
    assert caught[0].b == 2
    assert "2 ----------------" in str(found)  # the tree of sub-exceptions

    member = TwoError(1, 2)
    member.lock = threading.Lock()
    assert [type(error) for error in raises(ExceptionGroup("g", [member])).exceptions] == [TwoError]


def test_chains_are_told():
    def boom():
        try:
            {}["first"]
        except KeyError as error:
            raise ValueError("second") from error

    text = str(crossed(boom))
    assert "KeyError: 'first'" in text
    assert "direct cause" in text
    assert '{}["first"]' in text

    def context():
        try:
            {}["first"]
        except KeyError:
            raise ValueError("second")  # noqa: B904 - that is what is tested

    assert "During handling" in str(crossed(context))


def test_recursion_is_shortened():
    def ping():
        pong()

    def pong():
        ping()

    found = crossed(ping)
    assert isinstance(found, RecursionError)
    assert "more frames ..." in str(found)
    assert len(str(found)) < 10_000


def test_long_chains_and_long_texts_are_shortened():
    def chain():
        error = ValueError(0)
        for i in range(500):
            following = ValueError(i)
            following.__context__ = error
            error = following
        raise error

    assert len(str(crossed(chain))) < 5_000
    found = raises(ValueError("x" * 1_000_000))
    assert len(str(found)) < 40_000
    assert len(str(found.cause)) == 1_000_000


def test_interrupts_and_exits_do_not_end_the_caller():
    found = raises(KeyboardInterrupt())
    assert type(found) is TaskCancelledError
    assert str(found).startswith("Counter.boom was interrupted in <Counter 3fa2c1d0>\n")
    found = raises(asyncio.CancelledError())
    assert type(found) is TaskCancelledError
    assert "was cancelled" in str(found)
    found = raises(SystemExit(3))
    assert type(found) is TaskError
    assert found.cause.code == 3
    assert found.code == 3
    found = raises(TaskCancelledError(message="cancelled before it began"))
    assert type(found) is TaskCancelledError
    assert found.message == "cancelled before it began"


def test_a_str_that_raises():
    found = raises(MuteError("x"))
    assert isinstance(found, MuteError)
    assert "str() failed" in str(found)


def test_a_reduce_that_raises():
    found = raises(BadReduceError("x"))
    assert isinstance(found, LookupError)
    assert "BadReduceError: x" in str(found)


def test_our_own_errors_cross_too():
    found = raises(SerializationError("cannot pickle the result"))
    assert isinstance(found, SerializationError)
    assert isinstance(found, TypeError)


def test_nested_actors():
    inner = raises(TwoError(1, 2))

    def ask():
        raise inner.as_instanceof_cause()

    outer = crossed(ask, task="B.ask")
    assert isinstance(outer, TwoError)
    assert outer.a == 1
    assert type(outer.cause.cause) is TwoError
    assert "B.ask raised" in str(outer)
    assert "Counter.boom raised" in str(outer)
    assert "raise inner.as_instanceof_cause()" in str(outer)


def test_nothing_at_all_can_be_written_down(monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr("jactors.wire.failure._portray", refuse)
    found = decode(encode(TwoError(1, 2), task="Counter.boom", pid=1, actor=""))
    assert isinstance(found, TwoError)
    assert "raised MemoryError" in str(found)


def test_each_decode_gives_a_new_error():
    data = encode(ValueError("x"), task="", pid=0, actor="")
    assert decode(data) is not decode(data)
