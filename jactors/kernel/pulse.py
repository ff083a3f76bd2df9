"""The pulse: signs of life of an actor that is watched for hanging (``hang_timeout``).

A thread tells the supervisor, several times a `hang_timeout`, that Python code runs in this process.
A native call that holds the interpreter's lock silences it, and so does SIGSTOP; a busy, sleeping
or waiting method does not. ZMQ's heartbeat answers through all of these but the last, which is why
it is of no use here.

When the supervisor misses the pulse it sends `STACK_SIGNAL`, which faulthandler answers without the
interpreter's lock: the stack of every thread, in a file beside the log, for the certificate.
"""

from __future__ import annotations

import faulthandler
import json
import threading
import time
from pathlib import Path

from jactors.vitals import STACK_SIGNAL
from jactors.wire.channel import connect

__all__ = ["Pulse"]

#: Signs of life within one `hang_timeout`: more than the supervisor counts on.
BEATS = 8


class Pulse:
    """The pulse of this process: incarnation `incarnation` of the actor, to be heard within `timeout` seconds."""

    def __init__(self, supervisor: str, *, actor_id: str, incarnation: int, timeout: float, stack: Path) -> None:
        self._pause = timeout / BEATS
        self._address = supervisor
        beat = {"report": actor_id, "incarnation": incarnation, "event": "beat"}
        self._beat = json.dumps(beat).encode() + b"\n"
        if STACK_SIGNAL is not None:
            #: Open as long as this process lives: faulthandler writes to its descriptor.
            self._stack = stack.open("w")
            faulthandler.register(STACK_SIGNAL, file=self._stack, all_threads=True)

    def start(self) -> None:
        """Beat from now on."""
        threading.Thread(target=self._run, name="jactors-pulse", daemon=True).start()

    def _run(self) -> None:
        try:
            supervisor = connect(self._address)
            while True:
                supervisor.sendall(self._beat)
                time.sleep(self._pause)
        except OSError:
            pass  # it has gone, and this process is about to follow
