"""Ray's ``ray.runtime_env``: the environment of an actor as an object; a dict does as well."""

from __future__ import annotations

from typing import Any

from jactors import rules

__all__ = ["RuntimeEnv"]


class RuntimeEnv(dict[str, Any]):
    """What ``runtime_env=`` takes, checked when it is made: ``RuntimeEnv(env_vars={"SEED": "1"}, working_dir="data")``.

    `env_vars` and `working_dir` have an effect. The rest of Ray's keys is accepted and has none, since an actor runs in
    the driver's interpreter, with its packages: install there what it needs.

    Raises
    ------
    TypeError, ValueError
        A key is not one of Ray's, or a value has the wrong type.
    """

    def __init__(self, **given: Any) -> None:
        said = {name: value for name, value in given.items() if value is not None}
        super().__init__(rules.runtime_env("runtime_env", said))

    def to_dict(self) -> dict[str, Any]:
        """Return it as a plain dict."""
        return dict(self)

    def __reduce__(self) -> Any:
        return _rebuilt, (dict(self),)


def _rebuilt(given: dict[str, Any]) -> RuntimeEnv:
    return RuntimeEnv(**given)
