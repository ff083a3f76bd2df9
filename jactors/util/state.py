"""What runs: `list_actors`, `get_actor`, `list_tasks`, `summarize_actors`, as in ``ray.util.state``.

Asks the session's supervisor, which knows of all actors, the last thousand dead ones included; no
server, no dashboard. Where there is no session, there are no actors: looking starts none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from jactors import session
from jactors.errors import JactorsError
from jactors.links import death_of
from jactors.util.tasks import rows

__all__ = [
    "ActorState",
    "RayStateApiException",
    "TaskState",
    "get_actor",
    "list_actors",
    "list_tasks",
    "summarize_actors",
]

_STATES = ("DEPENDENCIES_UNREADY", "PENDING_CREATION", "ALIVE", "RESTARTING", "DEAD")
_TASK_STATES = (
    "PENDING_ARGS_AVAIL",
    "PENDING_NODE_ASSIGNMENT",
    "SUBMITTED_TO_WORKER",
    "RUNNING",
    "FINISHED",
    "FAILED",
)

#: Entries that are returned unless `limit` says otherwise.
_LIMIT = 100

Filter = tuple[str, str, Any]


class RayStateApiException(JactorsError, ValueError):  # noqa: N818 - Ray's name
    """A filter or an address makes no sense; the text says which do. The caller's to change."""


def _column(*, filterable: bool = True, detail: bool = False, one_of: tuple[str, ...] = ()) -> Any:
    metadata = {"filterable": filterable, "detail": detail, "one_of": one_of}
    return field(default=None, metadata=metadata) if detail else field(metadata=metadata)


