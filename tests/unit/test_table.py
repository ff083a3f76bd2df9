"""A table says the same in text and in HTML."""

from __future__ import annotations

from jactors.notebook.table import Table


def test_text_is_aligned_and_html_is_escaped():
    table = Table(("name", "what"), [("a", "<b>"), ("longer", "c")], "two of them")
    assert repr(table).splitlines() == [
        "name    what",
        "------  ----",
        "a       <b>",
        "longer  c",
        "two of them",
    ]
    html = table._repr_html_()
    assert "&lt;b&gt;" in html and html.count("<tr>") == 3 and "two of them" in html


def test_without_rows_there_is_only_the_caption():
    assert repr(Table(("a", "b"), [], "nothing")) == "nothing"
    assert "<table>" not in Table(("a", "b"), [], "nothing")._repr_html_()
    assert repr(Table(("a",), [])) == ""
