"""The small instances of the load scenarios; ``python -m tests.load`` runs the large ones."""

from __future__ import annotations

import pytest

from tests.load.run import SCENARIOS, missing, run

#: Those whose small instance says something that no other test does.
SHOWN = sorted(SCENARIOS.keys() - {"queued"})


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_too_much_of_something_is_said_or_survived(name):
    if (why := missing(name)) is not None:
        pytest.skip(why)
    run(name, small=True, timeout=100)
