"""The death certificate: what an actor died of, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jactors.errors import ActorError

__all__ = ["write"]

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
    if error.last_output.strip():
        lines.append("  last output:")
        lines += [f"    | {line}" for line in error.last_output.strip("\n").splitlines()]
    if cure:
        lines.append(f"  cure: {cure}")
    return "\n".join(lines)


def _how(error: ActorError) -> str:
    if error.signal:
        likely = None if error.reason else _LIKELY.get(error.signal)
        return f"killed by {error.signal}" + (f" ({likely})" if likely else "")
    if error.exitcode is None:
        return ""
    return f"exit code {error.exitcode} (sys.exit or os._exit, called by its own code or by a library)"
