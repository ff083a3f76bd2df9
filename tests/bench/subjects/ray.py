"""Ray, with the same class and the same words."""

from __future__ import annotations

import os

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its FutureWarning says to choose

import ray

from tests.bench import measure


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.count = 0

    def add(self, n):
        self.count += n
        return self.count

    def pid(self):
        return measure.own_pid()


def init():
    # its workers find `tests` by the working directory
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": os.getcwd()}},
    )


def calls(**counts):
    init()
    counter = Counter.remote()
    figures = measure.calls(
        lambda: ray.get(counter.add.remote(1)),
        lambda n: ray.get([counter.add.remote(1) for _ in range(n)]),
        **counts,
    )
    ray.shutdown()
    return figures


def spawn(**counts):
    figures = measure.spawn(
        init,
        Counter.remote,
        lambda actors: ray.get([actor.add.remote(1) for actor in actors]),
        lambda actors: [ray.kill(actor) for actor in actors],
        **counts,
    )
    ray.shutdown()
    return figures


def memory(actors):
    init()
    counters = [Counter.remote() for _ in range(actors)]
    figures = measure.memory(ray.get([counter.pid.remote() for counter in counters]))
    ray.shutdown()
    return figures
