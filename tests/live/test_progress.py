"""A bar over calls: in a terminal a line on stderr, in a notebook a widget."""

from __future__ import annotations

import re
import sys
import time

import pytest

import jactors
from jactors.exceptions import GetTimeoutError, TaskError
from tests.live.page import failed, printed, shown


class Worker:
    def square(self, x):
        return x * x

    def fail(self):
        raise ValueError("no")

    def wait(self, gate):
        while not gate.exists():
            time.sleep(0.002)


@pytest.fixture(autouse=True)
def ipykernel(monkeypatch):
    """A script may have imported it: that makes it no notebook."""
    import ipykernel.zmqshell  # noqa: F401

    for name in [name for name in sys.modules if name.startswith("tqdm.auto")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def worker(session):
    handle = jactors.remote(Worker).remote()
    yield handle
    jactors.kill(handle)


def bar(capsys):
    """The last state of the one bar that stderr shows."""
    return capsys.readouterr().err.rstrip("\n").split("\r")[-1]


def test_get_shows_a_bar_and_returns_what_it_does_without(worker, capsys):
    refs = [worker.square.remote(i) for i in range(20)]
    assert jactors.get(refs, progress=True) == [i * i for i in range(20)]
    assert re.match(r"100%\|.*\| 20/20 \[", bar(capsys))
    assert jactors.get(worker.square.remote(3), progress=True) == 9
    assert "1/1" in bar(capsys)


def test_failures_are_counted_and_get_raises_the_first(worker, capsys):
    refs = [worker.fail.remote(), *[worker.square.remote(i) for i in range(3)], worker.fail.remote()]
    assert jactors.progress(refs, desc="squares") is refs
    assert re.match(r"squares: 100%\|.*\| 5/5 \[.*failed=2", bar(capsys))
    with pytest.raises(TaskError):
        jactors.get(refs, progress=True)


def test_what_runs_is_counted_and_a_timeout_leaves_the_calls_alone(worker, tmp_path, capsys):
    gate = tmp_path / "gate"
    assert worker.square(1) == 1  # it has started
    refs = [worker.square.remote(1), *[worker.wait.remote(gate) for _ in range(3)]]
    with pytest.raises(GetTimeoutError):
        jactors.get(refs, timeout=0.2, progress=True)
    assert re.match(r" 25%\|.*\| 1/4 \[.*running=1", bar(capsys))
    gate.touch()
    assert jactors.get(refs, progress=True) == [1, None, None, None]


@pytest.mark.parametrize("refs", [[1], ["ref"]])
def test_what_is_no_ref_is_refused(session, refs):
    with pytest.raises(TypeError, match="ObjectRef"):
        jactors.progress(refs)


def test_nothing_to_do(session, capsys):
    assert jactors.progress([]) == []
    assert jactors.get([], progress=True) == []


def test_in_a_notebook_it_is_a_widget(page):
    outputs = page.run(
        """
        @jactors.remote
        class Worker:
            def square(self, x): return x * x
            def fail(self): raise ValueError("no")
        worker = Worker.remote()
        print(jactors.get([worker.square.remote(i) for i in range(4)], progress=True))
        """
    )
    assert printed(outputs) == "[0, 1, 4, 9]\n"
    (data,) = shown(outputs)
    assert "application/vnd.jupyter.widget-view+json" in data
    states = [content["data"].get("state", {}) for kind, content in outputs if kind == "comm_msg"]
    assert {"value": 4.0} in states or any(state.get("value") == 4.0 for state in states)
    outputs = page.run("jactors.get([worker.fail.remote()], progress=True)")
    assert "ValueError" in failed(outputs)["ename"]
    states = [content["data"].get("state", {}) for kind, content in outputs if kind == "comm_msg"]
    assert any(state.get("bar_style") == "danger" for state in states)
