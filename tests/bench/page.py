"""The inspector in a real page: how often it paints while its actors work, what it costs while they rest.

::

    this process ─▶ JupyterLab ─▶ kernel (the driver) ─▶ actors
         └────────▶ Chromium, which shows the inspector and counts the frames in which it has changed
"""

from __future__ import annotations

import ast
import os
import tempfile
import time
from pathlib import Path

MAKE = """
import os, time
import jactors

@jactors.remote(num_cpus=0)
class Worker:
    def __init__(self):
        self.turns = 0
    def pid(self):
        return os.getpid()
    def turn(self):
        self.turns += 1
        return self.turns

workers = [Worker.options(name=f"worker-{{n}}").remote() for n in range({actors})]
[os.getpid(), jactors.get([worker.pid.remote() for worker in workers])]
"""
SHOW = "panel = jactors.inspector()\npanel"

#: Everybody is called twenty times a second; the cell is blocked meanwhile, as a user's would be.
WORK = """
until = time.monotonic() + {seconds}
turns = 0
while time.monotonic() < until:
    jactors.get([worker.turn.remote() for worker in workers])
    turns += 1
    time.sleep(0.05)
turns * len(workers) / {seconds}
"""
REST = "panel.close()"

#: Counts frames in which the table has changed; whether it is looked at or not, a frame comes 60 times a second.
COUNT = """
() => {
    const table = document.querySelector(".jx .jx-table tbody");
    const count = (window.jactorsFrames = { frames: 0, changes: 0 });
    let pending = false;
    new MutationObserver((changes) => {
        count.changes += changes.length;
        if (pending) return;
        pending = true;
        requestAnimationFrame(() => { count.frames += 1; pending = false; });
    }).observe(table, { subtree: true, childList: true, characterData: true, attributes: true });
}
"""
READ = "() => ({...window.jactorsFrames, pictures: Number(document.querySelector('.jx').dataset.paints)})"


def measure(*, actors, seconds):
    """Return frames and pictures a second while all actors are called, and percents of a core while none is.

    ``frames``: in which the page has changed; ``pictures``: states that were painted; ``busy``: of the driver
    meanwhile, its calls included; ``idle`` and ``idle_actor``: of the driver and of one actor, the panel open,
    nothing happening; ``bare``: of the driver when the panel is closed.
    """
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import ARGUMENTS, chromium
    from tests.browser.jupyter import Jupyter
    from tests.browser.notebook import Notebook

    with tempfile.TemporaryDirectory(prefix="jb") as folder:
        (Path(folder) / "r").mkdir(mode=0o700)
        os.environ["JUPYTER_RUNTIME_DIR"] = f"{folder}/r"
        server = Jupyter(Path(folder))
        try:
            server.write("bench.ipynb", [MAKE.format(actors=actors), SHOW, WORK.format(seconds=seconds), REST])
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=ARGUMENTS)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                figures = _use(Notebook(page, server, "bench.ipynb"), actors, seconds)
                browser.close()
            server.clear()
        finally:
            server.close()
    return figures


def _use(notebook, actors, seconds):
    page = notebook.page
    driver, pids = ast.literal_eval(notebook.run(0))
    notebook.run(1)
    page.wait_for_function(f"() => document.querySelectorAll('.jx tr[data-state=idle]').length === {actors}")
    page.evaluate(COUNT)
    before, spent = page.evaluate(READ), cpu(driver)
    notebook.run(2, wait=False)
    began = time.perf_counter()
    time.sleep(seconds)
    after, spent = page.evaluate(READ), cpu(driver) - spent
    took = time.perf_counter() - began
    figures = {
        "frames": (after["frames"] - before["frames"]) / took,
        "pictures": (after["pictures"] - before["pictures"]) / took,
        "busy": 100 * spent / took,
        "calls": float(notebook.wait(2)),
    }
    time.sleep(5)  # what was under way comes to rest
    figures["idle"], figures["idle_actor"] = _idle(driver, pids, seconds)
    notebook.run(3)
    time.sleep(2)
    figures["bare"], _ = _idle(driver, pids, seconds)
    return figures


def _idle(driver, pids, seconds):
    """Return percents of a core of the driver, and of an actor, over some seconds."""
    before = cpu(driver), sum(map(cpu, pids))
    began = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    return 100 * (cpu(driver) - before[0]) / took, 100 * (sum(map(cpu, pids)) - before[1]) / took / len(pids)


def cpu(pid):
    """Return the seconds of CPU time that the threads of a process have used."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9
