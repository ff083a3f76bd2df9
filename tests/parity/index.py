"""The bullets of RAY_API.md and their tests, as ``bullets.txt`` tells of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Bullet", "bullets", "by_test"]

_TABLE = Path(__file__).with_name("bullets.txt")
_BULLET = re.compile(r"(\d\.\S+) +(\S.*)")
_TESTS = re.compile(r"    (\S+): (.+)")


@dataclass(slots=True)
class Bullet:
    """One thing that is promised."""

    id: str
    says: str
    #: ``tests/live/test_verbs.py::test_get_misused``.
    tests: list[str] = field(default_factory=list)
    #: Labels of lines that the script prints, on Ray as on jactors.
    lines: list[str] = field(default_factory=list)


def bullets() -> list[Bullet]:
    """Return them in the order of RAY_API.md."""
    found: list[Bullet] = []
    for line in _TABLE.read_text().partition("\n0. ")[2].splitlines()[1:]:
        if bullet := _BULLET.fullmatch(line):
            found.append(Bullet(*bullet.groups()))
        elif tests := _TESTS.fullmatch(line):
            file, names = tests.groups()
            if file == "script":
                found[-1].lines += re.findall(r"\d [^:]+(?:: [a-z_]+)?(?=:(?: |$))", names)
            else:
                found[-1].tests += [f"{file}::{name}" for name in names.split()]
        elif line and not re.fullmatch(r"\d\. \S.*", line):
            raise ValueError(f"{_TABLE.name}: what is {line!r}?")
    return found


def by_test() -> dict[str, list[str]]:
    """Return the ids of the bullets that each test is about."""
    found: dict[str, list[str]] = {}
    for bullet in bullets():
        for test in bullet.tests:
            found.setdefault(test, []).append(bullet.id)
        if bullet.lines:
            found.setdefault("tests/parity/test_parity.py::test_jactors_does_what_ray_does", []).append(bullet.id)
    return found
