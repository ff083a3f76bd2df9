"""Faults on purpose, for tests: off, and free of cost, unless an environment variable asks for them.

====================================== ==========================================================================
``JACTORS_TEST_DIE_AT=point``          SIGKILL to itself when the process reaches `point`; ``point#3``: the third
                                       time; ``point@2``: in the second incarnation of an actor only
``JACTORS_TEST_DELAY=req=0.01,rep=0.02`` each request waits up to 0.01 s before it is sent, each reply up to 0.02 s
``JACTORS_TEST_DROP=req=0.1,rep=0.1``  a tenth of all requests, and of all replies, is not sent at all
``JACTORS_TEST_SEED=7``                what is random about these is decided by it
====================================== ==========================================================================

The points of an actor: ``bound`` (its sockets are), ``init`` (before ``__init__``), ``born`` (after it), ``reply``
(a call has run, its reply is not sent), ``replied`` (it is), ``checkpoint`` (written and not renamed yet). Of a
supervisor: ``launch`` (it is about to start a process), ``ledger`` (the machine's, written and not renamed yet). A
variable is read by the process that it is meant for: the ``env`` option of an actor reaches that actor, the driver's
own environment its supervisor and its requests.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from jactors.context import current_actor

__all__ = ["around", "reach"]

_passed: dict[str, int] = {}


def reach(point: str) -> None:
    """Say that this process has come to `point`; where it is to die there, this does not return."""
    wanted = os.environ.get("JACTORS_TEST_DIE_AT")
    if not wanted:
        return
    where, _, incarnation = wanted.partition("@")
    name, _, times = where.partition("#")
    if name != point:
        return
    actor = current_actor()
    if incarnation and (actor is None or actor.incarnation != int(incarnation)):
        return
    _passed[point] = passed = _passed.get(point, 0) + 1
    if passed == int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(3600)


def around(what: str, send: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return `send`, or one that delays, drops or dies where the environment says so of ``req`` or ``rep``."""
    delay, drop = _amount("JACTORS_TEST_DELAY", what), _amount("JACTORS_TEST_DROP", what)
    dies = what == "rep" and os.environ.get("JACTORS_TEST_DIE_AT", "").startswith("repl")
    if not (delay or drop or dies):
        return send
    randomly = random.Random(os.environ.get("JACTORS_TEST_SEED"))  # noqa: S311 - a test

    def sabotaged(socket: Any, frames: Any) -> None:
        if delay:
            time.sleep(randomly.random() * delay)
        if dies:
            reach("reply")
        if randomly.random() >= drop:
            send(socket, frames)
        if dies:
            reach("replied")

    return sabotaged


def _amount(variable: str, what: str) -> float:
    """Return the number of `what` in ``call:req=0.1,rep=0.1``; 0 where there is none."""
    for part in os.environ.get(variable, "").rpartition(":")[2].split(","):
        name, _, value = part.partition("=")
        if name.strip() == what:
            return float(value)
    return 0.0
