"""How an actor's process is born: pinned, by fork or by spawn.

Guarantees: environment, affinity, working directory and the tie to the supervisor are in place
before anything of the user's is imported or unpickled; a launched process is in a session of its
own and carries the session's cookie, so that whatever it starts can be found when it has gone.
"""
