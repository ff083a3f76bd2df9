"""Comms: widgets and progress bars that live in an actor, seen and used in the notebook.

::

    actor: comm_open ─▶ iopub ─▶ relay ─▶ our own iopub, under the cell ─▶ page
                                   └─▶ a `Passage` in our comm manager
    page: comm_msg ─▶ our shell ─▶ comm manager ─▶ Passage ─▶ the actor's shell, where it does not queue behind calls

A passage stands in this kernel for a comm of the actor's, so the page finds it here, also when it is loaded again and
asks what there is. When the actor's process ends, its comms are closed: a bar that will not move any more says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jactors.wire.messages import Message

__all__ = ["TYPES", "Comms", "Passage"]

TYPES = frozenset({"comm_open", "comm_msg", "comm_close"})

#: Sends a message of the page (type, header, content, metadata, buffers) to the actor.
Send = Callable[[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any], list[Any]], None]


class Passage:
    """What this kernel's comm manager holds for a comm of an actor's."""

    def __init__(self, comm_id: str, target_name: str, send: Send) -> None:
        self.comm_id = comm_id
        self.target_name = target_name
        self._send = send

    def handle_msg(self, msg: Mapping[str, Any]) -> None:
        """Pass a message of the page on to the actor."""
        self._send("comm_msg", msg["header"], msg["content"], msg.get("metadata", {}), msg.get("buffers", []))

    def handle_close(self, msg: Mapping[str, Any]) -> None:
        """The page closes it."""
        self._send("comm_close", msg["header"], msg["content"], msg.get("metadata", {}), msg.get("buffers", []))

    def close(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: its life is the actor's."""


class Comms:
    """The comms of the actors whose output passes by. Of the I/O thread alone."""

    def __init__(self) -> None:
        #: Comms by actor, each with the header it was opened under.
        self._open: dict[str, dict[str, Mapping[str, Any]]] = {}

    def passing(self, message: Message, kernel: Any, actor_id: str, parent: Mapping[str, Any], send: Send) -> None:
        """Take note of a comm message on its way to the page."""
        comm_id = str(message.content.get("comm_id", ""))
        comms = kernel.comm_manager.comms
        if message.msg_type == "comm_open":
            comms[comm_id] = Passage(comm_id, str(message.content.get("target_name", "")), send)
            self._open.setdefault(actor_id, {})[comm_id] = parent
        elif message.msg_type == "comm_close" and isinstance(comms.get(comm_id), Passage):
            del comms[comm_id]
            self._open.get(actor_id, {}).pop(comm_id, None)

    def end(self, actor_id: str, kernel: Any) -> None:
        """The actor's process has ended: close what it had open, on the page too."""
        for comm_id, parent in self._open.pop(actor_id, {}).items():
            if kernel is None or not isinstance(kernel.comm_manager.comms.pop(comm_id, None), Passage):
                continue
            content = {"comm_id": comm_id, "data": {}}
            kernel.session.send(kernel.iopub_socket, "comm_close", content, parent={"header": dict(parent)})
