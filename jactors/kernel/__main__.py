"""The root of an actor's process: ``python -m jactors.kernel SPEC``, or `main` in a forked child.

::

    pinned (environment, affinity, parent) ─▶ sockets bound ─▶ "bound" ─▶ subscriber ─▶ __init__ ─▶ "alive"
                                                                                     └▶ "failed"

The supervisor is told each step on a socket of this process' own; it learns of the end by itself.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import getpass
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tornado.ioloop import IOLoop

from jactors import injection, session
from jactors.context import ActorIdentity, set_current_actor, set_leave
from jactors.errors import ActorExit
from jactors.kernel.app import ActorApp
from jactors.kernel.checkpoints import Checkpoints
from jactors.kernel.debugger import POST_MORTEM, Failures, arm, set_hook
from jactors.kernel.forked import end_children
from jactors.kernel.instance import Instance
from jactors.kernel.pulse import Pulse
from jactors.kernel.reload import RELOAD, Reloader
from jactors.launch.spec import LaunchSpec
from jactors.life.line import Line
from jactors.objects.refs import ObjectRef
from jactors.objects.store import Entry
from jactors.places import checkpoint_file
from jactors.wire import failure, pack
from jactors.wire.creation import Creation
from jactors.wire.payload import Packed

__all__ = ["main", "run", "warm"]

#: How long ``__init__`` waits for its owner to listen to its output, in seconds.
SUBSCRIBER_TIMEOUT = 0.5

#: Characters of a user's ``repr`` that go in front of each line of output.
SHOWN = 100

#: How long calls in other threads may go on when the actor leaves, in seconds: as Ray has it.
LEAVE_TIMEOUT = 30.0


async def _make(cls: Any, make: Callable[[], Awaitable[Any]]) -> Any:
    """Make the object as the first incarnation does."""
    return await make()


class _Life:
    """One life of an actor: from bound sockets to the exit code."""

    def __init__(self, spec: LaunchSpec, creation: Creation) -> None:
        self._spec = spec
        self._app = ActorApp.build(spec.connection_file, notebook=bool(json.loads(creation.parent).get("msg_id")))
        self._creation = creation
        label = f"<{spec.class_name} {spec.actor_id[:8]}" + (f" {spec.name!r}>" if spec.name else ">")
        self._instance = Instance(self._creation, label)
        self._instance.built_in[RELOAD] = Reloader(self._instance, spec.creation_file).reload
        self._checkpoints = Checkpoints(
            path=checkpoint_file(Path(spec.session_dir), spec.actor_id),
            cadence=creation.checkpoint,
            label=label.strip("<>"),
        )
        self._failures = Failures()
        self._exit: SystemExit | None = None
        #: A client ended it, and the supervisor knows. Set by the control thread.
        self._told = False
        self._born = False
        self._retired = False
        self._line = Line(spec.supervisor, spec.actor_id, spec.incarnation)
        self._loop = IOLoop.current()
        self._pid = os.getpid()
        end_children(self._app.kernel, self._instance, self._loop.asyncio_loop)  # type: ignore[attr-defined]
        self._give_up = 0.0

    def run(self) -> int:
        """Live; return the exit code."""
        loop = self._loop
        listening = threading.Lock()

        def subscribed() -> None:
            if listening.acquire(blocking=False):  # the first one only
                loop.add_callback(self._be_born)

        self._app.iopub_thread.on_subscriber = subscribed
        if self._app.iopub_thread.subscribed:
            subscribed()
        kernel = self._app.kernel
        kernel.start()
        self._be_debugged(kernel)
        kernel.actor = self._instance
        kernel.process = session.process
        self._app.iopub_thread.listen(kernel.on_topic)
        signal.signal(signal.SIGINT, self._instance.interrupts.on_sigint)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._app.kernel.on_shutdown = self._on_shutdown
        self._report({"event": "bound"})
        injection.reach("bound")
        if self._line.fileno() >= 0:
            loop.add_handler(self._line.fileno(), self._hear, loop.READ)
        loop.call_later(SUBSCRIBER_TIMEOUT, subscribed)
        set_leave(lambda leave: loop.add_callback(self._leave, leave))
        try:
            loop.start()
        except SystemExit as leave:  # of a background task of the user's
            self._leave(leave)
        return self._finish()

    def _be_debugged(self, kernel: Any) -> None:
        """Let methods ask their callers, and stop at breakpoints."""
        builtins.input, getpass.getpass = kernel.raw_input, kernel.getpass
        set_hook(kernel)
        self._instance.on_failure = self._failures.keep
        self._instance.built_in[POST_MORTEM] = self._failures.post_mortem
        if self._creation.debug:
            arm(kernel)

    def _report(self, event: dict[str, Any]) -> None:
        if os.getpid() != self._pid:
            os._exit(1)  # a child that __init__ has forked: it must not be born in its parent's place
        self._line.report(event)

    def _hear(self, *_: object) -> None:
        """The supervisor says something."""
        try:
            told = self._line.hear()
        except EOFError:
            self._loop.remove_handler(self._line.fileno())
            return
        if any(each["event"] == "retire" for each in told):
            self._retired = True
            if self._born:
                self._retire()

    def _retire(self) -> None:
        """Nobody holds this actor any more: leave behind what is queued."""
        mailbox = self._app.kernel.mailbox
        mailbox.put(lambda: self._leave(ActorExit(0)))
        mailbox.run()

    async def _be_born(self) -> None:
        if self._exit is not None:
            return
        kernel = self._app.kernel
        kernel.output.enter(json.loads(self._creation.parent))
        injection.reach("init")
        error = await self._instance.create(self._checkpoints.revive if self._spec.incarnation > 1 else _make)
        kernel.output.mark()
        if error is not None:
            self._fail(error)
            return
        self._born = True
        kernel.animate(
            instance=self._instance,
            creation=self._creation,
            incarnation=self._spec.incarnation,
            checkpoints=self._checkpoints,
            leave=self._leave,
            lend=_lend,
        )
        injection.reach("born")
        shown = " ".join(self._instance.own_repr().split())[:SHOWN]
        self._report({"event": "alive", "repr": shown} if shown else {"event": "alive"})
        if self._retired:
            self._retire()

    def _fail(self, error: BaseException) -> None:
        """``__init__`` raised: say why, and go."""
        if isinstance(error, SystemExit):
            self._leave(error)
            return
        task = f"{self._spec.class_name}.__init__"
        encoded = failure.encode(error, task=task, pid=os.getpid(), actor=self._instance.describe())
        self._report({"event": "failed", "failure": encoded.hex()})
        self._leave(SystemExit(1))

    def _leave(self, leave: SystemExit) -> None:
        """End the process once what was answered has been sent."""
        if self._exit is not None:
            return
        self._exit = leave
        if isinstance(leave, ActorExit):
            self._report({"event": "leaving", "intent": "exit_actor"})
        elif not leave.code and not self._told:
            self._report({"event": "leaving", "intent": "exit code 0"})
        self._app.kernel.mailbox.pause()
        self._give_up = time.monotonic() + LEAVE_TIMEOUT
        self._stop_when_idle()

    def _stop_when_idle(self) -> None:
        """Stop when the calls that run in other threads have been answered."""
        if self._app.kernel.busy_threads() and time.monotonic() < self._give_up:
            self._loop.call_later(0.02, self._stop_when_idle)
        else:
            self._loop.add_callback(self._loop.stop)

    def _on_shutdown(self, restart: bool) -> None:  # noqa: FBT001 - the hook has no names
        """A client (JupyterLab, a console) ends this kernel, or begins it anew. In the control thread."""
        self._told = True
        self._report({"event": "leaving", "intent": "restart" if restart else "shut down"})
        self._loop.add_callback(self._leave, SystemExit(0))

    def _on_sigterm(self, signum: int, frame: Any) -> None:
        leave = SystemExit(143)
        if self._instance.interrupts.on_stack():
            raise leave  # out of the running method; its lane takes it from there
        self._loop.add_callback_from_signal(self._leave, leave)

    def _finish(self) -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._born:
            self._app.kernel.speak_for_the_last_call()
            self._instance.shutdown_hook()
            # All that may hold the user's object, so that its `__del__` runs before what `atexit` has.
            self._failures.forget()
            self._app.kernel.shell.user_ns.pop("self", None)
            if self._exit is not None:
                self._exit.__traceback__ = self._exit.__context__ = None
            self._instance.let_go()
        code = self._exit.code if self._exit is not None else 0
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does with sys.exit("text")
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        return code or 0


def _lend(value: Any) -> str:
    """Return, as hex, a pickled ref of `value`, which stays here until somebody asks for it."""
    _, task = session.current().new_id()
    entry = Entry(task + bytes(4))
    entry.end(Packed(*pack.dumps(value, what=f"the cell's value, a {type(value).__name__}")))
    return pack.dumps_inband(ObjectRef(entry), what="a ref").hex()


_WARM = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "debugpy.server.api",
    "ipykernel.debugger",
    "jedi",
    "psutil",
    "tornado.gen",
    "tornado.platform.asyncio",
)


def warm() -> None:
    """Import, in the fork server, what a kernel imports when it starts or is first asked something.

    What a child imports by itself is its own: the debugger alone is 0.1 s and 8 MB an actor, jedi's
    first completion 2 s.
    """
    for name in _WARM:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # ipykernel does without debugpy; the rest is needed, and fails where it is


def main(spec: LaunchSpec) -> int:
    """Be the actor that `spec` describes, in a process that has been pinned; return the exit code."""
    creation = Creation.read(spec.creation_file)
    identity = ActorIdentity(
        actor_id=spec.actor_id,
        class_name=spec.class_name,
        name=spec.name or "",
        namespace=spec.namespace,
        session_dir=spec.session_dir,
        incarnation=spec.incarnation,
        demand=dict(spec.demand),
        gpus=tuple(spec.gpus),
        cores=tuple(spec.cores),
        sizes=tuple(creation.sizes.items()),
    )
    set_current_actor(identity)
    session.join(Path(spec.session_dir), namespace=spec.namespace, lifetime=spec.lifetime)
    if spec.hang_timeout is not None:
        Pulse(
            spec.supervisor,
            actor_id=spec.actor_id,
            incarnation=spec.incarnation,
            timeout=spec.hang_timeout,
            stack=Path(spec.log_file).with_suffix(".stack"),
        ).start()
    life = _Life(spec, creation)
    return life.run()


def run() -> None:
    """Be the actor of the spec file named on the command line."""
    spec = LaunchSpec.read(sys.argv[1])
    spec.pin()
    code = 1
    try:
        code = main(spec)
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter does before it ends
        gc.collect()  # likewise: `__del__` of what is in a cycle
        os._exit(code)


if __name__ == "__main__":
    run()
