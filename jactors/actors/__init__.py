"""What the user holds: actor classes, handles, and the verbs on refs.

Guarantees: wrong options, signatures and arguments raise on the user's line and leave nothing
behind; a handle means the same actor in every process and through every restart; nothing here
knows a socket or a process.
"""
