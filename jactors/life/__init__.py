"""How an actor dies and comes back.

Guarantees: whoever holds a handle learns of a death from the parent's verdict, with the exit code,
within milliseconds; only death restarts; what an actor leaves behind (processes, files, names,
resources) is gone with it; nothing of a session outlives its driver.

`machine` decides and does nothing; `supervisor` does and decides nothing.
"""
