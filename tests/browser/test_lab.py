"""Actors in JupyterLab: in the Running panel, and under the buttons of a notebook that is attached to one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_first import COUNTER

TALLY = COUNTER.replace("Counter.remote()", "Counter.options(name='tally').remote()")


@pytest.fixture
def running(page):
    """Open the Running panel, up to date; returns its part about kernels."""

    def running():
        panel = page.locator("#jp-running-sessions")
        if not panel.is_visible():
            page.locator("[data-id='jp-running-sessions']").click()
        panel.get_by_title("Refresh List").first.click()
        return panel

    return running


def test_an_actor_is_in_the_running_panel_as_long_as_it_lives(open_notebook, running):
    notebook = open_notebook(TALLY, "counter.add(2)", "jactors.kill(counter)")
    notebook.run(0)
    assert notebook.run(1) == "the count is 2\n2"
    entry = running().get_by_text("Counter 'tally'")
    notebook.until(entry.count, again=running)  # the server is told beside the cell, which does not wait for it
    expect(entry.first).to_be_visible()
    notebook.screenshot("running")
    notebook.run(2)
    notebook.until(lambda: not entry.count(), again=running)
    notebook.screenshot("killed")


def debug(notebook, index, line):
    """Press the bug, set a breakpoint in a line of a cell, and run it up to there."""
    bug = notebook.panel.locator(".jp-DebuggerBugButton")
    expect(bug).to_have_attribute("title", "Enable Debugger")
    bug.click()
    expect(bug).to_have_attribute("title", "Disable Debugger")
    notebook.cell(index).locator(".cm-breakpoint-gutter .cm-gutterElement").nth(line).click()
    expect(notebook.page.locator(".jp-DebuggerBreakpoints")).to_contain_text(f"Cell [ ]\n{line}", use_inner_text=True)
    notebook.run(index, wait=False)
    expect(notebook.page.locator(".jp-DebuggerCallstack")).to_contain_text("<module>")


def test_a_notebook_attaches_to_an_actor_and_its_buttons_work(open_notebook):
    driver = open_notebook(TALLY.replace("@jactors.remote", "@jactors.remote(debug=True)"), "counter.add(2)")
    driver.run(0)
    driver.run(1)
    attached = open_notebook(
        "self.count += 40; self.count",
        "import time; time.sleep(100)",
        "self.count",
        "twice = self.count * 2\ntwice += 1\ntwice",
        name="a.ipynb",
    )
    attached.choose_kernel("Counter 'tally'")
    assert attached.run(0) == "42"
    attached.screenshot("attached")
    debug(attached, 3, 2)
    variables = attached.page.locator(".jp-DebuggerVariables")
    expect(variables).to_contain_text("twice")
    expect(variables).to_contain_text("84")
    attached.screenshot("debugger")
    attached.page.locator("[data-command='debugger:continue']").first.click()
    assert attached.wait(3) == "85"
    attached.panel.locator(".jp-DebuggerBugButton").click()
    expect(attached.panel.locator(".jp-DebuggerBugButton")).to_have_attribute("title", "Enable Debugger")
    attached.run(1, wait=False)
    attached.stop()
    assert "KeyboardInterrupt" in attached.wait(1)
    assert attached.run(2) == "42"
    attached.restart()
    assert attached.run(2) == "0"  # it began anew, under the same handle
    attached.screenshot("restarted")
