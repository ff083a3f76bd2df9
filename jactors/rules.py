"""Rules: what one option accepts, and how its value is kept. The wording of refusals is Ray's.

`jactors.options` is the table that uses them.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import NoneType
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """What one option accepts; no `types` at all accepts everything."""

    types: tuple[type, ...] = ()
    keep: Callable[[str, Any], Any] | None = None  # the value as it is kept; raises ValueError or TypeError
    show: bool = True  # False keeps it out of messages and reprs: environments hold passwords

    def apply(self, name: str, value: object, default: object = None) -> object:
        """Return `value` as it is kept; None, where the rule admits it, means `default`."""
        stray_bool = isinstance(value, bool) and bool not in self.types  # an int to Python, to the user a mistake
        if self.types and (stray_bool or not isinstance(value, self.types)):
            kinds = ", ".join("None" if kind is NoneType else kind.__name__ for kind in self.types)
            shown = f": {reprlib.repr(value)}" if self.show else ""
            raise TypeError(f"The type of keyword '{name}' must be ({kinds}), but received type {type(value)}{shown}")
        return default if value is None else self.keep(name, value) if self.keep else value


def option(default: object, *types: type, keep: Callable[[str, Any], Any] | None = None, show: bool = True) -> Any:
    """Declare an option, a field with its rule inside; None is accepted, and means the default, except for flags."""
    rule = Rule(types if types == (bool,) and default is not None else (*types, NoneType), keep, show)
    if default is dict:
        return field(default_factory=dict, repr=show, metadata={"rule": rule})
    return field(default=default, repr=show, metadata={"rule": rule})


def nearest(name: object, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def quantity(name: str, value: float) -> float:
    what = f"quantity of resource {name}"
    if not 0 <= value < math.inf:
        raise ValueError(f"The {what} cannot be negative, infinite or NaN: {value}")
    if 0 < value < 0.0001:
        raise ValueError(f"The precision of the fractional {what} cannot go beyond 0.0001: {value}")
    return value


def gpus(name: str, value: float) -> float:
    if quantity(name, value) > 1 and value != int(value):
        raise ValueError(f"GPU resource quantities >1 must be whole numbers. The specified {name}={value} is invalid.")
    return value


def checked(holds: Callable[[Any], bool], sentence: str) -> Callable[[str, Any], Any]:
    """Rule that keeps a value as it is, where `holds` says so; `sentence` says what is accepted."""

    def keep(name: str, value: object) -> object:
        if not holds(value):
            raise ValueError(f"{sentence.format(name=name)} Received {reprlib.repr(value)}.")
        return value

    return keep


def mapping(each: Rule, key_rule: Callable[[str, str], object]) -> Callable[[str, Mapping[object, object]], Any]:
    def keep(name: str, value: Mapping[object, object]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"The keys of '{name}' must be str, but received {key!r} of type {type(key)}")
            key_rule(name, key)
            kept[key] = each.apply(f"{name}[{key!r}]", item)
        return kept

    return keep


def custom_resource(name: str, key: str) -> None:
    if key in ("CPU", "GPU", "memory"):
        ours = "Use the 'memory' keyword" if key == "memory" else "Use the 'num_cpus' and 'num_gpus' keyword"
        raise ValueError(f"{ours} instead of {key!r} in '{name}' keyword")


def text(name: str, value: str) -> str:
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL character, which no environment can")
    return value


def check_namespace(value: str | None) -> None:
    if value == "":
        raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')


def path(name: str, value: str | os.PathLike[str]) -> str:
    path = os.fspath(value)
    if not path or "://" in path or "\0" in path:
        raise ValueError(f"'{name}' must be a directory of this machine, not {path!r}")
    return path


def anything(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), Rule())


resources = mapping(Rule((float, int), quantity), custom_resource)
group_size = checked(lambda n: n > 0, "max_concurrency must be greater than 0: {name}.")
groups = mapping(Rule((int,), group_size), lambda _name, _key: None)
variable = checked(
    lambda key: key and "=" not in key and "\0" not in key, "A name in '{name}' is empty or holds '=' or NUL."
)
env = mapping(Rule((str,), text, show=False), variable)
#: The rest of Ray's keys has no effect: an actor's base is the driver's interpreter, with its packages.
RUNTIME_ENV = {
    "env_vars": Rule((Mapping, NoneType), env, show=False),
    "working_dir": Rule((str, os.PathLike, NoneType), path),
    "cwd": Rule((str, os.PathLike, NoneType), path),
    **anything(
        "py_modules py_executable excludes pip uv conda config container image_uri java_jars mpi nsight _nsight "
        "rocprof_sys _rocprof_sys worker_process_setup_hook _inject_current_ray _ray_commit _ray_release"
    ),
}


def runtime_env(name: str, value: Mapping[str, object]) -> dict[str, object]:
    for key in value:
        if key not in RUNTIME_ENV:
            raise ValueError(f"Invalid key {key!r} in '{name}'. Valid: {[*RUNTIME_ENV]}.{nearest(key, RUNTIME_ENV)}")
    return {key: RUNTIME_ENV[key].apply(f"{name}['{key}']", item) for key, item in value.items()}


def retried(name: str, value: bool | list[Any] | tuple[Any, ...]) -> bool | tuple[type[Exception], ...]:  # noqa: FBT001
    for kind in () if isinstance(value, bool) else value:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise ValueError(f"{name} must be either a boolean or a list of exceptions: it holds {reprlib.repr(kind)}")
    return value if isinstance(value, bool) else tuple(value)


ONLY = "The keyword '{name}' only accepts None, 0"
count = checked(lambda n: n >= 0, ONLY + " or a positive integer.")
count_or_infinite = checked(lambda n: n >= -1, ONLY + ", -1 or a positive integer, where -1 represents infinity.")
seconds = checked(lambda s: s > 0, "'{name}' is a time in seconds and > 0, or None to wait for ever.")
lifetimes = checked(
    lambda text: text in ("detached", "non_detached"),
    "actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'.",
)
launchers = checked(lambda text: text in ("fork", "spawn"), "'{name}' must be 'fork', 'spawn' or None.")
returns = checked(
    lambda n: n in ("streaming", "dynamic") if isinstance(n, str) else n >= 0,
    "{name} must be >= 0, 'streaming' or 'dynamic' (for generators), or None.",
)
#: Ray's name for how many values a generator may be ahead.
BACKPRESSURE = "_generator_backpressure_num_objects"
backpressure = checked(lambda n: n == -1 or n > 0, "{name} must be > 0, or -1 to disable this feature.")


_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_CADENCE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)")


def cadence(name: str, value: int | str | timedelta) -> tuple[str, float]:
    """Keep how often something is done: ``("calls", n)``, ``("seconds", s)`` or ``("on_demand", 0)``."""
    kept = ("calls", float(value)) if isinstance(value, int) else ("on_demand", 0.0)
    if isinstance(value, timedelta):
        kept = ("seconds", value.total_seconds())
    elif isinstance(value, str) and value != "on_demand":
        match = _CADENCE.fullmatch(value.strip())
        kept = ("seconds", float(match[1]) * _UNITS[match[2]]) if match else ("", 0.0)
    if kept[0] != "on_demand" and kept[1] <= 0:
        raise ValueError(
            f'\'{name}\' is a number of calls (100), a time ("500ms", "30s", "5min", "1h") or "on_demand". '
            f"Received {reprlib.repr(value)}."
        )
    return kept


#: All are this machine; see `jactors.util.scheduling_strategies`.
scheduling = checked(
    lambda value: not isinstance(value, str) or value in ("DEFAULT", "SPREAD"),
    "{name} is a string that must be 'DEFAULT' or 'SPREAD', or one of jactors.util.scheduling_strategies.",
)
PLACE = {"scheduling_strategy": Rule((), scheduling)}

RAY_ACTOR = PLACE | anything(
    "placement_group placement_group_bundle_index placement_group_capture_child_tasks _labels "
    "label_selector fallback_strategy accelerator_type enable_task_events enable_tensor_transport object_store_memory "
    "_actor_generator_backpressure_num_objects"
)
RAY_TASK = (
    PLACE
    | anything(
        "placement_group placement_group_bundle_index placement_group_capture_child_tasks _labels "
        "label_selector fallback_strategy accelerator_type enable_task_events object_store_memory max_calls "
        "_metadata"
    )
    | {BACKPRESSURE: Rule((int, NoneType), backpressure)}
)
RAY_METHOD = {
    **anything("enable_task_events tensor_transport _labels"),
    BACKPRESSURE: Rule((int, NoneType), backpressure),
}
RAY_INIT = anything(
    "object_store_memory local_mode include_dashboard dashboard_host dashboard_port configure_logging "
    "logging_level logging_format logging_config log_to_driver labels storage cgroup_path _cgroup_path _node_name "
    "enable_resource_isolation system_reserved_cpu system_reserved_memory _enable_object_reconstruction _temp_dir "
    "_plasma_directory _object_spilling_directory _node_ip_address _driver_object_store_memory _redis_username "
    "_redis_password _redis_max_memory _metrics_export_port _system_config _tracing_startup_hook _skip_env_hook"
)
