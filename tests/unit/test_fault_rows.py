"""Each of the 28 faults has a test, here or where the rows say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.test_rows import ELSEWHERE

ROOT = Path(__file__).parents[2]
ROWS = "".join(path.read_text() for path in (ROOT / "tests/faults").glob("test_*.py"))


@pytest.mark.parametrize("row", range(1, 29))
def test_a_row_has_a_test(row):
    assert row in ELSEWHERE or re.search(rf"^def test_{row:02}_", ROWS, re.MULTILINE)


@pytest.mark.parametrize("place", sorted({place for places in ELSEWHERE.values() for place in places}))
def test_what_is_named_exists(place):
    path, _, name = place.partition("::")
    text = (ROOT / path).read_text()
    assert not name or f"def {name}(" in text
