"""Checkpoints of the actor: when its state is saved, and how it comes back.

State is saved between two calls:

=================================== ===========================================================================
actor                               the moment
=================================== ===========================================================================
sync, ``max_concurrency=1``         on the main thread, when a call has ended and the next has not begun
async                               on the loop: each coroutine stands at an ``await``, as its fellows see it
sync, ``max_concurrency=n``, groups no call is under way: those that have not begun are held back; see `Gate`
=================================== ===========================================================================

So a call whose state is in the checkpoint is in it as a whole, but for coroutines. With "every n calls" the n-th
is answered after it was saved (a threaded actor's before); a state that cannot be saved is reported and
costs no call.

How it comes back, in the next incarnation: the object is made without ``__init__`` and the state laid in. Are
attributes missing, since they could not be pickled, and the class has no ``__jactors_restore__``, then ``__init__``
runs first, with the arguments that the actor was made with, and the state is laid over what it has made. A class with
``__jactors_restore__(self, missing)`` makes them itself: it is called after each restore, with their names.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jactors.errors import CheckpointError
from jactors.kernel.gate import Gate
from jactors.objects import checkpoint, revival, statefile
from jactors.objects.checkpoint import Checkpoint, Pickled
from jactors.wire import pack

__all__ = ["Checkpoints"]

HOOK = "__jactors_restore__"


class Checkpoints:
    """The checkpoints of one incarnation.

    Parameters
    ----------
    path : Path
        Where they are kept; the one before is beside it.
    cadence : tuple, optional
        ``("calls", n)``, ``("seconds", s)`` or ``("on_demand", 0)``; with one of them the next incarnation begins
        with what is saved. None: nothing of that happens by itself.
    label : str
        The actor, for messages.
    """

    def __init__(self, *, path: Path, cadence: tuple[str, float] | None, label: str) -> None:
        self._path = path
        self._kind: str | None
        self._kind, self._every = cadence or (None, 0.0)
        self._label = label
        self._saving = threading.Lock()
        self._instance: Any = None
        self._gate: Gate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._activity: Callable[[], object] = lambda: None
        self._seen: object = None
        self._calls = 0
        self._due = threading.Event()
        self._thread: threading.Thread | None = None
        # --- for `statistics`; each is replaced as a whole
        self._number = 0
        self._failed = 0
        self._last: Checkpoint | None = None
        self._restored: Checkpoint | None = None
        self._problem = ""
        self._left_out: frozenset[str] = frozenset()

    @property
    def counts_calls(self) -> bool:
        """Whether `ended` wants to be told of each call."""
        return self._kind == "calls"

    def statistics(self) -> dict[str, Any]:
        """Return what was saved and brought back, as JSON has it."""
        return {
            "saved": self._number - (self._restored.number if self._restored is not None else 0),
            "failed": self._failed,
            "problem": self._problem,
            "last": self._last.as_dict() if self._last is not None else None,
            "restored": self._restored.as_dict() if self._restored is not None else None,
        }

    # ------------------------------------------------------------------ birth

    async def revive(self, cls: type, make: Callable[[], Awaitable[Any]]) -> Any:
        """Return the actor's object as it was saved; as ``__init__`` makes it where nothing was.

        Raises
        ------
        CheckpointError
            There are checkpoints, and none can be used: to begin anew in silence would lose what they hold.
        """
        if self._kind is None:
            return await make()
        try:
            found = statefile.read_latest(self._path)
        except FileNotFoundError:
            self._say("begins anew: it had not been saved yet")
            return await make()
        missing = tuple(found.header["missing"])
        pickled = _pickled(found)
        hook = getattr(cls, HOOK, None)
        try:
            if missing and hook is None:
                thing = await make()
                revival.overlay(thing, checkpoint.thaw(pickled, cls, thing, pack.loads), keep=None)
            else:
                thing = revival.rebuild(cls, pickled, pack.loads)
            if hook is not None:
                remade = hook(thing, missing)
                if inspect.isawaitable(remade):
                    await remade
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(f"{found.path} cannot be brought back: {type(error).__name__}: {error}") from error
        self._take_note(found)
        return thing

    def _take_note(self, found: statefile.StateFile) -> None:
        self._restored = _record(found)
        self._number = max(self._number, self._restored.number)
        self._left_out |= self._restored.missing.keys()
        if found.instead_of:
            saved = self._restored.saved_at
            self._say(f"has the state of the checkpoint before the last one, of {saved}: {found.instead_of}")

    def attach(
        self, instance: Any, *, gate: Gate | None, loop: asyncio.AbstractEventLoop, activity: Callable[[], object]
    ) -> None:
        """The actor is born: save when it is time to.

        Parameters
        ----------
        gate : Gate, optional
            Of a threaded actor.
        activity : callable
            Returns something that is equal to what it returned before where no call or cell ran in between, and
            None while one is under way.
        """
        self._instance, self._gate, self._loop, self._activity = instance, gate, loop, activity
        self._seen = activity()
        instance.built_in |= {"__jactors_save__": self._on_save, "__jactors_load__": self._on_load}
        if self._kind == "seconds":
            loop.call_later(self._every, self._tick)

    # ------------------------------------------------------------------ when

    def ended(self) -> None:
        """A call has ended and is about to be answered. Of the main thread."""
        self._calls += 1
        if self._calls >= self._every:
            self._calls = 0
            self._save_soon()

    def _tick(self) -> None:
        """Some seconds have passed: save, if something has happened since."""
        assert self._loop is not None
        now = self._activity()
        if now is None or now != self._seen:
            self._seen = now
            self._save_soon()
        self._loop.call_later(self._every, self._tick)

    def _save_soon(self) -> None:
        """Save here and now, which is between two calls; a threaded actor as soon as there is such a moment."""
        if self._gate is None:
            self._save_or_complain()
            return
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._save_when_due, name="jactors-checkpoint", daemon=True)
            self._thread.start()

    def _save_when_due(self) -> None:
        assert self._gate is not None
        while self._due.wait():
            self._due.clear()
            with self._gate.quiet(inside=False):
                self._save_or_complain()

    def _save_or_complain(self) -> None:
        try:
            self.save(self._path)
        except CheckpointError as error:
            self._failed += 1
            if str(error) != self._problem:
                self._problem = str(error)
                self._say(f"could not be saved, and goes on: {error}")

    # ------------------------------------------------------------------ on demand

    def _on_save(self, path: str | None) -> Checkpoint:
        """Save now: this is the call ``__jactors_save__``, which takes its turn."""
        where = self._path if path is None else Path(path)
        if self._gate is None:
            return self.save(where)
        with self._gate.quiet(inside=True):
            return self.save(where)

    def on_request(self, content: dict[str, Any]) -> dict[str, Any]:
        """Control: save at the next moment between two calls, ahead of what is queued."""
        if self._loop is None:
            raise CheckpointError("the actor is not alive yet")
        path = content.get("path")
        where = self._path if path is None else Path(path)
        box = float(content.get("timeout") or 10.0)
        if self._gate is not None:
            with self._gate.quiet(inside=False, timeout=box):
                return {"checkpoint": self.save(where).as_dict()}
        saved: Future[Checkpoint] = Future()

        def between() -> None:
            if not saved.set_running_or_notify_cancel():
                return
            try:
                saved.set_result(self.save(where))
            except BaseException as error:
                saved.set_exception(error)

        self._loop.call_soon_threadsafe(between)
        try:
            return {"checkpoint": saved.result(box).as_dict()}
        except TimeoutError:
            saved.cancel()
            raise

    def save(self, path: Path) -> Checkpoint:
        """Save the state now; the caller sees to it that this is between two calls.

        Raises
        ------
        CheckpointError
            It cannot be pickled or written. The checkpoint before is untouched.
        """
        with self._saving:
            begun = time.monotonic()
            thing = self._instance.self
            pickled = checkpoint.capture(thing, _by_value)
            header = {
                "class": type(thing).__qualname__,
                "number": self._number + 1,
                "saved_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "missing": dict(pickled.missing),
                "thorough": pickled.thorough,
            }
            size = statefile.write(path, header, bytes(pickled.stream), [memoryview(each) for each in pickled.buffers])
            self._number += 1
            found = statefile.StateFile(path, header, bytearray(), ())
            saved = self._last = replace(_record(found), size=size, seconds=time.monotonic() - begun)
            self._problem = ""
            if new := pickled.missing.keys() - self._left_out:
                self._left_out |= new
                reasons = ", ".join(f"{name} ({pickled.missing[name]})" for name in sorted(new))
                self._say(f"was saved without {reasons}")
            return saved

    def _on_load(self, path: str | None) -> Any:
        """Bring a state back, into the living object: this is the call ``__jactors_load__``."""
        where = self._path if path is None else Path(path)
        if self._gate is None:
            return self._restore(where)
        with self._gate.quiet(inside=True):
            return self._restore(where)

    def _restore(self, path: Path) -> Any:
        thing = self._instance.self
        try:
            found = statefile.read_latest(path)
        except FileNotFoundError:
            raise CheckpointError(f"there is no checkpoint at {path}") from None
        if found.header["class"] != type(thing).__qualname__:
            mine, saved = type(thing).__qualname__, found.header["class"]
            raise CheckpointError(f"{found.path} holds the state of a {saved}, not of a {mine}")
        pickled = _pickled(found)
        try:
            parts = checkpoint.thaw(pickled, type(thing), thing, pack.loads)
            undo = revival.overlay(thing, parts, keep=found.header["missing"])
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(f"{path} cannot be brought back: {type(error).__name__}: {error}") from error
        hook = getattr(type(thing), HOOK, None)
        try:
            remade = hook(thing, tuple(found.header["missing"])) if hook is not None else None
        except BaseException:
            undo()
            raise
        self._take_note(found)
        restored = self._restored
        if not inspect.isawaitable(remade):
            return restored

        async def wait() -> Checkpoint | None:
            await remade
            return restored

        return wait()

    def _say(self, text: str) -> None:
        """Tell the user, in the cell."""
        print(f"jactors: {self._label} {text}", file=sys.stderr)  # noqa: T201


def _by_value(cls: type) -> bytes:
    return pack.dumps_inband(cls, what=f"the class {cls.__qualname__}")


def _record(found: statefile.StateFile) -> Checkpoint:
    header = found.header
    return Checkpoint(
        path=str(found.path),
        number=header["number"],
        saved_at=header["saved_at"],
        missing=dict(header["missing"]),
        size=len(found.stream) + sum(map(len, found.buffers)),
        instead_of=found.instead_of,
    )


def _pickled(found: statefile.StateFile) -> Pickled:
    return Pickled(found.stream, found.buffers, found.header["thorough"], found.header["missing"])
