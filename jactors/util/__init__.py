"""What Ray keeps in ``ray.util``: helpers made of nothing but the public API.

``from jactors.util import ActorPool``, ``from jactors.util.queue import Queue``, and
``jactors.util.state.list_actors()`` go on working with only the package's name changed. Nothing
below this room knows of it: what is here could be the user's own code, apart from `state`, which asks
the supervisor. It needs no server and no dashboard, and never starts a session by looking.
"""

from __future__ import annotations

from jactors.util import actor_group, queue, scheduling_strategies, state
from jactors.util.iterate import as_completed, map_unordered
from jactors.util.names import get_node_ip_address, list_named_actors
from jactors.util.pool import ActorPool
from jactors.util.serializability import inspect_serializability
from jactors.util.serializers import deregister_serializer, register_serializer

__all__ = [
    "ActorPool",
    "actor_group",
    "as_completed",
    "deregister_serializer",
    "get_node_ip_address",
    "inspect_serializability",
    "list_named_actors",
    "map_unordered",
    "queue",
    "register_serializer",
    "scheduling_strategies",
    "state",
]
