"""The verbs: get, wait, put, kill, get_actor. Ray's, with the differences of the package's documentation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from jactors import registry, session
from jactors.actors import deadlock
from jactors.actors.decorator import handle_of
from jactors.actors.generator import ObjectRefGenerator
from jactors.actors.handle import ActorHandle
from jactors.actors.progress import watch
from jactors.actors.taskpool import TaskPool, is_task
from jactors.errors import ActorNotFoundError, GetTimeoutError
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.wire import pack
from jactors.wire.link import Link
from jactors.wire.payload import Packed
from jactors.wire.waiting import wait_entries

__all__ = ["cancel", "get", "get_actor", "interrupt", "kill", "put", "wait"]

T = TypeVar("T")


@overload
def get(object_refs: ObjectRef[T], *, timeout: float | None = None, progress: bool = False) -> T: ...
@overload
def get(object_refs: Sequence[ObjectRef[T]], *, timeout: float | None = None, progress: bool = False) -> list[T]: ...
def get(object_refs: Any, *, timeout: float | None = None, progress: bool = False) -> Any:
    """Wait for a value, or a list of values, and return it.

    Parameters
    ----------
    object_refs : ObjectRef or list of ObjectRef
        A generator of refs is returned as it is, as in Ray: iterate, and get each.
    timeout : float, optional
        Seconds; 0 only looks, None waits for ever.
    progress : bool
        Show a bar meanwhile: see `jactors.progress`.

    Raises
    ------
    GetTimeoutError
        Not all were there in time. The calls go on; a later `get` works.
    TaskError
        A method raised; also an instance of its exception's type. Of a list, the first known failure.
    ActorDiedError, ActorUnavailableError
        The actor ended, or restarts, and the call with it.
    """
    deadline = _deadline(timeout)
    if isinstance(object_refs, ObjectRef):
        entry = object_refs._entry
        if progress:
            watch([entry], timeout=timeout, until_failure=True)
        if not entry.done:
            session.wait(entry, timeout)
            if not entry.done:
                raise _too_late(timeout, [entry])
        return entry.load()
    if isinstance(object_refs, ObjectRefGenerator):
        return object_refs  # so that who gets whatever a method returns need not know that it yields
    if not isinstance(object_refs, list):
        raise ValueError(
            f"Invalid type of object refs, {type(object_refs)}, is given. 'object_refs' must either be an ObjectRef or "
            "a list of ObjectRefs."
        )
    entries = [_entry(ref) for ref in object_refs]
    if progress:
        watch(entries, timeout=timeout, until_failure=True)
    _wait_all(entries, timeout, deadline)
    for entry in entries:
        if entry.done and entry.payload is not None and entry.payload.failed:
            entry.load()
    if not all(entry.done for entry in entries):
        raise _too_late(timeout, entries)
    return [entry.load() for entry in entries]


def _wait_all(entries: list[Entry], timeout: float | None, deadline: float | None) -> None:
    pending = list({id(entry): entry for entry in entries if not entry.done}.values())
    # After the look at what is pending: what ends between the two looks is seen here, or waited for.
    if any(entry.done and entry.payload is not None and entry.payload.failed for entry in entries):
        return
    if len(pending) == 1:
        session.wait(pending[0], None if deadline is None else max(0.0, deadline - time.monotonic()))
    elif pending:
        with session.waiting(pending):
            wait_entries(pending, timeout=timeout, enough=lambda ended, failed: failed or ended == len(pending))


def _entry(ref: Any) -> Entry:
    if not isinstance(ref, ObjectRef):
        raise TypeError(f"Attempting to call `get` on the value {ref!r}, which is not an ObjectRef.")
    return ref._entry


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, got {type(timeout).__name__}: {timeout!r}")
    if not timeout >= 0:
        raise ValueError(f"timeout must be >= 0 seconds, got {timeout!r}; None waits for ever")
    return time.monotonic() + timeout


def _too_late(timeout: float | None, entries: list[Entry]) -> GetTimeoutError:
    pending = [entry for entry in entries if not entry.done]
    text = "Get timed out: some object(s) not ready. "
    text += f"{len(pending)} of {len(entries)} still pending after {timeout} s; the calls go on."
    for entry in pending:
        told = session.current().links.told.get(getattr(entry.origin, "actor_id", ""), {})
        if told.get("reason") and told.get("state") in ("PENDING_CREATION", "STARTING", "ALIVE"):
            why = told["reason"] if told.get("stopped") else f"has not started: {told['reason']}"
            text += f" {told['class_name']} {told['name'] or told['actor_id'][:8]} {why}."
            break
    return GetTimeoutError(text + deadlock.explain(pending, timeout))


def wait(
    ray_waitables: list[ObjectRef[T]], *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list[ObjectRef[T]], list[ObjectRef[T]]]:
    """Wait until `num_returns` of `ray_waitables` have ended; return those and the rest, in the given order.

    Parameters
    ----------
    ray_waitables : list of ObjectRef
        No ref twice. A generator of refs is ready when its next ref is, or when it has ended.
    num_returns : int
        At most so many are returned as ready.
    timeout : float, optional
        Seconds; then fewer may be ready. 0 only looks.
    fetch_local : bool
        Without effect: there is one machine.

    Notes
    -----
    A failed call counts as ready.
    """
    deadline, refs = _deadline(timeout), ray_waitables
    if not isinstance(refs, list):
        raise TypeError(f"wait() expected a list of ObjectRef, got {type(refs)}")
    for ref in refs:
        if not isinstance(ref, (ObjectRef, ObjectRefGenerator)):
            raise TypeError(f"wait() expected a list of ObjectRef, got list containing {type(ref)}")
    if len(set(refs)) != len(refs):
        raise ValueError("Wait requires a list of unique object refs.")
    if not refs:
        return [], []
    if isinstance(num_returns, bool) or not isinstance(num_returns, int):
        raise TypeError(f"num_returns must be an int, got {num_returns!r}")
    if num_returns <= 0:
        raise ValueError(f"Invalid number of objects to return {num_returns}: it must be at least 1.")
    if num_returns > len(refs):
        raise ValueError(f"num_returns cannot be greater than the number of refs: {num_returns} > {len(refs)}.")
    entries = [ref._stream.peek() if isinstance(ref, ObjectRefGenerator) else ref._entry for ref in refs]
    ended = sum(entry.done for entry in entries)
    if ended < num_returns and not (deadline is not None and timeout == 0):
        enough: Callable[[int, bool], bool] = lambda ended, failed: ended >= num_returns  # noqa: E731
        with session.waiting(entries):
            wait_entries(entries, timeout=timeout, enough=enough)
    ready: list[ObjectRef[T]] = []
    rest: list[ObjectRef[T]] = []
    for ref, entry in zip(refs, entries, strict=True):
        (ready if len(ready) < num_returns and entry.done else rest).append(ref)
    return ready, rest


def put(value: T) -> ObjectRef[T]:
    """Pickle `value` once and return a ref to it, which any number of calls may take.

    Raises
    ------
    TypeError
        `value` is a ref already, or cannot be pickled.
    """
    if isinstance(value, ObjectRef):
        raise TypeError("Calling 'put' on an ObjectRef is not allowed: pass the ref itself")
    _, task = session.current().new_id()
    entry = Entry(task + bytes(4))
    entry.end(Packed(*pack.dumps(value, what=f"the put value, a {type(value).__name__}")))
    return ObjectRef(entry)


def kill(actor: ActorHandle[Any], *, no_restart: bool = True) -> None:
    """End an actor at once, as with kill -9, and all it has started.

    Its running call and its queued calls fail with `ActorDiedError`; its name is free. One that has
    ended is no error.

    Parameters
    ----------
    no_restart : bool
        False: as if it had crashed. It restarts where ``max_restarts`` allows.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"jactors.kill() only supported for actors. For tasks, try cancel. Got: {type(actor)}.")
    reason = "`jactors.kill`" if no_restart else "`jactors.kill(no_restart=False)`"
    session.current().kill(actor._home.actor_id, for_good=no_restart, reason=reason)


