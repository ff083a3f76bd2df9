"""A link: this process' connection to one actor. Calls out, results and output in.

::

    handle ─▶ submit ─▶ queue ─(window)─▶ DEALER ═▶ actor's shell
                          │ waits for arguments          │
    entry.end ◀── held for output ◀── drain ◀── DEALER ◀═┘      window ◀═ actor's iopub ─▶ relay, marks
                                               ask ─▶ side door ═▶ actor's control

Guarantees: calls of this process start in the order of `submit`, also when an earlier one waits
for an argument; each ends exactly once; none is sent before the actor is alive.

* One message a call while the actor keeps up; when a backlog builds, a message carries many. What
  is sent when is `Backlog`'s to say. (Two sides that both write without reading deadlock at zmq's
  high-water mark: the window of the backlog keeps them from it, and the mark is off.)
* The DEALER is used under `_lock` from any thread. A send can swallow the socket's edge-triggered
  read event, so every send is followed by a look at `EVENTS`.
* A reply whose calls have published output is held until that has been relayed: see `marks`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import zmq

from jactors import injection
from jactors.errors import ProtocolError, TaskCancelledError
from jactors.ids import new_token
from jactors.objects import blocks
from jactors.objects.luggage import Held
from jactors.objects.store import Entry, Payload, Raised, deliver
from jactors.wire import messages
from jactors.wire.backlog import Backlog, Traffic
from jactors.wire.call import Call
from jactors.wire.connection import Connection, descriptor, readable
from jactors.wire.io import IOThread
from jactors.wire.marks import TIMEOUT, Marks
from jactors.wire.payload import from_frames
from jactors.wire.relay import Relay
from jactors.wire.rollcall import PERIOD, RollCall, gone
from jactors.wire.sidedoor import SideDoor
from jactors.wire.waiting import Shield, Waiter
from jactors.wire.window import Window

__all__ = ["Link"]

log = logging.getLogger("jactors")


class Link:
    """The connection of this process to one actor, through all its incarnations.

    Parameters
    ----------
    sender : str
        32 hex digits that name this process: with a call's number they are the call's identifier.
    take : callable
        Takes over what a result names: told a token and the (key, address) of each, returns the holds.
    """

    def __init__(
        self,
        io: IOThread,
        relay: Relay,
        *,
        actor_id: str,
        sender: str,
        traffic: Traffic,
        take: Callable[[str, Sequence[Sequence[str]]], Sequence[Held]],
    ) -> None:
        self._io, self._relay, self._sender, self._take = io, relay, sender, take
        self.actor_id = actor_id
        self._door = SideDoor(io, actor_id, sender)
        #: The actor's output, and what it says of itself.
        self.window = Window(io, relay, actor_id=actor_id, sender=sender, on_mark=self._marked, ask=self.ask)
        self._lock = threading.RLock()
        # --- all below: under _lock
        self.traffic = traffic
        self._backlog = Backlog(traffic)
        #: While the actor restarts: why calls that may not be sent again end.
        self._down: Callable[[], BaseException] | None = None
        self._closed: Callable[[], BaseException] | None = None
        self._dealer: zmq.Socket[bytes] | None = None
        self._fd = -1
        self._signer: messages.Signer | None = None
        self.incarnation = 0
        self._open = False
        self._reader = 0
        self._wake_reader: Callable[[], None] = lambda: None
        self._marks = Marks()
        self._roll = RollCall()
        self.refused = 0

    # ---------------------------------------------------------------- any thread

    def settle(self, traffic: Traffic) -> None:
        """There is a handle, and with it the knowledge of how the actor takes calls; nothing was submitted before."""
        with self._lock:
            self.traffic = traffic
            self._backlog = Backlog(traffic)

    def pending(self) -> int:
        """Return how many calls have not ended."""
        return len(self._backlog)

    def calls(self) -> list[tuple[Call, bool]]:
        """Return the calls that have not ended, and which were sent."""
        with self._lock:
            return self._backlog.calls()

    def submit(self, call: Call, needs: Sequence[Entry] = ()) -> None:
        """Queue `call`; `needs` are the top-level refs among its arguments, in the order of its groups."""
        call.parent = self._relay.parents.current()
        ended: list[tuple[Entry, Payload]] = []
        with Shield(), self._lock:
            why = self._closed or (None if call.retries else self._down)
            if why is not None:
                ended = call.results(-1, Raised(why()))
            else:
                call.blocked = len(needs)
                self._backlog.add(call)
                ended = self._pump()
        deliver(ended)
        if needs:
            # Groups are filled in order of the arguments, whichever of them ends first.
            first = len(call.groups)
            call.groups.extend([()] * len(needs))
            for index, entry in enumerate(needs):
                entry.on_end(lambda entry, at=first + index: self._argument(call, at, entry))  # type: ignore[misc]

    def wait_for(self, entry: Entry, deadline: float | None) -> None:
        """Block until `entry`, made by a call of this link, has ended or the deadline has passed.

        The calling thread reads the socket itself where nobody else does: whatever has come since the last look has
        made its descriptor readable.
        """
        waiter = Waiter.of_thread()
        entry.on_end(waiter.wake)
        mine = False
        try:
            while not entry.done:
                if not mine and self._dealer is not None:
                    with Shield(), self._lock:
                        if self._reader == 0 and self._dealer is not None:
                            self._reader = threading.get_ident()
                            self._wake_reader = waiter.wake
                            self._io.mute(self._fd)
                            mine = True
                waiter.wait(deadline, self._fd if mine and self._fd >= 0 else None)
                if mine:
                    with Shield():
                        with self._lock:
                            ended = self._drain()
                            if any(each is entry for each, _ in ended):
                                self._give_back()
                                mine = False
                        deliver(ended)
                if deadline is not None and time.monotonic() >= deadline:
                    return
        finally:
            if mine:
                with Shield(), self._lock:
                    self._give_back()
            if not entry.done:
                entry.forget(waiter.wake)

    def _give_back(self) -> None:
        """Let the I/O thread read again: it is told of what nobody has looked at. Under the lock."""
        self._reader = 0
        if self._dealer is not None:
            self._io.unmute(self._fd, self._on_shell)

    def _argument(self, call: Call, at: int, entry: Entry) -> None:
        """An argument of `call` has ended: fill its group; send when it was the last."""
        payload = entry.payload
        assert payload is not None
        if not payload.failed:
            call.fill(at, payload)
        with Shield(), self._lock:
            if payload.failed:
                self._backlog.drop(call)
                ended = call.results(-1, payload)
            else:
                self._backlog.unblock(call)
                ended = []
            ended += self._pump()
        deliver(ended)

    # ---------------------------------------------------------------- under the lock

    def _pump(self) -> list[tuple[Entry, Payload]]:
        """Send what the backlog allows, read what has arrived; return what ended by it."""
        self._send()
        return self._drain()

    def _send(self) -> None:
        if not self._open or self._dealer is None or self._signer is None:
            return
        for batch in self._backlog.batches():
            frames: list[bytes] = []
            streams: list[bytes] = []
            for call in batch:
                for group in call.groups:
                    streams.append(group[0])
                    frames += group
            content = {"incarnation": self.incarnation, "calls": [call.head() for call in batch]}
            parent = batch[0].parent
            packed = self._signer.pack(messages.CALL, content, parent=parent, streams=streams, buffers=frames)
            _send_call(self._dealer, packed)
            if not self._roll.due:
                self._roll.due = True
                self._io.call_later(PERIOD, self._call_roll)

    def _call_roll(self) -> None:
        """Ask after calls of which nothing is heard. In the I/O thread."""
        with self._lock:
            roll = self._roll.look(self._backlog.unanswered, len(self._backlog), self.window.label)
            if roll and self._dealer is not None and self._signer is not None:
                content = {"incarnation": self.incarnation, "calls": [], "roll": roll}
                _send_call(self._dealer, self._signer.pack(messages.CALL, content))
            if self._roll.due:
                self._io.call_later(PERIOD, self._call_roll)
            ended = self._drain()
        deliver(ended)

    def _drain(self) -> list[tuple[Entry, Payload]]:
        """Read what has arrived, send what that makes room for; return the entries that end by it."""
        ended: list[tuple[Entry, Payload]] = []
        dealer = self._dealer
        for _ in range(_SLICE):
            if dealer is None or not readable(dealer):
                return ended
            try:
                if self._reply(dealer.recv_multipart(zmq.NOBLOCK), ended):
                    self._send()
            except (ProtocolError, KeyError, IndexError, TypeError, ValueError) as error:
                self.refused += 1
                log.warning("actor %s: refused a reply: %s", self.window.label, error)
        self._io.call_soon(self._on_shell)  # the rest, after whoever else waits for the lock or the I/O thread
        return ended

    def _reply(self, frames: list[bytes], ended: list[tuple[Entry, Payload]]) -> bool:
        """Take one reply; return whether a call has been answered to its end."""
        assert self._signer is not None
        message = self._signer.unpack(messages.split(frames)[1])
        content = message.content
        if message.msg_type != messages.REPLY or content["incarnation"] != self.incarnation:
            raise ProtocolError(f"{message.msg_type} of incarnation {content.get('incarnation')} is not the answer")
        if content.get("blocks"):
            blocks.adopted(message.buffers, content["blocks"])
        groups = message.groups(size for _, _, _, size, _ in content["results"])
        messages.check_digest(message, [group[0] for group in groups if group])
        mark = content.get("mark", 0)
        if mark and not self._marks:
            self._io.call_later(TIMEOUT, self._release_late)
        finished = "missing" in content
        for lost in self._roll.answered(content["missing"], self._backlog.unanswered) if finished else ():
            if self._backlog.miss(lost):
                ended += lost.results(-1, gone(self.actor_id, self.window.label))
        held = content.get("held") or [None] * len(groups)
        for (number, index, failed, _, last), group, named in zip(content["results"], groups, held, strict=True):
            call, luggage = self._backlog.sent(number), self._take(*named) if named else ()
            if call is None:
                continue
            payload = from_frames(failed, group, luggage) if group else None  # None: the end of a stream
            if payload and failed:
                self.window.failure = group[0]
            if payload and failed and call.runs_again_after(payload):
                self._backlog.again(call)
                finished = True
                continue
            results = call.final(index, payload) if last and index > 0 else call.results(index, payload)
            if not self._marks.hold(mark, results):
                ended += results
            if last:
                self._backlog.finish(call)
                finished = True
        return finished

    def cancel(self, number: int, *, recursive: bool = True) -> None:
        """End the call with this number, wherever it is; one that has ended is no error. From any thread."""
        ended: list[tuple[Entry, Payload]] = []
        with Shield(), self._lock:
            call = self._backlog.find(number)
            if call is None:
                return
            call.retries = 0
            if self._backlog.drop(call):
                ended = call.results(-1, Raised(TaskCancelledError(task=call.method)))
                ended += self._pump()
            else:
                content = {"sender": self._sender, "number": call.number, "recursive": recursive}
                asked = self.ask("actor_cancel_request", content)
                asked.add_done_callback(call.passed_over)
        deliver(ended)

    def interrupt(self) -> None:
        """Interrupt the method that runs on the actor's main thread. From any thread."""
        self.ask("interrupt_request", {})

    def ask(self, msg_type: str, content: Mapping[str, Any], *, timeout: float = 10.0) -> Future[Mapping[str, Any]]:
        """Ask the current incarnation something on control, which is answered, in `timeout` seconds, while a call runs.

        From any thread; the future ends in the I/O thread, where its callbacks must not block: in the answer, or in
        ControlError (it could not), ActorUnavailableError or ActorDiedError. See `jactors.kernel.control`.
        """
        return self._door.ask(msg_type, content, timeout=timeout)

    # ---------------------------------------------------------------- the I/O thread

    def connect(self, connection: Connection) -> None:
        """An incarnation listens: connect to its shell and iopub."""
        self.disconnect()
        sender = self._sender + new_token(4)
        self._door.connect(connection)
        with self._lock:
            self._dealer = connection.socket(self._io.context, zmq.DEALER, "shell", identity=sender.encode())
            self._signer = messages.Signer(connection.key, sender)
            self.incarnation = connection.incarnation
            self._fd = descriptor(self._dealer)
            if self._reader == 0:
                self._io.register(self._fd, self._on_shell)
            else:
                self._wake_reader()  # it polls the descriptor of the last incarnation
        self.window.connect(connection)
        self._io.call_soon(self._on_shell)

    def open(self) -> None:
        """The actor is alive: send."""
        with self._lock:
            self._open = True
            self._down = None
            ended = self._pump()
        deliver(ended)

    def fail(self, why: Callable[[], BaseException], *, for_good: bool, unborn: bool | None = None) -> None:
        """The incarnation has died: end its calls in ``why()``; all later ones too if `for_good`.

        Replies that had arrived are delivered first. Calls that may be sent again wait for `open`; all do where it
        was never alive, unless `unborn` is False.
        """
        with self._lock:
            ended = self._drain()
            unborn = not self._open and self._down is None if unborn is None else unborn
            self._open = False
            if for_good:
                self._closed = why
                over = self._backlog.clear()
            elif unborn:  # it was never up: nothing was sent, and what waits goes on waiting
                over = []
            else:
                self._down = why
                over = self._backlog.lose()
            held = self._marks.clear()
        self.window.read()
        deliver(ended + held)
        for call in over:
            call.fail(Raised(why()))
        self.disconnect(why)

    def disconnect(self, why: Callable[[], BaseException] | None = None) -> None:
        """Close the sockets; calls stay as they are."""
        if why is not None:
            self._door.close(why)
        self.window.close()
        with self._lock:
            if self._dealer is not None:
                self._io.unregister(self._fd)
                self._dealer.close()
                self._dealer, self._fd = None, -1
                if self._reader:
                    self._wake_reader()

    def _on_shell(self) -> None:
        with self._lock:
            ended = self._drain()
        deliver(ended)

    def _marked(self, mark: int) -> None:
        with self._lock:
            ended = self._marks.seen(mark)
        deliver(ended)

    def _release_late(self) -> None:
        """Deliver held results whose output did not come in time."""
        with self._lock:
            ended = self._marks.late()
            if self._marks:
                self._io.call_later(TIMEOUT, self._release_late)
        deliver(ended)


_send_call = injection.around("req", messages.send)
_SLICE = 256  # replies that are read at a time: a quick generator sends for ever
