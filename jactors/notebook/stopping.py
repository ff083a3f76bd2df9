"""The stop button on a cell that waits by ``await``: the calls that it awaits are interrupted, as they are by `get`.

IPython's kernel answers SIGINT in such a cell by cancelling its task, so no KeyboardInterrupt tells `jactors.get` of
it. The kernel's own way of doing so is wrapped: what was awaited is stopped first, and a line says what that was.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jactors import session
from jactors.interruption import stop
from jactors.objects.refs import awaited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["install"]


def install(kernel: Any) -> None:
    """Do so in the kernel that this process is; once. Nothing where the kernel has changed its ways."""
    original = getattr(kernel, "_cancel_on_sigint", None)
    if original is None or getattr(original, "jactors", False):
        return

    @contextmanager
    def cancel_on_sigint(future: Any) -> Iterator[None]:
        cell = getattr(sys.stderr, "parent_header", {})  # a signal comes outside of its context
        with original(future):
            cancel: Any = signal.getsignal(signal.SIGINT)

            def on_sigint(*args: Any) -> None:
                _stop_awaited(cell)
                cancel(*args)

            signal.signal(signal.SIGINT, on_sigint)  # taken back by the original, with its own
            yield

    cancel_on_sigint.jactors = True  # type: ignore[attr-defined]
    kernel._cancel_on_sigint = cancel_on_sigint  # noqa: SLF001 - it has no other seam


def _stop_awaited(cell: Mapping[str, Any]) -> None:
    entries = [each.entry for each in list(awaited.values())]
    if entries and session.is_initialized() and os.environ.get("JACTORS_INTERRUPT_AWAITED", "1") != "0":
        stopped = stop(entries, session.current().links.told)
        if stopped is not None:
            stream: Any = sys.stderr
            token = stream.set_thread_parent({"header": cell})
            print(stopped, file=stream)
            stream.reset_thread_parent(token)
