"""Each bullet of RAY_API.md has a test, and each test that is named exists."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

import jactors
from jactors.actors.info import RuntimeContext
from jactors.options import ActorOptions, MethodOptions
from jactors.util.actor_group import ActorGroup
from jactors.util.queue import Queue
from tests.parity.index import bullets, by_test

ROOT = Path(__file__).parents[2]
BULLETS = bullets()
EXPECTED = (ROOT / "tests/parity/expected.txt").read_text()


def test_each_bullet_has_a_test():
    assert [bullet.id for bullet in BULLETS if not (bullet.tests or bullet.lines)] == []


def test_no_bullet_is_there_twice_and_no_section_is_left_out():
    ids = Counter(bullet.id for bullet in BULLETS)
    assert [name for name, times in ids.items() if times > 1] == []
    assert {name[0] for name in ids} == set("0123456789")
    assert [bullet.id[0] for bullet in BULLETS] == sorted(bullet.id[0] for bullet in BULLETS)


@pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in by_test()}))
def test_what_is_named_exists(file):
    there = set(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE))
    assert {test.partition("::")[2] for test in by_test() if test.startswith(file + "::")} <= there


def test_each_line_of_the_script_that_is_named_is_printed():
    labels = {label for bullet in BULLETS for label in bullet.lines}
    assert [label for label in sorted(labels) if f"\n{label}: " not in EXPECTED] == []


#: Names that Ray has not, or, as `state`, not without its dashboard.
OURS = """
    checkpoint cwd debug hang_timeout insight inspector interrupt load_ipython_extension post_mortem progress reload
    restart_intensity restart_period restore snapshot start_timeout state statistics stderr stdout
    ActorClassInheritanceError ActorError ActorExit ActorNotFoundError ActorStartError CheckpointError
    InsufficientResourcesError JactorsError ProtocolError ReloadError SerializationError TaskError
"""

NAMED = [jactors, jactors.actor, jactors.exceptions, jactors.util]
CLASSES = [RuntimeContext, jactors.ObjectRef, jactors.ObjectRefGenerator, jactors.util.ActorPool, Queue, ActorGroup]


def public():
    """All that code written for Ray may name."""
    found = {name for module in NAMED for name in module.__all__}
    found |= {name for cls in CLASSES for name in dir(cls) if not name.startswith("_")}
    found |= {field.name for cls in (ActorOptions, MethodOptions) for field in fields(cls)}
    return found - set(OURS.split())


def test_the_script_that_runs_on_ray_too_uses_each_public_name():
    used = set(re.findall(r"\w+", (ROOT / "tests/parity/script.py").read_text()))
    assert sorted(public() - used) == []
