"""How an exception crosses the border between two processes.

``raise`` in the actor → `encode` there → bytes → `decode` in the caller → `TaskError`, which is an
instance of the exception's own type as well.

Guarantees: `encode` never raises. The type is kept where it can be rebuilt in both processes; else it
becomes the nearest base class that can. The text and the traceback, with its source lines, are made
in the actor and always arrive. What cannot be pickled is left out, and a note says so.

The alternative, a pickled traceback (tblib), was rejected: it ships every frame, ours too, and no
source line of a class that exists only in a notebook.
"""

from __future__ import annotations

import importlib
import traceback
from asyncio import CancelledError
from dataclasses import dataclass
from typing import Any

from jactors.errors import TaskCancelledError, TaskError
from jactors.frames import user_frames
from jactors.portable import Portable, portable_state, revive, text_of
from jactors.wire import pack
from jactors.wire.culprit import searches_paused

__all__ = ["decode", "encode", "unhandled"]

#: Frames of one traceback, first and last; what is between them is counted.
_FIRST, _LAST = 10, 30
#: Characters of a whole traceback: first and last.
_HEAD, _TAIL = 8_000, 24_000
#: Links of a chain of causes, levels of groups.
_DEPTH = 10
_GAP = "<gap>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Portrait:
    """An exception, pickled, and what is needed to do without that pickle."""

    names: tuple[tuple[str, str], ...]  # module and qualified name of the classes in its MRO
    text: str
    stream: bytes  # the exception; empty where it could not be pickled
    parts: bytes  # its (args, state), without its class
    members: tuple[_Portrait, ...] = ()  # of a group


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    task: str
    pid: int
    actor: str
    traceback: str
    portrait: _Portrait


def encode(error: BaseException, *, task: str, pid: int, actor: str) -> bytes:
    """Write down `error`; in the process that raised it, while its traceback is there.

    Parameters
    ----------
    error : BaseException
    task : str
        ``"Counter.boom"``.
    pid : int
    actor : str
        How a message names the actor: ``"<Counter 3fa2c1d0 'tally'>"``.

    Returns
    -------
    bytes
        For `decode`.
    """
    try:
        left_out: list[str] = []
        with searches_paused():  # who refuses is found out here
            portrait = _portray(error, left_out)
        remote = _format(error)
        if left_out:
            remote += f"\n(left out of it, because it cannot be pickled: {', '.join(left_out)})"
        record = _Failure(task=task, pid=pid, actor=actor, traceback=remote, portrait=portrait)
        return pack.dumps_inband(record, what=f"the exception of {task}")
    except BaseException as trouble:  # the user's metaclass, a full memory: the caller must hear of it all the same
        text = f"{_name(error)}: its text is not known, because writing it down raised {_name(trouble)}"
        portrait = _Portrait(names=_names(error), text=text, stream=b"", parts=b"")
        record = _Failure(task=task, pid=pid, actor=actor, traceback=text, portrait=portrait)
        return pack.dumps_inband(record, what=f"the exception of {task}")


def decode(data: bytes) -> TaskError:
    """Make the error that the caller raises; a new one at each call.

    A method that was interrupted or cancelled gives a `TaskCancelledError`: a KeyboardInterrupt of
    the actor's must not look like the caller's own.
    """
    record: _Failure = pack.loads(data)
    where: dict[str, Any] = {"task": record.task, "pid": record.pid, "actor": record.actor}
    cause = _recognise(record.portrait)
    if isinstance(cause, KeyboardInterrupt | CancelledError):
        how = "interrupted" if isinstance(cause, KeyboardInterrupt) else "cancelled"
        message = f"{record.task or 'the call'} was {how}" + (f" in {record.actor}" if record.actor else "")
        return TaskCancelledError(cause, message=message, remote_traceback=record.traceback, **where)
    if type(cause) is TaskCancelledError and cause.cause is None and not cause.remote_traceback:
        return TaskCancelledError(message=cause.message, remote_traceback=record.traceback, **where)
    return TaskError(cause, remote_traceback=record.traceback, **where).as_instanceof_cause()


def unhandled(data: bytes) -> str:
    """Return what to say of a failure that nobody has looked at; "" where that is nobody's mistake.

    Runs none of the user's code.
    """
    record: _Failure = pack.loads(data)
    if any(name in ("CancelledError", "KeyboardInterrupt", "TaskCancelledError") for _, name in record.portrait.names):
        return ""
    return f"{record.task or 'a call'} raised in {record.actor} (pid {record.pid})\n{record.traceback}"


# --- the traceback as text -----------------------------------------------------------------------


class _Stack(traceback.StackSummary):
    """A stack that says how many of its frames were left out."""

    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **options: Any) -> str:  # 3.13: colorize
        if frame_summary.filename == _GAP:
            return f"  ... {frame_summary.lineno} more frames ...\n"
        return super().format_frame_summary(frame_summary, **options)


def _format(error: BaseException) -> str:
    report = traceback.TracebackException.from_exception(error)
    _tidy(report, _DEPTH, set())
    text = "".join(report.format()).rstrip("\n")
    left_out = len(text) - _HEAD - _TAIL
    if left_out <= 0:
        return text
    return f"{text[:_HEAD]}\n... {left_out} more characters ...\n{text[-_TAIL:]}"


