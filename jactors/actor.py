"""Ray's ``ray.actor``: names that code written for Ray imports from there."""

from __future__ import annotations

from jactors.actors.decorator import ActorClass
from jactors.actors.handle import ActorHandle, ActorMethod
from jactors.actors.info import exit_actor
from jactors.actors.shape import method
from jactors.errors import ActorClassInheritanceError as ActorClassInheritanceException

__all__ = ["ActorClass", "ActorClassInheritanceException", "ActorHandle", "ActorMethod", "exit_actor", "method"]
