"""Running a cell again ends the actors that it had made: RAY_API.md says nothing, issue trackers a lot."""

from __future__ import annotations

import pytest

from tests.live.conftest import texts

ALIVE = """
import time
end = time.monotonic() + 20
def alive():
    told = jactors.session.current().watch.request("list")["actors"]
    return sum(each["class_name"] == "All" and each["state"] != "DEAD" for each in told)
while alive() != WANTED and time.monotonic() < end:
    time.sleep(0.005)
print(alive())
"""


@pytest.fixture(scope="module")
def cells(notebook):
    notebook("@jactors.remote(num_cpus=4)\nclass All:\n    def one(self):\n        return 1")
    return notebook


def alive(cells, wanted):
    (outputs,) = cells(ALIVE.replace("WANTED", str(wanted)))
    return int(texts(outputs))


@pytest.mark.parametrize("show", ["", "\na", "\n[a]", "\nprint(a)"])
def test_the_old_actor_gives_its_cores_to_the_new_one(cells, show):
    cell = "a = All.remote()\nprint(a.one())" + show.replace("[a]", "a; a")
    # The second can start only when the first has gone: there are no more cores.
    first, second, third = cells(cell, cell, cell)
    assert all(texts(outputs).startswith("1\n") for outputs in (first, second, third)), (first, second, third)
    assert alive(cells, 1) == 1
    cells("jactors.kill(a)")
    assert alive(cells, 0) == 0


def test_what_is_kept_elsewhere_is_left_alone(cells):
    cell = "b = All.options(num_cpus=1).remote()\nkept.append(b)\nb.one()\nb"
    cells("kept = []", cell, cell)
    assert alive(cells, 2) == 2
    cells("jactors.kill(kept[0]); jactors.kill(kept[1]); kept.clear(); del b")
    assert alive(cells, 0) == 0


def test_another_cell_is_no_rerun(cells):
    cells("c = All.options(num_cpus=1).remote()\nc", "c = 0", "d = All.options(num_cpus=1).remote()\nd.one()")
    assert alive(cells, 2) == 2  # Out remembers the first: Jupyter's habit
    cells("jactors.kill(d)")


# ---------------------------------------------------------------------- a handle that is shown is a card

SHOWN = """
import time
from ipywidgets.widgets.widget import _instances
from jactors.notebook import cards

def told(**facts):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        actors = cards.deck().picture["actors"] if cards.deck() is not None else []
        if any(each["id"] == e._actor_id.hex() and facts.items() <= each.items() for each in actors):
            return True
        time.sleep(0.005)

html = [get_ipython().display_formatter.format(e)[0]["text/html"] for _ in range(50)]
print(told(state="idle", done=1), len(set(html)), len(_instances))
"""


def test_cards_are_html_and_one_widget_without_a_view_keeps_them_up_to_date(cells):
    *_, outputs = cells("e = All.options(num_cpus=0).remote()\ne.one()", "e")
    (shown,) = outputs
    assert set(shown.data) == {"text/html", "text/plain"}
    assert ' data-jactors="' in shown.data["text/html"] and "alive" in shown.data["text/plain"]
    told, still = cells(SHOWN, "jactors.kill(e)\nprint(told(state='dead', reason='it was killed by `jactors.kill`'))")
    assert (texts(told), texts(still)) == ("True 1 2\n", "True\n")  # itself, and its layout


def test_cards_stand_still_where_that_is_wanted(cells):
    for value, marked in (("still", False), ("live", True)):
        *_, outputs = cells("%reload_ext jactors", f"%config ActorMagics.cards = '{value}'", "e")
        assert ("data-jactors" in outputs[0].data["text/html"]) == marked
