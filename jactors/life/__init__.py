"""How an actor dies and comes back.

Guarantees: whoever holds a handle learns of a death from the parent's verdict, with the exit code,
within milliseconds; only death restarts; what an actor leaves behind (processes, files, names,
resources) is gone with it; nothing of a session outlives its driver but detached actors; a supervisor
that is killed is followed by another, and its death is a crash of each of its actors.

`machine` decides and does nothing; `supervisor` does and decides nothing; `estate` is what one
supervisor leaves to the next.

Rejected: actors that outlive a killed supervisor and are taken over alive. Nobody could be their
parent again, so nobody would know how they end; and what hangs in native code would stay for ever.
"""
