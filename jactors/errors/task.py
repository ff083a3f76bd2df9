"""What a method raised, on its way to whoever asked for its result."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from jactors.errors.root import JactorsError
from jactors.frames import name_cell, user_frames
from jactors.portable import dual_class, portable_state, revive, text_of, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TaskCancelledError", "TaskError"]


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
