"""``python -m tests.load [--small] [NAME…]``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import jactors
from tests.load.scenarios import SCENARIOS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(given.one, small=given.small)))
        return
    failed = []
    for name in given.names or SCENARIOS:
        command = [sys.executable, "-m", "tests.load", "--one", name, *(["--small"] if given.small else [])]
        begun = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(f"{name:24} {time.monotonic() - begun:6.1f} s  ", end="")
        if done.returncode:
            failed.append(name)
            print(f"FAILED ({done.returncode})\n{done.stdout[-2000:]}")
        else:
            told = json.loads(done.stdout.splitlines()[-1])
            print(
                ", ".join(
                    f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in told.items()
                )
            )
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def run(name: str, *, small: bool) -> dict:
    """Run one scenario in a session of its own, or in none where it makes its own."""
    function, large, little = SCENARIOS[name]
    size = little if small else large
    if getattr(function, "alone", False):
        return function(size)
    jactors.init(num_cpus=2, num_gpus=0)
    try:
        return function(size)
    finally:
        jactors.shutdown()


if __name__ == "__main__":
    main()
