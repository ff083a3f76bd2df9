"""The command line: ``jactors COMMAND``, and the same actors from ``jupyter actors COMMAND``.

Sees all sessions of this user, those of notebooks and scripts as well as those that are there for
detached actors alone, and starts none of its own: it asks the supervisors. Where one was killed and its driver has
gone, what may restart comes back first, as it does for whoever looks for it.

A module of this room adds its commands in ``add(commands)``; `main` calls what they set as ``run``
with the parsed arguments, and returns what that returns as the exit status.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

import jactors
from jactors import top
from jactors.cli import handling, listing, sweeping
from jactors.errors import JactorsError
from jactors.succession import recover_all

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["actors", "main"]


def _demo(chosen: argparse.Namespace) -> int:
    from jactors import demo

    return demo.main()


def _parser(prog: str, *, whole: bool) -> argparse.ArgumentParser:
    about = "Ray's actor API for Jupyter, where every actor is a kernel of its own."
    if not whole:
        about = "The actors of all your sessions: those of notebooks and scripts, and detached ones."
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--version", action="version", version=f"jactors {jactors.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for room in (listing, handling, sweeping):
        room.add(commands)
    top.add_to(commands)
    if whole:
        demo = commands.add_parser(
            "demo",
            help="actors at work: where each runs, what it answers, how fast",
            description="Start a few actors on real kernels and show where each runs, what it answers, prints and "
            "raises, how one dies, and how fast all this is. Takes a few seconds and leaves nothing behind.",
        )
        demo.set_defaults(run=_demo)
    return parser


def main(arguments: Sequence[str] | None = None, *, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those the process was started with.
    parser : ArgumentParser, optional
        That of `actors`.

    Returns
    -------
    int
        The exit status: 0, or 1 where a command failed, 130 where it was interrupted.
    """
    chosen = (parser or _parser("jactors", whole=True)).parse_args(arguments)
    try:
        recover_all()
        status: int = chosen.run(chosen)
        sys.stdout.flush()
        return status
    except JactorsError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `jactors demo | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def actors(arguments: Sequence[str] | None = None) -> int:
    """Run ``jupyter actors``: Jupyter finds the program ``jupyter-actors``."""
    return main(arguments, parser=_parser("jupyter actors", whole=False))
