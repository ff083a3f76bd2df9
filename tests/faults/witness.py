"""Actors whose every call is written down, and the book of those who call them.

A ledger is a file that all incarnations of all actors append to, one `os.write` a line: what was begun is in it,
whatever the process died of the next moment. A `Book` submits calls with names of their own and keeps how each ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import jactors
from jactors.context import current_actor
from jactors.testing import OnPickle, OnUnpickle, misbehave
from tests.faults.oracle import Fate, Run, complaints
from tests.waiting import PATIENCE, gone, until

__all__ = ["PATIENCE", "AsyncWitness", "Book", "Witness", "children_gone", "read_diary", "read_ledger", "until"]


def note(ledger, call):
    """Write down that `call` begins here; return its answer."""
    me = current_actor()
    answer = (call, me.incarnation, os.getpid())
    line = json.dumps([call, me.actor_id, me.incarnation, os.getpid()]).encode() + b"\n"
    file = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        assert os.write(file, line) == len(line)
    finally:
        os.close(file)
    return answer


def read_ledger(path):
    """Return the runs, in order."""
    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        return []
    assert not text or text.endswith("\n"), "a torn line"
    return [Run(*json.loads(line)) for line in text.splitlines()]


class Witness:
    """Writes down each call before it does what the call says.

    Parameters
    ----------
    ledger : str
    how, sign
        What ``__init__`` does, as in `misbehave`; from its second life on where `later`.
    """

    def __init__(self, ledger, how=None, sign=None, later=False):
        self.ledger = ledger
        if how is not None and (not later or current_actor().incarnation > 1):
            misbehave(how, sign)

    def work(self, call, *_):
        return note(self.ledger, call)

    def misbehave(self, call, how, sign=None):
        answer = note(self.ledger, call)
        misbehave(how, sign)
        return answer

    def misbehave_at_rest(self, call, how, sign):
        """Do it in a thread, and not before the file `sign` is there: that is, once the call is over."""
        answer = note(self.ledger, call)

        def run():
            until(lambda: os.path.exists(sign))
            misbehave(how, sign + ".done")

        threading.Thread(target=run, daemon=True).start()
        return answer

    def hold(self, call, ready, gate):
        """Say that it runs by the file `ready`; return when the file `gate` is there."""
        answer = note(self.ledger, call)
        Path(ready).touch()
        until(lambda: os.path.exists(gate))
        return answer

    def give(self, call, kind, how, sign=None):
        """Return something that misbehaves."""
        note(self.ledger, call)
        return (OnPickle if kind == "pickle" else OnUnpickle)(how, sign)

    def values(self, call, n, how=None):
        """Yield n numbers, then do it."""
        note(self.ledger, call)
        yield from range(n)
        if how is not None:
            misbehave(how)

    def apply(self, call, function, *args):
        """Run any function here."""
        note(self.ledger, call)
        return function(*args)

    def spin(self, call, seconds):
        """Be busy in Python for so many seconds."""
        answer = note(self.ledger, call)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return answer

    def child(self, call):
        """Leave a child behind, in a session of its own."""
        answer = note(self.ledger, call)
        subprocess.Popen(["setsid", "sleep", "1000"], stdin=subprocess.DEVNULL)
        return answer

    def relay(self, call, other, n, diary):
        """Make n calls of another actor, as a caller of its own, and wait for them."""
        answer = note(self.ledger, call)
        book = Book(self.ledger, f"{call}@{os.getpid()}", diary)
        try:
            refs = [book.submit(other, "work") for _ in range(n)]
            jactors.wait(refs, num_returns=n, timeout=PATIENCE)
            return answer
        finally:
            book.close()

    def pid(self):
        return os.getpid()


class AsyncWitness(Witness):
    """The same, on the loop."""

    async def work(self, call, *_):
        return note(self.ledger, call)

    async def block(self, call, how, sign=None):
        """Misbehave in a coroutine that has awaited, and awaits no more."""
        answer = note(self.ledger, call)
        await asyncio.sleep(0)
        misbehave(how, sign)
        return answer

    async def hold(self, call, ready, gate):
        answer = note(self.ledger, call)
        Path(ready).touch()  # noqa: ASYNC240 - a file of the test
        while not os.path.exists(gate):  # noqa: ASYNC110, ASYNC240 - the event is another process'
            await asyncio.sleep(0.002)
        return answer


class Book:
    """Submits calls, and keeps how each of them ended.

    Parameters
    ----------
    ledger : path
        Where the actors write.
    caller : str
        A name of its own, one a process and thread: order is promised to one caller.
    diary : path, optional
        A file that survives this process: see `read_diary`.
    ordered : bool
        False: calls may start in any order, whatever the actor is.
    """

    def __init__(self, ledger, caller="test", diary=None, *, ordered=True):
        self._ordered = ordered
        self.ledger = str(ledger)
        self.caller = caller
        self._numbers = count(1)
        self._entries = {}
        self._diary = None if diary is None else os.open(diary, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def submit(self, handle, method, *args, retries=None, opaque=False, **options):
        """Submit a call; return its ref. `opaque`: its value is not looked at."""
        seq = next(self._numbers)
        call = f"{self.caller}/{seq}"
        traffic = handle._home.link.traffic
        ordered = self._ordered and traffic.ordered
        if retries is not None:
            options["max_task_retries"] = retries
        else:
            retries = traffic.retries
        bound = getattr(handle, method)
        fate = Fate(call, handle._home.actor_id, self.caller, seq, retries, ordered=ordered)
        self._write("call", call, fate.actor, self.caller, seq, retries, ordered)
        ref = (bound.options(**options) if options else bound).remote(call, *args)
        ends = []
        self._entries[call] = fate, ends
        opaque = opaque or hasattr(ref, "_stream")

        def ended(entry):
            ends.append(end := _end(entry, opaque))
            self._write("end", call, *end)

        (ref._stream.end if hasattr(ref, "_stream") else ref._entry).on_end(ended)
        return ref

    def _write(self, *what):
        if self._diary is not None:
            os.write(self._diary, json.dumps(what).encode() + b"\n")

    def fates(self):
        """Return what has become of each call so far."""
        return [replace(fate, ends=tuple(ends)) for fate, ends in list(self._entries.values())]

    def unended(self):
        """Return the calls that have not ended."""
        return [call for call, (_, ends) in list(self._entries.items()) if not ends]

    def runs(self):
        """Return what the ledger holds."""
        return read_ledger(self.ledger)

    def judge(self, *others):
        """Wait until every call has ended, and ask the oracle; `others` are books of the same ledger."""
        books = (self, *others)
        until(lambda: not any(book.unended() for book in books), f"the end of {self.unended()[:5]}")
        assert complaints([fate for book in books for fate in book.fates()], self.runs()) == []

    def close(self):
        """Write no more."""
        if self._diary is not None:
            os.close(self._diary)
            self._diary = None


def read_diary(path):
    """Return the fates of the calls of a process that may have been killed: nobody knows how its last ones ended."""
    fates = {}
    for line in Path(path).read_text().splitlines():
        what, call, *rest = json.loads(line)
        if what == "call":
            actor, caller, seq, retries, ordered = rest
            fates[call] = Fate(call, actor, caller, seq, retries, ordered=ordered, orphaned=True)
        else:
            fates[call] = replace(fates[call], ends=(*fates[call].ends, tuple(rest)), orphaned=False)
    return list(fates.values())


def _end(entry, opaque):
    payload = entry.payload
    if opaque and not payload.failed:
        return (True,)
    try:
        return True, *payload.load()
    except BaseException as error:
        return False, type(error).__name__


def children_gone(*pids):
    """Wait until the processes have ended."""
    return gone(*pids) == []


Sync = jactors.remote(Witness)
Threaded = jactors.remote(max_concurrency=4)(Witness)
Async = jactors.remote(AsyncWitness)
KINDS = {"sync": Sync, "threaded": Threaded, "async": Async}
