"""The stage of a ``%%actor`` cell: its parts, one an actor, and whose output is on the page."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jactors.errors import JactorsError
from jactors.wire.comms import TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jactors.actors.handle import ActorHandle
    from jactors.objects.store import Entry
    from jactors.wire.messages import Message
    from jactors.wire.relay import Relay, Source
    from jactors.wire.visit import Visit

__all__ = ["CellError", "Part", "Stage"]

#: Messages of an actor that wait for its turn on the page.
_KEPT = 1000


class CellError(JactorsError):
    """A ``%%actor`` cell has raised in an actor.

    Attributes
    ----------
    ename, evalue : str
        Class and text of what was raised there.
    lines : list of str
        Its traceback, coloured as in any cell.
    """

    def __init__(self, actor: str, ename: str, evalue: str, lines: Sequence[str]) -> None:
        super().__init__(actor, ename, evalue, tuple(lines))
        self.actor, self.ename, self.evalue, self.lines = actor, ename, evalue, list(lines)

    def __str__(self) -> str:
        return f"{self.ename} in {self.actor}: {self.evalue}"

    def _render_traceback_(self) -> list[str]:
        return self.lines or [str(self)]


@dataclass(slots=True, eq=False)
class Part:
    """What one actor does of the cell."""

    name: str
    handle: ActorHandle[Any]
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    fence: Entry | None = None
    visit: Visit | None = None
    answered: bool = False
    idle: bool = False
    #: Monotonic seconds: then it counts as idle.
    until: float = float("inf")
    error: BaseException | None = None
    reply: dict[str, Any] = field(default_factory=dict)
    #: What waits for its turn on the page. Of the I/O thread.
    kept: deque[tuple[Message, dict[str, Any], Source]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @property
    def done(self) -> bool:
        """Whether there is nothing more to come."""
        return self.error is not None or (self.answered and self.idle)


class Stage:
    """Shows the output of several actors, one after the other. Of the I/O thread."""

    def __init__(self, relay: Relay, parts: Sequence[Part], parent: dict[str, Any]) -> None:
        self._relay = relay
        self._waiting = deque(parts)
        self._titles = len(parts) > 1
        self._parent = parent
        self._open()

    def _open(self) -> None:
        """It is the next one's turn: say whose output follows, and show what it has said already."""
        if self._waiting and self._titles:
            self._relay.write("stdout", f"── {self._waiting[0].name} ──\n", dict(self._parent), "jactors")
        if self._waiting:
            kept = self._waiting[0].kept
            while kept:
                self._show(*kept.popleft())

    def take(self, part: Part, message: Message, parent: dict[str, Any], source: Source) -> None:
        """Show a message now, or when it is the turn of its actor."""
        if message.msg_type == "error" and not self._titles:
            return  # it is raised
        if message.msg_type not in TYPES and self._waiting and self._waiting[0] is not part:
            part.kept.append((message, parent, source))
        else:
            self._show(message, parent, source)

    def _show(self, message: Message, parent: dict[str, Any], source: Source) -> None:
        if message.msg_type == "execute_result":  # its number would be the actor's
            message = message.renamed("display_data")
        self._relay.show(message, parent, source)

    def close(self, part: Part) -> None:
        """Nothing more comes of an actor."""
        while self._waiting and (self._waiting[0] is part or self._waiting[0].done):
            self._waiting.popleft()
            self._open()
