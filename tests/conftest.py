"""One world a test run, and a census after every module that starts kernels."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.parity.index import by_test

HERE = Path(__file__).parent

#: The folders whose modules start processes, and must give them back.
COUNTED = (HERE / "live", HERE / "faults", HERE / "browser")

#: Where a browser and a server run beside the tests, whose processes come and go: only those of sessions count.
ACCOMPANIED = HERE / "browser"

#: Variables that point to folders of this run: runtime files, names and ledger of the user's own sessions stay apart.
FOLDERS = {"JUPYTER_RUNTIME_DIR": "r", "IPYTHONDIR": "i"}

#: Seconds that processes have, after shutdown, to be gone.
PATIENCE = 5.0

#: Descriptors that libraries open on first use and keep: zmq's context, an event loop, IPython's history.
SPARE_DESCRIPTORS = 12

#: Workers that share a run of everything: tests wait for processes half of the time.
WORKERS = 2

#: The order in which they take files: what takes longest first, so that none is left with much when the other has done.
ORDER = ("tests/browser/", "tests/faults/", "notebooks/", "tests/live/")

#: What the test run found in the environment, given back at its end.
FOUND = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption(
        "--launcher",
        action="append",
        choices=["fork", "spawn"],
        help="how the `session` fixture starts actors; repeat it to run the live tests with both "
        "(default: $JACTORS_TEST_LAUNCHER, or fork)",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Return the number of workers: tests that were chosen, by path, -k or -m, begin at once, here."""
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword
    return 0 if chosen or config.option.markexpr else WORKERS


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file stays together, as its session does; so does the browser's folder: one server, one browser."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return ORDER[0] if nodeid.startswith(ORDER[0]) else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_configure(config):
    # Not a fixture: nbval's items take no fixtures, and their kernels inherit this environment too.
    root = Path(tempfile.mkdtemp(prefix="jx"))  # short: unix socket paths end at 107 bytes
    config.stash[FOUND] = root, {name: os.environ.get(name) for name in FOLDERS}
    for name, folder in FOLDERS.items():
        (root / folder).mkdir(mode=0o700)
        os.environ[name] = str(root / folder)


def pytest_collection_modifyitems(config, items):
    """Put files in their order, and mark what a bullet of RAY_API.md is seen to by: ``-m ray``, ``-k 3.wait``."""
    items.sort(
        key=lambda item: next((at for at, place in enumerate(ORDER) if item.nodeid.startswith(place)), len(ORDER))
    )
    about = by_test()
    for item in items:
        if ids := about.get(item.nodeid.partition("[")[0]):
            item.add_marker(pytest.mark.ray(*ids))
            item.extra_keyword_matches.update(ids)


def pytest_unconfigure(config):
    root, found = config.stash[FOUND]
    for name, value in found.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    shutil.rmtree(root, ignore_errors=True)


def pytest_generate_tests(metafunc):
    if "launcher" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--launcher") or [os.environ.get("JACTORS_TEST_LAUNCHER", "fork")]
        metafunc.parametrize("launcher", dict.fromkeys(chosen), scope="module")


def end_session():
    """Shut jactors down, if the tests so far imported it and left it initialised."""
    jactors = sys.modules.get("jactors")
    if jactors is not None and hasattr(jactors, "is_initialized") and jactors.is_initialized():
        jactors.shutdown()


@pytest.fixture(scope="module", autouse=True)
def census(request):
    """Whatever a module of live tests starts is gone after it."""
    if not any(folder in request.path.parents for folder in COUNTED):
        yield None
        return
    from jactors.places import base_dir
    from jactors.testing.leaks import Census

    before = Census.take([base_dir()], kin=ACCOMPANIED not in request.path.parents)
    yield before
    end_session()
    Census.wait_clean(before, timeout=PATIENCE, spare_descriptors=SPARE_DESCRIPTORS)


@pytest.fixture(scope="module")
def session(census, launcher):
    """A session of four cores and four stated GPUs, for all tests of a module."""
    import jactors

    yield jactors.init(num_cpus=4, num_gpus=4, launcher=launcher)
    end_session()
