"""Life and death as a pure function: ``step(actor, event) -> (actor, instructions)``.

No I/O, no clock, no threads: the supervisor performs the instructions.

::

              Granted            Alive            Exited, restarts left
    PENDING ──────────▶ STARTING ─────▶ ALIVE ──────────────────────────▶ RESTARTING ─┐
       │ Kill               │ Failed       │ Exited otherwise                  │ Due  │
       ▼                    ▼              ▼                                   ▼      │
     DEAD ◀────────────────────────────────┘                               STARTING ◀─┘

    Restart, and Leaving to be restarted: Exited leads to RESTARTING whatever `max_restarts` says.
    Inherited, restarts left: PENDING once more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = [
    "Alive",
    "Announce",
    "Bury",
    "Continued",
    "Due",
    "Event",
    "Execute",
    "Exited",
    "Failed",
    "Granted",
    "Hung",
    "Inherited",
    "Instruction",
    "Kill",
    "KillProcess",
    "Launch",
    "Leaving",
    "Life",
    "Overdue",
    "Release",
    "Restart",
    "Retire",
    "State",
    "Stopped",
    "Wake",
    "step",
]

#: Restarts within so many seconds that are one too many: an actor that crashes as soon as it runs must not spin.
INTENSITY = 10
PERIOD = 60.0

#: Seconds that a hung process has to write down its stack before it is killed.
LAST_WORDS = 0.25

#: What one that is restarted on request says before it leaves: not a crash, and no `max_restarts` are used up.
RESTART = "restart"

#: Seconds before the second, third, … restart of an actor that died before it was alive.
BACKOFF_FIRST = 0.1
BACKOFF_MAX = 10.0


class State(StrEnum):
    """Ray's names, as `list_actors` shows them; STARTING is PENDING_CREATION with a process."""

    PENDING = "PENDING_CREATION"
    STARTING = "STARTING"
    ALIVE = "ALIVE"
    RESTARTING = "RESTARTING"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What is known of one actor."""

    max_restarts: int = 0
    #: More than `intensity` crashes within `period` seconds end it for good; -1: never.
    intensity: int = INTENSITY
    period: float = PERIOD
    state: State = State.PENDING
    #: Counts from 1 with the first launch.
    incarnation: int = 0
    restarts: int = 0
    #: Restarts on request, which are none of those.
    asked: int = 0
    #: Deaths in a row before the actor was alive.
    stillborn: int = 0
    #: When it crashed, in seconds of any clock that only goes forward; no more than count.
    crashes: tuple[float, ...] = ()
    #: The seconds in which it crashed once too often.
    looped: float | None = None
    #: It does not run, and is not dead: SIGSTOP.
    stopped: bool = False
    #: The seconds without a sign of life after which it counts as hung.
    hung: float | None = None
    #: The kernel ended it, to have memory.
    oom: bool = False
    #: Why it was killed, and whether for good.
    killed: str | None = None
    for_good: bool = False
    #: Nobody holds it any more.
    released: bool = False
    #: What it said before it left by itself: ``exit_actor``, ``exit code 0``, `RESTART`.
    intent: str | None = None
    #: The encoded exception that ``__init__`` raised, as hex.
    failure: str | None = None
    #: The seconds in which it did not start.
    overdue: float | None = None
    #: How the last process ended.
    exitcode: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """Its resources are reserved."""


@dataclass(frozen=True, slots=True)
class Alive:
    """``__init__`` has returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """``__init__`` has raised."""

    failure: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """It says that it leaves by itself, and why."""

    intent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """Its process has ended: an exit code or a signal's number."""

    exitcode: int | None
    signal: int | None
    #: When, in seconds; of the same clock for all.
    at: float = 0.0
    oom: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """A signal has stopped its process; it lives."""


@dataclass(frozen=True, slots=True)
class Continued:
    """It runs again."""


@dataclass(frozen=True, slots=True)
class Hung:
    """It has given no sign of life for `seconds`, and was to give one."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Inherited:
    """Its supervisor has died, its process with it, and another supervisor takes it over."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Somebody ends it; for good, or as if it had crashed."""

    reason: str
    for_good: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """Somebody wants it to begin anew: the restart button, ``%actor restart``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nobody holds it any more."""


@dataclass(frozen=True, slots=True)
class Due:
    """The back-off is over."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """It has not become alive within `seconds`."""

    seconds: float


Event = (
    Granted
    | Alive
    | Failed
    | Leaving
    | Exited
    | Stopped
    | Continued
    | Hung
    | Inherited
    | Kill
    | Restart
    | Release
    | Due
    | Overdue
)


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the process of the incarnation that the life now says."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Due` after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class KillProcess:
    """SIGKILL to the process and all it has started."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Tell the process to end once it has run what it was sent."""


@dataclass(frozen=True, slots=True)
class Execute:
    """Have the process write down its stack, and SIGKILL it after `delay` seconds, whatever it does meanwhile."""

    delay: float


