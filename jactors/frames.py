"""Stack frames: which of them are the user's, and what their files are called in a notebook."""

from __future__ import annotations

import itertools
import os
import re
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from traceback import FrameSummary

__all__ = ["cell_label", "is_users", "name_cell", "user_frames"]

#: Frames of this package are never the user's; those of the others only after the user's first one.
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120 - as in co_filename
_PLUMBING = (
    "IPython",
    "asyncio",
    "concurrent.futures",
    "ipykernel",
    "runpy",
    "threading",
    "tornado",
    "traitlets",
    "zmq",
)
_CELL_FRAME = re.compile(r'(\s*)File "(.+)"(, line \d+.*)', re.DOTALL)


def is_ours(filename: str) -> bool:
    """Return whether a file is of this package."""
    return filename.startswith(_OURS)


def user_frames(frames: Sequence[FrameSummary]) -> list[FrameSummary]:
    """Drop jactors' frames, and the plumbing's before the user's first one; the last one stays at least."""
    # By the place of the loaded module, not by a name in the path: a user's folder may be called asyncio.
    files = {file for name in _PLUMBING if (file := getattr(sys.modules.get(name), "__file__", None))}
    places = tuple(file.removesuffix("__init__.py") for file in files)
    theirs = (frame for frame in frames if not frame.filename.startswith(_OURS))
    mine = itertools.dropwhile(lambda frame: frame.filename.startswith((*places, "<frozen ")), theirs)
    return list(mine) or list(frames[-1:])


#: Where installed code lies.
_INSTALLED = tuple(
    path + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))
)


def is_users(filename: str) -> bool:
    """Return whether a code object's file is the user's: neither ours, nor Python's, nor of an installed package."""
    return not filename.startswith((_OURS, "<frozen ", *_INSTALLED))


def name_cell(line: str) -> str:
    """``File "/tmp/ipykernel_1/2.py"`` → ``Cell In[3]``, where this process' IPython knows that file as a cell."""
    found = _CELL_FRAME.match(line)
    label = cell_label(found[2]) if found else None
    return f"{found[1]}{label}{found[3]}" if found and label else line


def cell_label(filename: str) -> str | None:
    """Return ``Cell In[3]`` for the file of a cell that this process' IPython knows; None for others."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return None
    try:
        label = shell.compile.format_code_name(filename)
    except Exception:
        return None  # not IPython's own compiler
    return " ".join(label) if label else None
