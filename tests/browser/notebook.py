"""A notebook in a page: what a user does there, and what a user sees."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.jupyter import Jupyter

#: Milliseconds after which something that should be in the page counts as missing.
PATIENCE = 30_000

#: A cell's prompt changes when its key is pressed; after so many milliseconds the key was lost, and is pressed again.
LOST = 3_000
TRIES = 5

#: Complaints of Notebook 7's own: it has not all of Lab's extensions, and misses them with any notebook. And of Lab's
#: debugger, about what a restart has cut off, as with any kernel. And of a server that lists a kernel a moment before
#: it has noted when that was last active.
NOISE = (
    r"Could not restore the debugger state",
    r"Cannot read properties of undefined \(reading 'schema'\)",
    r"Command 'filebrowser:open-path' not registered\.",
    r"status of 500 .*/api/kernels\?\d+\)$",
)


class Notebook:
    """One notebook, open in JupyterLab or Notebook 7; cells are counted from 0, code cells only.

    Parameters
    ----------
    page : Page
        Playwright's: for all that is not here.
    server : Jupyter
        Where it is open.
    name : str
        Of its file, below the server's root.
    view : str
        The address that opens it: ``lab/tree`` or ``notebooks``.
    shoot : callable
        Takes a page and a name, keeps a screenshot.
    """

    def __init__(self, page: Page, server: Jupyter, name: str, *, view: str = "lab/tree", shoot=None) -> None:
        self.page = page
        self.server = server
        self.name = name
        #: What the page's scripts complained of, text by text.
        self.errors: list[str] = []
        self._shoot = shoot
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._complained(str(error)))
        page.add_locator_handler(self._question, self._answer)
        query = {"reset": ""} if view.startswith("lab") else {}
        page.goto(server.address(f"{view}/{name}", **query))
        self.wait_ready()

    def _on_console(self, message) -> None:
        if message.type == "error":
            self._complained(f"{message.text} ({message.location.get('url', '')})")

    def _complained(self, text: str) -> None:
        if not any(re.search(noise, text) for noise in NOISE):
            self.errors.append(text)

    # ------------------------------------------------------------------ where things are

    @property
    def panel(self):
        """The notebook itself: the one that is not hidden behind another tab."""
        return self.page.locator(".jp-NotebookPanel:visible")

    @property
    def _question(self):
        """Lab's question for a kernel."""
        return self.page.locator(".jp-Dialog", has_text="Select Kernel")

    @staticmethod
    def _answer(question) -> None:
        """Lab asks where a slow server has not told it in time which kernels there are."""
        python = question.locator("select option", has_text="Python 3").first
        question.locator("select").select_option(label=python.inner_text())
        question.locator(".jp-mod-accept").click()

    def cell(self, index: int):
        """Return the locator of a code cell."""
        return self.panel.locator(".jp-CodeCell").nth(index)

    def prompt(self, index: int) -> str:
        """Return ``[3]:``, ``[*]:`` or ``[ ]:``."""
        return self._prompt(index).inner_text().strip()

    def _prompt(self, index: int):
        return self.cell(index).locator(".jp-InputArea-prompt").first

    def output(self, index: int) -> str:
        """Return what stands under a cell, as text."""
        texts = self.cell(index).locator(".jp-OutputArea-output").all_inner_texts()
        return "\n".join(text.strip("\n") for text in texts)

    # ------------------------------------------------------------------ what a user does

    def run(self, index: int, *, wait: bool = True) -> str:
        """Run a cell; wait for its prompt, and return what stands under it then.

        With ``wait=False`` it returns as soon as the cell is running.
        """
        before = self.prompt(index)
        for _ in range(TRIES):
            self.focus(index)
            self.page.keyboard.press("Control+Enter")
            try:
                expect(self._prompt(index)).not_to_have_text(before, timeout=LOST)
            except AssertionError:
                continue  # a page that is just opening takes the focus away, and the key goes nowhere
            return self.wait(index, after=before) if wait else self.output(index)
        raise AssertionError(f"cell {index} does not start")

    def wait(self, index: int, *, after: str = "[ ]:") -> str:
        """Wait until a cell has ended, its prompt another than `after`; return what stands under it."""
        ended = re.compile(rf"^(?!{re.escape(after)})\[\d+\]:$")
        expect(self._prompt(index)).to_have_text(ended, timeout=PATIENCE)
        return self.output(index)

    def focus(self, index: int) -> None:
        """Put the cursor into a cell, and wait until it is there: keys pressed before are lost."""
        editor = self.cell(index).locator(".cm-content")
        editor.click()
        expect(editor).to_be_focused(timeout=PATIENCE)

    def type(self, index: int, text: str) -> None:
        """Replace a cell's text, key by key."""
        self.focus(index)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def wait_text(self, index: int, text: str) -> str:
        """Wait until `text` stands under a cell."""
        expect(self.cell(index).locator(".jp-OutputArea")).to_contain_text(text, timeout=PATIENCE)
        return self.output(index)

    def answer(self, index: int, text: str) -> None:
        """Answer the `input()` that a cell waits in."""
        box = self.cell(index).locator(".jp-Stdin-input").last.element_handle(timeout=PATIENCE)
        box.fill(text)
        box.press("Enter")
        box.wait_for_element_state("hidden", timeout=PATIENCE)  # the next question has a box of its own

    def choose_kernel(self, label: str) -> None:
        """Take another kernel, in the dialog behind the kernel's name, as soon as it is offered."""
        self.page.remove_locator_handler(self._question)
        option = self._question.locator("select option", has_text=label)

        def ask():
            if self._question.is_visible():
                self._question.locator(".jp-mod-reject").click()
                expect(self._question).to_have_count(0)
            self.panel.locator(".jp-Toolbar-kernelName").click()
            self._question.locator("select").wait_for()

        ask()
        self.until(option.count, again=ask)
        self._question.locator("select").select_option(label=option.inner_text())
        self._question.locator(".jp-mod-accept").click()
        expect(self._question).to_have_count(0)
        self.wait_ready()

    def stop(self) -> None:
        """Press the stop button."""
        self.panel.locator("[data-command='notebook:interrupt-kernel']").click()

    def restart(self) -> None:
        """Press the restart button, and confirm."""
        self.panel.locator("[data-command='notebook:restart-kernel']").click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.wait_ready()

    def reload(self) -> None:
        """Load the page again, as a user does who has lost patience."""
        for _ in range(TRIES):
            self.page.keyboard.press("Control+S")
            try:  # in JupyterLab the tab says what is not saved
                expect(self.page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0, timeout=LOST)
            except AssertionError:
                continue
            break
        self.page.reload()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the notebook is there and its kernel is idle."""
        expect(self.panel.locator(".jp-Cell").first).to_be_visible(timeout=PATIENCE)
        idle = self.panel.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']")
        expect(idle).to_be_visible(timeout=PATIENCE)  # not wait_for, which leaves Lab's question unanswered

    def until(self, true: Callable[[], object], *, again: Callable[[], object]) -> None:
        """Do what makes the page look `again`, until something is true: for what it does not show by itself."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not true():
            assert time.monotonic() < deadline, "it never came true"
            self.page.wait_for_timeout(100)
            again()

    def screenshot(self, name: str) -> None:
        """Keep a picture of the page: in $JACTORS_SCREENSHOTS, else in the test's temporary folder."""
        self._shoot(self.page, name)