class _State:
    """Also readable like a mapping, as in Ray: ``state["name"]``."""

    __slots__ = ()

    def __getitem__(self, column: str) -> Any:
        try:
            return getattr(self, column)
        except AttributeError:
            raise KeyError(column) from None

    def get(self, column: str, default: Any = None) -> Any:
        """Return a column, or `default` where there is no such."""
        return getattr(self, column, default)

    def asdict(self) -> dict[str, Any]:
        """Return all columns."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorState(_State):
    """One actor. The columns from `required_resources` on are None unless `detail` was asked for."""

    #: 32 hex digits.
    actor_id: str = _column()
    class_name: str = _column()
    state: str = _column(one_of=_STATES)
    job_id: str = _column()
    #: "" where it has none.
    name: str = _column()
    node_id: str = _column()
    #: Of its process, the last one where it is dead; 0 where there was none.
    pid: int = _column()
    ray_namespace: str = _column()
    #: What the class' own ``__repr__`` said when the actor came up; "" where it has none.
    repr_name: str = _column()
    #: None: there are no placement groups.
    placement_group_id: str | None = _column()
    #: What it has reserved.
    required_resources: Mapping[str, float] | None = _column(filterable=False, detail=True)
    #: Of a dead one: ``error_message``, ``exitcode`` and ``signal`` (a number).
    death_cause: Mapping[str, Any] | None = _column(filterable=False, detail=True)
    is_detached: bool | None = _column(filterable=False, detail=True)
    num_restarts: int | None = _column(filterable=False, detail=True)
    #: Both 0: nothing is rebuilt from its lineage, and no node taken away.
    num_restarts_due_to_lineage_reconstruction: int | None = _column(filterable=False, detail=True)
    num_restarts_due_to_node_preemption: int | None = _column(filterable=False, detail=True)
    #: The next four are not recorded.
    serialized_runtime_env: str | None = _column(filterable=False, detail=True)
    call_site: str | None = _column(filterable=False, detail=True)
    label_selector: Mapping[str, str] | None = _column(filterable=False, detail=True)
    fallback_strategy: Sequence[Any] | None = _column(filterable=False, detail=True)
    #: What a pending one waits for.
    pending_reason: str | None = _column(filterable=False, detail=True)
    #: Numbers of the cores that it is pinned to.
    cores: Sequence[int] | None = _column(filterable=False, detail=True)
    gpus: Sequence[str] | None = _column(filterable=False, detail=True)
    log_file: str | None = _column(filterable=False, detail=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState(_State):
    """One call."""

    #: 48 hex digits: ``ref.task_id().hex()``.
    task_id: str = _column()
    #: ``Counter.add``.
    name: str = _column()
    #: PENDING_ARGS_AVAIL: an argument is not there; PENDING_NODE_ASSIGNMENT: waits in this process;
    #: SUBMITTED_TO_WORKER: waits in the actor, or its result is on its way; RUNNING; FINISHED; FAILED.
    state: str = _column(one_of=_TASK_STATES)
    job_id: str = _column()
    #: "" where it is a task.
    actor_id: str = _column()
    #: ACTOR_TASK or NORMAL_TASK.
    type: str = _column()
    func_or_class_name: str = _column()
    node_id: str = _column()
    worker_pid: int = _column()


S = TypeVar("S", ActorState, TaskState)


def list_actors(
    address: str | None = None,
    filters: Sequence[Filter] | None = None,
    limit: int = _LIMIT,
    timeout: float = 30,
    detail: bool = False,  # noqa: FBT001, FBT002 - Ray's signature, as is the next
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[ActorState]:
    """Return the actors of this session, dead ones included.

    Parameters
    ----------
    address : str, optional
        This session's, or None.
    filters : list of (str, {"=", "!="}, value), optional
        All of them hold: ``[("state", "=", "ALIVE"), ("class_name", "!=", "Counter")]``. Text is
        compared regardless of case.
    limit : int
        So many at most.
    timeout : float
        Seconds that the supervisor has to answer.
    detail : bool
        All columns.
    raise_on_missing_output
        Without effect: nothing is ever missing.

    Raises
    ------
    RayStateApiException
        A column, a state or a predicate of `filters` does not exist; `address` is another session's.
    """
    wanted = _filters(ActorState, filters)
    found = (_actor_state(told, detail=detail) for told in _told(address, timeout))
    return _chosen(found, wanted, limit)


def get_actor(id: str, address: str | None = None, timeout: float = 30, _explain: bool = False) -> ActorState | None:  # noqa: A002, FBT001, FBT002
    """Return one actor in detail, by its id as 32 hex digits; None where there is no such."""
    found = list_actors(address, [("actor_id", "=", id)], limit=1, timeout=timeout, detail=True)
    return found[0] if found else None


def summarize_actors(
    address: str | None = None,
    timeout: float = 30,
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> dict[str, Any]:
    """Return how many actors of each class are in which state.

    Returns
    -------
    dict
        ``{"cluster": {"summary": {"Counter": {"class_name": "Counter", "state_counts": {"ALIVE": 2}}},
        "total_actors": 2, "summary_by": "class"}}``
    """
    counts: dict[str, Counter[str]] = {}
    for told in _told(address, timeout):
        counts.setdefault(told["class_name"], Counter())[_state_name(told)] += 1
    summary = {name: {"class_name": name, "state_counts": dict(states)} for name, states in counts.items()}
    total = sum(states.total() for states in counts.values())
    return {"cluster": {"summary": summary, "total_actors": total, "summary_by": "class"}}


def list_tasks(
    address: str | None = None,
    filters: Sequence[Filter] | None = None,
    limit: int = _LIMIT,
    timeout: float = 30,
    detail: bool = False,  # noqa: FBT001, FBT002
    raise_on_missing_output: bool = True,  # noqa: FBT001, FBT002
    _explain: bool = False,  # noqa: FBT001, FBT002
) -> list[TaskState]:
    """Return the calls of this session, in the order of submission.

    Those that this process has submitted and that have not ended, and what living actors say of
    theirs, whoever has submitted them: what waits, what runs, and of what has ended the last 200 an
    actor. One that is stopped or holds the interpreter says nothing, and a dead one's are gone.
    Tasks are this process' own that have not ended.

    Parameters
    ----------
    address, filters, limit, timeout
        As in `list_actors`.
    detail, raise_on_missing_output
        Without effect.

    Raises
    ------
    RayStateApiException
        As in `list_actors`.
    """
    wanted = _filters(TaskState, filters)
    _check_address(address)
    here = session.current().id if session.is_initialized() else ""
    return _chosen((TaskState(job_id=here, node_id=here, **row) for row in rows(timeout)), wanted, limit)


# ---------------------------------------------------------------------- what is there


def _check_address(address: str | None) -> None:
    if address in (None, "auto"):
        return
    here = session.current().id if session.is_initialized() else "none"
    if address != here:
        raise RayStateApiException(
            f"address={address!r} is not this process' session ({here}): jactors.init(address=...) joins another"
        )


def _told(address: str | None, timeout: float) -> list[dict[str, Any]]:
    _check_address(address)
    if not session.is_initialized():  # asked first: `current` would start one
        return []
    told: list[dict[str, Any]] = session.current().watch.request("list", timeout=timeout)["actors"]
    return told


def _state_name(told: Mapping[str, Any]) -> str:
    state: str = told["state"]
    if state == "STARTING":  # which Ray does not tell apart from what comes before it
        return "RESTARTING" if told["incarnation"] > 1 else "PENDING_CREATION"
    return state


def _actor_state(told: dict[str, Any], *, detail: bool) -> ActorState:
    here = session.current().id
    more: dict[str, Any] = {}
    if detail:
        more = {
            "required_resources": told["demand"],
            "is_detached": told["detached"],
            "num_restarts": told["restarts"],
            "num_restarts_due_to_lineage_reconstruction": 0,
            "num_restarts_due_to_node_preemption": 0,
            "pending_reason": told["reason"],
            "cores": told["cores"],
            "gpus": told["gpus"],
            "log_file": told["log_file"],
        }
        if told["state"] == "DEAD":
            cause = {"exitcode": told["exitcode"], "signal": told["signal"]}
            more["death_cause"] = {"error_message": str(death_of(told)()), **cause}
    return ActorState(
        actor_id=told["actor_id"],
        class_name=told["class_name"],
        state=_state_name(told),
        job_id=here,
        name=told["name"] or "",
        node_id=here,
        pid=told["pid"] or 0,
        ray_namespace=told["namespace"],
        repr_name=told.get("repr", ""),
        placement_group_id=None,
        **more,
    )


# ---------------------------------------------------------------------- filters


def _filters(kind: type[S], filters: Sequence[Filter] | None) -> list[Filter]:
    """Return the filters as they are compared."""
    columns = {spec.name: spec for spec in fields(kind) if spec.metadata["filterable"]}
    found = []
    for each in filters or ():
        try:
            column, predicate, value = each
        except (TypeError, ValueError):
            raise RayStateApiException(f"a filter is (column, '=' or '!=', value), not {each!r}") from None
        if predicate not in ("=", "!="):
            raise RayStateApiException(
                f"Unsupported filter predicate {predicate} is given. Available predicates: =, !=."
            )
        spec = columns.get(str(column).lower())
        if spec is None:
            raise RayStateApiException(
                f"The given filter column {column} is not supported. Supported filter columns: {sorted(columns)}"
            )
        if spec.metadata["one_of"] and str(value).upper() not in spec.metadata["one_of"]:
            raise RayStateApiException(
                f"Invalid {spec.name} for filtering: {value!r}. There are: {', '.join(spec.metadata['one_of'])}"
            )
        if spec.type == "int" and not str(value).lstrip("-").isdecimal():
            raise RayStateApiException(f"Invalid filter on {spec.name}: {value!r} is no whole number")
        found.append((spec.name, predicate, str(value).lower()))
    return found


def _chosen(states: Iterable[S], filters: Sequence[Filter], limit: int) -> list[S]:
    if limit < 0:
        raise ValueError(f"limit must be >= 0, got {limit}")
    chosen = [
        state
        for state in states
        if all((str(state[column]).lower() == value) == (predicate == "=") for column, predicate, value in filters)
    ]
    return chosen[:limit]
