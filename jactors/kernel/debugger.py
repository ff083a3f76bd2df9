"""Debugging an actor: ``breakpoint()`` in a method, the frame that raised, and JupyterLab's debugger.

``breakpoint()`` stops in JupyterLab's debugger where one is attached to the actor; else in pdb, whose
prompt appears in the cell that waits for the call (see `Questions`). pdb does not walk into our own
frames: the end of a method is the end.

What a method has raised last is kept, with its frames and so with what they hold, for `KEPT` seconds
or until the next failure; not where memory had run out.
"""

from __future__ import annotations

import asyncio
import atexit
import linecache
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from ipykernel.compiler import get_tmp_directory
from ipykernel.debugger import Debugger
from IPython.core.debugger import InterruptiblePdb

from jactors.frames import is_ours

__all__ = ["POST_MORTEM", "ActorDebugger", "Failures", "arm", "set_hook"]

#: The built-in method that opens a debugger where the last failure was raised.
POST_MORTEM = "__jactors_post_mortem__"

#: Seconds that the frames of a failure are kept.
KEPT = 600.0

_SKIP = ["jactors.*", "asyncio.*", "concurrent.futures.*", "threading", "contextvars", "tornado.*"]


class ActorDebugger(Debugger):
    """ipykernel's, which also has the source of cells that exist only in the driver."""

    async def dumpCell(self, message: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the protocol's name
        """Write a cell where its breakpoints are looked for; the folder goes with the process."""
        _make_folder()
        return dict(await super().dumpCell(message))

    async def source(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the text of a file; of a cell, as the actor's tracebacks have it."""
        path = message["arguments"]["source"]["path"]
        if lines := linecache.getlines(path):
            reply = {"type": "response", "request_seq": message["seq"], "command": message["command"]}
            return {**reply, "success": True, "body": {"content": "".join(lines)}}
        reply = await super().source(message)
        return dict(reply)


def _make_folder() -> None:
    """Make the folder of dumped cells: ipykernel does so when it arms the debugger, and leaves it behind."""
    folder = Path(get_tmp_directory())
    folder.mkdir(mode=0o700, exist_ok=True)
    atexit.unregister(_remove_folder)
    atexit.register(_remove_folder, folder)


def _remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def arm(kernel: Any) -> None:
    """Start debugpy now: to attach to an actor that is busy would wait until it is not."""
    debugger = kernel.debugger
    if debugger is None or debugger.debugpy_initialized:
        return
    import debugpy  # noqa: T100 - the option asks for it

    host, port = debugger.debugpy_client.get_host_port()
    debugpy.listen((host, int(port)))  # noqa: T100
    debugger.debugpy_initialized = True


def set_hook(kernel: Any) -> None:
    """Make ``breakpoint()`` stop where there is somebody to go on."""

    def hook(*args: Any, **kwargs: Any) -> None:
        frame = sys._getframe(1)  # noqa: SLF001 - what a breakpoint hook is given is where it was called
        if getattr(kernel.debugger, "is_started", False):
            import pydevd  # debugpy's own

            pydevd.settrace(
                suspend=True, trace_only_current_thread=True, patch_multiprocessing=False, stop_at_frame=frame
            )
            return
        InterruptiblePdb(skip=_SKIP).set_trace(frame)

    sys.breakpointhook = hook


class Failures:
    """The last failure of a method."""

    def __init__(self) -> None:
        self._loop = asyncio.get_event_loop()
        #: What was raised, by which method, and when it is forgotten. Replaced as a whole, from any thread.
        self._last: tuple[BaseException, str, float] | None = None

    def keep(self, error: BaseException, method: str) -> None:
        """A method has raised."""
        if method == POST_MORTEM:
            return
        if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
            self._last = None  # its frames hold the memory that is missing
            return
        self._last = (error, method, time.monotonic() + KEPT)
        self._loop.call_soon_threadsafe(self._loop.call_later, KEPT, self._expire)

    def forget(self) -> None:
        """Let go of it, and of what its frames hold."""
        self._last = None

    def _expire(self) -> None:
        if self._last is not None and self._last[2] <= time.monotonic():
            self._last = None

    def post_mortem(self) -> str:
        """Open pdb in the frame that raised; return what it was about.

        Raises
        ------
        LookupError
            Nothing has failed lately.
        """
        if self._last is None:
            raise LookupError(f"no method has failed, or it is longer ago than {KEPT:g} seconds")
        error, method, _ = self._last
        debugger = InterruptiblePdb(skip=_SKIP)
        debugger.reset()
        debugger.interaction(None, _users(error.__traceback__))
        return f"{method}: {type(error).__name__}: {error}"


def _users(found: TracebackType | None) -> TracebackType | None:
    """Drop our own frames above the user's."""
    at = found
    while at is not None and is_ours(at.tb_frame.f_code.co_filename):
        at = at.tb_next
    return at if at is not None else found
