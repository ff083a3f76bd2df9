"""Ctrl-C, or the stop button, while waiting for actors."""

from __future__ import annotations

__all__ = ["interrupted"]


def interrupted(text: str) -> KeyboardInterrupt:
    """Return a KeyboardInterrupt that says what it has interrupted; in a notebook, in that one line.

    No class of its own: the interpreter ends a script as Ctrl-C does, by the signal, for this very type only.
    """
    error = KeyboardInterrupt(text)
    # IPython asks for it. Where the waiting was is no news to who has stopped it.
    error._render_traceback_ = lambda: [f"KeyboardInterrupt: {text}"]  # type: ignore[attr-defined]
    return error
