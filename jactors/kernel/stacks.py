"""The stacks: what every thread of the actor does at this moment, and where each coroutine waits."""

from __future__ import annotations

import linecache
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from jactors.frames import is_users
from jactors.kernel.interrupts import awaited

if TYPE_CHECKING:
    from jactors.kernel.incoming import Incoming
    from jactors.kernel.kernel import ActorKernel

__all__ = ["stacks"]

#: Frames of a stack, and stacks, that are sent.
_DEPTH = 60
_STACKS = 64


def stacks(kernel: ActorKernel) -> dict[str, Any]:
    """Return a stack for each thread and each waiting coroutine, those that run the user's code first.

    Returns
    -------
    dict
        ``stacks``: a list of ``name``, ``call`` (the method that it runs, or None), ``kind``
        (``"thread"`` or ``"coroutine"``), ``yours`` (whether a frame is the user's) and ``frames``,
        innermost last: ``file``, ``line``, ``function``, ``text``, ``yours``.
    """
    running = kernel.running()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    me = threading.get_ident()
    found = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way to see other threads
        if ident == me:
            continue
        call = running.get(ident)
        found.append(_stack(names.get(ident, f"thread {ident}"), "thread", call, list(_outwards(frame))))
    for call, coroutine in kernel.suspended():
        found.append(_stack(f"task {call.number}", "coroutine", call, list(_inwards(coroutine))[::-1]))
    found.sort(key=lambda stack: (stack["call"] is None, not stack["yours"]))
    return {"stacks": found[:_STACKS], "now": time.time()}


def _outwards(frame: FrameType | None) -> Iterator[tuple[FrameType, int]]:
    """Yield a frame and its callers."""
    while frame is not None:
        yield frame, frame.f_lineno
        frame = frame.f_back


def _inwards(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a suspended coroutine, and of what it awaits."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        frame = frame or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
            if (inner := awaited(frame)) is not None:
                coroutine = inner
                continue
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _stack(name: str, kind: str, call: Incoming | None, frames: list[tuple[FrameType, int]]) -> dict[str, Any]:
    """Describe a stack, its frames innermost first."""
    told = [_frame(frame, line) for frame, line in frames[:_DEPTH]][::-1]
    if kind == "thread" and told and len(frames) <= _DEPTH:
        told[0]["yours"] = False  # it started the thread, or the process: ``python -c``
    return {
        "name": name,
        "kind": kind,
        "call": call.method if call is not None else None,
        "number": call.number if call is not None else None,
        "yours": any(frame["yours"] for frame in told),
        "frames": told,
    }


def _frame(frame: FrameType, line: int) -> dict[str, Any]:
    code = frame.f_code
    return {
        "file": code.co_filename,
        "line": line,
        "function": code.co_qualname if hasattr(code, "co_qualname") else code.co_name,
        "text": linecache.getline(code.co_filename, line).strip()[:200],
        "yours": is_users(code.co_filename),
    }
