"""Ctrl-C, or the stop button, while waiting for actors."""

from __future__ import annotations

__all__ = ["Interrupted"]


class Interrupted(KeyboardInterrupt):
    """The user has stopped the waiting; the text says what that has interrupted, and what it could not."""

    def _render_traceback_(self) -> list[str]:
        """Say it in one line, in a notebook: where the waiting was is no news to who has stopped it."""
        return [f"KeyboardInterrupt: {self}"]
