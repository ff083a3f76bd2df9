"""About: the options and the environment that an actor runs with, to be shown. What looks like a secret never leaves.

A name that speaks of a key, token, secret, password or credential hides its value, and so does the
password in an address; the number of characters is not told either.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jactors.kernel.kernel import ActorKernel

__all__ = ["about", "masked"]

#: What stands for what is not shown.
MASK = "••••••"

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASS$|(^|_)PASS(_|$)|CREDENTIAL|COOKIE|AUTH", re.IGNORECASE)
#: ``https://user:password@host``; and what follows a name in a list of settings: ``--token=...``, ``password: ...``.
_IN_URL = re.compile(r"(\w+://[^\s/@:]*:)[^\s/@]+(@)")
_IN_TEXT = re.compile(r"((?:key|token|secret|passw\w*|credential\w*)\s*[=:]\s*)[^\s,;&]+", re.IGNORECASE)

#: Characters of a value.
_LENGTH = 400


def masked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables in the order of their names, as they may be shown."""
    shown = {}
    for name in sorted(environment):
        value = environment[name]
        if _SECRET.search(name):
            shown[name] = MASK if value else ""
            continue
        value = _IN_TEXT.sub(rf"\g<1>{MASK}", _IN_URL.sub(rf"\g<1>{MASK}\g<2>", value))
        shown[name] = value if len(value) <= _LENGTH else value[:_LENGTH] + "…"
    return shown


def about(kernel: ActorKernel, content: dict[str, Any]) -> dict[str, Any]:
    """Return how calls run here, what the process is, and its environment."""
    creation = kernel.creation
    options: dict[str, Any] = {}
    if creation is not None:
        options = {
            "concurrency": {group or "default": size for group, size in creation.sizes.items()},
            "asynchronous": creation.is_async,
            "checkpoint": list(creation.checkpoint) if creation.checkpoint else None,
        }
    return {
        "options": options,
        "python": platform.python_version(),
        "executable": sys.executable,
        "cwd": _cwd(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
        "environment": masked(os.environ),
    }


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""
