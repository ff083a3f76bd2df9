"""The guard: looks at every message of the shell and the control channel before anybody parses it.

Signed with the key of this incarnation, and for the first time: else it is dropped and counted. Calls have
numbers that only grow, and are checked by their signer; the guard is for all other messages, those of stock
clients, which have none. It remembers their last `MEMORY` signatures. Of the ones that it forgets it keeps the
date of the newest, a client each: what is not newer has been here before, or was under way for longer than that
many messages. (jupyter_client forgets at random, so that there an old message has a chance.)

One that comes to the other channel is known as well: both channels share the guard, under a lock. Refusals
are logged the first times and then now and then, so that a flood of garbage does not fill the disk.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence

from jactors.errors import ProtocolError
from jactors.wire import messages

__all__ = ["Guard"]

#: As many as jupyter_client remembers.
MEMORY = 1 << 16


class Guard:
    """Lets pass what is signed and new."""

    def __init__(self, signer: messages.Signer) -> None:
        self._signer = signer
        self._lock = threading.Lock()
        #: Signature -> session and date, oldest first.
        self._seen: dict[bytes, tuple[str, str]] = {}
        #: Session -> date of the newest message that is forgotten.
        self._horizon: dict[str, str] = {}
        #: How many messages were refused, those of `refuse` included. Any thread.
        self.refused = 0

    def admits(self, frames: Sequence[bytes]) -> bool:
        """Return whether a message may pass; count it where not."""
        try:
            with self._lock:
                self._check(frames)
        except ProtocolError as error:
            self.refuse(error)
            return False
        return True

    def _check(self, frames: Sequence[bytes]) -> None:
        signed = messages.split(frames)[1]
        self._signer.verify(signed)
        signature = bytes(signed[0])
        if signature in self._seen:
            raise ProtocolError("a message that has been here before")
        try:
            header = json.loads(signed[1])
            session, date = str(header["session"]), str(header.get("date", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ProtocolError("a signed message whose header makes no sense") from None
        if date <= self._horizon.get(session, ""):
            raise ProtocolError(f"a message of {date} that has been here before, or comes very late")
        self._seen[signature] = session, date
        if len(self._seen) > MEMORY:
            for oldest in list(self._seen)[: MEMORY // 10]:
                session, date = self._seen.pop(oldest)
                self._horizon[session] = max(date, self._horizon.get(session, ""))

    def refuse(self, error: BaseException) -> None:
        """Count a message that was refused, and log it if that does not become too much."""
        self.refused = n = self.refused + 1
        if n <= 10 or n % 10_000 == 0:
            # Not by logging: its handler flushes, which waits for the iopub thread while it holds the handler's lock.
            print(f"jactors: refused message number {n}: {error}", file=sys.stderr)  # noqa: T201
