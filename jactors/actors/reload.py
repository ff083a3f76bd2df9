"""`reload`: an actor gets the class as it is now, and keeps its state.

The driver finds the class, pickles it and makes a call of it, which waits its turn behind the calls
submitted before; what the actor's process does then is in `jactors.kernel.reload`. Afterwards
everybody who holds a handle knows the new methods: the supervisor tells all who watch the actor.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jactors import session
from jactors.actors.decorator import ActorClass
from jactors.actors.handle import ActorHandle, ActorMethod, Home, home_of
from jactors.actors.shape import MethodShape
from jactors.actors.source import sources_of
from jactors.actors.verbs import get
from jactors.errors import ReloadError
from jactors.objects.refs import ObjectRef
from jactors.options import MethodOptions
from jactors.wire import pack

__all__ = ["Pending", "Reloaded", "class_now", "reload", "submit"]

_RELOAD = MethodShape("__jactors_reload__", None, "Take a new class.", quick=(0, 1 << 30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What a reload has changed: names of methods and modules, and what the user should know."""

    class_name: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    #: Modules that were executed again, since their files had changed.
    modules: tuple[str, ...]
    #: What could not follow, in sentences.
    notes: tuple[str, ...]

    def __bool__(self) -> bool:
        """Return whether anything has changed."""
        return bool(self.added or self.changed or self.removed or self.modules)

    def __repr__(self) -> str:
        return f"<Reloaded {self.class_name}: {self}>"

    def __str__(self) -> str:
        parts = [("changed", self.changed), ("added", self.added), ("removed", self.removed)]
        said = [f"{what} {', '.join(names)}" for what, names in parts if names]
        if self.modules:
            said.append(f"modules read again: {', '.join(self.modules)}")
        text = "; ".join(said) or "nothing has changed"
        return "\n".join([text, *(f"note: {note}" for note in self.notes)])


class Pending:
    """A reload that waits its turn in the actor's queue."""

    def __init__(self, home: Home, user_class: type, ref: ObjectRef[Any]) -> None:
        self._home = home
        self._class = user_class
        self._ref = ref

    def done(self) -> bool:
        """Return whether `result` returns at once."""
        return self._ref._entry.done

    def on_end(self, tell: Callable[[], None]) -> None:
        """Call `tell` when it has happened; in any thread."""
        self._ref._entry.on_end(lambda _: tell())

    def result(self, timeout: float | None = None) -> Reloaded:
        """Wait, tell everybody who holds a handle, and return what has changed; raises like `reload`."""
        told = get(self._ref, timeout=timeout)
        home = self._home
        if "refused" in told:
            raise ReloadError(told["refused"])
        shape = pack.loads(told["shape"])
        home.reshape(shape)
        home.user_class = weakref.ref(self._class)
        here = session.current()
        named = pack.dumps_inband((shape, home.link.traffic), what="the shape of a class")
        watch = here.links.watch_for(home.actor_id, here.watch)
        watch.request("reshape", actor_id=home.actor_id, shape=told["shape"].hex(), named=named.hex())
        lists = {name: tuple(told[name]) for name in ("added", "changed", "removed", "modules", "notes")}
        return Reloaded(class_name=shape.class_name, **lists)


def reload(handle: ActorHandle[Any], cls: Any = None, *, timeout: float | None = None) -> Reloaded:
    """Give an actor its class as it is now, between two calls; its state stays.

    Run the cell of the class again, or save the file of its module, then reload. In the actor's
    process the user's modules whose files have changed are executed again, as IPython's autoreload
    does. A later restart runs the new code as well. Options of ``@remote`` stay what they were.

    Parameters
    ----------
    handle : ActorHandle
        Calls that were submitted before run on the old code.
    cls : class or actor class, optional
        By default what has the name of its class now, in the notebook or in its module.
    timeout : float, optional
        Seconds to wait until the actor has time for it; None waits for ever.

    Returns
    -------
    Reloaded
        Which methods and modules have changed.

    Raises
    ------
    ReloadError
        The class cannot take the place of the old one (``__slots__``, a base in C, sync methods that
        have become async), or there is none of that name. Nothing has changed.
    TaskError
        A module of the user's raised when it was executed again.
    GetTimeoutError
        The actor is still busy: the reload happens when it has time.
    """
    return submit(handle, cls).result(timeout)


def submit(handle: ActorHandle[Any], cls: Any = None) -> Pending:
    """Put a reload into the actor's queue; its `result` is what `reload` returns or raises."""
    home = home_of(handle)
    user_class = class_now(home) if cls is None else cls
    if isinstance(user_class, ActorClass):
        user_class = user_class._class
    if not isinstance(user_class, type):
        raise ReloadError(f"{user_class!r} is no class: give one, or an actor class")
    pickled = pack.dumps_inband(user_class, what=f"the class {user_class.__name__}")
    call = ActorMethod(handle, _RELOAD, MethodOptions())
    return Pending(home, user_class, call.remote(pickled, sources_of(user_class)))


def class_now(home: Home) -> type:
    """Return what has the name of an actor's class now.

    Raises
    ------
    ReloadError
        Nothing has.
    """
    shape = home.shape
    found = getattr(sys.modules.get(shape.module), shape.class_name, None)
    if isinstance(found, ActorClass):
        found = found._class
    if not isinstance(found, type):
        place = "this notebook" if shape.module == "__main__" else f"the module {shape.module!r} here"
        raise ReloadError(
            f"there is no class {shape.class_name} in {place}: say which one it is to be, reload(handle, cls)"
        )
    return found
