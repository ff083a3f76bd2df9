"""An actor that fails in every way, and what its caller sees."""

from __future__ import annotations

import os
import threading
import time

import pytest

import jactors

TIMEOUT = 30


class Custom(Exception):  # noqa: N818 - a user's name
    """Takes two arguments and hands one to its base: plain pickling loses it."""

    def __init__(self, code, *, why):
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class NotOnTheOtherSide:
    """Can be pickled, not unpickled."""

    def __reduce__(self):
        return os.strerror, ()


@jactors.remote
class Risky:
    def __init__(self, how=None):
        if how == "raise":
            broken = {}
            broken["missing"]  # the line that raises
        elif how == "exit":
            os._exit(3)
        elif how == "sys.exit":
            raise SystemExit("cannot go on")
        elif how == "custom":
            raise Custom(3, why="in init")
        self.count = 0

    def ok(self):
        self.count += 1
        return self.count

    def raises(self, kind, *args):
        raise kind(*args)  # the user's own line

    def custom(self):
        raise Custom(7, why="because")

    def nested(self):
        def inner():
            return 1 / 0

        return inner()

    def chained(self):
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("the outer") from error

    def group(self):
        raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])

    def holds_a_lock(self):
        error = RuntimeError("with a lock")
        error.lock = threading.Lock()
        raise error

    def returns(self, what):
        return {"lock": {"deep": [threading.Lock()]}, "generator": (i for i in range(3))}[what]

    def takes(self, value):
        return "taken"

    def die(self, how):
        print("last words", flush=True)
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), how)
        time.sleep(TIMEOUT)

    def leave(self, code=None):
        raise SystemExit(code)

    def wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.002)
        return "waited"

    def pid(self):
        return os.getpid()


def error_of(ref, kind=Exception):
    with pytest.raises(kind) as caught:
        jactors.get(ref, timeout=TIMEOUT)
    return caught.value
