"""Stock clients of an actor, and an actor for them to look at."""

from __future__ import annotations

import os
import time

from jupyter_client import BlockingKernelClient

import jactors

TIMEOUT = 30


@jactors.remote
class Counter:
    def __init__(self):
        self.count = 5
        self.log = []

    def add(self, by=1):
        self.count += by
        return self.count

    def note(self, what):
        self.log.append(what)

    def wait_for(self, ready, path):
        open(ready, "w").close()
        while not os.path.exists(path):
            time.sleep(0.002)
        self.log.append("waited")
        return "waited"

    def loop(self, ready):
        self.count = 100
        open(ready, "w").close()
        try:
            while True:
                self.count += 1
        finally:
            self.log.append("cleaned up")

    def history(self):
        return self.log

    def total(self, array):
        return float(sum(array))

    def pid(self):
        return os.getpid()


def file_of(handle):
    handle.__ray_ready__()
    return jactors.session.current().links.told[handle._actor_id.hex()]["connection_file"]


def attached(handle):
    """A stock client of an actor."""
    client = BlockingKernelClient(connection_file=file_of(handle))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=TIMEOUT)
    return client


def evaluate(client, expression):
    reply = client.execute("", user_expressions={"x": expression}, reply=True, timeout=TIMEOUT)["content"]
    found = reply["user_expressions"]["x"]
    assert found["status"] == "ok", found
    return found["data"]["text/plain"]
