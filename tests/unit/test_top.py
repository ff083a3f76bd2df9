"""The rows of `jactors top`, without actors."""

from __future__ import annotations

from jactors.actors.records import ActorStatistics, Statistics
from jactors.top import COLUMNS, View

NOTHING = {
    "class_name": "Counter",
    "name": None,
    "state": "idle",
    "reason": "",
    "pid": 1,
    "restarts": 0,
    "max_restarts": 0,
    "cores": (),
    "gpus": (),
    "demand": {},
    "running": (),
    "queued": 0,
    "done": 0,
    "failed": 0,
    "p50": None,
    "p95": None,
    "uptime": 1.0,
    "cpu": 0.0,
    "rss": 10,
}


def actor(number, **fields):
    return ActorStatistics(**{**NOTHING, "actor_id": f"{number:032x}", "name": f"a{number}", **fields})


def look(view, *actors, now):
    view.take(Statistics(actors=actors, total={"CPU": 4.0}, available={"CPU": 1.0}), now=now)
    return [dict(zip(COLUMNS, row, strict=True)) for row in view.rows]


def test_rates_are_between_two_looks_at_one_incarnation():
    view = View()
    assert look(view, actor(1, done=10, cpu=1.0), now=0)[0]["calls/s"] == "-"
    (row,) = look(view, actor(1, done=25, failed=5, cpu=2.0), now=2)
    assert (row["calls/s"], row["CPU %"]) == ("10", "50")
    (row,) = look(view, actor(1, done=1, cpu=0.1, restarts=1), now=4)
    assert (row["calls/s"], row["CPU %"], row["restarts"]) == ("-", "-", "1"), "a new one counts from nothing"
    (row,) = look(view, actor(1, done=None, failed=None, cpu=None, state="silent"), now=6)
    assert (row["done"], row["calls/s"]) == ("-", "-")


def test_the_killed_are_not_shown_and_the_crashed_say_why():
    rows = look(
        View(),
        actor(1, state="dead", reason="it was killed by `jactors.kill`"),
        actor(2, state="dead", reason="killed by SIGSEGV", crashed=True),
        actor(3, state="pending", reason="asks for 1 CPU"),
        now=0,
    )
    told = [(row["state"], row["note"]) for row in rows]
    assert told == [("dead", "killed by SIGSEGV"), ("pending", "asks for 1 CPU")]


def test_orders():
    view = View()
    actors = [actor(1, queued=1, rss=5), actor(2, queued=9, rss=1), actor(3, queued=0, rss=9, state="busy")]
    for order, names in (("actor", "123"), ("queued", "213"), ("memory", "312"), ("state", "312")):
        view.order = order
        assert [row["actor"][1:] for row in look(view, *actors, now=0)] == list(names), order


def test_headline_and_text():
    view = View()
    look(view, actor(1, queued=2), actor(2, state="busy", rss=5_000_000), now=0)
    assert view.headline() == "2 actors (1 busy, 1 idle) · 2 calls queued · 3 of 4 CPU reserved · 5.0 MB"
    assert str(view).splitlines()[2].split()[:3] == ["actor", "class", "state"]
    view = View()
    look(view, now=0)
    assert str(view).startswith("0 actors")
