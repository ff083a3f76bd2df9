"""A real Chromium, and a Jupyter server for it to look at.

Both are started once for all tests of this folder. Where they cannot be, the tests are skipped and say why; with
``CI=true`` or ``JACTORS_BROWSER=1`` in the environment that is a failure. ``JACTORS_SCREENSHOTS`` names a folder where
pictures are kept.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import pytest

#: What the pages need besides a browser: module, and the package that has it.
NEEDED = {"playwright": "playwright", "jupyterlab": "jupyterlab", "notebook": "notebook", "voila": "voila"}

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    reason = ""
    if missing:
        reason = f"not installed: {', '.join(missing)}; pip install '.[test]'"
    elif chromium() is None:
        reason = "no Chromium: apt-get install chromium, or name one in $JACTORS_CHROMIUM"
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if reason and not _demanded():
                item.add_marker(pytest.mark.skip(reason=reason))


def _demanded():
    return os.environ.get("CI") == "true" or os.environ.get("JACTORS_BROWSER") == "1"


def chromium():
    named = os.environ.get("JACTORS_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="package")
def jupyter(tmp_path_factory):
    """The server. Its root is a folder of its own; its Python finds the tree under test."""
    from tests.browser.jupyter import Jupyter

    server = Jupyter(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    """A context of the browser, with a profile of its own."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.notebook import PATIENCE

    expect.set_options(timeout=PATIENCE)
    executable = chromium()
    assert executable, "no Chromium: apt-get install chromium, or name one in $JACTORS_CHROMIUM"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=executable,
            headless=True,
            args=ARGUMENTS,
            viewport={"width": 1280, "height": 900},
        )
        yield context
        context.close()


@pytest.fixture(scope="package", autouse=True)
def studio(jupyter, browser):
    """Server and browser are there before the first census of a module, and until after the last."""


@pytest.fixture
def page(browser):
    """A fresh page."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def shoot(request, tmp_path):
    """Keep a screenshot of a page under a name."""
    folder = Path(os.environ.get("JACTORS_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(page, name):
        page.screenshot(path=folder / f"{request.path.stem}-{name}.png")

    return shoot


@pytest.fixture
def open_notebook(request, jupyter, page, shoot):
    """Open a new notebook made of cells, in JupyterLab or (``view="notebooks"``) in Notebook 7.

    Afterwards the page's last sight is kept, all kernels end, and a page whose scripts have complained fails the test.
    """
    from tests.browser.notebook import Notebook

    opened = []

    def open_notebook(*cells, name=None, view="lab/tree"):
        name = name or re.sub(r"\W+", "-", request.node.name).strip("-") + ".ipynb"
        jupyter.write(name, list(cells))
        opened.append(Notebook(page, jupyter, name, view=view, shoot=shoot))
        return opened[-1]

    yield open_notebook
    shoot(page, f"{request.node.name}-last")
    page.goto("about:blank")  # no page that mourns for its kernel
    jupyter.clear()
    assert [error for notebook in opened for error in notebook.errors] == []


@pytest.fixture
def open_voila(jupyter, page):
    """Open a new notebook made of cells in Voila; returns Playwright's page, its cells run."""

    def open_voila(*cells, name="app.ipynb"):
        jupyter.write(name, list(cells))
        page.goto(jupyter.address(f"voila/render/{name}"))
        page.locator("#rendered_cells").wait_for(timeout=60_000)
        return page

    yield open_voila
    page.goto("about:blank")
    jupyter.clear()
