"""`as_completed` and `map_unordered`: results in the order in which they come.

Ray waits for ten results before it hands out the first. That saves calls to its `wait`, which are
dear there and cheap here: without a `chunk_size`, each result is handed out as soon as it is there.
With one, it is Ray's to the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from jactors.actors.verbs import get, wait
from jactors.objects.refs import ObjectRef

__all__ = ["as_completed", "map_unordered"]


class _Remote(Protocol):
    """A method of a handle, or a remote function."""

    def remote(self, item: Any, /) -> Any:
        """Submit a call."""


def as_completed(
    refs: Sequence[ObjectRef[Any]],
    *,
    chunk_size: int | None = None,
    yield_obj_refs: bool = False,
    **options: Any,
) -> Iterator[Any]:
    """Yield the values of `refs` as they come.

    Parameters
    ----------
    refs : list of ObjectRef
        No ref twice.
    chunk_size : int, optional
        Wait until so many are there, and yield those in the order of `refs`. By default each is
        yielded as soon as it is there.
    yield_obj_refs : bool
        Yield the refs, not the values.
    **options
        For `jactors.wait`, such as ``timeout``: seconds after which it looks again.

    Raises
    ------
    ValueError
        `chunk_size` is not at least 1, or `options` has ``num_returns``.
    """
    _check(chunk_size, options)
    return _as_completed(list(refs), chunk_size, yield_obj_refs, options)


def map_unordered(
    fn: _Remote,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = 100,
    chunk_size: int | None = None,
    yield_obj_refs: bool = False,
    **options: Any,
) -> Iterator[Any]:
    """Submit ``fn.remote(item)`` for each item, and yield the values as they come.

    Parameters
    ----------
    fn : actor method or remote function
    items : iterable
        Read as calls are submitted: it may be endless.
    backpressure_size : int, optional
        So many calls are under way at most; None for no limit.
    chunk_size, yield_obj_refs, **options
        As in `as_completed`.

    Raises
    ------
    TypeError
        `fn` has no ``remote``.
    ValueError
        A size is not at least 1, or `options` has ``num_returns``.
    """
    if not hasattr(fn, "remote"):
        raise TypeError(f"map_unordered takes something to call .remote() of, such as handle.method; got {fn!r}")
    if backpressure_size is not None and backpressure_size <= 0:
        raise ValueError(f"backpressure_size must be positive, got {backpressure_size}; None is no limit")
    _check(chunk_size, options)
    return _map(fn, items, backpressure_size, chunk_size, yield_obj_refs, options)


def _check(chunk_size: int | None, options: dict[str, Any]) -> None:
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"`chunk_size` must be >= 1, got {chunk_size}")
    if "num_returns" in options:
        raise ValueError("Use the `chunk_size` argument instead of `num_returns`.")


def _map(
    fn: _Remote,
    items: Iterable[Any],
    limit: int | None,
    chunk_size: int | None,
    as_refs: bool,  # noqa: FBT001
    options: dict[str, Any],
) -> Iterator[Any]:
    refs: list[ObjectRef[Any]] = []
    for item in items:
        refs.append(fn.remote(item))
        while limit is not None and len(refs) >= limit:  # again where `wait` gave up after its timeout
            ready, refs = _batch(refs, chunk_size, options)
            yield from ready if as_refs else get(ready)
    yield from _as_completed(refs, chunk_size, as_refs, options)


def _as_completed(
    refs: list[ObjectRef[Any]],
    chunk_size: int | None,
    as_refs: bool,  # noqa: FBT001
    options: dict[str, Any],
) -> Iterator[Any]:
    while refs:
        ready, refs = _batch(refs, chunk_size, options)
        yield from ready if as_refs else get(ready)


def _batch(
    refs: list[ObjectRef[Any]], chunk_size: int | None, options: dict[str, Any]
) -> tuple[list[ObjectRef[Any]], list[ObjectRef[Any]]]:
    if chunk_size is not None:
        return wait(refs, num_returns=min(chunk_size, len(refs)), **options)
    wait(refs, **options)
    return wait(refs, num_returns=len(refs), timeout=0)  # and all others that are there by now
