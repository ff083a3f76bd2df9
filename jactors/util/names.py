"""`list_named_actors`: who can be asked for with `get_actor`; and under which address this machine is found."""

from __future__ import annotations

from typing import Any

from jactors import registry, session
from jactors.actors.info import LOOPBACK

__all__ = ["get_node_ip_address", "list_named_actors"]


def get_node_ip_address() -> str:
    """Return the address at which actors find a server of this one: all are on this machine, so the loopback's."""
    return LOOPBACK


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
