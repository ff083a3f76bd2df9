"""Changing and debugging an actor in JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

CLASS = """
import jactors
@jactors.remote
class Counter:
    def __init__(self):
        self.count = 0
    def add(self, n):
        self.count += n
        return self.count
"""


DEBUG = "%load_ext jactors\n%actor debug c"

BOSS = """
@jactors.remote
class Boss:
    def __init__(self, counter):
        self.counter = counter
    def add(self, n):
        return self.counter.add(n)
c = Counter.remote()
boss = Boss.remote(c)
"""


def test_a_class_that_is_edited_keeps_its_actor_s_state(open_notebook):
    notebook = open_notebook(CLASS, "%load_ext jactors\nc = Counter.remote()\nc.add(40)", "%actor reload c", "c.add(1)")
    notebook.run(0)
    assert notebook.run(1) == "40"
    notebook.type(0, CLASS.strip().replace("+= n", "+= 2 * n"))
    notebook.run(0)
    assert notebook.run(2) == "c: changed add"
    assert notebook.run(3) == "42"
    notebook.screenshot("reload")


def test_a_breakpoint_is_driven_from_the_cell_that_called(open_notebook):
    text = CLASS.replace("        return self.count", "        breakpoint()\n        return self.count")
    notebook = open_notebook(text + BOSS, "c.add(40)", "await boss.add.remote(1)", "c.add('x')", DEBUG)
    notebook.run(0)
    notebook.run(1, wait=False)
    box = notebook.cell(1).locator(".jp-Stdin-input")
    expect(box).to_be_visible(timeout=30_000)
    notebook.screenshot("breakpoint")
    notebook.answer(1, "self.count += 2")
    notebook.answer(1, "c")
    assert notebook.wait(1).endswith("42")
    notebook.run(2, wait=False)  # through another actor, to a cell that awaits
    notebook.answer(2, "p self.count")
    notebook.answer(2, "c")
    assert notebook.wait(2).endswith("43")
    assert "TypeError" in notebook.run(3)
    notebook.run(4, wait=False)  # post mortem
    notebook.answer(4, "p n * 3")
    notebook.answer(4, "q")
    assert "'xxx'" in notebook.wait(4)
    notebook.screenshot("continued")