def cancel(ray_waitable: ObjectRef[Any] | ObjectRefGenerator, *, force: bool = False, recursive: bool = True) -> None:
    """End a call: one that has not started never runs, one that runs is interrupted.

    A sync method gets KeyboardInterrupt, a coroutine CancelledError at its next ``await``; whatever
    it makes of it, `get` raises TaskCancelledError. A long call of native code ends when it returns
    to Python: `kill` ends the actor. The actor's state stays as the method left it.

    Parameters
    ----------
    ray_waitable : ObjectRef or ObjectRefGenerator
        One that has ended, or was put, is left alone. Whoever has the ref may cancel.
    force : bool
        End the worker that runs a task. Not for actors, as in Ray.
    recursive : bool
        Cancel the calls that it has submitted as well.
    """
    if isinstance(ray_waitable, ObjectRefGenerator):
        entry = ray_waitable._stream.end  # the next value may have come already
    elif isinstance(ray_waitable, ObjectRef):
        entry = ray_waitable._entry
    else:
        raise TypeError(
            f"jactors.cancel() only supports object refs, got {type(ray_waitable).__name__}: {ray_waitable!r}"
        )
    if force and not is_task(entry):
        raise ValueError("force=True is not supported for actor tasks: use jactors.kill(actor)")
    origin = entry.origin
    if isinstance(origin, TaskPool):
        origin.cancel(entry.number, recursive=recursive, force=force)
    elif isinstance(origin, Link):
        origin.cancel(entry.number, recursive=recursive)
    elif entry.address and not entry.done:
        session.current().cancel_borrowed(entry, recursive=recursive, force=force)


def interrupt(actor: ActorHandle[Any]) -> None:
    """Raise KeyboardInterrupt in the method that runs on the actor's main thread; its state is kept.

    Where none runs, nothing happens: an interrupt never hits the next call.
    """
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"jactors.interrupt() takes an actor's handle, got {type(actor).__name__}: {actor!r}")
    actor._home.link.interrupt()


def get_actor(name: str, namespace: str | None = None) -> ActorHandle[Any]:
    """Return a handle of the living actor with this name.

    Parameters
    ----------
    name : str
    namespace : str, optional
        By default this session's.

    Raises
    ------
    ActorNotFoundError
        There is none; a ValueError as in Ray. The text names the nearest.
    """
    if not name:
        raise ValueError("Please supply a non-empty value to get_actor")
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {type(name).__name__}: {name!r}")
    if namespace is not None and not isinstance(namespace, str):
        raise TypeError(f"namespace must be a str or None, got {type(namespace).__name__}: {namespace!r}")
    if namespace == "":
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
    space = namespace or session.current().namespace
    record = session.find(space, name)
    if record is None:
        known = [known for _, known in registry.names(space)]
        why = ": the supervisor of its session was killed, and it with it" if registry.remains(space, name) else ""
        raise ActorNotFoundError(f"Failed to look up actor with name {name!r}{why}", name=name, known=known)
    return handle_of(record)
