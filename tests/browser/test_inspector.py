"""The inspector in a page: what it shows comes by itself, and its buttons work while a cell is blocked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

SETUP = """
import os, signal, time
import jactors

@jactors.remote(max_restarts=3)
class Worker:
    def __init__(self):
        self.turns = 0
    def work(self, seconds=0.05):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
        self.turns += 1
        return self.turns
    def pid(self):
        return os.getpid()
    def through(self, other, seconds):
        return jactors.get(other.work.remote(seconds))

jactors.init(num_cpus=4, num_gpus=2)
tally = Worker.options(name="tally", num_cpus=1).remote()
other = Worker.options(name="other", num_gpus=1).remote()
jactors.get([tally.work.remote(), other.work.remote()])
"""
CROWD = """
crowd = [Worker.options(num_cpus=0).remote() for _ in range(98)]
jactors.get([each.pid.remote() for each in crowd])[-1] > 0
"""
BUSTLE = """
while not os.path.exists("enough"):
    jactors.get([each.pid.remote() for each in crowd])
    time.sleep(0.02)
"""
#: True once the page has shown the calls of a hundred actors in twenty states that differ.
TWENTY = """() => {
    const done = [...document.querySelectorAll(".jx td.jx-done")].map((cell) => cell.textContent);
    (window.shown ??= new Set()).add(done.join());
    return done.length === 100 && window.shown.size > 20;
}"""
ENDS = """
try:
    jactors.get({})
except jactors.exceptions.RayActorError as error:
    print(type(error).__name__)
