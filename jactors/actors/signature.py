"""Signatures that travel: of a default or an annotation only how it reads, since the value may be of one process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Parameter", "Texts", "build", "texts_of"]

#: (name, kind, whether it has a default).
Parameter = tuple[str, int, bool]

#: How the default and the annotation of each parameter read, and behind them ("", that of what is returned); "": none.
Texts = tuple[tuple[str, str], ...]

#: Characters of a default or an annotation that are shown.
_LONGEST = 60

_KINDS = {int(kind): kind for kind in inspect._ParameterKind}


class _Text:
    """Stands for a value of which only the text is known."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def build(parameters: Sequence[Parameter], texts: Texts, *, returns: str | None = None) -> inspect.Signature:
    """Return the signature; of what it returns it says `returns`, where that is given."""
    *shown, (_, returned) = texts or ((("", ""),) * (len(parameters) + 1))
    found = []
    for (name, kind, optional), (default, annotation) in zip(parameters, shown, strict=True):
        value = _Text(default or "...") if optional else inspect.Parameter.empty
        found.append(inspect.Parameter(name, _KINDS[kind], default=value, annotation=_annotation(annotation)))
    return inspect.Signature(found, return_annotation=_annotation(returned if returns is None else returns))


def _annotation(text: str) -> Any:
    return _Text(text) if text else inspect.Signature.empty


def texts_of(parameters: Sequence[inspect.Parameter], returns: Any) -> Texts:
    """Return how they read."""
    texts = [(_text(each.default, repr), _text(each.annotation, _named)) for each in parameters]
    return (*texts, ("", _text(returns, _named)))


def _text(value: Any, show: Callable[[Any], str]) -> str:
    """Return how a value reads; "..." where it cannot be said, or is too long."""
    if value is inspect.Parameter.empty:
        return ""
    try:
        text = show(value)
    except Exception:
        return "..."
    return text if len(text) <= _LONGEST and "\n" not in text else "..."


def _named(annotation: Any) -> str:
    """Return how an annotation reads; one that is a text already is taken as it is."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
