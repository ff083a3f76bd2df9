"""One measurement of one system: ``python -m tests.bench.subject raw calls '{"sync": 500, "pipelined": 2000}'``.

A name like ``jactors-async`` is a way of ``jactors``: what runs is its ``calls_async``. The last line of its output
is the figures as JSON; what a system prints before it is its own affair.
"""

from __future__ import annotations

import importlib
import json
import sys

if __name__ == "__main__":
    name, verb, counts = sys.argv[1:]
    system, _, way = name.partition("-")
    try:
        subject = importlib.import_module(f"tests.bench.subjects.{system}")
        measurement = getattr(subject, f"{verb}_{way}" if way else verb, None)
        figures = measurement(**json.loads(counts)) if measurement else {"skipped": f"{name} has no {verb}"}
    except ImportError as error:
        figures = {"skipped": str(error)}
    print("\n" + json.dumps(figures), flush=True)
