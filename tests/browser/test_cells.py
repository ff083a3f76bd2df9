"""Cells that run in actors, and the stop button, in JupyterLab: what lands where, and what moves."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect

from tests.browser.notebook import PATIENCE

SETUP = """
import jactors, time
%load_ext jactors

@jactors.remote
class Trainer:
    def __init__(self):
        self.losses = [3, 2, 1.5, 1.2]
        self.steps = 0
    def talk(self, who):
        for i in range(5):
            print(f"{who} says {i}")
            time.sleep(0.1)
    def train(self):
        while True:
            self.steps += 1
            if self.steps == 3:
                print("training", flush=True)
            time.sleep(0.01)

one = Trainer.options(name="one").remote()
two = Trainer.options(name="two").remote()
jactors.get([one.__ray_ready__.remote(), two.__ray_ready__.remote()]);
"""

PLOT = """%%actor one
%matplotlib inline
import matplotlib.pyplot as plt
plt.plot(self.losses);"""

BAR = """%%actor one
from tqdm.notebook import tqdm
import os, time
for epoch in tqdm(range(20), desc="epochs", mininterval=0):
    while epoch == 10 and not os.path.exists("go-on"):
        time.sleep(0.01)"""

SLIDER = """%%actor one
import ipywidgets
slider = ipywidgets.IntSlider(max=10)
slider.observe(lambda change: setattr(self, "steps", change.new), "value")
slider"""

ASK = """%%actor one
name = input("Who is there? ")
print("hello", name)"""


def test_a_cell_of_an_actor_is_like_any_cell(open_notebook):
    notebook = open_notebook(SETUP, PLOT, BAR, SLIDER, "%%actor one\nself.steps", ASK, "%%actor one\n")
    notebook.run(0)

    notebook.run(1)  # a plot lands in the cell
    picture = notebook.cell(1).locator(".jp-OutputArea-output img")
    assert picture.evaluate("image => image.naturalWidth") > 100

    notebook.run(2, wait=False)  # a bar moves
    bar = notebook.cell(2).locator(".jp-OutputArea .widget-hprogress .progress-bar")
    expect(bar).to_have_attribute("style", re.compile("width: 50%"), timeout=PATIENCE)
    (notebook.server.root / "go-on").touch()
    notebook.wait(2)
    expect(bar).to_have_attribute("style", re.compile("width: 100%"))
    assert "epochs: 100% 20/20" in " ".join(notebook.output(2).split())
    notebook.screenshot("plot-and-bar")

    notebook.run(3)  # a slider is heard by the actor
    handle = notebook.cell(3).locator(".noUi-handle")
    handle.focus()
    for _ in range(4):
        notebook.page.keyboard.press("ArrowRight")
    expect(notebook.cell(3).locator(".widget-readout")).to_have_text("4")
    assert notebook.run(4) == "4"

    notebook.run(5, wait=False)  # it asks here
    notebook.answer(5, "Ada")
    assert "hello Ada" in notebook.wait(5)
    notebook.screenshot("slider-and-input")

    notebook.focus(6)  # Tab offers what the actor has
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.type("self.lo")
    notebook.page.keyboard.press("Tab")
    menu = notebook.page.locator(".jp-Completer")
    expect(menu).to_contain_text("losses")
    notebook.screenshot("completion")
    notebook.page.keyboard.press("Enter")
    expect(notebook.cell(6).locator(".cm-content")).to_contain_text("self.losses")


def test_each_cell_gets_its_own_prints_and_stop_interrupts_the_method(open_notebook):
    notebook = open_notebook(
        SETUP,
        "a = one.talk.remote('one')",
        "b = two.talk.remote('two')",
        "jactors.get([a, b]);",
        "one.train()",
        "%%actor one\nprint('steps kept:', self.steps > 2)",
        "%%actor one two\nprint(len(self.losses))\nself.losses[0]",
    )
    notebook.run(0)
    notebook.run(1)
    notebook.run(2)
    notebook.run(3)
    assert notebook.wait_text(1, "one says 4").split("\n") == [f"one says {i}" for i in range(5)]
    assert notebook.wait_text(2, "two says 4").split("\n") == [f"two says {i}" for i in range(5)]

    notebook.run(4, wait=False)
    notebook.wait_text(4, "training")
    pressed = time.monotonic()
    notebook.stop()
    assert "KeyboardInterrupt: interrupted Trainer.train of one; state is kept" in notebook.wait(4)
    print(f"stopped after {time.monotonic() - pressed:.2f} s")
    assert notebook.run(5) == "steps kept: True"

    assert notebook.run(6).split("\n") == ["── one ──", "4", "3", "── two ──", "4", "3"]
    notebook.screenshot("stop-and-groups")
