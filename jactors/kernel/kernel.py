"""`ActorKernel`: an IPythonKernel whose shell also takes actor calls.

Reads the shell on the main loop. The receive callback drains the socket: calls are verified and
put into the mailbox, every other message too, raw, and goes to ipykernel's own dispatch when its
turn comes. comm messages do not queue: a widget in a running cell waits for them.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

import zmq
from ipykernel.ipkernel import IPythonKernel
from ipykernel.thread import CONTROL_THREAD_NAME
from traitlets import Type

from jactors.context import current_call
from jactors.ids import new_token
from jactors.kernel.accounts import Accounts
from jactors.kernel.checkpoints import Checkpoints
from jactors.kernel.control import Control
from jactors.kernel.gate import Gate
from jactors.kernel.guard import Guard
from jactors.kernel.inbox import Inbox
from jactors.kernel.incoming import Incoming, Outcome
from jactors.kernel.instance import Instance
from jactors.kernel.lanes import Bench, InlineLane, Lane, LoopLane, ThreadLane
from jactors.kernel.mailbox import Mailbox
from jactors.kernel.news import News
from jactors.kernel.outbox import MANY, Outbox
from jactors.kernel.output import ActorShell, Output, notice_children
from jactors.kernel.questions import Questions
from jactors.wire import messages
from jactors.wire.connection import descriptor
from jactors.wire.creation import Creation

__all__ = ["ActorKernel"]


class ActorKernel(IPythonKernel):
    """The kernel of one actor. Made by the application; `animate` gives it its instance."""

    shell: Any
    shell_stream: Any
    session: Any
    implementation = "jactors"
    shell_class = Type(ActorShell)
    debugger_class = Type("jactors.kernel.debugger.ActorDebugger")

    @property
    def _supports_kernel_subshells(self) -> bool:
        return False  # they are of the shell-channel thread; see `ActorApp`

    def start(self) -> None:
        """Read shell, control and iopub; calls wait until `animate`."""
        self._signer = messages.Signer(self.session.key, new_token(8))
        self.guard = Guard(self._signer)
        self.session.digest_history_size = 0  # the guard's business
        #: None until its `__init__` is about to run.
        self.actor: Instance | None = None
        #: What it was made of; None as long.
        self.creation: Creation | None = None
        #: Names this process in its session, once it has called somebody.
        self.process: Callable[[], str | None] = lambda: None
        #: Told that a client wants the kernel to end, and whether to begin anew; in the control thread.
        self.on_shutdown: Callable[[bool], None] = lambda restart: None
        self._cell_context = copy_context()
        self._lanes: dict[str | None, Lane] = {}
        #: Calls to be passed over when their turn comes. Added to by the control thread.
        self._cancelled: set[tuple[str, int]] = set()
        self._cells = 0
        #: The token of the cell that runs; and of those that are not to run. Set, and added to, by the control thread.
        self._cell: str | None = None
        self._withdrawn: set[str] = set()
        self.accounts = Accounts()
        self.control = Control(self)
        self.news = News(self)
        self.questions: Questions = Questions(self)
        self.output = Output(self)
        notice_children()
        self._shell_socket: zmq.Socket[bytes] = self.shell_stream.socket
        self._shell_lock = threading.Lock()
        self.inbox = Inbox(
            self._shell_socket,
            self._shell_lock,
            self._signer,
            self.guard,
            on_calls=self._on_calls,
            on_roll=self._on_roll,
            on_stock=self._on_stock,
        )
        #: Stock messages under way: their answers go through the socket without the lock.
        self._stocks = 0
        self.mailbox = Mailbox(start=self._start_call, stock=self._stock)
        super().start()  # control is read from now on, in a thread of its own: all that it asks for is there
        self.mailbox.resume()
        # Read by the loop itself: the stream's way costs 20 µs more. It goes on sending for ipykernel.
        self.shell_stream.stop_on_recv()
        self.shell_stream.io_loop.remove_handler(self._shell_socket)
        loop = asyncio.get_event_loop()
        loop.add_reader(descriptor(self._shell_socket), self._on_shell)
        # What has arrived by now, from a client that has waited for a restart: when the loop runs, which it needs.
        loop.call_soon(self._on_shell)

    def animate(
        self,
        *,
        instance: Instance,
        creation: Creation,
        incarnation: int,
        checkpoints: Checkpoints,
        leave: Callable[[Any], None],
        lend: Callable[[Any], str],
    ) -> None:
        """Run calls on `instance` from now on.

        Parameters
        ----------
        leave : callable
            Told the SystemExit that a call ended in.
        lend : callable
            Makes of a value what another process can ask for it with.
        """
        self._lend = lend
        self.actor, self.creation = instance, creation
        self.inbox.incarnation = incarnation
        self._leave = leave
        iopub = self.iopub_thread.io_loop
        self._outbox = Outbox(
            self._shell_socket,
            self._shell_lock,
            self._signer,
            incarnation,
            self.output.mark,
            later=lambda delay, function: iopub.add_callback(iopub.call_later, delay, function),
        )
        self.checkpoints = checkpoints
        gate = Gate() if not creation.is_async and creation.sizes != {None: 1} else None
        self._lanes = self._make_lanes(creation, gate)
        self._loop = loop = asyncio.get_running_loop()
        checkpoints.attach(instance, gate=gate, loop=loop, activity=self._activity)
        self.shell.user_ns["self"] = instance.self
        self.accounts.alive_since = time.time()
        self.accounts.rouse()
        self.mailbox.resume()

    def abandon(self, end: Callable[..., None]) -> None:
        """Call `end` in place of answering, or leaving: for a forked child."""
        self._leave = end
        self._answer = end  # type: ignore[method-assign]
        if self._lanes:  # it was animated
            self._outbox.send = end  # type: ignore[method-assign,assignment]

    def _make_lanes(self, creation: Creation, gate: Gate | None) -> dict[str | None, Lane]:
        sizes = creation.sizes
        assert self.actor is not None
        answer = self._count_and_answer if self.checkpoints.counts_calls else self._answer
        bench = Bench(instance=self.actor, output=self.output, answer=answer, part=self._part, gate=gate)
        if creation.is_async:
            return {group: LoopLane(bench, size) for group, size in sizes.items()}
        if sizes == {None: 1}:
            return {None: InlineLane(bench)}
        return {group: ThreadLane(bench, size, group or "call") for group, size in sizes.items()}

    def _of_a_cell(self) -> bool:
        """Return whether what asks is a cell, and no method, nor a thread that one has started."""
        return self.accounts.cell_since is not None and current_call.get() is None

    def raw_input(self, prompt: str = "") -> str:
        """Ask whoever waits: for a call, its caller; for a cell, its page."""
        if self._of_a_cell():
            return str(super().raw_input(prompt))
        return self.questions.ask(str(prompt))

    def getpass(self, prompt: str = "", stream: Any = None, *, echo_char: str | None = None) -> str:
        """Ask likewise, without showing the answer."""
        if self._of_a_cell():
            return str(super().getpass(prompt, stream))
        return self.questions.ask(str(prompt), password=True)

    def on_topic(self, frame: bytes) -> None:
        """Somebody subscribes to a topic of iopub, or does so no more. In the iopub thread."""
        self.news.on_subscription(frame)
        self.questions.on_subscription(frame)

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:  # noqa: FBT001 - ipykernel's signature
        """A client has sent ``shutdown_request``; the loops stop when what runs has ended."""
        self.on_shutdown(restart)
        return {"status": "ok", "restart": restart}

    # ------------------------------------------------------------------ receiving

    def _on_shell(self) -> None:
        self.inbox.read()
        self.mailbox.run()

    def _on_calls(self, caller: str, calls: list[Incoming]) -> None:
        self.accounts.came(caller, calls)
        for call in calls:
            self.mailbox.put(call)

    def _on_roll(self, idents: list[bytes], header: bytes, caller: str, roll: Any) -> None:
        number, asked = roll
        mine = {call.number for call in self.accounts.open if call.caller == caller}
        self._outbox.call_roll(idents, header, number, [each for each in asked if each not in mine])

    def _on_stock(self, frames: list[bytes]) -> None:
        if messages.peek_type(frames, b'"comm_'):
            asyncio.get_running_loop().create_task(self._stock(frames))
        else:
            self.mailbox.put(frames)

    @property
    def refused(self) -> int:
        """How many messages were dropped: not signed, not new, not of this incarnation, or no message at all."""
        return self.guard.refused

    async def process_control(self, msg: Sequence[zmq.Frame]) -> None:
        """Answer a message of the control channel, if the guard lets it pass. In the control thread."""
        if self.guard.admits([frame.bytes for frame in msg]):
            await super().process_control(msg)

    async def _stock(self, frames: Sequence[bytes]) -> None:
        """Ipykernel's own dispatch; all cells share one context, so that context variables last."""
        self._stocks += 1
        if self._lanes:
            self._outbox.flush()
        request = self.shell_main(None, [zmq.Frame(frame) for frame in frames])
        task = asyncio.get_running_loop().create_task(request, context=self._cell_context)
        if messages.peek_type(frames, b'"execute_request"'):
            self.accounts.cell_since = time.monotonic()
            self.accounts.rouse()
        try:
            await task
        finally:
            self._stocks -= 1
            self.accounts.cell_since = None
            self.accounts.rouse()
        self._cells += 1
        self._on_shell()

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        """Return what a comm is published under: the cell that the running call was made for, as all output is."""
        parent: dict[str, Any] = super().get_parent(channel)
        if channel is None and threading.current_thread().name != CONTROL_THREAD_NAME:
            header = getattr(sys.stdout, "parent_header", None)
            if header:
                return {**parent, "header": header}
        return parent

    async def do_execute(self, code: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a cell. One that is asked to lends its last value to who has sent it: see `jactors.notebook.cell`."""
        header = self.get_parent("shell").get("header", {})
        token = header.get("token")
        self._cell = token
        if token in self._withdrawn:
            self._withdrawn.discard(token)
            return {"status": "error", "ename": "KeyboardInterrupt", "evalue": "it was withdrawn", "traceback": []}
        hook = self.shell.displayhook  # which looks for the semicolon in a history that an actor does not keep
        hook.quiet = lambda: hook.semicolon_at_end_of_expression(code)
        try:
            reply: dict[str, Any] = await super().do_execute(code, *args, **kwargs)
        finally:
            self._cell = None
        if header.get("keep") and reply["status"] == "ok":
            try:
                reply["lent"] = self._lend(self.shell.last_execution_result.result)
            except Exception as error:
                reply |= {"status": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}
        return reply

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        """A cell has failed: the cells that its client has sent already are not run; calls are."""
        self._aborting = True
        self.inbox.read()
        self.mailbox.put(self._stop_aborting)

    def _stop_aborting(self) -> None:
        self._aborting = False

    # ------------------------------------------------------------------ running

    def _start_call(self, call: Incoming) -> None:
        if self._cancelled and call.key in self._cancelled:
            self._cancelled.discard(call.key)
            call.flags["cancelled"] = True
            assert self.actor is not None
            self._answer(call, [(-1, self.actor.failed(call.method, asyncio.CancelledError()))])
            return
        (self._lanes.get(call.group) or self._lanes[None]).start(call)

    def busy_threads(self) -> bool:
        """Return whether a call runs in a pool thread."""
        return self.actor is not None and self.actor.interrupts.in_threads()

    def running(self) -> dict[int, Incoming]:
        """Return the calls that are on a thread's stack, by thread; from any thread."""
        return self.actor.interrupts.running() if self.actor is not None else {}

    def suspended(self) -> list[tuple[Incoming, Any]]:
        """Return the calls that wait in a coroutine, each with it; from any thread."""
        lanes = [lane for lane in self._lanes.values() if isinstance(lane, LoopLane)]
        return [(call, coroutine) for lane in lanes for call, coroutine in lane.tasks() if not coroutine.cr_running]

    def status(self) -> dict[str, Any]:
        """Return what an overview shows; from any thread."""
        return {"incarnation": self.inbox.incarnation, "process": self.process(), **self.accounts.status()}

    def speak_for_the_last_call(self) -> None:
        """Publish what comes after the loop has ended under the cell of the call that came last."""
        self.output.enter(self.inbox.parent)

    def _part(self, call: Incoming, outcomes: list[Outcome]) -> None:
        self._outbox.send(call, outcomes, last=False)
        self.inbox.read()

    def cancel(self, key: tuple[str, int], *, recursive: bool) -> str:
        """End a call, queued or running; return which it was. In the control thread, while the call runs."""
        call = next(filter(None, (lane.cancel(key) for lane in self._lanes.values())), None)
        if call is None:
            self._cancelled.add(key)
            return "queued"  # or still under way: it is answered as cancelled when its turn comes
        if recursive:
            for child, link in list(call.flags.get("children", ())):
                if (submitted := child()) is not None:
                    link.cancel(submitted.number)
        return "running"

    def _count_and_answer(self, call: Incoming, outcome: list[Outcome] | SystemExit) -> None:
        if not isinstance(outcome, SystemExit):
            self.checkpoints.ended()
        self._answer(call, outcome)

    def _activity(self) -> tuple[int, int] | None:
        """Return how many calls and cells have ended, or None where a call is under way; see `Checkpoints`."""
        if any(lane.busy() for lane in self._lanes.values()):
            return None
        return self._outbox.answered, self._cells

    def withdraw(self, token: str) -> str:
        """End a cell, queued or running; return which it was. In the control thread."""
        self._withdrawn.add(token)
        if self._cell != token:
            return "queued"
        self._withdrawn.discard(token)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return "running"

    def _answer(self, call: Incoming, outcome: list[Outcome] | SystemExit) -> None:
        if isinstance(outcome, SystemExit):
            self.mailbox.pause()
            self._outbox.flush()
            self._leave(outcome)
            return
        last = outcome[-1][1]
        self.accounts.ended(call, failed=last is not None and last.failed)
        if self._outbox.send(call, outcome, hold=len(self.accounts.open) >= MANY and not self._stocks):
            self._loop.call_soon(self._outbox.flush)
        # A send may have swallowed the socket's edge-triggered read event: look.
        self.inbox.read()
        self.mailbox.run()
