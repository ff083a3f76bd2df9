"""Workers for the tests of what is built upon actors: pool, queue, refs, the context."""

from __future__ import annotations

import os
import threading

import pytest

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30


@jactors.remote
class Worker:
    def double(self, value):
        return 2 * value

    def pair(self, value):
        return value, -value

    def boom(self, value):
        raise ValueError(value)

    def stop(self):
        raise StopIteration(5)

    def die(self, value):
        os._exit(3)

    def hold(self, path):
        """Say that it runs, then wait until `path` exists."""
        path.with_suffix(".runs").touch()
        until_exists(path)
        return str(path)

    def ask(self, other, path):
        """Have another hold; returns the id of that call."""
        ref = other.hold.remote(path)
        jactors.get(ref)
        return ref.task_id().hex()

    def drain(self, jobs, n):
        return [jobs.get(timeout=TIMEOUT) for _ in range(n)]

    def fill(self, jobs, items):
        for item in items:
            jobs.put(item)
        return len(items)

    def context(self):
        here = jactors.get_runtime_context()
        return here.is_canceled(), here.get_task_function_name(), here.get_resource_ids()

    def ids(self):
        here = jactors.get_runtime_context()
        with pytest.warns(DeprecationWarning, match="use get_.*_id"):
            found = here.actor_id, here.task_id, here.job_id, here.node_id
        return [each.hex() for each in found], [
            here.get_actor_id(),
            here.get_task_id(),
            here.get_job_id(),
            here.get_node_id(),
        ]

    def until_canceled(self, path):
        """Hold out against the interrupt, and write down what the context says then."""
        here = jactors.get_runtime_context()
        try:
            path.with_suffix(".runs").touch()
            threading.Event().wait(TIMEOUT)
        except KeyboardInterrupt:
            path.write_text(str(here.is_canceled()))


@jactors.remote
class Async:
    async def is_canceled(self):
        return jactors.get_runtime_context().is_canceled()
