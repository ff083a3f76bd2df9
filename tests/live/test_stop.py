"""The stop button, and Ctrl-C, on a cell that waits: what it ends, and what it says."""

from __future__ import annotations

import signal
import time

import pytest

from tests.live.conftest import until_exists
from tests.live.page import failed, printed

SETUP = """
    import os, time
    @jactors.remote
    class Counter:
        def __init__(self):
            self.n = 0
        def add(self):
            self.n += 1
            return self.n
        def work(self, begun):
            self.n += 10
            open(begun, "w").close()
            while True:
                time.sleep(0.01)
        def deaf(self, begun):
            open(begun, "w").close()
            sum(range(3 * 10**8))
    one = Counter.options(name="one").remote()
    two = Counter.options(name="two").remote()
    print(one.add(), two.add())
"""


@pytest.fixture(scope="module", autouse=True)
def ready(page):
    assert printed(page.run(SETUP)) == "1 1\n"


def until_waiting(begun):
    """Wait until a method runs, and the cell waits for it: of that, nothing tells but the time."""
    until_exists(begun)
    time.sleep(0.2)


@pytest.mark.parametrize(
    "waiting",
    [
        "jactors.get(ref)",
        "jactors.get([ref, ref])",
        "jactors.wait([ref])",
        "one.work(begun)",
        "next(jactors.util.as_completed([ref]))",
    ],
)
def test_stop_interrupts_the_method_keeps_the_state_and_says_so_in_one_line(page, tmp_path, waiting):
    begun = tmp_path / "begun"
    before = int(printed(page.run("print(one.add())")))
    call = "" if "work" in waiting else "ref = one.work.remote(begun)"
    cell = page.begin(f"begun = {str(begun)!r}\n{call}\n{waiting}")
    until_waiting(begun)
    page.manager.interrupt_kernel()
    error = failed(page.end(cell))
    assert error["traceback"] == ["KeyboardInterrupt: interrupted Counter.work of one; state is kept"]
    assert printed(page.run("print(one.add())")) == f"{before + 11}\n"


def test_stop_of_a_cell_that_awaits(page, tmp_path):
    begun = tmp_path / "begun"
    before = int(printed(page.run("print(one.add())")))
    cell = page.begin(f"await one.work.remote({str(begun)!r})")
    until_waiting(begun)
    page.manager.interrupt_kernel()
    outputs = page.end(cell)
    assert printed(outputs, "stderr") == "interrupted Counter.work of one; state is kept\n"
    assert failed(outputs)["ename"] in ("CancelledError", "TaskCancelledError")
    assert printed(page.run("print(one.add())")) == f"{before + 11}\n"


def test_stop_ends_all_that_is_waited_for(page, tmp_path):
    begun = tmp_path / "begun"
    cell = page.begin(
        f"refs = [one.work.remote({str(begun)!r}), *[one.add.remote() for _ in range(9)]]\njactors.get(refs)"
    )
    until_waiting(begun)
    page.manager.interrupt_kernel()
    (line,) = failed(page.end(cell))["traceback"]
    assert "interrupted 10 calls (Counter.work of one, Counter.add of one); state is kept" in line


def test_what_cannot_be_interrupted_is_said_and_kill_offered(page, tmp_path):
    begun = tmp_path / "begun"
    cell = page.begin(f"two.deaf({str(begun)!r})")
    until_waiting(begun)
    page.manager.interrupt_kernel()
    (line,) = failed(page.end(cell))["traceback"]
    assert "Counter.deaf of two did not stop within 2 s" in line
    assert "native code" in line and "%actor kill two" in line


def test_a_second_stop_gives_up_waiting(page, tmp_path):
    begun = tmp_path / "begun"
    page.run("three = Counter.remote()")
    cell = page.begin(f"three.deaf({str(begun)!r})")
    until_waiting(begun)
    page.manager.interrupt_kernel()
    time.sleep(0.2)  # for the first to be taken: it says nothing that could be waited for
    page.manager.interrupt_kernel()
    (line,) = failed(page.end(cell))["traceback"]
    assert line.startswith("KeyboardInterrupt: gave up waiting: Counter.deaf of ") and "goes on" in line
    page.run("jactors.kill(three)")


def test_the_calls_can_be_left_alone(page, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    page.run("os.environ['JACTORS_INTERRUPT_AWAITED'] = '0'\nfour = Counter.remote()")
    cell = page.begin(f"ref = four.work.remote({str(begun)!r})\njactors.get(ref)")
    until_waiting(begun)
    page.manager.interrupt_kernel()
    assert failed(page.end(cell))["ename"] == "KeyboardInterrupt"
    assert (
        printed(page.run("del os.environ['JACTORS_INTERRUPT_AWAITED']\nprint(jactors.wait([ref], timeout=0)[0])"))
        == "[]\n"
    )
    gate.touch()
    page.run("jactors.kill(four)")


def test_ctrl_c_in_a_script(start, tmp_path):
    begun = tmp_path / "begun"
    driver = start(
        f"""
        import jactors, time
        jactors.init(INIT)
        @jactors.remote
        class Counter:
            def work(self):
                open({str(begun)!r}, "w").close()
                while True: time.sleep(0.01)
        counter = Counter.options(name="tally").remote()
        counter.work()
        """
    )
    until_exists(begun)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=30)
    assert err.splitlines()[-1].endswith("KeyboardInterrupt: interrupted Counter.work of tally; state is kept")
    assert driver.returncode == -signal.SIGINT
