"""What a supervisor that was killed leaves to the next one, and who comes back of it."""

from __future__ import annotations

import json

import pytest

from jactors import registry
from jactors.life import estate
from jactors.life.actor import Actor
from jactors.life.machine import Life, State
from jactors.places import name_file, session_dir, write_private


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "r"))


@pytest.fixture
def make(tmp_path):
    number = iter(range(100))

    def make(*, max_restarts=-1, incarnation=1, restarts=0, owner=None, **request):
        request = {"actor_id": f"{next(number):032x}"[::-1], "class_name": "A", "namespace": "n", **request}
        life = Life(max_restarts=max_restarts, state=State.ALIVE, incarnation=incarnation, restarts=restarts)
        actor = Actor(request, "5e55", tmp_path, life, owner=owner)
        estate.keep(actor)
        return actor

    return make


def who(tmp_path, *, driver=True, claim=lambda *_: True):
    return [actor.actor_id for actor in estate.successors("5e55", tmp_path, driver=driver, claim=claim)]


def test_who_may_restart_comes_back_as_it_was(tmp_path, make):
    mortal, used_up, one_left = make(max_restarts=0), make(max_restarts=2, restarts=2), make(max_restarts=2, restarts=1)
    assert not mortal.will_file.exists()
    (actor,) = estate.successors("5e55", tmp_path, driver=True, claim=lambda *_: True)
    assert (actor.actor_id, actor.life, actor.made) == (one_left.actor_id, one_left.life, one_left.made)
    assert not used_up.will_file.exists() and one_left.will_file.exists()


def test_without_a_driver_only_detached_ones_and_what_they_have_made(tmp_path, make):
    make()
    lasting = make(lifetime="detached")
    child = make(owner=lasting.actor_id)
    make(owner="of one that is not there")
    assert estate.heirs(tmp_path)
    assert who(tmp_path, driver=False) == [lasting.actor_id, child.actor_id]


def test_nobody_is_an_heir_who_may_not_restart(tmp_path, make):
    make()
    make(lifetime="detached", max_restarts=1, restarts=1)
    assert not estate.heirs(tmp_path)


def test_what_is_not_to_come_back_has_no_will(tmp_path, make):
    actor = make()
    estate.forget(actor)
    torn = make()
    torn.will_file.write_text("{")
    assert who(tmp_path) == []


def test_nothing_comes_back_after_the_machine_was_restarted(tmp_path, make):
    will = make().will_file
    write_private(will, json.dumps({**json.loads(will.read_text()), "boot": "before"}).encode())
    assert who(tmp_path) == []


@pytest.mark.parametrize("taken", [False, True])
def test_a_name_stays_unless_somebody_has_taken_it(tmp_path, make, taken):
    file = name_file("n", "a")
    actor = make(name="a", name_file=str(file))
    write_private(file, json.dumps({"actor_id": "another" if taken else actor.actor_id}).encode())
    assert who(tmp_path) == ([] if taken else [actor.actor_id])
    assert file.exists()


def test_a_name_that_is_claimed_in_between_is_lost(tmp_path, make):
    file = name_file("n", "a")
    actor = make(name="a", name_file=str(file))
    write_private(file, json.dumps({"actor_id": actor.actor_id}).encode())
    assert who(tmp_path, claim=lambda *_: False) == []


def test_names_of_a_session_that_may_get_another_supervisor_are_not_swept():
    file = name_file("n", "a")
    record = {"actor_id": "1", "session": "5e55", "supervisor_pid": 1, "supervisor_started": "another"}
    write_private(file, json.dumps(record).encode())
    session = session_dir("5e55")
    assert registry.lookup("n", "a") is None and registry.remains("n", "a") == record
    assert registry.sweep() == [] and file.exists()
    session.rmdir()
    assert registry.sweep() == [("n", "a")] and not file.exists()
