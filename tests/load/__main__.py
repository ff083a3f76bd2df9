"""``python -m tests.load [--small] [NAME…]``; ends with 1 where one failed."""

from __future__ import annotations

import argparse
import sys
import time

from tests.load.run import SCENARIOS, missing, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    failed = []
    for name in given.names or SCENARIOS:
        if (why := missing(name)) is not None:
            print(f"{name:28} skipped: {why}")
            continue
        begun = time.monotonic()
        try:
            told = run(name, small=given.small)
            shown = ", ".join(f"{k} {v:,.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in told.items())
        except AssertionError as error:
            failed.append(name)
            shown = f"FAILED: {error}"
        print(f"{name:28} {time.monotonic() - begun:6.1f} s  {shown}", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
