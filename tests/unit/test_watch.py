"""The channel to a supervisor, and to the one after it; the thread that reads it."""

from __future__ import annotations

import json
import socket
import sys
import threading

import pytest

from jactors.errors import JactorsError
from jactors.life.watch import AGAIN, Watch
from jactors.objects.store import Entry, Raised
from jactors.wire.io import IOThread


@pytest.fixture
def io():
    thread = IOThread()
    yield thread
    thread.stop()


class Supervisors:
    """The other ends of a watch's channels, one after the other."""

    def __init__(self, io, lives):
        mine, self.theirs = socket.socketpair()
        self._left = lives - 1
        self._io = io
        self.heard = []
        self.watch = Watch(io, mine, on_event=self.heard.append, on_gone=self._on_gone)

    def _on_gone(self):
        if not self._left:
            self.watch.close()
            return
        self._left -= 1
        mine, self.theirs = socket.socketpair()
        self.watch.renew(mine, {"op": "first"})

    def die(self, thread):
        """End the present one; return when there is another, or nobody waits any more."""
        before, self.theirs = self.theirs, None
        before.close()
        while self.theirs is None and thread.is_alive():
            thread.join(0.001)

    def read(self, thread=None):
        """Return what has been said; nothing where `thread` has ended meanwhile."""
        self.theirs.settimeout(10 if thread is None else 0.05)
        data = b""
        while not data.endswith(b"\n"):
            try:
                data += self.theirs.recv(1 << 16)
            except TimeoutError:
                if thread is None:
                    raise
                if not thread.is_alive():
                    break
        return [json.loads(line) for line in data.splitlines()]

    def close(self):
        done = threading.Event()
        self._io.call_soon(lambda: (self.watch.close(), done.set()))
        done.wait(10)
        if self.theirs is not None:
            self.theirs.close()


def asked(watch, *args):
    said = []

    def ask():
        try:
            said.append(watch.request(*args))
        except JactorsError as error:
            said.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, said


def test_what_was_not_answered_is_asked_again_after_what_comes_first(io):
    supervisors = Supervisors(io, lives=2)
    thread, said = asked(supervisors.watch, "spawn")
    (question,) = supervisors.read()
    supervisors.die(thread)
    found = supervisors.read()
    while len(found) < 2:
        found += supervisors.read()
    assert found == [{"op": "first"}, {**question, "again": 1}]
    supervisors.theirs.send(json.dumps({"re": question["id"], "answer": 42}).encode() + b"\n")
    thread.join(10)
    assert said == [{"re": question["id"], "answer": 42}]
    supervisors.close()


def test_what_each_supervisor_dies_of_comes_to_an_end(io):
    supervisors = Supervisors(io, lives=10)
    thread, said = asked(supervisors.watch, "spawn")
    while thread.is_alive():
        # The last one is asked nothing; whoever asked may not have ended yet.
        if any(message["op"] == "spawn" for message in supervisors.read(thread)):
            supervisors.die(thread)
    assert said == [f"{AGAIN + 1} supervisors have died of 'spawn'"]
    supervisors.close()


def test_where_there_is_no_other_every_question_ends(io):
    supervisors = Supervisors(io, lives=1)
    thread, said = asked(supervisors.watch, "spawn")
    supervisors.read()
    supervisors.die(thread)
    assert "the supervisor of this session has ended" in said[0]
    with pytest.raises(JactorsError, match="has ended"):
        supervisors.watch.request("list")


def test_a_callback_that_calls_sys_exit_ends_neither_the_thread_nor_the_delivery(io, caplog):
    told = []
    entry = Entry(b"")
    entry.on_end(lambda _: sys.exit(3))
    entry.on_end(told.append)
    done = threading.Event()
    io.call_soon(lambda: sys.exit(3))
    io.call_soon(lambda: entry.end(Raised(ValueError())))
    io.call_soon(done.set)
    assert done.wait(10)
    assert told == [entry] and len(caplog.records) == 2
