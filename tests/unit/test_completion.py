"""Tab: which actor's kernel a cell is completed by, and what a line offers."""

from __future__ import annotations

import pytest

from jactors.notebook import completion
from jactors.notebook.commands import gather


@pytest.mark.parametrize(
    ("code", "cursor", "found"),
    [
        ("%%actor a\nself.n", 15, ("a", 10)),
        ("%%actor a b --out x\nself.n", 26, ("a", 20)),
        ("\n%%actor a\nself.n", 17, ("a", 11)),
        ("%%actor a\n", 10, ("a", 10)),
        ("%%actor a\nself.n", 5, None),  # on the line of the magic itself
        ("%%actor\nself.n", 12, None),
        ("%%actor 'a\nself.n", 15, None),
        ("%%actor --help\nself.n", 20, None),
        ("%%actors a\nself.n", 16, None),
        ("x = 1\n%%actor a\nself.n", 20, None),
        ("self.n", 6, None),
    ],
)
def test_inside_a_cell(code, cursor, found):
    assert completion.inside(code, cursor) == found


def test_positions_are_counted_from_the_beginning_of_the_cell():
    told = {"cursor_start": 5, "cursor_end": 7, "metadata": {completion._TYPES: [{"start": 5, "end": 7, "text": "n"}]}}
    moved = completion.moved(told, 10)
    assert (moved["cursor_start"], moved["cursor_end"]) == (15, 17)
    assert moved["metadata"][completion._TYPES] == [{"start": 15, "end": 17, "text": "n"}]
    assert completion.moved({"found": False, "metadata": {}}, 10) == {"found": False, "metadata": {}}


def test_tab_offers_subcommands_and_options():
    gather()
    assert "list" in completion.candidates("li", {})[1]
    assert completion.candidates("list --", {}) == ("--", ["--help", "--all"])
    assert completion.candidates("list --all --", {}) == ("--", ["--help"])
    assert completion.candidates("nonsense ", {}) == ("", [])
    assert set(completion.candidates("a --", {}, cell=True)[1]) == {"--help", "--out", "--now", "--timeout"}
