"""The error tree, in which every class says whose fault it is and whether to retry.

::

    JactorsError
    ├── TaskError                     the method raised; also an instance of its exception's type
    │   └── TaskCancelledError        cancelled or interrupted
    ├── ActorError                    the death certificate
    │   ├── ActorUnavailableError     restarting or silent: a retry may help
    │   └── ActorDiedError            gone for good
    │       └── ActorStartError       never came up
    ├── ActorNotFoundError, ActorAlreadyExistsError, ActorClassInheritanceError
    ├── GetTimeoutError               also TimeoutError
    ├── SerializationError            also TypeError
    ├── ObjectLostError
    │   └── OwnerDiedError
    ├── PendingCallsLimitExceeded, InsufficientResourcesError, RuntimeEnvSetupError
    └── ProtocolError                 a bug in jactors
    ActorExit                         a SystemExit: how `exit_actor` leaves

Guarantees: every error survives pickling with its fields, a user's exception inside one as well,
whatever signature its ``__init__`` has; none fails while it is printed.
"""

from __future__ import annotations

import difflib
import traceback
from typing import TYPE_CHECKING, Any

from jactors import certificate
from jactors.frames import name_cell, user_frames
from jactors.portable import dual_class, portable_state, revive, text_of, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ActorAlreadyExistsError",
    "ActorClassInheritanceError",
    "ActorDiedError",
    "ActorError",
    "ActorExit",
    "ActorNotFoundError",
    "ActorStartError",
    "ActorUnavailableError",
    "GetTimeoutError",
    "InsufficientResourcesError",
    "JactorsError",
    "ObjectLostError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "ProtocolError",
    "RuntimeEnvSetupError",
    "SerializationError",
    "TaskCancelledError",
    "TaskError",
]


class JactorsError(Exception):
    """Base of all that jactors raises; catch it to catch everything that is not your own code's."""

    def __reduce__(self) -> tuple[Any, ...]:
        return revive, (type(self), self.args, portable_state(self.__dict__))


class TaskError(JactorsError):
    """The actor's method raised: the fault is in its code or arguments, and the actor lives on.

    Retry only if that exception may pass. What `jactors.get` raises is also an instance of the
    exception's own type, so ``except ValueError:`` works, and its attributes are found on it.

    Parameters
    ----------
    cause : BaseException, optional
        The exception as it was raised in the actor; itself a `TaskError` where the method passed on
        the failure of another actor's.
    task : str
        The call: ``"Counter.boom"``.
    pid : int
        Process id of the actor.
    actor : str
        The actor as text: ``"<Counter 3fa2c1d0 'tally'>"``.
    remote_traceback : str
        The traceback in the actor, the user's own frames only, last line included.
    """

    # On the class as well, so that a property of the user's type with the same name is not in the way.
    cause: BaseException | None = None
    task: str = ""
    pid: int = 0
    actor: str = ""
    remote_traceback: str = ""
    _kind: type[TaskError] | None = None  # of a dual class: the plain one

    __hash__ = JactorsError.__hash__  # not the user's type's: dataclasses have none

    def __init__(
        self,
        cause: BaseException | None = None,
        *,
        task: str = "",
        pid: int = 0,
        actor: str = "",
        remote_traceback: str = "",
    ) -> None:
        if cause is not None and not isinstance(cause, BaseException):
            raise TypeError(f"cause must be an exception, got {type(cause).__name__}: {cause!r}")
        fields = {"cause": cause, "task": task, "pid": pid, "actor": actor, "remote_traceback": remote_traceback}
        # And what the user's exception holds, for its methods. Not by setattr: that may be the user's.
        self.__dict__.update(_inherited(cause))
        self.__dict__.update(fields)
        BaseException.__setattr__(self, "args", (cause,))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __getattr__(self, name: str) -> Any:
        # Only what is not found here; dunders are left alone, because protocols probe for them.
        if self.cause is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.cause, name)

    def _headline(self) -> str:
        where = f" in {self.actor}" if self.actor else ""
        return f"{self.task or 'a call'} raised{where}" + (f" (pid {self.pid})" if self.pid else "")

    def __str__(self) -> str:
        body = self.remote_traceback.strip("\n")
        if not body and self.cause is not None:
            body = text_of(self.cause)
        return f"{self._headline()}\n{body}" if body else self._headline()

    def __repr__(self) -> str:
        what = "" if self.cause is None else text_of(self.cause).splitlines()[0]
        return f"<{type(self).__name__} {self.task or 'a call'}: {what}>"

    def __reduce__(self) -> tuple[Any, ...]:
        known = _inherited(self.cause)
        state = {name: value for name, value in self.__dict__.items() if value is not known.get(name, known)}
        return _revive_task_error, (self._kind or type(self), self._kind is not None, portable_state(state))

    def as_instanceof_cause(self) -> TaskError:
        """Return a new error that is an instance of the cause's type too.

        Of the innermost cause's, where actors called actors. A plain one where no such class can be
        made, or would be lethal: a SystemExit in an actor must not end the caller.
        """
        kind = self._kind or type(self)
        cause = self.cause
        while isinstance(cause, TaskError):
            if isinstance(cause, TaskCancelledError):
                kind = TaskCancelledError
            if cause.cause is None:
                break
            cause = cause.cause
        if cause is not None and not isinstance(cause, TaskError) and not issubclass(kind, TaskCancelledError):
            group = (cause.message, cause.exceptions) if isinstance(cause, BaseExceptionGroup) else ()
            try:
                return _fill(dual_class(kind, type(cause)), group, self.__dict__)
            except TypeError:  # no such class, or a group that holds more than Exceptions
                pass
        return _fill(kind, (), self.__dict__)

    def _render_traceback_(self) -> list[str]:
        """Say what IPython shows: where the caller waited, then what happened in the actor."""
        name = type(self).__name__
        lines = ["-" * 75, f"{name}{'Traceback (most recent call last)':>{max(75 - len(name), 35)}}"]
        frames = user_frames(traceback.extract_tb(self.__traceback__))
        lines += [line.rstrip("\n") for line in traceback.StackSummary.from_list(frames).format()]
        lines += ["", *str(self).splitlines(), *getattr(self, "__notes__", ())]
        return [name_cell(line) for line in lines]