"""
SHOW = "panel = jactors.inspector()\npanel"
PATIENCE = 30_000


def row(notebook, name):
    return notebook.page.locator(f".jx-table tr:has(td.jx-name:text-is('{name}'))")


def cell(notebook, name, column):
    return row(notebook, name).locator(f"td.jx-{column}")


def depth(notebook, name):
    return cell(notebook, name, "queued").locator(".jx-depth")


@pytest.fixture(params=["lab/tree", "notebooks"], ids=["lab", "notebook7"])
def open_panel(request, open_notebook):
    def open_panel(*cells):
        notebook = open_notebook(SETUP, SHOW, *cells, view=request.param)
        notebook.run(0)
        notebook.run(1)
        expect(cell(notebook, "tally", "state")).to_have_text("idle", timeout=PATIENCE)
        return notebook

    return open_panel


def test_what_happens_is_seen_and_what_is_clicked_happens_while_a_cell_is_blocked(open_panel):
    notebook = open_panel(
        "refs = [tally.work.remote(3600 if n == 0 else 0.01) for n in range(9)]\n"
        "print('done', jactors.get(refs[1:5])[-1])",
        "os.kill(jactors.get(other.pid.remote()), signal.SIGKILL)",
        ENDS.format("other.work.remote(3600)"),
        ENDS.format("other.work.remote(3600)"),
    )
    page = notebook.page
    # A queue grows; the cell that waits is blocked from here on.
    notebook.run(2, wait=False)
    expect(cell(notebook, "tally", "state")).to_have_text("busy", timeout=PATIENCE)
    expect(depth(notebook, "tally")).to_have_text("8", timeout=PATIENCE)
    # One call in the queue is cancelled, with a click.
    row(notebook, "tally").click()
    expect(page.locator(".jx-detail")).to_be_visible()
    cancels = page.locator(".jx-page .jx-cancel")
    expect(cancels).to_have_count(9, timeout=PATIENCE)
    cancels.last.click()
    expect(page.locator(".jx-status")).to_contain_text("tally: the call is cancelled", timeout=PATIENCE)
    expect(depth(notebook, "tally")).to_have_text("7", timeout=PATIENCE)
    # The state of the busy actor, and its stack.
    page.locator(".jx-tab[data-tab=state]").click()
    expect(page.locator(".jx-page")).to_contain_text("turns", timeout=PATIENCE)
    page.locator(".jx-tab[data-tab=stack]").click()
    expect(page.locator(".jx-page")).to_contain_text("in Worker.work", timeout=PATIENCE)
    page.locator(".jx-tab[data-tab=timeline]").click()
    expect(page.locator(".jx-gantt rect.jx-now")).to_have_count(1, timeout=PATIENCE)
    notebook.screenshot("timeline")
    # The method is interrupted, the queue shrinks by itself, the cell ends.
    row(notebook, "tally").locator(".jx-interrupt").click()
    assert notebook.wait(2) == "done 5"
    expect(depth(notebook, "tally")).to_have_text("0", timeout=PATIENCE)
    expect(cell(notebook, "tally", "failed")).to_have_text("1", timeout=PATIENCE)
    page.locator(".jx-close").click()
    # An actor that is killed from outside comes back, and is counted.
    notebook.run(3)
    expect(cell(notebook, "other", "restarts")).to_have_text("1 of 3", timeout=PATIENCE)
    expect(cell(notebook, "other", "state")).to_have_text("idle", timeout=PATIENCE)
    # Restart, while a cell waits for it.
    notebook.run(4, wait=False)
    expect(cell(notebook, "other", "state")).to_have_text("busy", timeout=PATIENCE)
    row(notebook, "other").locator(".jx-restart").click()
    assert notebook.wait(4) == "ActorUnavailableError"
    expect(cell(notebook, "other", "state")).to_have_text("idle", timeout=PATIENCE)
    # Kill asks; Escape takes it back; then it dies, while a cell waits for it.
    notebook.run(5, wait=False)
    expect(cell(notebook, "other", "state")).to_have_text("busy", timeout=PATIENCE)
    row(notebook, "other").locator(".jx-kill").click()
    expect(page.locator(".jx-status")).to_contain_text("Its state and its queued calls are lost.")
    page.keyboard.press("Escape")
    expect(page.locator(".jx-status")).to_have_text("")
    row(notebook, "other").locator(".jx-kill").click()
    page.locator(".jx-yes").click()
    assert notebook.wait(5) == "ActorDiedError"
    expect(row(notebook, "other")).to_have_count(0, timeout=PATIENCE)
    page.locator("[data-toggle=dead]").click()
    expect(cell(notebook, "other", "state")).to_have_text("dead", timeout=PATIENCE)
    notebook.screenshot("dead")


def test_the_panel_comes_back_with_the_page_sorts_filters_draws_the_map_and_a_crowd(open_notebook):
    through = "jactors.get([tally.through.remote(other, 0.01) for _ in range(3)])[-1]"
    notebook = open_notebook(SETUP, SHOW, through, CROWD, BUSTLE, "tally")
    notebook.run(0)
    notebook.run(1)
    notebook.run(5)
    page = notebook.page
    expect(cell(notebook, "tally", "state")).to_have_text("idle", timeout=PATIENCE)
    card = page.locator(".jactors-card")
    expect(card.locator(".jd-done")).to_have_text("1 done", timeout=PATIENCE)
    notebook.reload()
    expect(cell(notebook, "tally", "state")).to_have_text("idle", timeout=PATIENCE)
    assert notebook.run(2) == "4"
    expect(cell(notebook, "tally", "done")).to_have_text("4", timeout=PATIENCE)
    expect(card.locator(".jd-done")).to_have_text("4 done", timeout=PATIENCE)
    page.locator(".jx-sort", has_text="done").click()
    page.locator(".jx-filter").fill("oth")
    expect(row(notebook, "tally")).to_have_count(0)
    page.locator(".jx-filter").fill("")
    row(notebook, "tally").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".jx-detail-title")).to_contain_text("tally")
    page.keyboard.press("Escape")
    page.locator("[data-toggle=map]").click()
    expect(page.locator(".jx-node")).to_have_count(3, timeout=PATIENCE)  # the driver, and two
    expect(page.locator(".jx-edge")).to_have_count(3, timeout=PATIENCE)
    notebook.screenshot("map")
    # A hundred actors at work: what the page shows keeps changing while the cell is blocked.
    page.locator("[data-toggle=map]").click()
    assert notebook.run(3) == "True"
    notebook.run(4, wait=False)
    page.wait_for_function(TWENTY, timeout=PATIENCE)
    (notebook.server.root / "enough").touch()
    notebook.wait(4)
    notebook.screenshot("crowd")
    # The card of a handle has buttons, too; kill asks.
    card.locator(".jx-kill").click()
    page.keyboard.press("Escape")
    card.locator(".jx-kill").click()
    card.locator(".jd-yes").click()
    expect(card.locator(".jd-note")).to_have_text("it was killed by `jactors.inspector`", timeout=PATIENCE)
    expect(card).to_have_attribute("data-state", "dead")


def test_voila_shows_it(open_voila, shoot):
    page = open_voila(SETUP, SHOW)
    expect(page.locator(".jx-table tr td.jx-name", has_text="tally")).to_be_visible(timeout=PATIENCE)
    shoot(page, "voila")
