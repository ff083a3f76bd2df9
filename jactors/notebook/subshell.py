"""The subshell: where the clicks of a page are handled while a cell is blocked.

ipykernel 7.4 hands a comm's message to the subshell that the comm has last published from, which is the
main one: a click waits until the cell has ended (measured: 5.9 s late). So once a kernel we ask our own
kernel, on its control channel as a page would, for a subshell, and have the comms of our widgets answered
there (10 to 54 ms, in JupyterLab and Notebook 7). Handlers then run in the subshell's thread: they lock what
they share, and do not print.

The attribute that says so is ipykernel's own, and private: where it is not there, clicks wait, as they do
for every other widget.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from jactors.errors import JactorsError
from jactors.ids import new_token
from jactors.wire.connection import Connection
from jactors.wire.io import IOThread
from jactors.wire.sidedoor import SideDoor

__all__ = ["route", "subshell"]

log = logging.getLogger("jactors")

#: Seconds that our own kernel has for it: the control channel is answered at once, or not at all.
_PATIENCE = 5.0

_lock = threading.Lock()
_known: dict[int, str | None] = {}


def subshell(kernel: Any, io: IOThread) -> str | None:
    """Return the id of this kernel's subshell for widgets, made when first it is asked for; None where there is none.

    Parameters
    ----------
    kernel
        The Jupyter kernel that this process is.
    io : IOThread
        Sends the request.
    """
    with _lock:
        if id(kernel) not in _known:
            _known[id(kernel)] = _ask(kernel, io)
        return _known[id(kernel)]


def _ask(kernel: Any, io: IOThread) -> str | None:
    if not getattr(kernel, "_supports_kernel_subshells", False):
        return None
    door = SideDoor(io, "", new_token(16))
    try:
        connection = Connection.read(kernel.parent.abs_connection_file)
        io.call_soon(lambda: door.connect(connection))
        told = door.ask("create_subshell_request", {}, timeout=_PATIENCE).result(_PATIENCE + 1)
    except (OSError, ValueError, KeyError, AttributeError, TimeoutError, JactorsError) as error:
        log.debug("no subshell for widgets: %s", error)
        return None
    finally:
        io.call_soon(lambda: door.close(lambda: JactorsError("closed")))
    found = told.get("subshell_id")
    return str(found) if found else None


def route(comm: Any, subshell_id: str | None) -> bool:
    """Have the messages of a page to `comm` handled in a subshell; return whether they are."""
    if subshell_id is None or not hasattr(comm, "_reply_subshell_for"):
        return False
    comm._reply_subshell_for = lambda data, default: subshell_id  # noqa: SLF001 - see above
    return True
