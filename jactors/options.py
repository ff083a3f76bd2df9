"""Every option once: its name, default, unit and validation. Nobody else validates.

An option is a field of a frozen dataclass, and the field carries its rule: the types it accepts, and a function that
returns the value as it is kept or raises. ``parse`` walks what the user gave, looks each rule up, and lays the result
over a base; a new option is one new line.

Guarantees: parsed options are picklable and hold no value that a later step would have to refuse. Error classes and
wording are Ray's, because that is what users search the web for; to them come the value and, where one is near, the
name that was meant. Options that only tune Ray's own machinery are accepted and kept in ``ignored``, so that code
written for Ray needs only its import changed.
"""

from __future__ import annotations

import difflib
import logging
import math
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar

__all__ = ["ActorOptions", "InitOptions", "MethodOptions"]

_log = logging.getLogger("jactors")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one option accepts; no `types` at all accepts everything."""

    types: tuple[type, ...] = ()
    keep: Callable[[str, Any], Any] | None = None  # the value as it is kept; raises ValueError or TypeError
    show: bool = True  # False keeps it out of messages and reprs: environments hold passwords

    def apply(self, name: str, value: object, default: object = None) -> object:
        """Return `value` as it is kept; None, where the rule admits it, means `default`."""
        # bool is an int to Python, but never to the user: num_cpus=True is a mistake.
        stray_bool = isinstance(value, bool) and bool not in self.types
        if self.types and (stray_bool or not isinstance(value, self.types)):
            kinds = ", ".join("None" if kind is NoneType else kind.__name__ for kind in self.types)
            shown = f": {reprlib.repr(value)}" if self.show else ""
            raise TypeError(f"The type of keyword '{name}' must be ({kinds}), but received type {type(value)}{shown}")
        return default if value is None else self.keep(name, value) if self.keep else value


def _option(default: object, *types: type, keep: Callable[[str, Any], Any] | None = None, show: bool = True) -> Any:
    """Declare an option, a field with its rule inside; None is accepted, and means the default, except for flags."""
    rule = _Rule(types if types == (bool,) and default is not None else (*types, NoneType), keep, show)
    if default is dict:
        return field(default_factory=dict, repr=show, metadata={"rule": rule})
    return field(default=default, repr=show, metadata={"rule": rule})


def _nearest(name: object, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _quantity(name: str, value: float) -> float:
    what = f"quantity of resource {name}"
    if not 0 <= value < math.inf:
        raise ValueError(f"The {what} cannot be negative, infinite or NaN: {value}")
    if 0 < value < 0.0001:
        raise ValueError(f"The precision of the fractional {what} cannot go beyond 0.0001: {value}")
    return value


def _gpus(name: str, value: float) -> float:
    if _quantity(name, value) > 1 and value != int(value):
        raise ValueError(f"GPU resource quantities >1 must be whole numbers. The specified {name}={value} is invalid.")
    return value


def _checked(holds: Callable[[Any], bool], sentence: str) -> Callable[[str, Any], Any]:
    """Rule that keeps a value as it is, where `holds` says so; `sentence` says what is accepted."""

    def keep(name: str, value: object) -> object:
        if not holds(value):
            raise ValueError(f"{sentence.format(name=name)} Received {reprlib.repr(value)}.")
        return value

    return keep


def _mapping(each: _Rule, key_rule: Callable[[str, str], object]) -> Callable[[str, Mapping[object, object]], Any]:
    def keep(name: str, value: Mapping[object, object]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"The keys of '{name}' must be str, but received {key!r} of type {type(key)}")
            key_rule(name, key)
            kept[key] = each.apply(f"{name}[{key!r}]", item)
        return kept

    return keep


def _custom_resource(name: str, key: str) -> None:
    if key in ("CPU", "GPU", "memory"):
        ours = "Use the 'memory' keyword" if key == "memory" else "Use the 'num_cpus' and 'num_gpus' keyword"
        raise ValueError(f"{ours} instead of {key!r} in '{name}' keyword")


def _text(name: str, value: str) -> str:
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL character, which no environment can")
    return value


def _path(name: str, value: str | os.PathLike[str]) -> str:
    path = os.fspath(value)
    if not path or "://" in path or "\0" in path:
        raise ValueError(f"'{name}' must be a directory of this machine, not {path!r}")
    return path


def _anything(names: str) -> dict[str, _Rule]:
    return dict.fromkeys(names.split(), _Rule())


_resources = _mapping(_Rule((float, int), _quantity), _custom_resource)
_group_size = _checked(lambda n: n > 0, "max_concurrency must be greater than 0: {name}.")
_groups = _mapping(_Rule((int,), _group_size), lambda _name, _key: None)
_variable = _checked(
    lambda key: key and "=" not in key and "\0" not in key, "A name in '{name}' is empty or holds '=' or NUL."
)
_env = _mapping(_Rule((str,), _text, show=False), _variable)
#: The rest of Ray's keys has no effect: an actor's base is the driver's interpreter, with its packages.
_RUNTIME_ENV = {
    "env_vars": _Rule((Mapping, NoneType), _env, show=False),
    "working_dir": _Rule((str, os.PathLike, NoneType), _path),
    "cwd": _Rule((str, os.PathLike, NoneType), _path),
    **_anything(
        "py_modules py_executable excludes pip uv conda config container image_uri java_jars mpi nsight _nsight "
        "rocprof_sys _rocprof_sys worker_process_setup_hook _inject_current_ray _ray_commit _ray_release"
    ),
}


def _runtime_env(name: str, value: Mapping[str, object]) -> dict[str, object]:
    for key in value:
        if key not in _RUNTIME_ENV:
            raise ValueError(f"Invalid key {key!r} in '{name}'. Valid: {[*_RUNTIME_ENV]}.{_nearest(key, _RUNTIME_ENV)}")
    return {key: _RUNTIME_ENV[key].apply(f"{name}['{key}']", item) for key, item in value.items()}


def _retried(name: str, value: bool | list[Any] | tuple[Any, ...]) -> bool | tuple[type[Exception], ...]:  # noqa: FBT001
    for kind in () if isinstance(value, bool) else value:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise ValueError(f"{name} must be either a boolean or a list of exceptions: it holds {reprlib.repr(kind)}")
    return value if isinstance(value, bool) else tuple(value)


_ONLY = "The keyword '{name}' only accepts None, 0"
_count = _checked(lambda n: n >= 0, _ONLY + " or a positive integer.")
_count_or_infinite = _checked(lambda n: n >= -1, _ONLY + ", -1 or a positive integer, where -1 represents infinity.")
_seconds = _checked(lambda s: s > 0, "'{name}' is a time in seconds and > 0, or None to wait for ever.")
_lifetimes = _checked(
    lambda text: text in ("detached", "non_detached"),
    "actor `lifetime` argument must be one of 'detached', 'non_detached' and 'None'.",
)
_launchers = _checked(lambda text: text in ("fork", "spawn"), "'{name}' must be 'fork', 'spawn' or None.")
_returns = _checked(
    lambda n: n in ("streaming", "dynamic") if isinstance(n, str) else n >= 0,
    "{name} must be >= 0, 'streaming' or 'dynamic' (for generators), or None.",
)
_backpressure = _checked(lambda n: n == -1 or n > 0, "{name} must be > 0, or -1 to disable this feature.")


_RAY_ACTOR = _anything(
    "scheduling_strategy placement_group placement_group_bundle_index placement_group_capture_child_tasks _labels "
    "label_selector fallback_strategy accelerator_type enable_task_events enable_tensor_transport object_store_memory "
    "_actor_generator_backpressure_num_objects"
)
_RAY_METHOD = {
    **_anything("enable_task_events tensor_transport _labels"),
    "_generator_backpressure_num_objects": _Rule((int, NoneType), _backpressure),
}
_RAY_INIT = _anything(
    "object_store_memory local_mode include_dashboard dashboard_host dashboard_port job_config configure_logging "
    "logging_level logging_format logging_config log_to_driver labels storage cgroup_path _cgroup_path _node_name "
    "enable_resource_isolation system_reserved_cpu system_reserved_memory _enable_object_reconstruction _temp_dir "
    "_plasma_directory _object_spilling_directory _node_ip_address _driver_object_store_memory _redis_username "
    "_redis_password _redis_max_memory _metrics_export_port _system_config _tracing_startup_hook _skip_env_hook"
)

_T = TypeVar("_T", "ActorOptions", "MethodOptions", "InitOptions")


def _names(cls: type[Any]) -> list[str]:
    return [spec.name for spec in fields(cls) if spec.metadata]


def _parsed(cls: type[_T], given: Mapping[str, Any], base: _T | None, ray_only: Mapping[str, _Rule]) -> _T:
    """Validate `given`, whose names are known to be valid, and lay it over `base`."""
    blank = cls()
    rules: dict[str, _Rule] = {spec.name: spec.metadata["rule"] for spec in fields(cls) if spec.metadata}
    values: dict[str, Any] = {name: getattr(base or blank, name) for name in rules}
    ignored = dict((base or blank).ignored)
    for name, value in given.items():
        if name in ray_only:
            ignored[name] = ray_only[name].apply(name, value)
        else:
            values[name] = rules[name].apply(name, value, getattr(blank, name))
    if given.get("runtime_env") and given.get("cwd") is None:
        runtime_env = values["runtime_env"]
        values["cwd"] = runtime_env.get("working_dir") or runtime_env.get("cwd") or values["cwd"]
    return cls(**values, ignored=ignored)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a session has for all its actors and one actor for itself."""

    #: Cores: an actor's to reserve and be pinned to (None: neither), a session's to count (None: those it may use).
    num_cpus: float | None = _option(None, float, int, keep=_quantity)
    #: GPUs, likewise (None: those it can see). A fraction shares one, more than one must be whole.
    num_gpus: float | None = _option(None, float, int, keep=_gpus)
    #: Bytes to reserve, or to count.
    memory: float | None = _option(None, float, int, keep=_quantity)
    #: Custom resources by name.
    resources: Mapping[str, float] = _option(dict, Mapping, keep=_resources)
    #: Where names are valid; None: the session's, which by default is one of its own.
    namespace: str | None = _option(None, str)
    #: Ray's form of the next two: ``env_vars``, and ``working_dir`` or ``cwd``; its other keys have no effect.
    runtime_env: Mapping[str, Any] | None = _option(None, Mapping, keep=_runtime_env, show=False)
    #: Environment variables, over those of `runtime_env`; `environment` has both.
    env: Mapping[str, str] | None = _option(None, Mapping, keep=_env, show=False)
    #: Working directory; None: the driver's. What `runtime_env` says is in it after `parse`.
    cwd: str | None = _option(None, str, os.PathLike, keep=_path)
    #: What was given and concerns only Ray.
    ignored: Mapping[str, object] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment variables: those of `runtime_env`, then `env`."""
        return {**((self.runtime_env or {}).get("env_vars") or {}), **(self.env or {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorOptions(_Place):
    """How an actor is born, pinned, named and brought back."""

    #: Restarts after a crash; -1 without limit.
    max_restarts: int = _option(0, int, keep=_count_or_infinite)
    #: Times a lost call is sent again; -1 without limit.
    max_task_retries: int = _option(0, int, keep=_count_or_infinite)
    #: Unfinished calls of one submitting process; -1 without limit, and so is 0, as in Ray.
    max_pending_calls: int = _option(-1, int, keep=lambda name, n: _count_or_infinite(name, n) or -1)
    #: Calls that run at once. None, and 0: 1 for a sync actor, 1000 for an async one.
    max_concurrency: int | None = _option(None, int, keep=lambda name, n: _count(name, n) or None)
    #: Calls that run at once, by group.
    concurrency_groups: Mapping[str, int] | None = _option(None, Mapping, keep=_groups)
    name: str | None = _option(None, str)
    #: "detached" outlives the driver.
    lifetime: Literal["detached", "non_detached"] | None = _option(None, str, keep=_lifetimes)
    get_if_exists: bool = _option(False, bool)
    #: None: True for async and threaded actors.
    allow_out_of_order_execution: bool | None = _option(None, bool)
    #: Seconds until an actor that has not answered counts as failed; None waits for ever.
    start_timeout: float | None = _option(None, float, int, keep=_seconds)

    @classmethod
    def parse(
        cls,
        given: Mapping[str, object],
        *,
        base: ActorOptions | None = None,
        call: Literal["remote", "options"] = "remote",
    ) -> ActorOptions:
        """Validate `given` and lay it over `base`, the decorator's; None in it stands for the default.

        Raises
        ------
        TypeError, ValueError
            A value has the wrong type, or is out of range. ValueError also: a name does not exist, or `call` is
            "options", which cannot set `concurrency_groups`.
        """
        valid = [*_names(cls), *_RAY_ACTOR]
        for name in given:
            if name not in valid:
                near = _nearest(name, valid)
                raise ValueError(f"Invalid option keyword {name} for actors. Valid ones are {valid}.{near}")
        if call == "options" and "concurrency_groups" in given:
            raise ValueError("Setting 'concurrency_groups' is not supported in '.options()': give it to the decorator.")
        return _parsed(cls, given, base, _RAY_ACTOR)

    def check_submittable(self) -> None:
        """Check what matters only at ``.remote()``.

        Raises
        ------
        ValueError
            `name` or `namespace` is empty, `get_if_exists` has no name to look for, or `cwd` is no directory.
        """
        if self.name == "":
            raise ValueError("Actor name cannot be an empty string. Pass None for an actor without a name.")
        if self.namespace == "":
            raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
        if self.get_if_exists and self.name is None:
            raise ValueError("The actor name must be specified to use `get_if_exists`.")
        if self.cwd is not None and not Path(self.cwd).is_dir():
            raise ValueError(f"'cwd' must be a directory of this machine, and {self.cwd!r} is none: make it first.")

    @property
    def demand(self) -> dict[str, float]:
        """What to reserve: ``CPU``, ``GPU``, ``memory`` (bytes) and custom ones, only where above 0."""
        asked = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": self.memory, **self.resources}
        return {name: float(amount) for name, amount in asked.items() if amount}


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """How one call is made, by ``@method`` or ``h.m.options()``; None means "not said"."""

    #: Refs a call returns; None: 1, or "streaming" where the method is a generator.
    num_returns: int | Literal["streaming", "dynamic"] | None = _option(None, int, str, keep=_returns)
    concurrency_group: str | None = _option(None, str)
    #: Times a lost call is sent again; -1 without limit.
    max_task_retries: int | None = _option(None, int, keep=_count_or_infinite)
    #: True retries after any exception, else after those listed (kept as a tuple).
    retry_exceptions: bool | tuple[type[Exception], ...] | None = _option(None, bool, list, tuple, keep=_retried)
    #: What the call is called in lists; None: as the method.
    name: str | None = _option(None, str)
    #: What was given and concerns only Ray.
    ignored: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        given: Mapping[str, object],
        *,
        generator: bool = False,
        base: MethodOptions | None = None,
        call: Literal["method", "options"] = "options",
    ) -> MethodOptions:
        """Validate `given` and lay what it says over `base`; `generator`: the method is one, sync or async.

        Raises
        ------
        AssertionError
            ``@method`` was given an option that does not exist (Ray's class for it).
        TypeError
            ``.options()`` was, or a value has the wrong type.
        ValueError
            A value is out of range, or `num_returns` streams what is no generator.
        """
        # A name and labels belong to one call, not to every call of a method.
        valid = [name for name in [*_names(cls), *_RAY_METHOD] if call == "options" or name not in ("name", "_labels")]
        for name in given:
            if name not in valid:
                hint = f"The supported keyword arguments are {valid}.{_nearest(name, valid)}"
                if call == "method":
                    raise AssertionError(f"Unexpected keyword argument to @method: '{name}'. {hint}")
                raise TypeError(f".options() got an unexpected keyword argument '{name}'. {hint}")
        said = {name: value for name, value in given.items() if value is not None}
        parsed = _parsed(cls, said, base, _RAY_METHOD)
        if isinstance(parsed.num_returns, str) and not generator:
            raise ValueError(f"num_returns='{parsed.num_returns}' needs a generator method, one that yields.")
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions(_Place):
    """What a session is started with."""

    #: "auto" or the address of a running session joins that one; None starts one.
    address: str | None = _option(None, str)
    ignore_reinit_error: bool = _option(False, bool)
    #: How kernels are started; None: "fork" where that is safe.
    launcher: Literal["fork", "spawn"] | None = _option(None, str, keep=_launchers)

    @classmethod
    def parse(cls, given: Mapping[str, object]) -> InitOptions:
        """Validate `given`, and name in one debug line what has no effect.

        Raises
        ------
        RuntimeError
            A name does not exist (Ray's class for it).
        TypeError, ValueError
            A value has the wrong type, or is out of range.
        """
        given = {"memory" if name == "_memory" else name: value for name, value in given.items()}  # Ray's name for it
        valid = [*_names(cls), *_RAY_INIT]
        unknown = [name for name in given if name not in valid]
        if unknown:
            near = "".join(_nearest(name, valid) for name in unknown)
            raise RuntimeError(f"Unknown keyword argument(s): {', '.join(unknown)}.{near}")
        parsed = _parsed(cls, given, None, _RAY_INIT)
        if parsed.namespace == "":
            raise ValueError('"" is not a valid namespace. Pass None to not specify a namespace.')
        if parsed.num_gpus and parsed.num_gpus != int(parsed.num_gpus):
            raise ValueError(f"num_gpus counts GPUs, so init accepts whole numbers only, not {parsed.num_gpus}")
        if parsed.ignored:
            _log.debug("init: accepted, without effect in jactors: %s", ", ".join(parsed.ignored))
        return parsed
