"""``%actor new``, ``kill``, ``restart``, ``interrupt``: life and death."""

from __future__ import annotations

import argparse
import ast
import inspect
import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from jactors import session
from jactors.actors.decorator import ActorClass, remote
from jactors.actors.handle import ActorHandle, home_of
from jactors.actors.verbs import get, interrupt, kill
from jactors.errors import ActorUnavailableError
from jactors.notebook.command import ACTORS, command
from jactors.notebook.target import find, known

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__: list[str] = []

#: Seconds that the end of a killed process is waited for.
_PATIENCE = 2.0


def _number(text: str) -> float:
    """Return a number as an option takes it: whole where it is whole."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    return int(value) if value.is_integer() else value


@command(
    ("call", {"metavar": "CLASS", "help": "the constructor call, as in Python: Counter(10), or Counter"}),
    ("--name", {"metavar": "NAME", "help": "its name, by which every process finds it"}),
    ("--as", {"metavar": "VARIABLE", "dest": "variable", "help": "the variable for its handle (default: its name)"}),
    ("--num-cpus", {"type": _number, "metavar": "N", "help": "cores of its own"}),
    ("--num-gpus", {"type": _number, "metavar": "N", "help": "GPUs of its own; a fraction shares one"}),
    ("--max-restarts", {"type": int, "metavar": "N", "help": "times it comes back after a crash; -1: always"}),
    ("--max-task-retries", {"type": int, "metavar": "N", "help": "times a call is sent again after a crash"}),
    ("--max-concurrency", {"type": int, "metavar": "N", "help": "calls that run at once"}),
    ("--checkpoint", {"metavar": "WHEN", "help": "save its state: every so many calls, '30s', or on_demand"}),
    ("--detached", {"action": "store_true", "help": "it outlives this notebook; needs a name"}),
)
def _new(chosen: argparse.Namespace) -> Any:
    """Start an actor of a class of yours and keep its handle in a variable.

    %actor new Counter(10) --name tally --max-restarts 3
    """
    actor_class, args, kwargs = _constructor(chosen.call, chosen.variables)
    options = {
        name: getattr(chosen, name)
        for name in ("name", "num_cpus", "num_gpus", "max_restarts", "max_task_retries", "max_concurrency")
        if getattr(chosen, name) is not None
    }
    if chosen.checkpoint is not None:
        options["checkpoint"] = int(chosen.checkpoint) if chosen.checkpoint.isdigit() else chosen.checkpoint
    if chosen.detached:
        options["lifetime"] = "detached"
        if chosen.name is None:
            raise UsageError("%actor new: --detached needs --name: it is how later notebooks find it")
    variable = chosen.variable or chosen.name or actor_class.__name__[len("ActorClass(") : -1].lower()
    if not variable.isidentifier():
        raise UsageError(f"%actor new: {variable!r} is no name for a variable: say --as VARIABLE")
    held = chosen.variables.get(variable)
    if held is not None and not isinstance(held, ActorHandle):
        raise UsageError(
            f"%actor new: the variable {variable} holds a {type(held).__name__} already: say --as VARIABLE"
        )
    try:
        handle = (
            actor_class.options(**options).remote(*args, **kwargs) if options else actor_class.remote(*args, **kwargs)
        )
    except (TypeError, ValueError) as error:  # of the arguments, or of an option
        raise UsageError(f"%actor new: {error}") from None
    if chosen.shell is not None:
        chosen.shell.push({variable: handle})
    return handle


def _constructor(text: str, variables: Mapping[str, Any]) -> tuple[ActorClass[Any], tuple[Any, ...], dict[str, Any]]:
    """Return class and arguments of a call like ``Counter(10)``, evaluated in the user's namespace."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise UsageError(f"%actor new: {text!r} is no constructor call: {error.msg}") from None
    call = tree.body if isinstance(tree.body, ast.Call) else ast.Call(tree.body, [], [])
    namespace = {**variables, "__arguments__": lambda *args, **kwargs: (args, kwargs)}
    collect = ast.Call(ast.Name("__arguments__", ast.Load()), call.args, call.keywords)
    try:
        found = eval(compile(ast.Expression(call.func), "<%actor new>", "eval"), namespace)  # noqa: S307 - the user's line
        wrapped = ast.fix_missing_locations(ast.Expression(collect))
        args, kwargs = eval(compile(wrapped, "<%actor new>", "eval"), namespace)  # noqa: S307
    except Exception as error:
        raise UsageError(f"%actor new: {text}: {type(error).__name__}: {error}") from None
    if inspect.isclass(found):
        found = remote(found)
    if not isinstance(found, ActorClass):
        raise UsageError(f"%actor new: {ast.unparse(call.func)} is no class of actors, but {type(found).__name__}")
    return found, args, kwargs


@command(
    ("actors", {**ACTORS[1], "nargs": "*"}),
    ("--all", {"action": "store_true", "help": "all living actors of this session"}),
)
def _kill(chosen: argparse.Namespace) -> None:
    """End actors at once, with all that they have started; their cores and GPUs are free.

    Calls that run or wait fail with ActorDiedError. It does not restart.
    """
    if not chosen.actors and not chosen.all:
        raise UsageError("%actor kill: which one? (--all: all of them)")
    ended = set()
    for word in known() if chosen.all else chosen.actors:
        handle = find(word, chosen.variables)
        kill(handle)
        ended.add(home_of(handle).actor_id)
        print(f"killed {word}")  # noqa: T201
    _until_dead(ended)


def _until_dead(ids: set[str]) -> None:
    """Wait until the processes have ended, so that a list right afterwards says so; not for long."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        told = session.current().watch.request("list")["actors"]
        if all(each["state"] == "DEAD" for each in told if each["actor_id"] in ids):
            return
        time.sleep(0.005)


@command(ACTORS)
def _restart(chosen: argparse.Namespace) -> None:
    """Let actors begin anew: a new process, __init__ with the same arguments, the same handles.

    It works whatever max_restarts says, and uses none of them up. The running call, and those that had been sent,
    fail with ActorUnavailableError, or are sent again where max_task_retries allows. The state is that of __init__,
    or of the last checkpoint where there is one. One that is dead stays dead: its arguments are gone with it.
    """
    handles = [(word, find(word, chosen.variables)) for word in chosen.actors]
    here = session.current()
    for word, handle in handles:
        actor_id = home_of(handle).actor_id
        told = next((t for t in here.watch.request("list")["actors"] if t["actor_id"] == actor_id), None)
        if told is not None and told["state"] == "DEAD":
            raise UsageError(
                f"%actor restart: {word} is dead, and its arguments are gone: %actor new makes another one"
            )
        here.restart(actor_id, reason="`%actor restart`")
    for word, handle in handles:
        _until_ready(handle)
        print(f"restarted {word}")  # noqa: T201


def _until_ready(handle: ActorHandle[Any]) -> None:
    """Wait until the next incarnation lives; a call that the last one took with it is made again."""
    while True:
        try:
            get(handle.__ray_ready__.remote())
        except ActorUnavailableError:
            continue
        return


@command(ACTORS)
def _interrupt(chosen: argparse.Namespace) -> None:
    """Raise KeyboardInterrupt in the method that runs, as the stop button does; the state is kept.

    Where nothing runs, nothing happens. A long call of native code ends when it returns to Python.
    """
    for word in chosen.actors:
        interrupt(find(word, chosen.variables))
        print(f"interrupted {word}")  # noqa: T201