class TaskCancelledError(TaskError):
    """The call was cancelled or interrupted, at somebody's wish: retry if it was not yours.

    The actor lives on, with the state that the method had left when it stopped.

    Parameters
    ----------
    cause, task, pid, actor, remote_traceback
        As in `TaskError`.
    message : str
        What happened; "<task> was cancelled" by default.
    """

    def __init__(self, cause: BaseException | None = None, *, message: str = "", **fields: Any) -> None:
        super().__init__(cause, **fields)
        self.__dict__["message"] = message

    def _headline(self) -> str:
        return self.__dict__.get("message") or f"{self.task or 'the call'} was cancelled"


_RESERVED = frozenset({"cause", "task", "pid", "actor", "remote_traceback", "__notes__"})


def _inherited(cause: BaseException | None) -> dict[str, Any]:
    return {} if cause is None else {k: v for k, v in cause.__dict__.items() if k not in _RESERVED}


def _fill(cls: type[TaskError], args: tuple[Any, ...], state: Mapping[str, Any]) -> TaskError:
    error: Any = revive(cls, args, state)
    BaseException.__setattr__(error, "args", (error.cause,))
    return error  # type: ignore[no-any-return]


def _revive_task_error(kind: type[TaskError], dual: bool, state: Mapping[str, Any]) -> TaskError:  # noqa: FBT001
    state = {name: unwrap(value) for name, value in state.items()}
    plain = _fill(kind, (), {**_inherited(state.get("cause")), **state})
    return plain.as_instanceof_cause() if dual else plain


