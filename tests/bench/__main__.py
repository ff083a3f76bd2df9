"""Runs the subjects round by round and prints a table a measurement."""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]

#: Measurement -> the subjects that may have it, in the order of a round. Raw is what the others are divided by.
#: What comes behind a dash is a way of calling: a coroutine, a method of an actor of four threads, a remote function.
SUBJECTS = {
    "calls": ["raw", "jactors", "jactors-async", "jactors-threads", "jactors-tasks", "xoscar", "ray", "kernel"],
    "spawn": ["jactors", "ray", "kernel"],
    "memory": ["jactors", "ray", "kernel"],
    "inspector": ["jactors"],
}

#: Measurement -> its columns: (key, heading, format, is more better?)
COLUMNS = {
    "calls": [
        ("p50", "sync p50 µs", "{:,.0f}"),
        ("p95", "sync p95 µs", "{:,.0f}"),
        ("rate", "pipelined /s", "{:,.0f}"),
    ],
    "spawn": [
        ("first", "init to result s", "{:.2f}"),
        ("next", "next actor p50 s", "{:.3f}"),
        ("next95", "p95 s", "{:.3f}"),
        ("burst", "all at once s", "{:.2f}"),
    ],
    "memory": [
        ("pss", "PSS an actor MB", "{:.1f}"),
        ("rest", "all the rest MB", "{:.0f}"),
        ("import", "import s", "{:.3f}"),
    ],
    "inspector": [
        ("frames", "frames /s", "{:.1f}"),
        ("pictures", "pictures /s", "{:.1f}"),
        ("calls", "calls /s", "{:,.0f}"),
        ("busy", "driver meanwhile %", "{:.1f}"),
        ("idle", "driver at rest %", "{:.2f}"),
        ("idle_actor", "an actor %", "{:.4f}"),
        ("bare", "driver, panel closed %", "{:.2f}"),
    ],
}

#: What is also given as a multiple of raw pyzmq.
RATIOS = {"calls": [("p50", "p50 × raw"), ("rate", "rate × raw")]}


def options(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=list(SUBJECTS), default=["calls", "spawn", "memory"])
    parser.add_argument("--rounds", type=int, default=3, help="how often each subject is measured (default: 3)")
    parser.add_argument("--sync", type=int, default=2000, help="synchronous calls a round (default: 2000)")
    parser.add_argument("--pipelined", type=int, default=5000, help="calls in one go (default: 5000)")
    parser.add_argument("--one-by-one", type=int, default=20, help="actors created one after the other (default: 20)")
    parser.add_argument("--at-once", type=int, default=50, help="actors created in one go (default: 50)")
    parser.add_argument("--idle", type=int, default=20, help="actors that are weighed (default: 20)")
    parser.add_argument("--watched", type=int, default=100, help="actors that the inspector shows (default: 100)")
    parser.add_argument("--seconds", type=int, default=30, help="that the inspector is watched (default: 30)")
    parser.add_argument("--only", metavar="SUBJECT", action="append", help="leave out all but these")
    parser.add_argument(
        "--timeout", type=float, default=180, help="seconds for one subject in one round (default: 180)"
    )
    parser.add_argument("--json", type=Path, help="also write every round's figures to this file")
    for name in ("ray", "xoscar"):
        parser.add_argument(f"--{name}-python", default=sys.executable, help=f"an interpreter that has {name}")
    return parser.parse_args(arguments)


def measure(python, name, what, counts, timeout):
    """One subject, once; a dictionary of figures, or of the reason why there are none."""
    command = [python, "-m", "tests.bench.subject", name, what, json.dumps(counts)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,  # so that what hangs can be ended together with all that it started
    )
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"skipped": f"no answer within {timeout:g} s"}
    if process.returncode:
        return {"skipped": f"exit {process.returncode}: {(errors.strip() or '?').splitlines()[-1]}"}
    return json.loads(output.strip().splitlines()[-1])


def rounds(what, chosen):
    """Subject -> its figures, one dictionary a round."""
    counts = {
        "calls": {"sync": chosen.sync, "pipelined": chosen.pipelined},
        "spawn": {"one_by_one": chosen.one_by_one, "at_once": chosen.at_once},
        "memory": {"actors": chosen.idle},
        "inspector": {"actors": chosen.watched, "seconds": chosen.seconds},
    }[what]
    pythons = {"ray": chosen.ray_python, "xoscar": chosen.xoscar_python}
    only = chosen.only or SUBJECTS[what]
    names = [name for name in SUBJECTS[what] if name in only or name.partition("-")[0] in only]
    figures = {name: [] for name in names}
    for number in range(chosen.rounds):
        for name in names:
            if any("skipped" in figure for figure in figures[name]):
                continue
            start = perf_counter()
            figures[name].append(measure(pythons.get(name, sys.executable), name, what, counts, chosen.timeout))
            say(f"{what}, round {number + 1} of {chosen.rounds}: {name} took {perf_counter() - start:.1f} s")
    return figures


def say(text):
    """Progress goes to stderr, so that the tables can be piped."""
    print(text, file=sys.stderr, flush=True)


def cell(values, form):
    """Render the median and, where there is more than one round, the range."""
    if not values:
        return "-"
    text = form.format(statistics.median(values))
    return f"{text} ({form.format(min(values))}–{form.format(max(values))})" if len(values) > 1 else text


def table(what, figures):
    """Yield the lines of a Markdown table."""
    ratios = RATIOS.get(what, []) if "raw" in figures else []
    rows = [[what, *(heading for _, heading, _ in COLUMNS[what]), *(heading for _, heading in ratios)]]
    notes = []
    for name, taken in figures.items():
        if skipped := [figure["skipped"] for figure in taken if "skipped" in figure]:
            notes.append(f"{name} was not measured: {skipped[0]}")
            continue
        row = [name]
        row += [cell([figure[key] for figure in taken if key in figure], form) for key, _, form in COLUMNS[what]]
        floor = figures["raw"] if ratios else []
        row += [
            cell([ours[key] / raw[key] for ours, raw in zip(taken, floor, strict=True) if key in raw], "{:.2f}")
            for key, _ in ratios
        ]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    yield from notes


def main(arguments=None):
    chosen = options(arguments)
    taken = {}
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ", end="")
    print(f"median of {chosen.rounds} rounds (lowest–highest)")
    for what in dict.fromkeys(chosen.what):
        taken[what] = rounds(what, chosen)
        print()
        print("\n".join(table(what, taken[what])), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
