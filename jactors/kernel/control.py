"""The side door, seen from inside: requests on the control channel that are answered while a call runs.

::

    control thread: _take ─┬─▶ QUICK ones, here and now ─────────────────────────────▶ reply
                           └─▶ a thread of its own: HANDLERS[type](kernel, content) ─▶ reply
                                                     time box over ─▶ "error" reply ─▲ (the first one counts)

Guarantees: every request is answered once, with ``status: "ok"`` or with ``"error"``, ``ename`` and
``evalue``, within its time box (``timeout`` in the request, in seconds). A handler that raises, or
never comes back, delays neither an interrupt nor another request: the control thread runs none but
the quick ones. Two handlers may run at once, each beside the running method: what they read may
change under them. A request is called ``actor_<verb>_request``, its reply ``actor_<verb>_reply``.

Rejected: to run handlers in the control thread, where one at a time is taken: a slow one would hold
up the interrupt that is meant to end what it waits for. A thread costs 0.1 ms, and only who asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jactors import trace
from jactors.kernel.about import about
from jactors.kernel.accounts import RECENT
from jactors.kernel.glance import glance
from jactors.kernel.portrait import attributes
from jactors.kernel.stacks import stacks
from jactors.wire.waiting import awaited

if TYPE_CHECKING:
    from jactors.kernel.kernel import ActorKernel

__all__ = ["HANDLERS", "Control", "Handler"]

#: Takes the kernel and the content of a request; returns the content of the reply.
Handler = Callable[["ActorKernel", dict[str, Any]], dict[str, Any]]

#: Seconds that a handler has where the request does not say.
TIME_BOX = 10.0


def _answer(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Take the answer to a method's `input()`."""
    return kernel.questions.answered(content)


def _cancel(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """End a call, queued or running."""
    key = (content["sender"], content["number"])
    return {"was": kernel.cancel(key, recursive=content.get("recursive", True))}


def _checkpoint(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Save the actor's state at the next moment between two calls."""
    return kernel.checkpoints.on_request(content)


def _complete(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Complete code as the actor's kernel does, but while a method runs as well."""
    found: dict[str, Any] = kernel.do_complete(content["code"], content["cursor_pos"])
    return found


def _inspect(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Look a name up as the actor's kernel does, but while a method runs as well."""
    found: dict[str, Any] = kernel.do_inspect(content["code"], content["cursor_pos"], content["detail_level"])
    return found


def _taken(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """A caller has taken values of a generator that waits for that."""
    kernel.inbox.taken((content["sender"], content["number"]), content["taken"])
    return {}


def _trace(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Say which calls this process has submitted, and which it has run."""
    return trace.remembered()


def _waits(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Say which actors the running calls wait for."""
    return {"waits": awaited()}


def _withdraw(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Interrupt a cell if it runs, pass it over when its turn comes if it waits."""
    return {"was": kernel.withdraw(str(content["token"]))}


def _status(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """What an overview shows: see `Accounts.status`."""
    return kernel.status()


def _calls(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """The calls that wait, run and have ended: see `Accounts.calls`."""
    return kernel.accounts.calls(limit=int(content.get("limit", RECENT)), after=float(content.get("after", 0.0)))


def _state(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """The object's attributes: see `portrait`."""
    subject = kernel.actor.self if kernel.actor is not None else None
    found, number = attributes(subject) if subject is not None else ([], 0)
    return {"made": subject is not None, "attributes": found, "attributes_in_all": number, "now": time.time()}


def _stack(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """What all threads and coroutines do: see `stacks`."""
    return stacks(kernel)


#: All requests. To add one, add a line.
HANDLERS: dict[str, Handler] = {
    "actor_about_request": about,
    "actor_answer_request": _answer,
    "actor_calls_request": _calls,
    "actor_cancel_request": _cancel,
    "actor_checkpoint_request": _checkpoint,
    "actor_complete_request": _complete,
    "actor_glance_request": glance,
    "actor_inspect_request": _inspect,
    "actor_stack_request": _stack,
    "actor_state_request": _state,
    "actor_status_request": _status,
    "actor_taken_request": _taken,
    "actor_trace_request": _trace,
    "actor_waits_request": _waits,
    "actor_withdraw_request": _withdraw,
}

#: Those that the control thread runs itself: they take microseconds and wait for nobody.
QUICK = frozenset({"actor_cancel_request", "actor_taken_request", "actor_waits_request", "actor_withdraw_request"})


class Control:
    """Answers the requests of `HANDLERS` for one kernel."""

    def __init__(self, kernel: ActorKernel) -> None:
        self._kernel = kernel
        for msg_type in HANDLERS:
            kernel.control_handlers[msg_type] = self._take

    def _take(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answer a request, or see to it that it is answered. In the control thread."""
        msg_type, content = parent["header"]["msg_type"], parent["content"]
        session = self._kernel.session
        loop = self._kernel.control_thread.io_loop
        answered = False

        def reply(outcome: dict[str, Any]) -> None:
            nonlocal answered
            if not answered:
                answered = True
                session.send(stream, msg_type.replace("_request", "_reply"), outcome, parent, ident)

        if msg_type in QUICK:
            reply(self._run(msg_type, content))
            return
        box = float(content.get("timeout") or TIME_BOX)
        late = {"status": "error", "ename": "TimeoutError", "evalue": f"{msg_type} was not done within {box:g} s"}
        timer = loop.call_later(box, reply, late)

        def settle(outcome: dict[str, Any]) -> None:
            loop.remove_timeout(timer)
            reply(outcome)

        def work() -> None:
            loop.add_callback(settle, self._run(msg_type, content))

        thread = threading.Thread(target=work, name=f"jactors-{msg_type}", daemon=True)
        thread.pydev_do_not_trace = True  # type: ignore[attr-defined] # a breakpoint must not stop it
        thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
        thread.start()

    def _run(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"status": "ok", **HANDLERS[msg_type](self._kernel, content)}
        except BaseException as error:
            return {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