def _tidy(report: traceback.TracebackException, depth: int, seen: set[int]) -> None:
    """Leave the user's frames only, and not too many, in `report` and what it is chained to."""
    if id(report) in seen:
        return
    seen.add(id(report))
    frames = user_frames(report.stack)
    if len(frames) > _FIRST + _LAST:
        gap = traceback.FrameSummary(_GAP, len(frames) - _FIRST - _LAST, "", lookup_line=False, line="")
        frames = [*frames[:_FIRST], gap, *frames[-_LAST:]]
    report.stack = _Stack(frames)
    if depth == 0:
        report.__cause__ = report.__context__ = None
    for other in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        if other is not None:
            _tidy(other, max(depth - 1, 0), seen)


# --- the exception as bytes ----------------------------------------------------------------------


def _portray(error: BaseException, left_out: list[str], depth: int = _DEPTH) -> _Portrait:
    known = error
    stream = _pickle_exception(known)
    if not stream:
        known = _without_refusals(error, left_out, depth)
        stream = _pickle_exception(known)
    root, known = _innermost(error), _innermost(known)
    members: tuple[BaseException, ...] = ()
    args = known.args
    if isinstance(root, BaseExceptionGroup) and depth:
        members, args = root.exceptions, (root.message,)
    return _Portrait(
        names=_names(root),
        text=_text(root),
        stream=stream,
        parts=_pickle((args, portable_state(known.__dict__))),
        members=tuple(_portray(member, [], depth - 1) for member in members),
    )


def _innermost(error: BaseException) -> BaseException:
    """Return what the chain of actors began with: its type is the one to fall back from."""
    while isinstance(error, TaskError) and error.cause is not None:
        error = error.cause
    return error


def _pickle(value: object) -> bytes:
    try:
        return pack.dumps_inband(value, what="an exception")
    except BaseException:
        return b""


def _pickle_exception(error: BaseException) -> bytes:
    """Pickle `error` and load it again, here, where a failure can still be helped; empty if it cannot."""
    stream = _pickle(Portable(error))
    if not stream:
        return b""
    try:
        again = pack.loads(stream)
    except BaseException:
        return b""
    # By name: a class of __main__ that travels by value may come back as another class.
    return stream if _name(again) == _name(error) else b""


def _without_refusals(error: BaseException, left_out: list[str], depth: int) -> BaseException:
    """Copy `error` without the parts that cannot be pickled; their names go into `left_out`."""

    def passes(value: object, name: str) -> bool:
        if _pickle(value):
            return True
        left_out.append(f"{name} ({type(value).__module__}.{type(value).__qualname__})")
        return False

    if isinstance(error, BaseExceptionGroup):
        members = error.exceptions
        if depth:
            members = tuple(_without_refusals(member, left_out, depth - 1) for member in members)
        args: tuple[Any, ...] = (error.message, members)
    else:
        args = tuple(arg if passes(arg, f"args[{i}]") else _repr(arg) for i, arg in enumerate(error.args))
    state = {name: value for name, value in portable_state(error.__dict__).items() if passes(value, name)}
    if isinstance(error, TaskError) and error.cause is not None:
        state["cause"] = _without_refusals(error.cause, left_out, depth - 1) if depth else None
    # The class itself may refuse: it is pickled by value when it is a notebook's.
    for cls in type(error).__mro__:
        if cls is not object and _pickle(cls):
            break
    try:
        copy = revive(cls, args, state)
        if cls is not type(error) and _text(error) not in str(copy):
            copy = revive(cls, (_text(error),), state)  # its own __str__ went with its class
    except Exception:
        copy = revive(Exception, (_text(error),), state)
    return copy


# --- the bytes as an exception -------------------------------------------------------------------


def _recognise(portrait: _Portrait) -> BaseException:
    """Rebuild the exception, or the nearest there can be."""
    if portrait.stream:
        try:
            found = pack.loads(portrait.stream)
            if isinstance(found, BaseException):
                return found
        except Exception:  # noqa: S110 - its class, or something in it, is not known here
            pass
    try:
        args, state = pack.loads(portrait.parts)
    except Exception:
        args, state = (portrait.text,), {}
    if portrait.members:
        args = (str(args[0]), [_recognise(member) for member in portrait.members])
        text = args[0]
    else:
        text = portrait.text
    for module, name in portrait.names:
        cls = _find(module, name)
        if cls is None:
            continue
        for arguments in (args, (text,)):
            try:
                error = revive(cls, arguments, state)
                if text in str(error):
                    return error
            except Exception:  # noqa: S112 - an abstract class, a __str__ that wants more: the next base
                continue
    return revive(Exception, (text,), state)


def _find(module: str, name: str) -> type[BaseException] | None:
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


# --- what never raises ---------------------------------------------------------------------------


def _names(error: BaseException) -> tuple[tuple[str, str], ...]:
    return tuple((str(cls.__module__), str(cls.__qualname__)) for cls in type(error).__mro__ if cls is not object)


def _name(error: object) -> str:
    return type(error).__qualname__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return text_of(error).partition(": ")[2]


def _repr(value: object) -> str:
    try:
        return repr(value)
    except BaseException:
        return object.__repr__(value)
