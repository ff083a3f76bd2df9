"""The relay: what an actor prints or displays appears where its caller would have printed it.

::

    actor: print ─▶ iopub, parent = cell's header + caller "D/A" ─▶ process A: is it mine? strip "/A"
           ─▶ A's own iopub, caller "D" ─▶ driver D: strip ─▶ under the cell (or the script's stdout)

Only the process that submitted the call passes its output on, so nothing appears twice however
many processes listen. In a notebook, text goes through the notebook's own stream with the cell's
header as parent, so that it falls into line with what the cell itself prints.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jactors.wire.comms import TYPES, Comms, Send
from jactors.wire.flood import Flood, Floods
from jactors.wire.messages import Message, dump_json
from jactors.wire.outputs import Outputs

__all__ = ["Parents", "Relay", "Sink", "Source", "own_kernel"]

#: Cells whose headers are remembered, for output that comes after the cell has ended.
_CELLS = 512


#: In a header: the way the output takes, the call that made it, whoever waits for it. Not for the page.
_OURS = frozenset({"caller", "call", "token"})

#: What an allowance is for; an update replaces what is there.
_COUNTED = frozenset({"display_data", "execute_result"})

#: Seconds between two looks at what was left out.
_LOOK = 1.0


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
        self._remember(parent)
        encoded = dump_json(self._stamped(parent)).encode()
        self._last = (parent, encoded)
        return encoded

    def here(self) -> dict[str, Any]:
        """Return the same as a mapping, to be added to."""
        header: dict[str, Any] = json.loads(self.current())
        return header

    def _stamped(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        above = parent.get("caller")
        # In a plain script there is no cell; Jupyter's streams want a msg_id all the same.
        return {"msg_id": "", **parent, "caller": f"{above}/{self._me}" if above else self._me}

    def stamp(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        """Return the header for a message that is sent on behalf of the one with the header `parent`."""
        self._remember(parent)
        return self._stamped(parent)

    def _remember(self, parent: Mapping[str, Any]) -> None:
        self._cells[parent.get("msg_id", "")] = parent
        while len(self._cells) > _CELLS:
            self._cells.pop(next(iter(self._cells)))

    def mine(self, parent: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the header to publish under, or None where the output is somebody else's."""
        above, _, last = str(parent.get("caller", "")).rpartition("/")
        if last != self._me:
            return None
        header = {k: v for k, v in parent.items() if k not in _OURS}
        if above:
            header["caller"] = above
        known = self._cells.get(header.get("msg_id", ""))
        # The very header of the cell where it is known: its stream groups output by equal headers.
        if known is not None:
            header = {**known, **({"origin": parent["origin"]} if "origin" in parent else {})}
        return header


class Source(Protocol):
    """Where a message comes from: one actor."""

    actor_id: str
    #: ``Counter pid=123``; where the class has a ``__repr__`` of its own, that.
    label: str

    @property
    def send(self) -> Send:
        """Sends the actor what the page says to its widgets."""


#: Takes what would be shown, in the I/O thread: the message, the header to publish it under, where it comes from.
#: No message: the process of that actor has ended.
Sink = Callable[[Message | None, dict[str, Any], Source], None]