@dataclass(frozen=True, slots=True)
class Bury:
    """Give back resources, name and files; the actor is dead for good."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the watchers the new state."""


Instruction = Launch | Wake | KillProcess | Retire | Execute | Bury | Announce


def step(life: Life, event: Event) -> tuple[Life, tuple[Instruction, ...]]:
    """Return what an actor becomes by an event, and what is to be done about it, in order."""
    if life.state is State.DEAD:
        return life, ()
    match event:
        case Granted() if life.state is State.PENDING:
            return _start(life)
        case Due() if life.state is State.RESTARTING:
            return _start(life)
        case Alive() if life.state is State.STARTING:
            return replace(life, state=State.ALIVE, stillborn=0), (Announce(),)
        case Failed(failure):
            return replace(life, failure=failure), ()
        case Leaving(intent):
            return replace(life, intent=intent), ()
        case Overdue(seconds) if life.state is State.STARTING:
            return replace(life, overdue=seconds, for_good=True), (KillProcess(),)
        case Kill(for_good=False) if life.state is State.PENDING and _may_restart(life):
            return replace(life, restarts=life.restarts + 1), (Announce(),)  # a crash, of what has not begun
        case Kill(reason=reason, for_good=for_good):
            life = replace(life, killed=reason, for_good=life.for_good or for_good)
            if life.state is State.PENDING or (life.state is State.RESTARTING and life.for_good):
                return replace(life, state=State.DEAD), (Bury(), Announce())
            return life, (KillProcess(),)
        case Restart(reason) if life.state in (State.STARTING, State.ALIVE):
            return replace(life, killed=f"it was restarted by {reason}", intent=RESTART), (KillProcess(),)
        case Release():
            life = replace(life, released=True)
            if life.state in (State.PENDING, State.RESTARTING):
                return replace(life, state=State.DEAD), (Bury(), Announce())
            return life, (Retire(),)
        case Stopped() | Continued() if life.state in (State.STARTING, State.ALIVE):
            stopped = isinstance(event, Stopped)
            return replace(life, stopped=stopped), (Announce(),) if stopped != life.stopped else ()
        case Hung(seconds) if life.state in (State.STARTING, State.ALIVE) and life.hung is None:
            return replace(life, hung=seconds), (Execute(LAST_WORDS),)
        case Inherited(reason):
            return _inherit(life, reason)
        case Exited(exitcode=exitcode, signal=signal, at=at, oom=oom):
            return _end(replace(life, exitcode=exitcode, signal=signal, oom=oom, stopped=False), at)
        case _:
            return life, ()


def _may_restart(life: Life) -> bool:
    return life.max_restarts < 0 or life.restarts < life.max_restarts


def _start(life: Life) -> tuple[Life, tuple[Instruction, ...]]:
    life = replace(life, state=State.STARTING, incarnation=life.incarnation + 1, killed=None, hung=None, oom=False)
    return life, (Launch(), Announce())


def _inherit(life: Life, reason: str) -> tuple[Life, tuple[Instruction, ...]]:
    """Its death counts as any other, but for the crash loop; and its resources are nobody's now: it waits for them."""
    if not life.incarnation:  # it has never run
        return replace(life, state=State.PENDING), (Announce(),)
    life = replace(life, killed=reason)
    if not _may_restart(life):
        return replace(life, state=State.DEAD), (Bury(), Announce())
    return replace(life, state=State.PENDING, restarts=life.restarts + 1, stillborn=0), (Announce(),)


def _end(life: Life, at: float) -> tuple[Life, tuple[Instruction, ...]]:
    """A process has ended: once more, or for good. KillProcess again: what it started may live on."""
    if life.intent == RESTART and life.failure is None and not life.for_good:
        why = life.killed or "it was restarted from Jupyter"
        life = replace(life, state=State.RESTARTING, intent=None, killed=why, stillborn=0, asked=life.asked + 1)
        return life, (KillProcess(), Announce(), Wake(0.0))
    left = life.max_restarts < 0 or life.restarts < life.max_restarts
    if life.failure is not None or life.intent is not None or life.for_good or life.released or not left:
        return replace(life, state=State.DEAD), (KillProcess(), Bury(), Announce())
    if life.killed is None:  # by itself, or by something that nobody has asked us for
        crashes = (*(when for when in life.crashes if at - when <= life.period), at)
        life = replace(life, crashes=crashes)
        if 0 <= life.intensity < len(crashes):
            life = replace(life, state=State.DEAD, looped=at - crashes[0])
            return life, (KillProcess(), Bury(), Announce())
    stillborn = life.stillborn + 1 if life.state is State.STARTING else 0
    delay = min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** (stillborn - 1)) if stillborn > 1 else 0.0
    life = replace(life, state=State.RESTARTING, restarts=life.restarts + 1, stillborn=stillborn)
    return life, (KillProcess(), Announce(), Wake(delay))
