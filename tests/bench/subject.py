"""One measurement of one system: ``python -m tests.bench.subject raw calls '{"sync": 500, "pipelined": 2000}'``.

The last line of its standard output is the figures as JSON; what a system prints before it is its own affair.
"""

from __future__ import annotations

import importlib
import json
import sys

if __name__ == "__main__":
    name, verb, counts = sys.argv[1:]
    try:
        subject = importlib.import_module(f"tests.bench.subjects.{name}")
        measurement = getattr(subject, verb, None)
        figures = measurement(**json.loads(counts)) if measurement else {"skipped": f"{name} has no {verb}"}
    except ImportError as error:
        figures = {"skipped": str(error)}
    print("\n" + json.dumps(figures), flush=True)
