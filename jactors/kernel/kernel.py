"""`ActorKernel`: an IPythonKernel whose shell also takes actor calls.

Reads the shell on the main loop. The receive callback drains the socket: calls are verified and
put into the mailbox, every other message too, raw, and goes to ipykernel's own dispatch when its
turn comes. comm messages do not queue: a widget in a running cell waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Any

import zmq
from ipykernel.ipkernel import IPythonKernel
from traitlets import Type

from jactors.context import CallContext
from jactors.errors import ProtocolError
from jactors.ids import new_token
from jactors.kernel.instance import Instance, Outcome
from jactors.kernel.lanes import InlineLane, Lane, LoopLane, ThreadLane
from jactors.kernel.mailbox import Mailbox
from jactors.kernel.outbox import Incoming, Outbox
from jactors.kernel.output import ActorShell, Output
from jactors.wire import messages
from jactors.wire.connection import descriptor, readable
from jactors.wire.creation import Creation

__all__ = ["ActorKernel"]


class ActorKernel(IPythonKernel):
    """The kernel of one actor. Made by the application; `animate` gives it its instance."""

    shell: Any
    shell_stream: Any
    session: Any
    implementation = "jactors"
    shell_class = Type(ActorShell)

    def start(self) -> None:
        """Read shell, control and iopub; calls wait until `animate`."""
        super().start()
        self.refused = 0
        self._incarnation = 0
        self._raw_parent = b""
        self._parent: dict[str, Any] = {}
        self._cell_context = copy_context()
        self.output = Output(self)
        self._shell_socket: zmq.Socket[bytes] = self.shell_stream.socket
        self._signer = messages.Signer(self.session.key, new_token(8))
        self.mailbox = Mailbox(start=self._start_call, stock=self._stock)
        self.mailbox.resume()
        # Read by the loop itself: the stream's way costs 20 µs more. It goes on sending for ipykernel.
        self.shell_stream.stop_on_recv()
        self.shell_stream.io_loop.remove_handler(self._shell_socket)
        asyncio.get_event_loop().add_reader(descriptor(self._shell_socket), self._on_shell)
        self._on_shell()

    def animate(
        self, *, instance: Instance, creation: Creation, incarnation: int, leave: Callable[[Any], None]
    ) -> None:
        """Run calls on `instance` from now on; `leave` is told the SystemExit that a call ended in."""
        self.actor = instance
        self._incarnation = incarnation
        self._leave = leave
        self._outbox = Outbox(self._shell_socket, self._signer, incarnation, self.output.mark)
        self._lanes = self._make_lanes(creation)
        self._method_groups = creation.method_groups
        self.shell.user_ns["self"] = instance.self
        self.mailbox.resume()

    def _make_lanes(self, creation: Creation) -> dict[str | None, Lane]:
        sizes: dict[str | None, int] = {None: creation.max_concurrency or (1000 if creation.is_async else 1)}
        sizes.update(creation.concurrency_groups)
        common = (self.actor, self.output, self._answer, self._context)
        if creation.is_async:
            return {group: LoopLane(size, *common) for group, size in sizes.items()}
        if sizes == {None: 1}:
            return {None: InlineLane(*common)}
        loop = asyncio.get_running_loop()
        return {group: ThreadLane(size, group or "call", *common, loop) for group, size in sizes.items()}

    # ------------------------------------------------------------------ receiving

    def _on_shell(self) -> None:
        self._receive()
        self.mailbox.run()

    def _receive(self) -> None:
        """Read all that has arrived."""
        socket = self._shell_socket
        while readable(socket):
            self._sort(socket.recv_multipart(zmq.NOBLOCK))

    def _sort(self, frames: list[bytes]) -> None:
        if not messages.peek_type(frames, b'"actor_call_request"'):
            if messages.peek_type(frames, b'"comm_'):
                asyncio.get_running_loop().create_task(self._stock(frames))
            else:
                self.mailbox.put(frames)
            return
        try:
            self._sort_calls(frames)
        except (ProtocolError, KeyError, IndexError, TypeError, ValueError) as error:
            self.refused += 1
            self.log.warning("refused a call: %s", error)

    def _sort_calls(self, frames: list[bytes]) -> None:
        idents, signed = messages.split(frames)
        message = self._signer.unpack(signed)
        content = message.content
        if message.msg_type != messages.CALL:
            raise ProtocolError(f"{message.msg_type} is not a call")
        if content["incarnation"] != self._incarnation:
            raise ProtocolError(f"a call for incarnation {content['incarnation']}, this is {self._incarnation}")
        if message.raw_parent != self._raw_parent:
            self._raw_parent, self._parent = message.raw_parent, message.parent
        calls, streams, at = [], [], 0
        for number, method, returns, group, sizes in content["calls"]:
            groups = []
            for size in sizes:
                groups.append(list(message.buffers[at : at + size]))
                streams.append(groups[-1][0])
                at += size
            call = (idents, message.raw_header, self._parent, message.sender, number, method, returns, group, groups)
            calls.append(Incoming(*call))
        messages.check_digest(message, streams)
        for each in calls:
            self.mailbox.put(each)

    async def _stock(self, frames: Sequence[bytes]) -> None:
        """Ipykernel's own dispatch; all cells share one context, so that context variables last."""
        request = self.shell_main(None, [zmq.Frame(frame) for frame in frames])
        await asyncio.get_running_loop().create_task(request, context=self._cell_context)
        self._on_shell()

    # ------------------------------------------------------------------ running

    def _context(self, call: Incoming) -> CallContext:
        return CallContext(
            task_id=f"{call.sender[:32]}{call.number:016x}", method=f"{self.actor.class_name}.{call.method}"
        )

    def _start_call(self, call: Incoming) -> None:
        group = call.group if call.group is not None else self._method_groups.get(call.method)
        lane = self._lanes.get(group) or self._lanes[None]
        lane.start(call)

    def _answer(self, call: Incoming, outcome: list[Outcome] | SystemExit) -> None:
        if isinstance(outcome, SystemExit):
            self.mailbox.pause()
            self._leave(outcome)
            return
        self._outbox.send(call, outcome)
        # A send may have swallowed the socket's edge-triggered read event: look.
        self._receive()
        self.mailbox.run()
