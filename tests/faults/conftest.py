"""A book and a census for every test: whatever it did, the promises were kept and nothing is left."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

import jactors
from jactors.testing import Census
from tests.faults.witness import Book, until
from tests.live.conftest import environment, run, start

__all__ = ["environment", "run", "start"]  # fixtures of the live tests, for drivers of their own

#: Seconds that processes and files have, after a test, to be gone.
CLEAN = 10

#: Descriptors that a first use opens for good: a waiter a thread, an event loop.
SPARE = 12


@pytest.fixture
def book(session, tmp_path):
    """The calls of this test; judged when it is over."""
    book = Book(tmp_path / "ledger")
    yield book
    book.judge()


@pytest.fixture(autouse=True)
def clean(request, census):
    """A census of processes, files, threads, descriptors and shared memory, before and after each test."""
    live = "session" in request.fixturenames
    if live:
        request.getfixturevalue("session")
        jactors.session.current().watch.request("resources")  # answered as soon as it is up
    before = Census.take()
    files = _session_files() if live else set()
    yield
    if live:
        _end_actors()
    Census.wait_clean(before, timeout=CLEAN, spare_descriptors=SPARE)
    if live:
        until(lambda: _session_files() <= files, f"the end of {_session_files() - files}", CLEAN)


def _session_files():
    """What lies in the session's folder, but logs, which stay until it ends, and this driver's desk."""
    folder = Path(jactors.session.current().folder)
    return {name for name in os.listdir(folder) if not name.endswith(".log") and not name.startswith(("d", "."))}


def _end_actors():
    """Actors whose handle a traceback, or the test's frame, still holds."""
    gc.collect()
    current = jactors.session.current()
    for told in current.watch.request("list")["actors"]:
        if told["state"] != "DEAD":
            current.kill(told["actor_id"], for_good=True, reason="its test is over")
