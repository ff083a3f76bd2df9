"""Each bullet of RAY_API.md has a test, and each test that is named exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.parity.index import bullets, by_test

ROOT = Path(__file__).parents[2]
BULLETS = bullets()
EXPECTED = (ROOT / "tests/parity/expected.txt").read_text()


def test_each_bullet_has_a_test():
    assert [bullet.id for bullet in BULLETS if not (bullet.tests or bullet.lines)] == []


def test_no_bullet_is_there_twice_and_no_section_is_left_out():
    ids = Counter(bullet.id for bullet in BULLETS)
    assert [name for name, times in ids.items() if times > 1] == []
    assert {name[0] for name in ids} == set("0123456789")
    assert [bullet.id[0] for bullet in BULLETS] == sorted(bullet.id[0] for bullet in BULLETS)


@pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in by_test()}))
def test_what_is_named_exists(file):
    there = set(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE))
    assert {test.partition("::")[2] for test in by_test() if test.startswith(file + "::")} <= there


def test_each_line_of_the_script_that_is_named_is_printed():
    labels = {label for bullet in BULLETS for label in bullet.lines}
    assert [label for label in sorted(labels) if f"\n{label}: " not in EXPECTED] == []
