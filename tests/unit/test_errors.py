from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from asyncio import CancelledError
from dataclasses import dataclass

import pytest

from jactors import errors, exceptions
from jactors.errors import (
    ActorDiedError,
    ActorError,
    ActorNotFoundError,
    ActorStartError,
    ActorUnavailableError,
    GetTimeoutError,
    JactorsError,
    TaskCancelledError,
    TaskError,
)


class PositionalError(ValueError):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")
        self.a, self.b = a, b


class KeywordOnlyError(Exception):
    def __init__(self, *, code):
        super().__init__()
        self.code = code


class DefaultsError(Exception):
    level = 0

    def __init__(self, level=7):
        super().__init__(level)
        self.level = level

    @property
    def doubled(self):
        return self.level * 2


@dataclass
class RecordError(Exception):
    pid: int
    text: str = "none"


class ProudError(Exception):
    """Has a property where TaskError has a field, and no attributes please."""

    @property
    def actor(self):
        return "de Niro"

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} is read-only")


class SlottedError(Exception):
    __slots__ = ("extra",)


class FinalError(Exception):
    def __init_subclass__(cls, **_):
        raise TypeError("FinalError is final")


class PickyError(Exception):
    def __new__(cls, must, have):
        return super().__new__(cls, must, have)


def dual(cause, **fields):
    return TaskError(
        cause, **{"task": "Counter.boom", "pid": 123, "actor": "<Counter 3fa2c1d0>"} | fields
    ).as_instanceof_cause()


CAUSES = [
    ValueError("boom"),
    PositionalError(1, 2),
    KeywordOnlyError(code=5),
    DefaultsError(3),
    RecordError(1, text="x"),
    ProudError("x"),
    SlottedError("x"),
    PickyError(1, 2),
    FileNotFoundError(2, "no such file", "/nope"),
    KeyError("k"),
    StopIteration(4),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    SyntaxError("bad", ("f.py", 1, 2, "x x")),
    ImportError("no", name="pkg"),
    ExceptionGroup("many", [ValueError("x"), KeywordOnlyError(code=1)]),
    ActorDiedError(class_name="Other", exitcode=3),
    GetTimeoutError("late"),
]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: type(cause).__name__)
def test_dual_is_of_both_types_and_travels(cause):
    error = dual(cause)
    assert isinstance(error, TaskError)
    assert isinstance(error, type(cause))
    assert error.args == (cause,)
    assert error.cause is cause
    assert str(error).startswith("Counter.boom raised in <Counter 3fa2c1d0> (pid 123)\n")
    with pytest.raises(type(cause)):
        raise error
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert repr(again) == repr(error)
    assert type(again.cause) is type(cause)
    assert str(again.cause) == str(cause)
    assert (again.task, again.pid, again.actor) == ("Counter.boom", 123, "<Counter 3fa2c1d0>")
    assert type(copy.copy(error)) is type(error)
    assert copy.copy(error).cause is cause


def test_dual_class_is_made_once():
    assert type(dual(ValueError(1))) is type(dual(ValueError(2)))
    assert type(dual(ValueError(1))).__name__ == "TaskError(ValueError)"
    error = dual(ValueError(1))
    assert error.as_instanceof_cause() is not error
    assert type(error.as_instanceof_cause()) is type(error)


@pytest.mark.parametrize(
    "lethal",
    [
        KeyboardInterrupt(),
        SystemExit(3),
        GeneratorExit(),
        CancelledError(),
        BaseExceptionGroup("worse", [KeyboardInterrupt()]),
    ],
)
def test_what_would_end_the_caller_stays_a_plain_error(lethal):
    assert type(dual(lethal)) is TaskError


def test_a_type_that_refuses_stays_a_plain_error():
    error = dual(FinalError("x"))
    assert type(error) is TaskError
    assert str(error).endswith("FinalError: x")


