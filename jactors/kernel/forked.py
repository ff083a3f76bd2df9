"""A child that user code forks is not the actor: it ends where the code that forked it does.

After ``os.fork()`` in a method the child stands in the middle of our stack. Left alone, it would return into the
lane, write a reply into sockets whose I/O thread it does not have, and go on as a second event loop on
descriptors that it shares with its parent, whose wake-ups it steals. So, in the child, everything that user code
returns into is the end of the process: as an interpreter's, with a traceback and exit code 1 where an
exception came out, with the code of `sys.exit`, with 0 otherwise. Children of multiprocessing and subprocess
end by themselves, and never come here.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from typing import Any

__all__ = ["end_children"]


def end_children(kernel: Any, instance: Any, loop: asyncio.AbstractEventLoop) -> None:
    """See to it that a forked child never speaks for the actor. Once a process."""

    def in_child() -> None:
        instance.interrupts.leave = _end
        kernel.abandon(_end)
        selector = getattr(loop, "_selector", None)  # private; without it a child that awaits lingers
        if selector is not None:
            selector.select = _end

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def _end(*_: object, **__: object) -> None:
    """End this process as an interpreter would."""
    error = sys.exc_info()[1]
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exc()
        code = 1
    os._exit(code)
