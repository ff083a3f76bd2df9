"""Running a cell again ends the actors that it made before, and frees their cores and GPUs.

``c = Counter.remote()`` in a cell that is run again drops the old handle, and with the last handle
goes the actor. But a cell that *shows* a handle leaves it in ``Out[n]``, ``_`` and ``_n``, where
nobody means to keep it. So while a cell runs again, handles from its run before that are held by
nothing but those are taken out of them. A handle that has a name, is in a list, or was passed
to another actor is left alone.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from IPython.core.interactiveshell import ExecutionResult

from jactors import session
from jactors.actors.decorator import created
from jactors.actors.handle import ActorHandle

__all__ = ["watch"]


class _Reruns:
    """The handles that each cell has made in its last run."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._cell: str | None = None
        self._made: dict[str, list[weakref.ref[ActorHandle[Any]]]] = {}
        self._old: list[weakref.ref[ActorHandle[Any]]] = []

    def on_created(self, handle: ActorHandle[Any]) -> None:
        if self._cell is not None:
            self._made.setdefault(self._cell, []).append(weakref.ref(handle))
            if self._old:
                self._look_again(self._cell)

    def _look_again(self, cell: str) -> None:
        """Look while the cell runs: it may wait for the very GPU that the old actor has. In the I/O thread."""
        if self._cell == cell:
            for reference in list(self._old):
                self._forget(reference)
            session.current().io.call_later(0.05, lambda: self._look_again(cell))

    def before(self, info: Any) -> None:
        self._cell = getattr(info, "cell_id", None) or info.raw_cell
        self._old = self._made.pop(self._cell, [])

    def after(self, _: Any) -> None:
        for reference in self._old:
            self._forget(reference)
        self._old = []
        self._cell = None

    def _forget(self, reference: weakref.ref[ActorHandle[Any]]) -> None:
        handle = reference()
        if handle is None:
            return
        shell = self._shell
        displayed = vars(shell.displayhook)
        histories = [shell.user_ns.get("Out", {}), shell.user_ns, shell.user_ns_hidden, displayed]
        found: list[tuple[dict[Any, Any], list[Any]]] = []
        for holder in gc.get_referrers(handle):
            if isinstance(holder, ExecutionResult):
                continue  # of the cell before: replaced when this one ends
            if not any(holder is history for history in histories):
                return
            keys = _keys(holder, handle)  # not here: a closure would be one more holder
            if any(isinstance(key, str) and not key.startswith("_") for key in keys):
                return  # it has a name
            found.append((holder, keys))
        for holder, keys in found:
            for key in keys:
                if holder is displayed:
                    holder[key] = None
                else:
                    del holder[key]
        last = shell.last_execution_result
        if last is not None and last.result is handle:
            last.result = None


def _keys(holder: dict[Any, Any], thing: object) -> list[Any]:
    return [key for key, value in holder.items() if value is thing]


def watch(shell: Any) -> None:
    """Do so in the notebook of `shell`, from now on; once."""
    if any(getattr(each, "__self__", None).__class__ is _Reruns for each in created):
        return
    reruns = _Reruns(shell)
    created.append(reruns.on_created)
    shell.events.register("pre_run_cell", reruns.before)
    shell.events.register("post_run_cell", reruns.after)
