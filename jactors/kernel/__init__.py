"""The actor's process: an ipykernel whose shell also takes actor calls.

Guarantees: the process is a complete Jupyter kernel (execute, complete, inspect, interrupt, debug)
and a mailbox, first in first out for each caller; every call that was read is answered exactly
once, also when it is interrupted, exits, or its result cannot be pickled; nothing is unpickled
before its message was found to be of this actor, this incarnation, this direction and new.

::

    zmq ROUTER (shell) ─▶ ActorKernel.on_shell ─┬─▶ Mailbox ─▶ Lane ─▶ Instance.run ─▶ Outbox ─▶ shell
                                                └─▶ ipykernel's own dispatch (cells, completion, …)
    print, display ─▶ ActorStream ─▶ iopub thread ─▶ iopub          (parent: the caller's cell)

Rejected: a socket of its own for calls (measured: not faster than shell), ipykernel's shell-channel
thread (costs a thread hop: 2.1 ms against 0.3 ms), handing calls to ipykernel's dispatch
(busy/idle and two stream flushes a call).
"""
