"""Renewal: another supervisor for a process whose supervisor was killed.

::

    Watch: EOF ─▶ on_gone ─▶ driver: found() ──────────┐
                     │       others: recover() ────────┼─▶ bereave, say once more what is held, ask again, reunite
                     ▼                                 └─▶ there is none: all its actors are dead
                  calls of actors without restarts end

Guarantees: every call that the dead supervisor's actors had not answered ends as in any other crash;
what this process owns (values it has put, results it has got) stays; a request that was not answered
is asked again. Names, leases and resources are counted anew by the supervisor that comes: see
`jactors.life.estate` for what it finds.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jactors.life.sweep import end_processes
from jactors.life.watch import Watch
from jactors.succession import found, reach

if TYPE_CHECKING:
    import socket

    from jactors.membership import Session

__all__ = ["Renewal"]

log = logging.getLogger("jactors")

#: Supervisors of one session that may die within so many seconds; then something is wrong with the machine.
MOST = 10
PERIOD = 60.0

#: Seconds until what only others may hold is let go of: they have said by then that they do.
SETTLING = 5.0

#: What those die of that cannot restart.
REASON = "the supervisor of its session has ended unexpectedly, and its actors with it"


class Renewal:
    """Of one process' part in its session, and in those of others.

    Parameters
    ----------
    own : subprocess.Popen, optional
        The supervisor, where this process started it.
    give_up : callable
        There will be no other supervisor of this session; in the I/O thread.
    """

    def __init__(self, here: Session, own: subprocess.Popen[bytes] | None, give_up: Callable[[], None]) -> None:
        self._here = here
        self._give_up = give_up
        self._lock = threading.Lock()
        # --- all below: under the lock
        self._own = own
        self._over = False
        self._deaths: deque[float] = deque(maxlen=MOST)

    def end(self) -> subprocess.Popen[bytes] | None:
        """No more of it: the session is about to end. Returns the supervisor that this process has started last."""
        with self._lock:
            self._over = True
            return self._own

    # ------------------------------------------------------------------ the I/O thread

    def on_gone(self) -> None:
        """The supervisor of this session has gone."""
        watch = self._here.watch
        with self._lock:
            over, mine = self._over, self._own is not None
            connection = self._found() if mine and not over else None
        if over:
            watch.close()
        elif not mine:
            self.seek(watch, self._here.folder, self._give_up)
        elif connection is None:
            watch.close()
            self._give_up()
        else:
            self._here.links.bereave(watch, REASON)
            self._take(watch, connection)

    def on_others_gone(self, watch: Watch, address: str) -> None:
        """The supervisor of another session has gone, as such a session does when it ends."""
        ended = "the supervisor of its session has ended"
        self.seek(watch, Path(address).parent, lambda: self._here.links.give_up(watch, ended))

    def _found(self) -> socket.socket | None:
        """Start another supervisor of this driver's session; return the connection to it, or None."""
        own = self._own
        assert own is not None
        try:
            code = own.wait(1.0)
        except subprocess.TimeoutExpired:  # one that has hung up is none, whatever it is still at
            own.kill()
            code = own.wait()
        end_processes(f"{self._here.id}:")  # its actors have died with it, what they have started has not
        now = time.monotonic()
        how = f"supervisor (pid {own.pid}, " + (f"signal {-code})" if code < 0 else f"exit code {code})")
        if len(self._deaths) == MOST and now - self._deaths[0] < PERIOD:
            log.error("%s has ended, the last of more than %s within %g s: this session is over", how, MOST, PERIOD)
            return None
        self._deaths.append(now)
        try:
            self._own, connection = found(self._here.folder, driver=True)
        except OSError as error:
            log.error("%s has ended, and no other can be started: %s", how, error)
            return None
        log.warning(
            "%s has ended, and its actors with it; another one, pid %s, restarts those whose max_restarts allows it",
            how,
            self._own.pid,
        )
        return connection

    def seek(self, watch: Watch, folder: Path, give_up: Callable[[], None]) -> None:
        """Somebody may start another supervisor, or nobody: a thread looks, since that takes its time."""
        self._here.links.bereave(watch, REASON)

        def look() -> None:
            connection = reach(folder)
            if connection is None:
                self._here.io.call_soon(give_up)
            else:
                self._here.io.call_soon(lambda: self._take(watch, connection, "join"))

        threading.Thread(target=look, name="jactors-seek", daemon=True).start()

    def _take(self, watch: Watch, connection: socket.socket, *first: str) -> None:
        """Go on with another supervisor."""
        here, mine = self._here, watch is self._here.watch
        said, loose = here.holds.again(watch, here.pins() if mine else {})
        here.forget_supervisor()
        ops = [{"op": op} for op in first if mine]
        watch.renew(connection, {"op": "introduce", "process": here.process}, *ops, *said)
        here.links.reunite(watch)

        def let_go() -> None:
            for key in loose:
                watch.tell("drop", key=key)

        here.io.call_later(SETTLING, let_go)
