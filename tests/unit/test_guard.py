"""The guard: what is not signed, or has been here before, does not pass."""

from __future__ import annotations

import json

import pytest

from jactors.kernel import guard as guards
from jactors.kernel.guard import Guard
from jactors.wire import messages
from jactors.wire.messages import Signer

KEY = b"k" * 64


@pytest.fixture
def guard():
    return Guard(Signer(KEY, "actor"))


def stock(session="client", date="2026-01-01T00:00:00", key=KEY, **header):
    """A message as jupyter_client makes it, with the date that one likes."""
    signer = Signer(key, session)
    stated = {"msg_id": "x", "session": session, "date": date, "msg_type": "execute_request", **header}
    signed = [json.dumps(stated).encode(), b"{}", b"{}", b"{}"]
    return [messages.DELIMITER, signer._sign(signed), *signed]


def test_what_is_signed_and_new_passes_once(guard):
    frames = stock()
    assert guard.admits(frames) and not guard.admits(frames) and guard.refused == 1


def test_identities_before_the_delimiter_are_no_part_of_it(guard):
    assert guard.admits([b"a", *stock()]) and not guard.admits([b"b", *stock()])


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [messages.DELIMITER],
        [messages.DELIMITER, b"x"],
        [messages.DELIMITER, b"", b"{}", b"{}", b"{}", b"{}"],
        stock(key=b"other"),
        [b"x"] * 50,
    ],
)
def test_what_is_not_signed_does_not_pass(guard, frames):
    assert not guard.admits(frames) and guard.refused == 1


@pytest.mark.parametrize("header", [b"no json", b"[]", b"3", b"{}", b"[" * 100_000])
def test_a_signed_header_that_makes_no_sense(guard, header):
    signed = [header, b"{}", b"{}", b"{}"]
    assert not guard.admits([messages.DELIMITER, Signer(KEY, "x")._sign(signed), *signed])


def test_a_message_is_known_after_70_000_others(guard):
    first = stock(date="2026-01-01T00:00:00", msg_id="first")
    assert guard.admits(first)
    for n in range(70_000):
        assert guard.admits(stock(date=f"2026-01-02T{n:06}", msg_id=str(n)))
    assert not guard.admits(first)
    assert len(guard._seen) <= guards.MEMORY


def test_a_client_that_is_quiet_for_long_is_not_forgotten_nor_locked_out(guard, monkeypatch):
    monkeypatch.setattr(guards, "MEMORY", 100)
    quiet = stock("quiet", "2026-01-01", msg_id="1")
    assert guard.admits(quiet)
    for n in range(300):
        assert guard.admits(stock("busy", f"2026-01-02T{n:06}"))
    assert not guard.admits(quiet)
    assert guard.admits(stock("quiet", "2026-01-03", msg_id="2"))
    assert guard.admits(stock("new", "2025-01-01"))  # its clock may be wrong: it is another client


def test_a_flood_of_garbage_is_counted_and_not_logged_a_line_each(guard, capsys):
    for _ in range(25_000):
        guard.admits([b"garbage"])
    assert guard.refused == 25_000 and capsys.readouterr().err.count("\n") == 12
