"""One module a system, all with the same verbs: ``calls``, ``spawn``, ``memory``; a verb that is missing is skipped.

A subject imports nothing but the standard library and its own system, inside its functions: it may run in an
interpreter that has neither zmq nor pytest.
"""
