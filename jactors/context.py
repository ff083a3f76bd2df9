"""Who am I: the actor this process is, and the call that runs now.

Set by the actor's kernel, read by everything above it that answers "where does this code run":
`get_runtime_context`, `get_gpu_ids`, `exit_actor`, and the links that stamp outgoing calls.
A driver has neither.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "WORKER",
    "ActorIdentity",
    "CallContext",
    "current_actor",
    "current_call",
    "leave",
    "set_current_actor",
    "set_leave",
    "set_user_class",
    "user_class",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorIdentity:
    """The actor that lives in this process."""

    actor_id: str
    class_name: str
    name: str
    #: The namespace of the driver that owns the session; names made here go there.
    namespace: str
    session_dir: str
    incarnation: int
    demand: dict[str, float] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()
    #: Calls that run at once, by concurrency group.
    sizes: tuple[tuple[str | None, int], ...] = ((None, 1),)


@dataclass(slots=True, kw_only=True)  # made for each call: frozen, it takes four times as long
class CallContext:
    """One call while it runs: identifiers in hex, `method` as ``Counter.add``, `name` as its caller calls it."""

    task_id: str
    method: str
    name: str
    #: Of a task: where its function is from.
    module: str | None = None
    #: ``cancelled`` is set when somebody cancels the call while it runs.
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def children(self) -> list[Any]:
        """Weak references to the calls that it has submitted, each with its link: to be cancelled with it."""
        found: list[Any] = self.flags.setdefault("children", [])
        return found


#: The class name of the actors that run tasks.
WORKER = "jactors.Worker"

_actor: ActorIdentity | None = None
_user_class: type | None = None
_leave: Callable[[SystemExit], None] | None = None

#: The call on whose behalf the current thread or task runs.
current_call: ContextVar[CallContext | None] = ContextVar("jactors_call", default=None)


def current_actor() -> ActorIdentity | None:
    """Return the actor that this process is, or None in a driver."""
    return _actor


def leave(why: SystemExit) -> None:
    """Make the actor that this process is end, whatever becomes of the exception; from any thread."""
    if _leave is not None:
        _leave(why)


def set_leave(function: Callable[[SystemExit], None]) -> None:
    """Say what `leave` does."""
    global _leave  # noqa: PLW0603
    _leave = function


def user_class() -> type | None:
    """Return the class of the actor that this process is, once it is unpickled."""
    return _user_class


def set_user_class(found: type) -> None:
    """Say of which class the actor is."""
    global _user_class  # noqa: PLW0603
    _user_class = found


def set_current_actor(actor: ActorIdentity) -> None:
    """Say, once and before any user code runs, which actor this process is."""
    global _actor  # noqa: PLW0603 - one process, one identity
    _actor = actor
