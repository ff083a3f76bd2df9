"""The roll call: calls that were sent and of which nothing is heard are asked after.

::

    calls unanswered for PERIOD to 2 PERIOD seconds ─▶ "who of these have you?" ─▶ on shell, behind them
    missing ◀─ those that it neither runs nor keeps ◀─ on shell, behind all its answers ◀─┘

A message is not lost between two processes of one machine. It is when a TCP connection breaks, and then
nobody would ever say so. Shell keeps the order in both directions, so there is no guessing: when the
answer to a roll call is here, everything that was sent before it is as well, and a call that the actor
does not have, and that has not been answered, was lost, or its answer was. It ends in
`ActorUnavailableError` (it may have been executed), or is sent again where it has retries: later than
those behind it, which have run by then.

Costs nothing while answers come within `PERIOD`; a busy actor finds one small message in its mailbox.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from jactors.errors import ActorUnavailableError
from jactors.objects.store import Payload, Raised
from jactors.wire.call import Call

__all__ = ["PERIOD", "RollCall", "gone"]

log = logging.getLogger("jactors")

#: Seconds between two looks at what is unanswered.
PERIOD = 5.0

#: Looks after which a roll call that was not answered is taken to be lost itself, and another is made.
_PATIENCE = 10

#: Pending calls that are worth a warning, where a look finds so many; then twice as many, and so on.
_MANY = 5000


class RollCall:
    """The roll calls of one link; under its lock."""

    def __init__(self) -> None:
        #: A look is due.
        self.due = False
        #: What was unanswered at the last look: the number, and the message that it was sent with.
        self._last: dict[int, list[int]] = {}
        self._asked: dict[int, list[int]] = {}
        self._number = 0
        self._many = _MANY
        self._waits = 0

    def look(self, sent: Mapping[int, Call], pending: int = 0, label: str = "") -> list[object] | None:
        """Return what to ask the actor, if there is something; `sent` are the calls that are unanswered now.

        `pending` counts them and those that wait here. A burst that is soon over is not warned of.
        """
        if pending >= self._many:
            self._many = 2 * pending
            text = "%d calls of this process wait for %s: submit fewer at a time, or give it max_pending_calls"
            log.warning(text, pending, label)
        late = {n: batch for n, batch in self._last.items() if n in sent and sent[n].batch is batch}
        self._last = {number: call.batch for number, call in sent.items()}
        self.due = bool(sent)
        self._waits -= 1
        if not late or self._waits > 0:
            return None
        self._asked = late
        self._number += 1
        self._waits = _PATIENCE
        return [self._number, list(late)]

    def answered(self, told: Sequence[Any], sent: Mapping[int, Call]) -> list[Call]:
        """Return the calls that were lost: not those that have been sent again. `told`: see `Outbox.call_roll`."""
        number, missing = told
        if number != self._number:
            return []
        asked, self._asked, self._waits = self._asked, {}, 0
        return [sent[n] for n in missing if n in sent and sent[n].batch is asked.get(n)]


def gone(actor_id: str, label: str) -> Payload:
    """Return how a call of ``Counter pid=123`` ends that was lost."""
    reason = "the call, or its answer, was lost on its way"
    return Raised(ActorUnavailableError(actor_id=actor_id, class_name=label.rpartition(" pid=")[0], reason=reason))
