"""jactors: Ray's actors for Jupyter, each a kernel of its own.

>>> import jactors
>>> @jactors.remote
... class Counter:
...     def __init__(self):
...         self.n = 0
...     def add(self, by=1):
...         self.n += by
...         return self.n
>>> counter = Counter.remote()
>>> jactors.get([counter.add.remote(), counter.add.remote(10)])
[1, 11]

Code written for Ray runs with ``import jactors as ray``.
"""

from __future__ import annotations

import sys
from typing import Any

from jactors import actor, cloudpickle, exceptions, runtime_env, util
from jactors.actors import insight
from jactors.actors.checkpoints import checkpoint, restore
from jactors.actors.debug import post_mortem
from jactors.actors.decorator import remote
from jactors.actors.generator import DynamicObjectRefGenerator, ObjectRefGenerator
from jactors.actors.handle import ActorHandle
from jactors.actors.info import available_resources, cluster_resources, get_gpu_ids, get_runtime_context, nodes
from jactors.actors.insight import statistics_of_all as statistics
from jactors.actors.progress import progress
from jactors.actors.reload import reload
from jactors.actors.shape import method
from jactors.actors.timeline import timeline
from jactors.actors.typed import typed
from jactors.actors.verbs import cancel, get, get_actor, interrupt, kill, put, wait
from jactors.context import current_actor
from jactors.ids import ActorID, JobID, NodeID, TaskID
from jactors.objects.refs import ObjectRef
from jactors.session import init, is_initialized, shutdown

#: Ray's old name for it.
ObjectID = ObjectRef

__version__ = "0.1.0"

__all__ = [
    "ActorHandle",
    "ActorID",
    "DynamicObjectRefGenerator",
    "JobID",
    "NodeID",
    "ObjectID",
    "ObjectRef",
    "ObjectRefGenerator",
    "TaskID",
    "__version__",
    "actor",
    "available_resources",
    "cancel",
    "checkpoint",
    "cloudpickle",
    "cluster_resources",
    "exceptions",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "insight",
    "inspector",
    "interrupt",
    "is_initialized",
    "kill",
    "load_ipython_extension",
    "method",
    "nodes",
    "post_mortem",
    "progress",
    "put",
    "reload",
    "remote",
    "restore",
    "runtime_env",
    "shutdown",
    "snapshot",
    "statistics",
    "timeline",
    "typed",
    "util",
    "wait",
]


def _settle_in() -> None:
    """In a notebook: a cell that is run again ends the actors it had made, and JupyterLab shows those that live."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and current_actor() is None:
        from jactors.notebook import lab, rerun  # root: only where there is a notebook

        rerun.watch(shell)
        lab.watch()
        if hasattr(shell, "kernel"):
            from jactors.notebook import cards, stopping  # root: only where there is a notebook

            stopping.install(shell.kernel)
            cards.watch()


_settle_in()


def load_ipython_extension(shell: Any) -> None:
    """Add the magics: ``%load_ext jactors``."""
    from jactors.notebook.magics import load  # root: loaded by %load_ext alone

    load(shell)


def inspector(handle: ActorHandle[Any] | None = None, *, compact: bool = False) -> Any:
    """Show a live panel of all actors: queues, state, restarts, what runs; with buttons that work while cells run.

    Parameters
    ----------
    handle : ActorHandle, optional
        Look into this one.
    compact : bool
        Only a row for `handle`.

    Returns
    -------
    jactors.notebook.inspector.Inspector
        A widget. Where no page shows it (a plain script), its text is a table.

    Raises
    ------
    TypeError
        `handle` is none, or `compact` was asked for without one.
    """
    from jactors.notebook.inspector import inspector as show  # root: ipywidgets takes its time

    return show(handle, compact=compact)


def snapshot(handle: ActorHandle[Any] | None = None) -> Any:
    """Return what all actors, or one, do now, as plain HTML and text: for GitHub, nbviewer, exported notebooks.

    Returns
    -------
    jactors.notebook.snapshot.Snapshot
    """
    from jactors.notebook.snapshot import snapshot as take  # root: only where it is wanted

    return take(handle)
