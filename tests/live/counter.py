"""The counter that the tests of the API make actors of, and wait with."""

from __future__ import annotations

import os
import time

import jactors
from jactors.actor import exit_actor

TIMEOUT = 30


@jactors.remote
class Counter:
    """Counts."""

    kind = "counter"

    def __init__(self, start=0, *, step=1):
        self.value = start  # an attribute with a method's name
        self.step = step

    def add(self, by: float | None = None):
        """Add `by`, or the step."""
        self.value += self.step if by is None else by
        return self.value

    def count(self):
        return self.value

    def value(self):
        return f"method, attribute {self.value}"

    def echo(self, *args, **kwargs):
        return args, kwargs

    def boom(self, text="boom"):
        raise ValueError(text)

    def wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.002)
        return path

    @jactors.method(num_returns=2)
    def pair(self):
        return "a", "b"

    def many(self, n):
        return list(range(n))

    @staticmethod
    def static(x):
        return x + 1

    @classmethod
    def named(cls):
        return cls.__name__

    def _private(self):
        return "private"

    def __len__(self):
        return 42

    @property
    def shown(self):
        return "a property"

    @classmethod
    def starting_at(cls, n):
        return cls(n)

    def count_to(self, n):
        yield from range(n)

    def make(self, name):
        self.made = Counter.options(name=name).remote()
        return self.made.pid()

    def context(self):
        here = jactors.get_runtime_context()
        return {
            "actor_id": here.get_actor_id(),
            "name": here.get_actor_name(),
            "task_id": here.get_task_id(),
            "task_name": here.get_task_name(),
            "resources": here.get_assigned_resources(),
            "accelerators": here.get_accelerator_ids(),
            "reconstructed": here.was_current_actor_reconstructed,
            "namespace": here.namespace,
            "get": here.get(),
            "names": (here.get_task_name(), here.get_task_function_name()),
            "session": here.get_session_name(),
            "job": here.get_job_id(),
            "node": here.get_node_id(),
            "worker": here.get_worker_id(),
            "runtime_env": here.get_runtime_env_string(),
        }

    def me(self):
        return jactors.get_runtime_context().current_actor

    def gpus(self):
        return jactors.get_gpu_ids()

    def initialized(self):
        return jactors.is_initialized()

    def leave(self):
        exit_actor()

    def pid(self):
        return os.getpid()
