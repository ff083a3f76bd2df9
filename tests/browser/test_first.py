"""What a newcomer does first: a counter in a notebook, in the browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

COUNTER = """
import jactors

@jactors.remote
class Counter:
    def __init__(self):
        self.count = 0
    def add(self, n):
        self.count += n
        print(f"the count is {self.count}")
        return self.count

counter = Counter.remote()
"""

READY = "refs = [counter.__ray_ready__.remote() for _ in range(5)]\njactors.get(refs, progress=True)"

FAIL = "jactors.progress([counter.add.remote(None), counter.__ray_ready__.remote()]);"


def test_what_an_actor_prints_stands_under_the_cell_that_called_it(open_notebook):
    notebook = open_notebook(COUNTER, "counter.add(2)", "jactors.get(counter.add.remote(3))", "counter", READY, FAIL)
    notebook.run(0)
    assert notebook.run(1) == "the count is 2\n2"
    assert notebook.run(2) == "the count is 5\n5"
    assert re.fullmatch(r"Counter \w{8} ● alive", notebook.run(3))
    bar = ".jp-OutputArea .progress-bar"
    assert "100% 5/5" in " ".join(notebook.run(4).split())
    expect(notebook.cell(4).locator(bar)).to_have_attribute("style", re.compile("width: 100%"))
    assert "failed=1" in notebook.run(5) and "2/2" in notebook.output(5)
    expect(notebook.cell(5).locator(bar)).to_have_class(re.compile("danger"))
    notebook.screenshot("counter")


def test_the_same_in_notebook_7(open_notebook):
    notebook = open_notebook(COUNTER, "counter.add(2)", view="notebooks")
    notebook.run(0)
    assert notebook.run(1) == "the count is 2\n2"
    notebook.screenshot("counter-7")


def test_the_same_in_voila(open_voila, shoot):
    page = open_voila(COUNTER, "counter.add(2)")
    page.get_by_text("the count is 2").wait_for()
    shoot(page, "counter-voila")
