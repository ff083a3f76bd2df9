"""Ray's ``ray.util.actor_group``: one call to a number of equal actors. Deprecated there, and kept for its users."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jactors.actors.decorator import ActorClass, remote
from jactors.actors.handle import ActorHandle
from jactors.actors.verbs import get, kill, wait

__all__ = ["ActorGroup", "ActorGroupMethod", "ActorWrapper"]


@dataclass
class ActorWrapper:
    """One of the actors, and what its own ``get_actor_metadata``, if it has one, has said."""

    actor: ActorHandle[Any]
    metadata: Any = None


class ActorGroupMethod:
    """A method of all actors of a group."""

    def __init__(self, actors: Sequence[ActorWrapper], name: str) -> None:
        self._actors = actors
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, as Ray does: there is not one value to return."""
        raise TypeError(
            f"ActorGroup methods cannot be called directly. Instead of running 'object.{self._name}()', try "
            f"'object.{self._name}.remote()'."
        )

    def remote(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Submit the call to each actor; return what each ``.remote`` returns, in the order of the actors."""
        return [getattr(each.actor, self._name).remote(*args, **kwargs) for each in self._actors]


class ActorGroup:
    """So many actors of one class, called together: ``group.method.remote(...)`` gives a list of refs.

    Parameters
    ----------
    actor_cls : type
        The plain class.
    num_actors : int
    num_cpus_per_actor, num_gpus_per_actor : float
    resources_per_actor : dict of str to float, optional
    init_args, init_kwargs
        For ``__init__`` of each.
    """

    def __init__(
        self,
        actor_cls: type,
        num_actors: int = 1,
        num_cpus_per_actor: float = 1,
        num_gpus_per_actor: float = 0,
        resources_per_actor: Mapping[str, float] | None = None,
        init_args: Sequence[Any] | None = None,
        init_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if num_actors <= 0:
            raise ValueError(f"num_actors must be greater than 0, got {num_actors}")
        self.actors: list[ActorWrapper] = []
        self.num_actors = num_actors
        options = {"num_cpus": num_cpus_per_actor, "num_gpus": num_gpus_per_actor, "resources": resources_per_actor}
        self._remote_cls: ActorClass[Any] = remote(**options)(actor_cls)
        self._init_args = tuple(init_args or ())
        self._init_kwargs = dict(init_kwargs or {})
        self.start()

    def __getattr__(self, name: str) -> ActorGroupMethod:
        if name.startswith("__"):  # protocols probe for them
            raise AttributeError(name)
        if not self.actors:
            raise RuntimeError("This ActorGroup has been shutdown. Please start it again.")
        return ActorGroupMethod(self.actors, name)

    def __len__(self) -> int:
        return len(self.actors)

    def __getitem__(self, index: int) -> ActorWrapper:
        return self.actors[index]

    def start(self) -> None:
        """Start the actors; RuntimeError where there are some."""
        if self.actors:
            raise RuntimeError("The actors have already been started. Please call `shutdown` first.")
        self.add_actors(self.num_actors)

    def shutdown(self, patience_s: float = 5) -> None:
        """End the actors: after the calls that they have, within `patience_s` seconds; by `kill` then."""
        left = [each.actor for each in self.actors]
        if left and patience_s > 0:
            ends = [actor.__ray_terminate__.remote() for actor in left]
            late = set(wait(ends, num_returns=len(ends), timeout=patience_s)[1])
            left = [actor for actor, end in zip(left, ends, strict=True) if end in late]
        for actor in left:
            kill(actor)
        self.actors = []

    def remove_actors(self, actor_indexes: Collection[int]) -> None:
        """Let go of the actors with these indexes; they end where nobody else holds them."""
        self.actors = [each for index, each in enumerate(self.actors) if index not in actor_indexes]

    def add_actors(self, num_actors: int) -> None:
        """Start so many more."""
        made = [self._remote_cls.remote(*self._init_args, **self._init_kwargs) for _ in range(num_actors)]
        metadata: list[Any] = [None] * len(made)
        if made and "get_actor_metadata" in dir(made[0]):
            metadata = get([actor.get_actor_metadata.remote() for actor in made])
        self.actors += [ActorWrapper(actor, known) for actor, known in zip(made, metadata, strict=True)]

    @property
    def actor_metadata(self) -> list[Any]:
        """What each actor's ``get_actor_metadata`` has said."""
        return [each.metadata for each in self.actors]
