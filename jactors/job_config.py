"""Ray's place for what a driver says of all its actors: ``init(job_config=JobConfig(...))``.

`jactors.init` takes each of them by itself too: ``init(namespace=..., default_actor_lifetime="detached")``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["JobConfig"]


class JobConfig:
    """What one driver wants for its actors.

    Parameters
    ----------
    runtime_env : mapping, optional
        Environment of all its actors; see `jactors.init`.
    ray_namespace : str, optional
        Where its names are valid.
    default_actor_lifetime : {"detached", "non_detached"}
        What ``lifetime`` is where an actor does not say.
    **ray_only
        ``metadata``, ``code_search_path`` and the like: without effect.
    """

    def __init__(
        self,
        *,
        runtime_env: Mapping[str, Any] | None = None,
        ray_namespace: str | None = None,
        default_actor_lifetime: str = "non_detached",
        **ray_only: Any,
    ) -> None:
        self.ignored = ray_only
        self._said: dict[str, Any] = {"default_actor_lifetime": default_actor_lifetime}
        if runtime_env is not None:
            self.set_runtime_env(runtime_env)
        if ray_namespace is not None:
            self.set_ray_namespace(ray_namespace)

    def set_runtime_env(self, runtime_env: Mapping[str, Any]) -> None:
        """Set the environment of all actors."""
        self._said["runtime_env"] = runtime_env

    def set_ray_namespace(self, namespace: str) -> None:
        """Set where names are valid."""
        self._said["namespace"] = namespace

    def set_default_actor_lifetime(self, lifetime: str) -> None:
        """Set what ``lifetime`` is where an actor does not say."""
        self._said["default_actor_lifetime"] = lifetime

    def options(self) -> dict[str, Any]:
        """Return what it says, as `jactors.init` takes it."""
        return dict(self._said)
