"""Snapshots: HTML and text of a picture, for pages where nothing runs."""

from __future__ import annotations

from html.parser import HTMLParser

from jactors.notebook.snapshot import Snapshot, strip

EVIL = "<script>alert(1)</script>"


def actor(**facts):
    told = {
        "id": "a" * 32,
        "label": "tally",
        "class": "Counter",
        "state": "busy",
        "reason": "",
        "running": [{"method": "train", "caller": "driver", "caller_id": "driver", "since": 1.0}],
        "queued": 3,
        "done": 5,
        "failed": 1,
        "rate": 2.5,
        "p50": 0.002,
        "p95": 0.05,
        "cpu": 0.5,
        "rss": 65_000_000,
    }
    return told | facts


def picture(*actors, **parts):
    return {"at": 0.0, "actors": list(actors), "edges": [], "resources": [], "deaths": [], **parts}


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_text_and_html_say_the_same():
    shot = Snapshot(picture(actor()))
    bundle = shot._repr_mimebundle_()
    for text in ("tally", "Counter", "busy", "train", "2 ms", "50 ms", "50 %", "65 MB", "1 actor (1 busy)"):
        assert text in bundle["text/plain"] and text in bundle["text/html"], text


def test_nothing_in_it_runs_or_is_loaded_and_texts_of_the_users_are_escaped():
    evil = actor(label=EVIL, reason=EVIL, running=[{"method": EVIL}], **{"class": EVIL})
    death = {"at": 0.0, "kind": "crash", "label": EVIL, "incarnation": 1, "died_of": EVIL}
    edge = {"from": EVIL, "to": evil["id"], "calls": 1, "rate": 0.1, "waiting": 0}
    bar = {"name": EVIL, "total": 1.0, "free": 0.0, "held": [{"id": "", "label": EVIL, "amount": 1}]}
    closer = {
        "state": {"attributes": [{"name": EVIL, "type": "str", "text": EVIL}]},
        "calls": {"ended": [], "queued": [], "running": [{"method": EVIL, "caller": EVIL, "began": 1.0}]},
        "errors": {"stack": EVIL},
        "tail": EVIL,
    }
    for shot in (
        Snapshot(picture(evil, deaths=[death], edges=[edge], resources=[bar])),
        Snapshot(picture(evil), closer),
    ):
        seen = Tags(shot._repr_html_())
        assert seen.tags <= {
            "div",
            "p",
            "b",
            "pre",
            "svg",
            "rect",
            "title",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        }
        assert not any(name.startswith("on") or name in ("href", "src") for name in seen.attributes)


def test_of_one_it_shows_attributes_calls_output_and_what_was_not_answered():
    closer = {
        "state": {"attributes": [{"name": "count", "type": "int", "text": "42"}]},
        "calls": None,
        "errors": {"calls": "it is stopped"},
        "tail": "epoch 1\nepoch 2\n",
    }
    text = repr(Snapshot(picture(actor()), closer))
    assert all(part in text for part in ("count", "42", "it is stopped", "epoch 2"))


def test_no_actors_is_no_error_and_many_are_cut():
    assert "no actors" in repr(Snapshot(picture())) and strip(picture()) == ""
    many = Snapshot(picture(*(actor(label=f"number-{n}") for n in range(250))))
    assert "and 50 more" in many._repr_html_() and many._repr_html_().count("<rect") == 200
