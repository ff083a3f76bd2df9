"""Pickling: the one landlord of cloudpickle.

Protocol 5 throughout. ``dumps`` splits a value into a pickle stream and its raw out-of-band
buffers; the stream is code and travels under a digest, the buffers are data and do not. Buffers
are handed out read-only, so that an array which arrives in another process cannot be changed
behind the back of whoever else holds it.
"""

from __future__ import annotations

import pickle
from collections import ChainMap
from collections.abc import Callable, Iterable
from io import BytesIO
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

from jactors.errors import SerializationError
from jactors.objects.blocks import SMALL, Segment, arena, views
from jactors.objects.luggage import Held, packing
from jactors.wire.culprit import blame

__all__ = ["PLAIN", "Buffer", "dumps", "dumps_inband", "loads"]


#: Types whose values name nothing, need no care and have no parts: the interpreter's own pickler does them, ten times
#: as fast.
PLAIN = frozenset({int, float, bool, complex, str, bytes, type(None)})


#: What travels beside the pickle stream: bytes, or where they are in shared memory.
Buffer = bytes | memoryview | Segment


def _code(code: CodeType) -> tuple[Any, ...]:
    """Reduce a code object with the name of its file, which cloudpickle 3.1.3 leaves out: tracebacks need it."""
    kind, fields = _reduce_code(code)
    return kind, (*fields[:_FILENAME], code.co_filename, *fields[_FILENAME + 1 :])


#: Where the file's name is among the arguments of `CodeType`.
_FILENAME = 10

_reduce_code = cloudpickle.Pickler.dispatch_table[CodeType]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # untyped
    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _code}, cloudpickle.Pickler.dispatch_table)


def _dumps(value: object, keep: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    with BytesIO() as stream:
        _Pickler(stream, protocol=5, buffer_callback=keep).dump(value)
        return stream.getvalue()


def dumps(value: object, *, what: str) -> tuple[bytes, list[Buffer], list[Held]]:
    """Pickle `value`; large buffers (arrays, bytes-likes that support it) stay out of band.

    The third part is to be kept as long as the pickle: see `jactors.objects.luggage`.

    Parameters
    ----------
    value : object
    what : str
        How an error names the value: ``"argument 'x' of Counter.add"``.

    Raises
    ------
    SerializationError
        Naming `what`, the type and the attribute path of the part that cannot be pickled.
    """
    if type(value) in PLAIN:
        return pickle.dumps(value, 5), [], []
    parts: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        try:
            parts.append(buffer.raw())
        except BufferError:  # not contiguous: pickled in band
            return True
        return False

    with packing() as luggage:
        try:
            stream = _dumps(value, keep)
            return stream, _copied(parts) if parts else [], luggage
        except MemoryError:
            raise
        except Exception as error:  # pickle's own, or whatever a ``__reduce__`` raises
            raise SerializationError(blame(value, what=what, error=error)) from error


def _copied(parts: list[memoryview]) -> list[Buffer]:
    """Return a copy of what stays out of band, made in the caller's thread: what is changed later does not travel."""
    shared = arena()
    if shared is not None and sum(part.nbytes for part in parts) >= SMALL:
        segments = shared.write(parts)
        if segments is not None:
            return list(segments)
    return [bytes(part) for part in parts]


def dumps_inband(value: object, *, what: str) -> bytes:
    """Pickle `value` into one stream of bytes; raises like `dumps`. Luggage goes to the `packing` around it."""
    try:
        return _dumps(value)
    except MemoryError:
        raise
    except Exception as error:  # pickle's own, or whatever a ``__reduce__`` raises
        raise SerializationError(blame(value, what=what, error=error)) from error


def loads(stream: bytes | memoryview, buffers: Iterable[Buffer] = ()) -> Any:
    """Rebuild a value; its arrays are views into `buffers`, read-only where those are.

    Raises
    ------
    ObjectLostError
        A part lies in shared memory that is not there any more.
    """
    buffers = views(buffers) if buffers else ()
    return pickle.loads(stream, buffers=buffers)  # noqa: S301 - its digest was signed; see `messages`
