"""Where am I, and what is there: the runtime context, resources, leaving."""

from __future__ import annotations

import functools
import json
import socket
import warnings
from typing import Any, NoReturn, TypeVar

from jactors import session
from jactors.actors.handle import ActorHandle, revive
from jactors.actors.shape import ClassShape
from jactors.context import WORKER, ActorIdentity, current_actor, current_call, leave, user_class
from jactors.errors import ActorExit
from jactors.ids import ActorID, JobID, NodeID, TaskID
from jactors.wire.backlog import Traffic

__all__ = [
    "RuntimeContext",
    "available_resources",
    "cluster_resources",
    "exit_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "nodes",
]

#: The address of the only node: whoever wants to be connected to is on this machine.
LOOPBACK = "127.0.0.1"


def get_gpu_ids() -> list[int | str]:
    """Return the GPU ids of the actor this runs in, as numbers where they are numbers; [] in a driver."""
    actor = current_actor()
    return [int(gpu) if gpu.isdigit() else gpu for gpu in (actor.gpus if actor is not None else ())]


def cluster_resources() -> dict[str, float]:
    """Return what there is in all: ``CPU``, ``GPU``, ``memory`` (bytes) and custom resources."""
    total: dict[str, float] = session.current().watch.request("resources")["total"]
    return total


def available_resources() -> dict[str, float]:
    """Return what is free now; what is used up is not in it, as in Ray."""
    available: dict[str, float] = session.current().watch.request("resources")["available"]
    return available


def nodes() -> list[dict[str, Any]]:
    """Return the one node there is, this machine, with Ray's keys."""
    node_id = session.current().id
    return [
        {
            "NodeID": node_id,
            "Alive": True,
            "NodeManagerAddress": LOOPBACK,
            "NodeManagerHostname": socket.gethostname(),
            "NodeName": LOOPBACK,
            "Resources": cluster_resources(),
            "Labels": {"ray.io/node-id": node_id},
            "alive": True,
        }
    ]


def exit_actor() -> NoReturn:
    """End the actor that this runs in, after what it has answered; it does not restart.

    Raises
    ------
    TypeError
        This is no actor.
    """
    if _me() is None:
        raise TypeError("exit_actor API is called on a non-actor worker: this process is not an actor")
    why = ActorExit(0)
    call = current_call.get()
    if call is not None:
        call.flags["left"] = True  # it has no result, whatever it goes on to do
    leave(why)  # also where the method catches the exception
    raise why


def _me() -> ActorIdentity | None:
    """Return the actor that this is; None in a driver, and in a task, whose worker is nobody's actor."""
    actor = current_actor()
    return None if actor is None or actor.class_name == WORKER else actor