def test_attributes_are_those_of_the_cause():
    assert dual(FileNotFoundError(2, "no", "/nope")).filename == "/nope"
    assert dual(StopIteration(4)).value == 4
    assert dual(PositionalError(1, 2)).a == 1
    error = dual(DefaultsError(3))
    assert (error.level, error.doubled) == (3, 6)
    slotted = SlottedError("x")
    slotted.extra = 9
    assert dual(slotted).extra == 9
    assert TaskError(PositionalError(1, 2)).b == 2
    assert dual(ProudError("x")).actor == "<Counter 3fa2c1d0>"
    assert dual(RecordError(1, text="x")).pid == 123
    with pytest.raises(AttributeError, match="nope"):
        _ = dual(ValueError()).nope
    assert len({dual(RecordError(1)), dual(RecordError(1))}) == 2


def test_a_syntax_error_is_printed_with_its_remote_traceback():
    error = dual(SyntaxError("bad", ("f.py", 1, 2, "x x")), remote_traceback="in the actor\nSyntaxError: bad")
    assert error.lineno == 1
    assert "in the actor" in "".join(traceback.format_exception(error))


def test_a_group_can_be_split():
    group = ExceptionGroup("many", [ValueError("x"), KeyError("y")])
    caught = []
    try:
        raise dual(group)
    except* ValueError as values:
        caught += values.exceptions
    except* KeyError as keys:
        caught += keys.exceptions
    assert caught == list(group.exceptions)
    assert dual(group).exceptions == group.exceptions


def test_nested_actors_keep_the_innermost_type_and_every_traceback():
    inner = dual(PositionalError(1, 2), task="A.fail", remote_traceback="in A\nPositional: 1 and 2")
    outer = dual(inner, task="B.ask", remote_traceback=f"in B\n{inner}")
    assert isinstance(outer, PositionalError)
    assert outer.a == 1
    assert outer.cause is inner
    assert "in A" in str(outer)
    assert "in B" in str(outer)
    assert str(outer).startswith("B.ask raised")
    again = pickle.loads(pickle.dumps(outer))
    assert isinstance(again, PositionalError)
    assert isinstance(again.cause.cause, PositionalError)


def test_what_is_added_later_travels_too():
    error = dual(DefaultsError(3))
    error.level = 4
    error.add_note("seen twice")
    again = pickle.loads(pickle.dumps(error))
    assert again.level == 4
    assert again.__notes__ == ["seen twice"]


def test_cancelled():
    error = TaskCancelledError(message="stopped by you", task="Counter.slow")
    assert str(error) == "stopped by you"
    assert str(TaskCancelledError(task="Counter.slow")) == "Counter.slow was cancelled"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is TaskCancelledError
    assert (again.message, again.task, str(again)) == ("stopped by you", "Counter.slow", "stopped by you")
    assert type(error.as_instanceof_cause()) is TaskCancelledError
    assert type(dual(error)) is TaskCancelledError  # an actor waited for a call that was cancelled
    assert type(dual(dual(error))) is TaskCancelledError


def test_cause_must_be_an_exception():
    with pytest.raises(TypeError, match="'boom'"):
        TaskError("boom")


def test_ipython_sees_the_callers_line_and_the_remote_traceback():
    error = dual(ValueError("boom"), remote_traceback='Traceback:\n  File "cell.py", line 3, in boom\nValueError: boom')
    try:
        raise error  # the line that waits
    except ValueError as caught:
        lines = caught._render_traceback_()
    assert all(isinstance(line, str) for line in lines)
    text = "\n".join(lines)
    assert "raise error  # the line that waits" in text
    assert text.endswith('  File "cell.py", line 3, in boom\nValueError: boom')


CERTIFICATE = """\
Counter 3fa2c1d0 'tally' (pid 9) died: killed by SIGKILL
  reason: it was in the way
  restarts used: 1 of 2
  last output:
    | step 1
    | step 2"""


