"""`list_named_actors`: who can be asked for with `get_actor`."""

from __future__ import annotations

from typing import Any

from jactors import registry, session

__all__ = ["list_named_actors"]


def list_named_actors(all_namespaces: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - Ray's signature
    """Return the names of the living actors, sorted; of one that restarts too.

    Parameters
    ----------
    all_namespaces : bool
        Those of all namespaces of this user's sessions, not of this session's alone.

    Returns
    -------
    list of str, or of dict
        Names; with `all_namespaces`, ``{"name": ..., "namespace": ...}`` each.
    """
    if all_namespaces:
        return [{"name": name, "namespace": namespace} for namespace, name in registry.names()]
    return [name for _, name in registry.names(session.current().namespace)]
