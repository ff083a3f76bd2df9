"""The command line: ``jactors demo``, ``jactors top``, ``jactors --version``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import jactors
from jactors import top

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def _demo(chosen: argparse.Namespace) -> int:
    from jactors import demo

    return demo.main()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jactors", description="Ray's actor API for Jupyter, where every actor is a kernel of its own."
    )
    parser.add_argument("--version", action="version", version=f"jactors {jactors.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="actors at work: where each runs, what it answers, how fast",
        description="Start a few actors on real kernels and show where each runs, what it answers, prints and raises, "
        "how one dies, and how fast all this is. Takes a few seconds and leaves nothing behind.",
    )
    demo.set_defaults(run=_demo)
    top.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those the process was started with.

    Returns
    -------
    int
        The exit status: 0, or 1 where a command failed, 130 where it was interrupted.
    """
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `jactors demo | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
