"""Load: what a session does when there is too much of something.

``python -m tests.load [NAME…]`` runs the scenarios of `tests.load.scenarios`, each in a driver process of its own, and
prints what was measured; ``--small`` is what the test suite runs. A scenario that finds something lost, doubled or
without bound ends in an AssertionError.
"""