class ActorError(JactorsError):
    """The actor, not its method, failed; the text is its death certificate.

    Parameters
    ----------
    actor_id : str
        Hexadecimal.
    name : str, optional
    class_name : str
    pid : int
        Process id of the incarnation that failed; 0 where there was none.
    exitcode : int, optional
    signal : str, optional
        ``"SIGKILL"``.
    restarts, max_restarts : int
        Used, and allowed (-1: any number).
    last_output : str
        The last lines it printed.
    reason : str
        In words, where more is known than the exit code.
    """

    _verdict = "failed"

    def __init__(
        self,
        *,
        actor_id: str = "",
        name: str | None = None,
        class_name: str = "actor",
        pid: int = 0,
        exitcode: int | None = None,
        signal: str | None = None,
        restarts: int = 0,
        max_restarts: int = 0,
        last_output: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(reason)
        self.actor_id = actor_id
        self.name = name
        self.class_name = class_name
        self.pid = pid
        self.exitcode = exitcode
        self.signal = signal
        self.restarts = restarts
        self.max_restarts = max_restarts
        self.last_output = last_output
        self.reason = reason

    def __str__(self) -> str:
        return certificate.write(self, verdict=self._verdict, cure=self._cure())

    def _cure(self) -> str:
        return ""


class ActorUnavailableError(ActorError):
    """The actor is restarting or silent, and nobody's fault is proven: a retry may help.

    The call may have been executed, in part or in whole: retry by hand only what may run twice, or
    let ``max_task_retries`` do it.
    """

    _verdict = "is unavailable"

    def _cure(self) -> str:
        return "the call may or may not have been executed; retry it, or create the actor with max_task_retries"


class ActorDiedError(ActorError):
    """The actor is gone for good; the text says how. Do not retry: create another one."""

    _verdict = "died"

    def _cure(self) -> str:
        if self.reason or (self.signal is None and self.exitcode is None):
            return ""  # it was told to go: the reason says by whom
        if self.signal == "SIGKILL":
            return "if memory ran out, give it less to hold or fewer neighbours; max_restarts brings it back"
        return "find the cause in its last output; max_restarts=n lets it come back"


class ActorStartError(ActorDiedError):
    """The actor never came up: its ``__init__`` raised, or it did not answer within ``start_timeout`` seconds.

    The fault is in ``__init__`` or its arguments; a retry only helps if that exception may pass. It
    is what every call of such an actor gets, and an `ActorDiedError`, because in Ray it is one:
    ``except RayActorError:`` goes on working. It is not an instance of the cause's type.

    Parameters
    ----------
    cause : BaseException, optional
        What ``__init__`` raised.
    remote_traceback : str
        Where, in the actor.
    **fields
        As in `ActorError`.
    """

    _verdict = "did not start"

    def __init__(self, *, cause: BaseException | None = None, remote_traceback: str = "", **fields: Any) -> None:
        super().__init__(**fields)
        self.cause = cause
        self.remote_traceback = remote_traceback

    def _cure(self) -> str:
        return "" if self.cause is not None or self.remote_traceback else super()._cure()

    def __str__(self) -> str:
        body = self.remote_traceback.strip("\n") or ("" if self.cause is None else text_of(self.cause))
        return f"{super().__str__()}\n  its __init__ raised:\n{body}" if body else super().__str__()


class ActorNotFoundError(JactorsError, LookupError, ValueError):
    """No living actor has that name in that namespace: the caller's mistake, or it has ended. Do not retry.

    Parameters
    ----------
    message : str
        Made from `name` where it is empty.
    name : str, optional
        What was looked for.
    known : iterable of str
        The names there are; the nearest ones are suggested.
    """

    def __init__(self, message: str = "", *, name: str | None = None, known: Iterable[str] = ()) -> None:
        known = sorted(known)
        self.name = name
        self.nearest = tuple(difflib.get_close_matches(name or "", known, n=3, cutoff=0.5))
        message = message or f"there is no living actor named {name!r}"
        if self.nearest:
            message += f"; did you mean {' or '.join(map(repr, self.nearest))}?"
        elif name is not None and known:
            message += f"; there are {', '.join(map(repr, known[:10]))}" + (", ..." if len(known) > 10 else "")
        super().__init__(message)


class ActorAlreadyExistsError(JactorsError, ValueError):
    """The name is taken: choose another, or ask for ``get_if_exists=True``. A retry helps when that actor ends."""


class ActorClassInheritanceError(JactorsError, TypeError):
    """A class tried to inherit from an actor class: the author's mistake. Inherit from the plain class instead."""


class GetTimeoutError(JactorsError, TimeoutError):
    """The value was not there in time: nobody's fault. The call goes on, and another `get` may have it."""


class SerializationError(JactorsError, TypeError):
    """Something cannot be pickled; the text names it and the attribute path. The caller's to change; no retry."""


class ObjectLostError(JactorsError):
    """The value is gone, because whoever held it let go of it: submit the call again."""


class OwnerDiedError(ObjectLostError):
    """The process that submitted the call, and held its value, has died: submit the call from here."""


class PendingCallsLimitExceeded(JactorsError):  # noqa: N818 - Ray's name
    """The actor has ``max_pending_calls`` of this caller waiting: get some results, then try again."""


class InsufficientResourcesError(JactorsError):
    """More was asked for than there is; the text says what was asked, what there is, and who holds the rest.

    A retry helps only when somebody gives something back.
    """


class RuntimeEnvSetupError(JactorsError):
    """The environment that was asked for could not be made: the option's fault. Change it, then retry."""


class ProtocolError(JactorsError):
    """A message that cannot be: a bug in jactors, or somebody else on the wire. Please report; do not retry."""


class ActorExit(SystemExit):
    """Raised by `exit_actor` so that the method ends there; nobody's fault. Catching it does not stop the exit."""
