"""The death certificate: what an actor died of, in words."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jactors.errors import ActorError

__all__ = ["cause", "reason", "state", "write"]

_LIKELY = {
    "SIGKILL": "kill -9, or the kernel's OOM killer, which leaves no trace",
    "SIGSEGV": "a segfault in native code",
    "SIGBUS": "a bus error in native code, or a full /dev/shm",
    "SIGABRT": "abort() in native code: an assertion, or a corrupted heap",
    "SIGFPE": "an arithmetic error in native code",
    "SIGILL": "a CPU instruction that this machine does not have",
    "SIGTERM": "somebody, or a batch system, asked it to end",
    "SIGXCPU": "it had used up its CPU time",
}


def write(error: ActorError, *, verdict: str, cure: str) -> str:
    """Render `error`: who, how, why, restarts used, last lines printed, and what to do."""
    parts = [error.class_name, error.actor_id[:8]]
    if error.name:
        parts.append(repr(error.name))
    if error.pid:
        parts.append(f"(pid {error.pid})")
    how = _how(error)
    lines = [f"{' '.join(filter(None, parts))} {verdict}{': ' if how else ''}{how}"]
    if error.reason:
        lines.append(f"  reason: {error.reason}")
    if error.restarts or error.max_restarts:
        allowed = "any number" if error.max_restarts < 0 else error.max_restarts
        lines.append(f"  restarts used: {error.restarts} of {allowed}")
    if error.state:
        lines.append(f"  state: {error.state}")
    if error.last_output.strip():
        lines.append("  last output:")
        lines += [f"    | {line}" for line in error.last_output.strip("\n").splitlines()]
    if cure:
        lines.append(f"  cure: {cure}")
    return "\n".join(lines)


def reason(told: Mapping[str, Any]) -> str:
    """Say why an actor died, as far as more is known than its exit code; `told` is what its supervisor says."""
    why = str(told.get("reason") or "")
    if told.get("looped") is not None:
        first, last = (cause(told["deaths"][i]) for i in (0, -1))
        why = (
            f"it died {told['intensity'] + 1} times within {told['looped']:.1f} s, more than restart_intensity="
            f"{told['intensity']} allows in restart_period={told['period']:g} s; first: {first}; last: {last}"
        )
    elif told.get("hung") is not None:
        why = (
            f"it hung: no Python code ran in it for {told['hung']:.1f} s (hang_timeout); a native call that holds the "
            "interpreter's lock, or a stopped process"
        )
        if told.get("stack"):
            why += "\n  its stack:\n" + "\n".join(f"    | {line}" for line in told["stack"].strip().splitlines())
    elif told.get("killed"):
        killed = told["killed"]
        why = f"it was killed by {killed}" if killed.startswith("`") else killed
        if not told.get("incarnation"):
            why += "; the actor never ran: it was cancelled before it started"
    elif told.get("oom"):
        why = "out of memory: the kernel's OOM killer was at work (its counter went up) when the actor died"
    elif told.get("overdue"):
        why = f"it did not start within start_timeout={told['overdue']:g} seconds, and was killed"
    elif told.get("released"):
        why = "all references to the actor were removed"
    elif told.get("intent") == "exit_actor":
        why = "exit_actor() is called"
    elif told.get("intent") == "shut down":
        why = "a Jupyter client shut it down"
    return why


def state(told: Mapping[str, Any]) -> str:
    """Say what became of an actor's state."""
    saved = told.get("checkpoint")
    if saved is None:
        return ""
    at = f"its checkpoint of {datetime.fromtimestamp(saved['at'], UTC).astimezone():%H:%M:%S}"
    if told.get("state") == "RESTARTING":
        return f"it begins again with {at}" if saved["automatic"] else ""
    return f"another can have {at}: jactors.restore(another, {saved['path']!r})"


def cause(told: Mapping[str, Any]) -> str:
    """Say in one line what an actor died of."""
    why = reason(told).partition("\n")[0] if "died_of" not in told else str(told["died_of"])
    if why:
        return why
    if told.get("failure"):
        return "its __init__ raised"
    if told.get("signal"):
        return f"killed by {signal.Signals(told['signal']).name}"
    return f"exit code {told['exitcode']}" if told.get("exitcode") is not None else "unknown"


def _how(error: ActorError) -> str:
    if error.signal:
        likely = None if error.reason else _LIKELY.get(error.signal)
        return f"killed by {error.signal}" + (f" ({likely})" if likely else "")
    if error.exitcode is None:
        return ""
    likely = "" if error.reason else " (sys.exit or os._exit, called by its own code or by a library)"
    return f"exit code {error.exitcode}{likely}"
