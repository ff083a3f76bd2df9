"""Drivers of their own: scripts in a process, cells in a real ipykernel; and the actors that several modules share."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.waiting import PATIENCE, gone, until, until_exists

__all__ = ["PATIENCE", "environment", "gone", "notebook", "page", "run", "start", "texts", "until", "until_exists"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def environment():
    """The environment of a driver: finds jactors, writes what it prints at once, stays in this run's runtime folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(tmp_path, environment, launcher):
    """Start a driver script; `INIT` in it is what the options of `init` should begin with."""
    drivers = []

    def start(text, **options):
        script = tmp_path / f"driver{len(drivers)}.py"
        script.write_text(textwrap.dedent(text).replace("INIT", f"launcher={launcher!r}"))
        driver = subprocess.Popen(
            [sys.executable, str(script)],
            **{
                "env": environment,
                "cwd": tmp_path,
                "stdin": subprocess.PIPE,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                **options,
            },
        )
        drivers.append(driver)
        return driver

    yield start
    for driver in drivers:
        driver.kill()
        driver.wait()
        for stream in (driver.stdin, driver.stdout, driver.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def run(start):
    """Run a driver script to its end; returns (exit code, stdout, stderr)."""

    def run(text, **options):
        driver = start(text, **options)
        out, err = driver.communicate(timeout=PATIENCE)
        return driver.returncode, out, err

    return run


@pytest.fixture(scope="module")
def notebook(environment, launcher):
    """Run cells in one notebook kernel a module; returns the outputs of each."""
    import nbformat
    from nbclient import NotebookClient

    client = NotebookClient(nbformat.v4.new_notebook(), timeout=PATIENCE, allow_errors=True, kernel_name="python3")
    client.km = client.create_kernel_manager()

    def cells(*sources):
        for source in sources:
            client.nb.cells.append(nbformat.v4.new_code_cell(textwrap.dedent(source).replace("INIT", f"{launcher=!r}")))
            client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
        return [cell.outputs for cell in client.nb.cells[-len(sources) :]]

    with client.setup_kernel(env=environment):
        cells(f"import jactors\ncontext = jactors.init(num_cpus=4, launcher={launcher!r})")
        yield cells
        cells("jactors.shutdown()")


@pytest.fixture(scope="module")
def page(environment, launcher):
    """A notebook kernel with a client that can type, stop a cell and press Tab; with a session of four cores."""
    from jupyter_client import KernelManager

    from tests.live.page import Notebook

    manager = KernelManager(kernel_name="python3", transport="ipc")
    manager.start_kernel(env=environment)
    page = Notebook(manager)
    page.run(f"import jactors\ncontext = jactors.init(num_cpus=4, launcher={launcher!r})")
    yield page
    page.run("jactors.shutdown()")
    page.close()


def texts(outputs, name="stdout"):
    """All the text that one stream of a cell shows."""
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == name)


@pytest.fixture(scope="module")
def counter(session):
    """A counter, for all tests of a module."""
    from tests.live.counter import Counter

    return Counter.remote()


@pytest.fixture
def gate(tmp_path):
    """A file that `wait_for` waits for."""
    return tmp_path / "gate"


@pytest.fixture(scope="module")
def workers(session):
    """Two workers, for all tests of a module."""
    from tests.live.worker import Worker

    return [Worker.remote(), Worker.remote()]


@pytest.fixture(scope="module")
def risky(session):
    """An actor that fails in every way, for all tests of a module."""
    from tests.live.risky import Risky

    return Risky.remote()


@pytest.fixture
def swept():
    """What a test was about, and has been looked at, does not count against the module."""
    from jactors import registry
    from jactors.places import base_dir, read_record, remove_session
    from jactors.vitals import process_alive

    yield
    for path in (base_dir() / "names").glob("*/*.json"):
        if registry.lookup(unquote(path.parent.name), unquote(path.stem)) is None:
            path.unlink()
    for path in base_dir().glob("*/supervisor"):
        known = read_record(path)
        if known is not None and not process_alive(known["pid"], known["started"]):
            remove_session(path.parent.name)


@pytest.fixture(scope="module")
def shared(session):
    """Workers serve more than one test, though pytest puts the test's name into the environment."""
    import jactors

    here = jactors.session.current()
    base = here.base

    def without_name(options):
        found = base(options)
        found["env"].pop("PYTEST_CURRENT_TEST", None)
        return found

    here.base = without_name
    yield
    del here.base


@pytest.fixture
def given_back(shared):
    """After each test, all that its tasks held is free."""
    import jactors

    yield
    until(lambda: jactors.available_resources() == jactors.cluster_resources())