def test_death_certificate():
    error = ActorDiedError(
        actor_id="3fa2c1d0" * 4, name="tally", class_name="Counter", pid=9, signal="SIGKILL", restarts=1,
        max_restarts=2, last_output="step 1\nstep 2\n", reason="it was in the way",
    )  # fmt: skip
    assert str(error) == CERTIFICATE
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ActorDiedError
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_how_it_died():
    unexplained = str(ActorDiedError(signal="SIGKILL"))
    assert "OOM killer" in unexplained and "cure: " in unexplained  # what is not known is guessed, and said so
    assert "segfault" in str(ActorDiedError(signal="SIGSEGV"))
    assert "exit code 3" in str(ActorDiedError(exitcode=3))
    assert "os._exit" in str(ActorDiedError(exitcode=0))
    assert "SIGUSR1" in str(ActorDiedError(signal="SIGUSR1"))
    assert "of any number" in str(ActorUnavailableError(restarts=3, max_restarts=-1))
    assert "may or may not have been executed" in str(ActorUnavailableError())
    assert str(ActorDiedError(class_name="Counter", reason="killed")) == "Counter died\n  reason: killed"


def test_start_error():
    error = ActorStartError(
        class_name="Counter", cause=KeywordOnlyError(code=5), remote_traceback="in __init__\nKeywordOnly"
    )
    assert isinstance(error, exceptions.RayActorError)
    assert isinstance(error, ActorDiedError)
    assert "in __init__" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert again.cause.code == 5
    assert str(again) == str(error)
    assert "ValueError: no" in str(ActorStartError(cause=ValueError("no")))


def test_not_found_names_the_nearest():
    error = ActorNotFoundError(name="taly", known=["tally", "other"])
    assert isinstance(error, ValueError)
    assert isinstance(error, LookupError)
    assert error.nearest == ("tally",)
    assert "did you mean 'tally'?" in str(error)
    assert "there are 'other'" in str(ActorNotFoundError(name="zzz", known=["other"]))
    assert str(ActorNotFoundError("plain text")) == "plain text"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_says_whose_fault_it_is_and_travels(name):
    cls = getattr(errors, name)
    assert len(inspect.getdoc(cls)) > 60
    error = cls() if issubclass(cls, (ActorError, TaskError)) else cls("text")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (str(again), again.args) == (str(error), error.args)
    assert issubclass(cls, JactorsError | SystemExit)


#: All of ray.exceptions 2.60.
RAYS_NAMES = """
    ActorAlreadyExistsError ActorDiedError ActorHandleNotFoundError ActorPlacementGroupRemoved ActorUnavailableError
    ActorUnschedulableError AsyncioActorExit AuthenticationError CrossLanguageError GetTimeoutError
    LocalRayletDiedError NodeDiedError ObjectFetchTimedOutError ObjectFreedError ObjectLostError
    ObjectReconstructionFailedError ObjectRefStreamEndOfStreamError ObjectStoreFullError
    OufOfBandObjectRefSerializationException OutOfDiskError OutOfMemoryError OwnerDiedError
    PendingCallsLimitExceeded PlasmaObjectNotAvailable RayActorError RayCgraphCapacityExceeded RayChannelError
    RayChannelTimeoutError RayDirectTransportError RayError RaySystemError RayTaskError
    ReferenceCountingAssertionError RpcError RuntimeEnvSetupError StreamingGeneratorReplayInconsistentError
    TaskCancelledError TaskPlacementGroupRemoved TaskUnschedulableError UnserializableException UserCodeException
    WorkerCrashedError
"""


def test_rays_names():
    assert set(errors.__all__) <= set(exceptions.__all__)
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), JactorsError | SystemExit)
    for name in RAYS_NAMES.split():
        assert name in exceptions.__all__
    assert exceptions.RayTaskError is TaskError
    assert exceptions.RayActorError is ActorError
    assert issubclass(exceptions.GetTimeoutError, TimeoutError)
