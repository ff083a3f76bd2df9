"""What a test of actors needs, for your tests as for ours.

Why it exists: an actor is a process, and a process that a test forgot is found by the next one. What the tests of
jactors are built on is therefore public, as `trio.testing` is, and documented as everything else.

It guarantees that nothing here is imported by the package itself, and that looking changes nothing: a census kills no
process and removes no file.

It must never be needed at run time. The road not taken is a pytest plugin that loads itself: it would bind your suite
to our fixtures, where a few plain objects fit into any.
"""

from __future__ import annotations

from jactors.testing.leaks import Census, LeakError, ProcessEntry
from jactors.testing.misbehave import EvilRepr, Misbehaviour, OnPickle, OnUnpickle, Unpicklable, misbehave

__all__ = [
    "Census",
    "EvilRepr",
    "LeakError",
    "Misbehaviour",
    "OnPickle",
    "OnUnpickle",
    "ProcessEntry",
    "Unpicklable",
    "misbehave",
]
