"""The root of all errors."""

from __future__ import annotations

from typing import Any

from jactors.portable import portable_state, revive

__all__ = ["JactorsError"]


class JactorsError(Exception):
    """Base of all that jactors raises; catch it to catch everything that is not your own code's."""

    def __reduce__(self) -> tuple[Any, ...]:
        return revive, (type(self), self.args, portable_state(self.__dict__))
