"""Actors in JupyterLab's Running panel, and for its notebooks to attach to.

::

    actor alive ─▶ POST /api/sessions ─▶ server: kernelspec "jactors", `jactors.launch.provisioner` ─▶ Running panel
    actor dead ──▶ DELETE (and the provisioner notices by itself, where this kernel was killed)

A notebook's kernel knows the server that started it: the server's pid is in its environment, and the
server's address and token are in a file that only this user can read. Where that server has not
jactors' kernelspec (it runs in another environment), where there is no such server (nbconvert, VS
Code), or with ``JACTORS_LAB=0``, nothing happens. So does nothing for actors that outlive their
driver: a server that ends would take them along.

All requests are made in a thread of its own, one after the other: no cell waits for them.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_runtime_dir

from jactors import session
from jactors.actors.decorator import created

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jactors.actors.handle import ActorHandle

__all__ = ["LIMIT", "Listing", "Server", "listing", "watch"]

log = logging.getLogger("jactors")

#: Actors that are shown at a time: each costs the server a few sockets, and the panel is for reading.
LIMIT = 32

#: Seconds that the server has for an answer.
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """The Jupyter server that has started this kernel."""

    url: str
    token: str

    @classmethod
    def of_this_kernel(cls) -> Server | None:
        """Return it; None where this process was not started by a Jupyter server of this user."""
        pid = os.environ.get("JPY_PARENT_PID", "")
        try:
            told = json.loads((Path(jupyter_runtime_dir()) / f"jpserver-{int(pid)}.json").read_text())
            return cls(url=told["url"].rstrip("/"), token=told.get("token") or "")
        except (OSError, ValueError, KeyError):
            return None

    def request(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """Ask its REST API.

        Raises
        ------
        OSError
            It refuses (then an HTTPError), or cannot be reached.
        """
        import urllib.request

        request = urllib.request.Request(  # noqa: S310 - a server's own address
            f"{self.url}/api/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"token {self.token}"} if self.token else {},
        )
        # No proxy: it is this machine, or a name that only means something here.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def knows_actors(self) -> bool:
        """Return whether jactors is installed beside it; OSError where it does not answer."""
        return "jactors" in self.request("GET", "kernelspecs")["kernelspecs"]

    def show(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Make a session with an actor of which a supervisor says `told`; return what the server says of it."""
        # The provisioner finds the actor by the path, which a server hands on only where there is no name yet.
        path = f"actors/{Path(told['connection_file']).stem}"
        made: dict[str, Any] = self.request(
            "POST", "sessions", {"path": path, "type": "console", "kernel": {"name": "jactors"}}
        )
        name = repr(told["name"]) if told.get("name") else told["actor_id"][:8]
        return self.request("PATCH", f"sessions/{made['id']}", {"name": f"{told['class_name']} {name}"}) or made


class Listing:
    """Keeps the server's list of sessions in step with the actors of this driver."""

    def __init__(self, server: Server) -> None:
        self.server = server
        #: Why nothing is shown; empty where all is well. Set by the thread.
        self.trouble = ""
        #: Actor -> the server's session. Of the thread.
        self.shown: dict[str, str] = {}
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listening: Any = None

    def on_created(self, handle: ActorHandle[Any]) -> None:
        """Listen to the session of an actor that this process has made."""
        here = session.current()
        if self._listening is not here:
            self._listening = here
            here.links.listeners.append(self._on_event)
        told = here.links.told.get(handle._actor_id.hex(), {})  # noqa: SLF001 - not the user's namespace
        if told:
            self._on_event(told)  # what came before we listened

    def close(self) -> None:
        """Tell the server no more; what it shows stays."""
        if self._listening is not None and self._on_event in self._listening.links.listeners:
            self._listening.links.listeners.remove(self._on_event)
        self.trouble = self.trouble or "switched off"
        self._events.put({})

    def _on_event(self, event: dict[str, Any]) -> None:
        """In the I/O thread, or where an actor was made."""
        if self.trouble or event["state"] not in ("ALIVE", "DEAD") or event.get("detached"):
            return
        self._events.put(event)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jactors-lab", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            if not self.server.knows_actors():
                self.trouble = (
                    f"the server at {self.server.url} has no kernelspec 'jactors': install jactors where "
                    "JupyterLab is installed, then start it again"
                )
        except (OSError, ValueError, KeyError) as error:
            self.trouble = f"the server at {self.server.url} does not answer: {error}"
        while not self.trouble:
            event = self._events.get()
            if not event:
                return
            try:
                self._take(event)
            except (OSError, ValueError, KeyError) as error:
                log.debug("JupyterLab does not show %s: %s", event["actor_id"], error)

    def _take(self, event: dict[str, Any]) -> None:
        actor_id = event["actor_id"]
        shown = self.shown.get(actor_id)
        if event["state"] == "DEAD":
            if shown is not None:
                del self.shown[actor_id]
                self.server.request("DELETE", f"sessions/{shown}")
        elif shown is None and len(self.shown) < LIMIT:
            self.shown[actor_id] = self.server.show(event)["id"]


_listing: Listing | None = None


def listing() -> Listing | None:
    """Return what this kernel tells its server; None where it tells nothing."""
    return _listing


def watch() -> None:
    """Show the actors of this kernel, where a Jupyter server has started it. Asks nobody yet."""
    global _listing  # noqa: PLW0603 - one kernel, one server
    server = Server.of_this_kernel() if os.environ.get("JACTORS_LAB", "1") != "0" else None
    if server is not None and _listing is None:
        _listing = Listing(server)
        created.append(_listing.on_created)
