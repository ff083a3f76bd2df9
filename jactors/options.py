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

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from jactors import rules
from jactors.job_config import JobConfig

__all__ = ["ActorOptions", "InitOptions", "MethodOptions", "TaskOptions"]

_log = logging.getLogger("jactors")


_T = TypeVar("_T", "ActorOptions", "MethodOptions", "InitOptions", "TaskOptions")


def _names(cls: type[Any]) -> list[str]:
    return [spec.name for spec in fields(cls) if spec.metadata]


def _parsed(cls: type[_T], given: Mapping[str, Any], base: _T | None, ray_only: Mapping[str, rules.Rule]) -> _T:
    """Validate `given`, whose names are known to be valid, and lay it over `base`."""
    blank = cls()
    known: dict[str, rules.Rule] = {spec.name: spec.metadata["rule"] for spec in fields(cls) if spec.metadata}
    values: dict[str, Any] = {name: getattr(base or blank, name) for name in known}
    ignored = dict((base or blank).ignored)
    for name, value in given.items():
        if name in ray_only:
            ignored[name] = ray_only[name].apply(name, value)
        else:
            values[name] = known[name].apply(name, value, getattr(blank, name))
    if given.get("runtime_env") and given.get("cwd") is None:
        runtime_env = values["runtime_env"]
        values["cwd"] = runtime_env.get("working_dir") or runtime_env.get("cwd") or values["cwd"]
    return cls(**values, ignored=ignored)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a session has for all its actors and one actor for itself."""

    #: Cores: an actor's to reserve and be pinned to (None: neither), a session's to count (None: those it may use).
    num_cpus: float | None = rules.option(None, float, int, keep=rules.quantity)
    #: GPUs, likewise (None: those it can see). A fraction shares one, more than one must be whole.
    num_gpus: float | None = rules.option(None, float, int, keep=rules.gpus)
    #: Bytes to reserve, or to count.
    memory: float | None = rules.option(None, float, int, keep=rules.quantity)
    #: Custom resources by name.
    resources: Mapping[str, float] = rules.option(dict, Mapping, keep=rules.resources)
    #: Where names are valid; None: the session's, which by default is one of its own.
    namespace: str | None = rules.option(None, str)
    #: Ray's form of the next two: ``env_vars``, and ``working_dir`` or ``cwd``; its other keys have no effect.
    runtime_env: Mapping[str, Any] | None = rules.option(None, Mapping, keep=rules.runtime_env, show=False)
    #: Environment variables, over those of `runtime_env`; `environment` has both.
    env: Mapping[str, str] | None = rules.option(None, Mapping, keep=rules.env, show=False)
    #: Working directory; None: the driver's. What `runtime_env` says is in it after `parse`.
    cwd: str | None = rules.option(None, str, os.PathLike, keep=rules.path)
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
    max_restarts: int = rules.option(0, int, keep=rules.count_or_infinite)
    #: Crashes within `restart_period` seconds, one more of which ends it whatever `max_restarts` says: an actor that
    #: crashes as soon as it runs does not spin for ever; -1 without limit.
    restart_intensity: int = rules.option(10, int, keep=rules.count_or_infinite)
    restart_period: float = rules.option(60.0, float, int, keep=rules.seconds)
    #: Seconds without any Python code running in its process (a native call that holds the interpreter's lock, a
    #: stopped process) after which it counts as hung and is killed, its stack kept; None: never. A method that
    #: computes, sleeps or waits is not hung, however long: for that there are timeouts, `cancel` and `interrupt`.
    hang_timeout: float | None = rules.option(None, float, int, keep=rules.seconds)
    #: Times a lost call is sent again; -1 without limit.
    max_task_retries: int = rules.option(0, int, keep=rules.count_or_infinite)
    #: Unfinished calls of one submitting process; -1 without limit, and so is 0, as in Ray.
    max_pending_calls: int = rules.option(-1, int, keep=lambda name, n: rules.count_or_infinite(name, n) or -1)
    #: Calls that run at once. None, and 0: 1 for a sync actor, 1000 for an async one.
    max_concurrency: int | None = rules.option(None, int, keep=lambda name, n: rules.count(name, n) or None)
    #: Calls that run at once, by group.
    concurrency_groups: Mapping[str, int] | None = rules.option(None, Mapping, keep=rules.groups)
    name: str | None = rules.option(None, str)
    #: "detached" outlives handles, cell and driver, and ends by `kill` or by itself; None: as `init` says.
    lifetime: Literal["detached", "non_detached"] | None = rules.option(None, str, keep=rules.lifetimes)
    get_if_exists: bool = rules.option(False, bool)
    #: Start with the debugger armed: JupyterLab's can then attach also while a method runs.
    debug: bool = rules.option(False, bool)
    #: None: True for async and threaded actors.
    allow_out_of_order_execution: bool | None = rules.option(None, bool)
    #: When the state is saved that the next incarnation begins with: 100 (every so many calls), "30s", "5min" (every so
    #: often, where something has run), "on_demand" (`jactors.checkpoint` alone). Kept as ("calls", 100),
    #: ("seconds", 30.0) or ("on_demand", 0).
    checkpoint: tuple[str, float] | None = rules.option(None, int, str, timedelta, keep=rules.cadence)
    #: Seconds until an actor that has not answered counts as failed; None waits for ever.
    start_timeout: float | None = rules.option(None, float, int, keep=rules.seconds)

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
        valid = [*_names(cls), *rules.RAY_ACTOR]
        for name in given:
            if name not in valid:
                near = rules.nearest(name, valid)
                raise ValueError(f"Invalid option keyword {name} for actors. Valid ones are {valid}.{near}")
        if call == "options" and "concurrency_groups" in given:
            raise ValueError("Setting 'concurrency_groups' is not supported in '.options()': give it to the decorator.")
        return _parsed(cls, given, base, rules.RAY_ACTOR)

    def check_submittable(self) -> None:
        """Check what matters only at ``.remote()``.

        Raises
        ------
        ValueError
            `name` or `namespace` is empty, `get_if_exists` has no name to look for, `checkpoint` no restart to be
            good for, or `cwd` is no directory.
        """
        if self.name == "":
            raise ValueError("Actor name cannot be an empty string. Pass None for an actor without a name.")
        rules.check_namespace(self.namespace)
        if self.get_if_exists and self.name is None:
            raise ValueError("The actor name must be specified to use `get_if_exists`.")
        if self.checkpoint is not None and not self.max_restarts:
            raise ValueError(
                "'checkpoint' is what an actor begins with when it restarts, so it needs max_restarts: give it, or "
                "save and bring back by hand with jactors.checkpoint(actor, path) and jactors.restore(actor, path)"
            )
        if self.cwd is not None and not Path(self.cwd).is_dir():
            raise ValueError(f"'cwd' must be a directory of this machine, and {self.cwd!r} is none: make it first.")

    @property
    def demand(self) -> dict[str, float]:
        """What to reserve: ``CPU``, ``GPU``, ``memory`` (bytes) and custom ones, only where above 0."""
        return _demand(self)


def _demand(options: ActorOptions | TaskOptions) -> dict[str, float]:
    asked = {"CPU": options.num_cpus, "GPU": options.num_gpus, "memory": options.memory, **options.resources}
    return {name: float(amount) for name, amount in asked.items() if amount}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions(_Place):
    """How a remote function runs; what it reserves is held while it runs."""

    num_cpus: float | None = rules.option(1, float, int, keep=rules.quantity)
    #: Refs a call returns; None: 1, or "streaming" where the function is a generator.
    num_returns: int | Literal["streaming", "dynamic"] | None = rules.option(None, int, str, keep=rules.returns)
    #: Times a task is run again when its worker dies; -1 without limit.
    max_retries: int = rules.option(3, int, keep=rules.count_or_infinite)
    #: True runs it again after any exception too, else after those listed.
    retry_exceptions: bool | tuple[type[Exception], ...] | None = rules.option(
        None, bool, list, tuple, keep=rules.retried
    )
    #: What the task is called in lists; None: as the function.
    name: str | None = rules.option(None, str)

    @classmethod
    def parse(
        cls, given: Mapping[str, object], *, generator: bool = False, base: TaskOptions | None = None
    ) -> TaskOptions:
        """Validate `given` and lay it over `base`.

        Raises
        ------
        TypeError, ValueError
            A value has the wrong type, or is out of range; ValueError also: a name does not exist.
        """
        valid = [*_names(cls), *rules.RAY_TASK]
        for name in given:
            if name not in valid:
                near = rules.nearest(name, valid)
                raise ValueError(f"Invalid option keyword {name} for remote functions. Valid ones are {valid}.{near}")
        parsed = _parsed(cls, given, base, rules.RAY_TASK)
        if isinstance(parsed.num_returns, str) and not generator:
            raise ValueError(f"num_returns='{parsed.num_returns}' needs a generator function, one that yields.")
        return parsed

    @property
    def demand(self) -> dict[str, float]:
        """What to reserve while it runs."""
        return _demand(self)

    @property
    def room(self) -> int:
        """How many values a generator may be ahead of who takes them; 0: any number."""
        return _room(self.ignored)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOptions:
    """How one call is made, by ``@method`` or ``h.m.options()``; None means "not said"."""

    #: Refs a call returns; None: 1, or "streaming" where the method is a generator.
    num_returns: int | Literal["streaming", "dynamic"] | None = rules.option(None, int, str, keep=rules.returns)
    concurrency_group: str | None = rules.option(None, str)
    #: Times a lost call is sent again; -1 without limit.
    max_task_retries: int | None = rules.option(None, int, keep=rules.count_or_infinite)
    #: True retries after any exception, else after those listed (kept as a tuple).
    retry_exceptions: bool | tuple[type[Exception], ...] | None = rules.option(
        None, bool, list, tuple, keep=rules.retried
    )
    #: What the call is called in lists; None: as the method.
    name: str | None = rules.option(None, str)
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
        valid = [
            name for name in [*_names(cls), *rules.RAY_METHOD] if call == "options" or name not in ("name", "_labels")
        ]
        for name in given:
            if name not in valid:
                hint = f"The supported keyword arguments are {valid}.{rules.nearest(name, valid)}"
                if call == "method":
                    raise AssertionError(f"Unexpected keyword argument to @method: '{name}'. {hint}")
                raise TypeError(f".options() got an unexpected keyword argument '{name}'. {hint}")
        said = {name: value for name, value in given.items() if value is not None}
        parsed = _parsed(cls, said, base, rules.RAY_METHOD)
        if isinstance(parsed.num_returns, str) and not generator:
            raise ValueError(f"num_returns='{parsed.num_returns}' needs a generator method, one that yields.")
        return parsed

    @property
    def room(self) -> int:
        """How many values a generator may be ahead of who takes them; 0: any number."""
        return _room(self.ignored)


def _room(said: Mapping[str, object]) -> int:
    number = said.get(rules.BACKPRESSURE)
    return number if isinstance(number, int) and number > 0 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions(_Place):
    """What a session is started with."""

    #: "auto" or the address of a running session joins that one; None starts one.
    address: str | None = rules.option(None, str)
    ignore_reinit_error: bool = rules.option(False, bool)
    #: What `lifetime` is where an actor of this driver does not say.
    default_actor_lifetime: Literal["detached", "non_detached"] | None = rules.option(None, str, keep=rules.lifetimes)
    #: How kernels are started; None: "fork" where that is safe.
    launcher: Literal["fork", "spawn"] | None = rules.option(None, str, keep=rules.launchers)

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
        job = given.pop("job_config", None)
        if isinstance(job, JobConfig):  # Ray's form of three options of ours
            given = {**job.options(), **{name: value for name, value in given.items() if value is not None}}
        elif job is not None:
            raise TypeError(f"job_config must be a jactors.job_config.JobConfig, not {type(job).__name__}: {job!r}")
        valid = [*_names(cls), "job_config", *rules.RAY_INIT]
        unknown = [name for name in given if name not in valid]
        if unknown:
            near = "".join(rules.nearest(name, valid) for name in unknown)
            raise RuntimeError(f"Unknown keyword argument(s): {', '.join(unknown)}.{near}")
        parsed = _parsed(cls, given, None, rules.RAY_INIT)
        rules.check_namespace(parsed.namespace)
        if parsed.num_gpus and parsed.num_gpus != int(parsed.num_gpus):
            raise ValueError(f"num_gpus counts GPUs, so init accepts whole numbers only, not {parsed.num_gpus}")
        if parsed.ignored:
            _log.debug("init: accepted, without effect in jactors: %s", ", ".join(parsed.ignored))
        return parsed
