"""What a supervisor remembers of an actor's deaths."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jactors.life.actor import Actor
from jactors.life.machine import Life, State


def test_old_deaths_are_forgotten_but_for_the_first(tmp_path):
    actor = Actor({"actor_id": "ab" * 16, "class_name": "A"}, "session", tmp_path, Life(state=State.RESTARTING))
    for code in range(1, 15):
        actor.log_file.write_text(f"code {code}\n")
        actor.life = replace(actor.life, incarnation=code, exitcode=code)
        actor.certify()
    assert [death["exitcode"] for death in actor.deaths] == [1, *range(6, 15)]
    assert (actor.deaths[0]["died_of"], actor.deaths[-1]["last_output"]) == ("exit code 1", "code 14\n")


@pytest.mark.parametrize(
    ("life", "kind"),
    [
        ({"exitcode": 1}, "crash"),
        ({"signal": 9}, "crash"),
        ({"signal": 9, "hung": 3.0}, "crash"),
        ({"signal": 9, "killed": "`jactors.kill`"}, "killed"),
        ({"signal": 9, "killed": "it was restarted by `%actor restart`"}, "restart"),
        ({"signal": 9, "killed": "its driver has ended"}, "end"),
        ({"exitcode": 0, "released": True}, "end"),
        ({"exitcode": 0, "intent": "exit_actor"}, "end"),
    ],
)
def test_a_death_says_whether_somebody_had_asked_for_it(tmp_path, life, kind):
    actor = Actor({"actor_id": "ab" * 16, "class_name": "A"}, "session", tmp_path, Life(incarnation=1, **life))
    actor.certify()
    assert actor.deaths[-1]["kind"] == kind
