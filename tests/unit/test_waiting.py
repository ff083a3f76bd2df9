"""A waiter's wake-up, torn apart: the flag first, the byte later."""

from __future__ import annotations

import os
import threading
import time

import pytest

from jactors.wire.waiting import Waiter


class Late:
    """A socket that sends when it is told to."""

    def __init__(self, real):
        self.real = real
        self.asked = threading.Event()
        self.told = threading.Event()

    def send(self, data):
        self.asked.set()
        self.told.wait(10)
        return self.real.send(data)

    def close(self):
        self.real.close()


def test_a_wake_up_that_was_seen_before_its_byte_came_wakes_nobody_later():
    waiter = Waiter()
    waiter._in = late = Late(waiter._in)
    waker = threading.Thread(target=waiter.wake)
    waker.start()
    late.asked.wait(10)
    waiter.wait(None)  # by the flag
    late.told.set()
    waker.join()
    # One early return is fine; after it, only the deadline ends a wait.
    waiter.wait(time.monotonic() + 10)
    with pytest.raises(BlockingIOError):
        waiter._out.recv(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_does_not_share_its_parents_waiter():
    """It would steal the bytes that wake the parent: of fifty forked processes each waited until its timeout."""
    mine = Waiter.of_thread()
    pid = os.fork()
    if not pid:
        os._exit(0 if Waiter.of_thread() is not mine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Waiter.of_thread() is mine
