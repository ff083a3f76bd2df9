"""What became of an actor: the death certificates, its name, its leaving."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from jactors import certificate
from jactors.errors.root import JactorsError
from jactors.portable import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ActorAlreadyExistsError",
    "ActorClassInheritanceError",
    "ActorDiedError",
    "ActorError",
    "ActorExit",
    "ActorNotFoundError",
    "ActorStartError",
    "ActorUnavailableError",
    "ReloadError",
]


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
    state : str
        In words, what became of its state, where that was saved.
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
        state: str = "",
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
        self.state = state

    def __str__(self) -> str:
        return certificate.write(self, verdict=self._verdict, cure=self._cure())

    def _cure(self) -> str:
        return ""

    @property
    def error_msg(self) -> str:
        """The text, by Ray's name."""
        return str(self)

    @property
    def preempted(self) -> bool:
        """False: no node is taken away. Ray's."""
        return False

    @property
    def actor_init_failed(self) -> bool:
        """Whether ``__init__`` raised, as Ray's users ask."""
        return isinstance(self, ActorStartError)


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
        again = "" if self.max_restarts else "; max_restarts=n lets it come back"
        if self.signal == "SIGKILL":
            return f"if memory ran out, give it less to hold or fewer neighbours{again}"
        return f"find the cause in its last output{again}"


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


class ReloadError(JactorsError, TypeError):
    """New code cannot take the place of an actor's; the text says why. The actor, its code and its state are as before.

    A retry does not help: make a new actor.
    """


class ActorExit(SystemExit):
    """Raised by `exit_actor` so that the method ends there; nobody's fault. Catching it does not stop the exit."""