class Relay:
    """Publishes the output of one process' calls. Of the I/O thread alone, but for what says otherwise."""

    def __init__(self, parents: Parents, later: Callable[[float, Callable[[], object]], None]) -> None:
        self.parents = parents
        self._later = later
        #: What single calls have printed; from any thread.
        self.outputs = Outputs()
        self.floods = Floods()
        #: Actors of which nothing is shown; None in it stands for all. Set by any thread.
        self.quiet: frozenset[str | None] = frozenset()
        self._comms = Comms()
        self._sinks: dict[str, Sink] = {}
        #: Allowances beyond which something was left out: with the header and the actor to tell it under.
        self._left_out: dict[int, tuple[Flood, dict[str, Any], Source]] = {}
        self._looking = False
        #: (actor, stream) of a line that has not ended: its continuation takes no prefix.
        self._open: tuple[str, str] | None = None

    def divert(self, token: str, sink: Sink | None) -> None:
        """Give what comes under a header with this token to `sink`, and not to the page; None: no more. Any thread."""
        if sink is None:
            self._sinks.pop(token, None)
        else:
            self._sinks[token] = sink

    def publish(self, message: Message, source: Source) -> None:
        """Pass on one iopub message of an actor, if it is ours."""
        given = message.parent
        parent = self.parents.mine(given)
        if parent is None:
            return
        if message.msg_type == "stream" and "call" in given:
            self.outputs.note(given["call"], *_stream(message))
        sink = self._sinks.get(given.get("token", ""))
        if sink is not None:
            sink(message, parent, source)
        elif message.msg_type != "status":  # of a cell that a console has sent, or that nobody waits for
            self.show(message, parent, source)

    def show(self, message: Message, parent: dict[str, Any], source: Source) -> None:
        """Show a message under the cell of the header `parent`."""
        kernel = own_kernel()
        label = parent.pop("origin", source.label)
        if "caller" in parent:
            parent["origin"] = label  # one more process passes it on: the prefix stays its author's
        if message.msg_type in TYPES:
            if kernel is not None:
                self._comms.passing(message, kernel, source.actor_id, parent, source.send)
                _send(kernel, message, parent)
            return
        if self.quiet and (None in self.quiet or source.actor_id in self.quiet):
            return
        # What one more process passes on is counted by the last one.
        flood = None if "caller" in parent else self.floods.of(parent.get("msg_id", ""), source.actor_id)
        if message.msg_type == "stream":
            name, text = _stream(message)
            if flood is not None and kernel is not None:
                text = flood.text(name, text)
                self._look_later(flood, parent, source)
            self.write(name, text, parent, label)
        elif kernel is not None:
            if flood is not None and message.msg_type in _COUNTED and not flood.display(_size(message)):
                self._look_later(flood, parent, source)
                return
            sys.stdout.flush()
            sys.stderr.flush()
            _send(kernel, message, parent)
        elif message.msg_type == "display_data" and "text/plain" in message.content.get("data", {}):
            self.write("stdout", message.content["data"]["text/plain"] + "\n", parent, label)

    def settle(self, source: Source, *, ended: bool = True) -> None:
        """A call of an actor has ended: say what of its output was left out."""
        if not self._left_out:
            return
        for flood, parent, each in list(self._left_out.values()):
            if each.actor_id == source.actor_id:
                self._tell(flood, parent, each, ended=ended)

    def _tell(self, flood: Flood, parent: dict[str, Any], source: Source, *, ended: bool) -> None:
        for name, text in flood.settle(source.label, f"%actor logs {source.actor_id[:8]}", ended=ended):
            self.write(name, text, parent, source.label)
        if not flood.holds:
            self._left_out.pop(id(flood), None)

    def _look_later(self, flood: Flood, parent: dict[str, Any], source: Source) -> None:
        """See to it that what was left out is told also where no call ends."""
        if flood.holds and id(flood) not in self._left_out:
            self._left_out[id(flood)] = (flood, parent, source)
            if not self._looking:
                self._looking = True
                self._later(_LOOK, self._look)

    def _look(self) -> None:
        for flood, parent, source in list(self._left_out.values()):
            self._tell(flood, parent, source, ended=False)
        self._looking = bool(self._left_out)
        if self._looking:
            self._later(_LOOK, self._look)

    def gone(self, source: Source) -> None:
        """The process of an actor has ended: what widgets it had are closed."""
        self.settle(source)
        self._comms.end(source.actor_id, own_kernel())
        for sink in list(self._sinks.values()):
            sink(None, {}, source)

    def write(self, name: str, text: str, parent: dict[str, Any], label: str) -> None:
        """Write `text` to a stream of this process, under the cell of the header `parent`."""
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


def _stream(message: Message) -> tuple[str, str]:
    """Return name and text of a stream message."""
    name = "stderr" if message.content.get("name") == "stderr" else "stdout"
    return name, str(message.content.get("text", ""))


def _size(message: Message) -> int:
    """Return about how many bytes a display is."""
    return sum(len(str(value)) for value in message.content.get("data", {}).values())


def _send(kernel: Any, message: Message, parent: Mapping[str, Any]) -> None:
    kernel.session.send(
        kernel.iopub_socket,
        message.msg_type,
        dict(message.content),
        parent={"header": dict(parent)},
        metadata=dict(message.metadata),
        buffers=list(message.buffers),
    )


def own_kernel() -> Any:
    """Return the Jupyter kernel that this process is, or None; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)
