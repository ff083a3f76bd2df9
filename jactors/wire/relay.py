"""The relay: what an actor prints or displays appears where its caller would have printed it.

::

    actor: print ─▶ iopub, parent = cell's header + caller "D/A" ─▶ process A: is it mine? strip "/A"
           ─▶ A's own iopub, caller "D" ─▶ driver D: strip ─▶ under the cell (or the script's stdout)

Only the process that submitted the call passes its output on, so nothing appears twice however
many processes listen. In a notebook, text goes through the notebook's own stream with the cell's
header as parent, so that it falls into line with what the cell itself prints.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from jactors.wire.messages import Message, dump_json

__all__ = ["Parents", "Relay"]

#: Cells whose headers are remembered, for output that comes after the cell has ended.
_CELLS = 512


class Parents:
    """Which cell a call is made for: read when it is submitted, stamped on the request.

    Belongs to any thread; a dict operation each.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._cells: dict[str, Mapping[str, Any]] = {}
        self._last: tuple[Any, bytes] = (None, b"")

    def current(self) -> bytes:
        """Return the parent header for a request submitted now, as JSON."""
        parent = getattr(sys.stdout, "parent_header", None) or {}
        last, encoded = self._last
        if parent is last or (last is not None and parent == last):
            return encoded
        msg_id = parent.get("msg_id", "")
        self._cells[msg_id] = parent
        while len(self._cells) > _CELLS:
            self._cells.pop(next(iter(self._cells)))
        above = parent.get("caller")
        # In a plain script there is no cell; Jupyter's streams want a msg_id all the same.
        stamped = {"msg_id": "", **parent, "caller": f"{above}/{self._me}" if above else self._me}
        encoded = dump_json(stamped).encode()
        self._last = (parent, encoded)
        return encoded

    def mine(self, parent: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the header to publish under, or None where the output is somebody else's."""
        above, _, last = str(parent.get("caller", "")).rpartition("/")
        if last != self._me:
            return None
        header = {k: v for k, v in parent.items() if k != "caller"}
        if above:
            header["caller"] = above
        known = self._cells.get(header.get("msg_id", ""))
        # The very header of the cell where it is known: its stream groups output by equal headers.
        if known is not None:
            header = {**known, **({"origin": parent["origin"]} if "origin" in parent else {})}
        return header


class Relay:
    """Publishes the output of one process' calls. Of the I/O thread alone."""

    def __init__(self, parents: Parents) -> None:
        self.parents = parents
        #: (actor, stream) of a line that has not ended: its continuation takes no prefix.
        self._open: tuple[str, str] | None = None

    def publish(self, message: Message, label: str) -> None:
        """Pass on one iopub message of the actor `label` (``Counter pid=123``), if it is ours."""
        parent = self.parents.mine(message.parent)
        if parent is None:
            return
        kernel = _own_kernel()
        label = parent.pop("origin", label)
        if "caller" in parent:
            parent["origin"] = label  # one more process passes it on: the prefix stays its author's
        if message.msg_type == "stream":
            name = "stderr" if message.content.get("name") == "stderr" else "stdout"
            self._text(name, str(message.content.get("text", "")), parent, label)
        elif kernel is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            kernel.session.send(
                kernel.iopub_socket,
                message.msg_type,
                dict(message.content),
                parent={"header": parent},
                metadata=dict(message.metadata),
                buffers=list(message.buffers),
            )
        elif message.msg_type == "display_data" and "text/plain" in message.content.get("data", {}):
            self._text("stdout", message.content["data"]["text/plain"] + "\n", parent, label)

    def _text(self, name: str, text: str, parent: dict[str, Any], label: str) -> None:
        stream: Any = getattr(sys, name)
        if stream is None or not text:
            return
        if hasattr(stream, "set_thread_parent"):
            token = stream.set_thread_parent({"header": parent})
            try:
                stream.write(text)
            finally:
                stream.reset_thread_parent(token)
            return
        stream.write(self._prefixed(name, text, label))
        stream.flush()

    def _prefixed(self, name: str, text: str, label: str) -> str:
        lines = text.splitlines(keepends=True)
        start = 0
        out = []
        if self._open == (label, name):
            out.append(lines[0])
            start = 1
        elif self._open is not None:
            out.append("\n")
        out += [f"({label}) {line}" for line in lines[start:]]
        self._open = None if text.endswith("\n") else (label, name)
        return "".join(out)


def _own_kernel() -> Any:
    """Return the Jupyter kernel that this process is, or None; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)
