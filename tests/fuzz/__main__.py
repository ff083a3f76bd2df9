"""``python -m tests.fuzz [--messages 100000] [--seed N]``; ends with 1 where something was not as before."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

import jactors
from tests.fuzz.attack import Attack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--launcher", choices=["fork", "spawn"], default=None)
    given = parser.parse_args()
    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, jactors.init(num_cpus=2, launcher=given.launcher):
        attack = Attack(seed, Path(folder))
        try:
            print(attack.run(given.messages))
        finally:
            attack.close()


if __name__ == "__main__":
    main()
