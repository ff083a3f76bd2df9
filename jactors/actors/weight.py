"""The weight of what travels as code: large objects in a closure are a mistake that nobody sees."""

from __future__ import annotations

import logging

__all__ = ["check_weight"]

log = logging.getLogger("jactors")

#: Bytes from which pickled code is warned of, and refused, as in Ray.
_LARGE, _TOO_LARGE = 10**7, 10**8


def check_weight(what: str, pickled: bytes, cure: str) -> None:
    """Warn where `pickled` is large; `what` names it, and `cure` says what to do with large objects.

    Raises
    ------
    ValueError
        It is too large.
    """
    if len(pickled) > _TOO_LARGE:
        raise ValueError(
            f"{what} is too large ({len(pickled)} bytes > {_TOO_LARGE}): it captures large objects; {cure}, or put() "
            "them and pass the ref"
        )
    if len(pickled) > _LARGE:
        log.warning(
            "%s is very large (%d bytes), and each process that runs it reads that anew: it captures large objects; "
            "%s, or put() them and pass the ref",
            what,
            len(pickled),
            cure,
        )
