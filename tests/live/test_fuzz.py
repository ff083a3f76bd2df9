"""A small part of the fuzz: nothing runs, nothing crashes. ``python -m tests.fuzz`` is the large one."""

from __future__ import annotations

import pytest

from tests.fuzz.attack import Attack


@pytest.mark.parametrize("seed", [1, 2])
def test_changed_messages_run_nothing_and_the_actor_goes_on(session, tmp_path, seed):
    attack = Attack(seed, tmp_path)
    try:
        report = attack.run(1500)
    finally:
        attack.close()
    assert sum(report.sent.values()) == 1500 and all(report.sent.values())