class RuntimeContext:
    """What is known of the place where code runs; see `get_runtime_context`."""

    def get_actor_id(self) -> str | None:
        """Return the actor's id in hex; None in a driver and in a task."""
        actor = _me()
        return actor.actor_id if actor is not None else None

    def get_actor_name(self) -> str | None:
        """Return the actor's name, "" where it has none; None in a driver and in a task."""
        actor = _me()
        return actor.name if actor is not None else None

    def get_task_id(self) -> str | None:
        """Return the running call's id in hex, that of its ref; None outside a call."""
        call = current_call.get()
        return call.task_id if call is not None else None

    def get_task_name(self) -> str | None:
        """Return the running call as ``Counter.add``, or as ``.options(name=...)`` said; None outside a call."""
        call = current_call.get()
        return call.name if call is not None else None

    def get_task_function_name(self) -> str | None:
        """Return the running call as ``module.Counter.add``; None outside a call."""
        call, found = current_call.get(), user_class()
        if call is None or found is None:
            return None
        return f"{call.module or found.__module__}.{call.method}"

    def get_runtime_env_string(self) -> str:
        """Return what the session's ``runtime_env`` says, as JSON: ``{"env_vars": {...}}``."""
        env = dict(session.current().defaults.environment)
        return json.dumps({"env_vars": env} if env else {})

    def is_canceled(self) -> bool:
        """Return whether somebody has cancelled the running call.

        It is interrupted as well; this is for a method that catches that, or runs native code.

        Raises
        ------
        RuntimeError
            This is a driver, or an async actor, where a call is cancelled by CancelledError.
        """
        found = user_class()
        if current_actor() is None or found is None:
            raise RuntimeError("This method is only available when the process is a worker: this is a driver")
        if _is_async(found):
            raise RuntimeError("This method is not supported in an async actor: catch asyncio.CancelledError")
        call = current_call.get()
        return call is not None and bool(call.flags.get("cancelled"))

    def get_node_id(self) -> str:
        """Return an id of this machine's part in the session: the session's."""
        return session.current().id

    def get_worker_id(self) -> str:
        """Return the id of this process in hex."""
        return session.current().process

    def get_job_id(self) -> str:
        """Return the id of the session in hex, eight digits."""
        return session.current().id

    def get_session_name(self) -> str:
        """Return the name of the session."""
        return f"session_{session.current().id}"

    @property
    def namespace(self) -> str:
        """The namespace in which names made here are valid."""
        return session.current().namespace

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether this actor is not in its first incarnation."""
        actor = _me()
        assert actor is not None, "This method is only available in an actor"
        return actor.incarnation > 1

    @property
    def current_actor(self) -> ActorHandle[Any]:
        """A handle of the actor this runs in; it does not keep it alive."""
        actor = _me()
        if actor is None:
            raise RuntimeError("This method is only available in an actor")
        found = user_class()
        assert found is not None, "the actor's class is not loaded yet"
        here = session.current()
        address = here.record(actor.actor_id)["address"]
        traffic = Traffic(dict(actor.sizes), ordered=dict(actor.sizes) == {None: 1})
        return revive(actor.actor_id, actor.name, ClassShape.of(found), address, -1, traffic)

    def get_assigned_resources(self) -> dict[str, float]:
        """Return what the actor has reserved."""
        actor = current_actor()
        assert actor is not None, "This method is only available in an actor"
        return dict(actor.demand)

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        """Return ``{"GPU": [...]}``, ids as text."""
        actor = current_actor()
        return {"GPU": list(actor.gpus) if actor is not None else []}

    def get_resource_ids(self) -> dict[str, list[str]]:
        """Return what `get_accelerator_ids` does: its old name."""
        return self.get_accelerator_ids()

    @property
    def actor_id(self) -> ActorID | None:
        """Deprecated: use `get_actor_id`."""
        found = _deprecated("actor_id", self.get_actor_id())
        return ActorID.from_hex(found) if found is not None else None

    @property
    def task_id(self) -> TaskID | None:
        """Deprecated: use `get_task_id`."""
        found = _deprecated("task_id", self.get_task_id())
        return TaskID.from_hex(found) if found is not None else None

    @property
    def job_id(self) -> JobID:
        """Deprecated: use `get_job_id`."""
        return JobID.from_hex(_deprecated("job_id", self.get_job_id()))

    @property
    def node_id(self) -> NodeID:
        """Deprecated: use `get_node_id`."""
        return NodeID.from_hex(_deprecated("node_id", self.get_node_id()))

    def get(self) -> dict[str, Any]:
        """Return the ids as a dict, those that there are: a task has no ``actor_id``, a driver neither."""
        found = {"job_id": self.get_job_id(), "node_id": self.get_node_id(), "namespace": self.namespace}
        if _me() is not None:
            found["actor_id"] = self.get_actor_id() or ""
        if current_actor() is not None:
            found["task_id"] = self.get_task_id() or ""
        return found


_T = TypeVar("_T")


def _deprecated(name: str, value: _T) -> _T:
    warnings.warn(f"get_runtime_context().{name}: use get_{name}() instead", DeprecationWarning, stacklevel=3)
    return value


@functools.cache
def _is_async(found: type) -> bool:
    return ClassShape.of(found).is_async


_context = RuntimeContext()


def get_runtime_context() -> RuntimeContext:
    """Return what is known of the place where this runs."""
    return _context
