"""Ray's place for `ActorPool`: ``from jactors.util.actor_pool import ActorPool``."""

from __future__ import annotations

from jactors.util.pool import ActorPool

__all__ = ["ActorPool"]
