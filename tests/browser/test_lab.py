"""Actors in JupyterLab: in the Running panel, under a notebook's own buttons."""

from __future__ import annotations

from tests.browser.test_first import COUNTER


def test_actors_are_in_the_running_panel(open_notebook, jupyter):
    notebook = open_notebook(COUNTER.replace("remote()", "options(name='tally').remote()"), "counter.add(2)", "jactors.kill(counter)")
    notebook.run(0)
    notebook.run(1)
    import time; time.sleep(2)
    print(jupyter.api("GET","sessions"))
    page = notebook.page
    page.locator("[data-id='jp-running-sessions']").click()
    time.sleep(1)
    notebook.screenshot("running")
    notebook.run(2)
    time.sleep(4)
    print(jupyter.api("GET","sessions"))
    page.locator("#jp-running-sessions [data-command='running:refresh'], #jp-running-sessions jp-button").first.click()
    time.sleep(1)
    notebook.screenshot("running-after")
    print(jupyter.log()[-3000:])
    assert 0
