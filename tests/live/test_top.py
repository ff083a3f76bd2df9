"""`jactors top`: a second process looks at a session, and acts."""

from __future__ import annotations

import asyncio
import time

import pytest

import jactors
from jactors import top
from jactors.actors.insight import statistics_of_all
from tests.waiting import until

PATIENCE = 30


@pytest.fixture(scope="module", autouse=True)
def session(launcher):
    yield jactors.init(num_cpus=4, launcher=launcher)
    jactors.shutdown()


@jactors.remote(num_cpus=0)
class Worker:
    def sleep(self, seconds):
        time.sleep(seconds)

    def ready(self):
        return True


@pytest.fixture
def busy():
    """A busy actor, one call running and three waiting; and an idle one."""
    busy, idle = Worker.options(name="busy").remote(), Worker.options(name="idle").remote()
    jactors.get([busy.ready.remote(), idle.ready.remote()])
    calls = [busy.sleep.remote(PATIENCE), *(busy.ready.remote() for _ in range(3))]
    until(lambda: one("busy").state == "busy")
    yield busy, calls
    jactors.kill(busy)
    jactors.kill(idle)
    until(lambda: all(actor.state == "dead" for actor in jactors.statistics()))


def one(name):
    return next(actor for actor in jactors.statistics() if actor.name == name and actor.state != "dead")


def test_another_process_prints_the_table_once(busy, session, run):
    code, out, err = run(
        f"""
        import sys
        from jactors.cli import main
        sys.exit(main(["top", {session["address"]!r}, "--once"]))
        """
    )
    assert code == 0, err
    head, _, titles, _, *rows = out.splitlines()
    assert head.startswith("2 actors (1 busy, 1 idle)") and "of 4 CPU reserved" in head
    assert titles.split()[:5] == ["actor", "class", "state", "runs", "for"]
    assert [row.split()[:4] for row in rows] == [["busy", "Worker", "busy", "sleep"], ["idle", "Worker", "idle", "-"]]
    assert one("busy").state == "busy", "the session has not ended with the one who looked"


def test_where_there_is_no_session_it_says_so(run):
    code, out, err = run(
        """
        import sys
        from jactors.cli import main
        sys.exit(main(["top", "nothing"]))
        """
    )
    assert (code, out) == (1, "") and "there is no session 'nothing'" in err


def test_the_screen_shows_acts_and_asks_before_it_kills(busy):
    from textual.widgets import DataTable

    from jactors.screen import Page, Question, Screen

    app = Screen(top.View(), every=0.05, look=statistics_of_all)

    def row(name):
        return next((row for row in app._view.rows if row[0] == name), None)

    async def shows(pilot, true):
        async with asyncio.timeout(PATIENCE):
            while not true():
                await pilot.pause(0.02)

    async def use():
        async with app.run_test(size=(160, 30)) as pilot:
            await shows(pilot, lambda: row("busy") and row("busy")[2:4] == ("busy", "sleep"))
            grid = app.query_one(DataTable)
            assert row("busy")[5] == "3" and str(grid.get_cell_at((0, 0))) == "busy"
            await pilot.press("s")
            await shows(pilot, lambda: isinstance(app.screen, Page))
            assert "in Worker.sleep" in app.screen._text
            await pilot.press("escape")
            await pilot.press("i")  # the method ends, the actor goes on
            await shows(pilot, lambda: row("busy")[2] == "idle")
            assert row("busy")[5] == "0" and row("busy")[7] == "1"
            await pilot.press("r")
            await shows(pilot, lambda: row("busy")[2] == "idle" and row("busy")[7] == "0")
            await pilot.press("down", "k")
            await shows(pilot, lambda: isinstance(app.screen, Question))
            await pilot.press("n")
            assert row("idle") is not None
            await pilot.press("k")
            await shows(pilot, lambda: isinstance(app.screen, Question))
            await pilot.press("y")
            await shows(pilot, lambda: row("idle") is None)
            assert app.chosen() == app._view.ids[0]

    asyncio.run(use())
    _, calls = busy
    assert jactors.get(calls[1:]) == [True] * 3
    with pytest.raises(jactors.exceptions.TaskError):
        jactors.get(calls[0])
