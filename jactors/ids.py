"""Identifiers: random bytes with the lengths Ray's users know.

All come from the operating system's random source, so that ``random.seed`` in user code cannot
make two of them equal. They are `bytes`: ``.hex()`` shows them, equality and hashing are by value.
"""

from __future__ import annotations

import os
from typing import Self

__all__ = ["ActorID", "JobID", "NodeID", "ObjectID", "TaskID", "new_token"]


def new_token(nbytes: int = 16) -> str:
    """Return `nbytes` random bytes as hex text, for keys, sessions and senders."""
    return os.urandom(nbytes).hex()


class _ID(bytes):
    """A fixed number of bytes; subclasses say how many."""

    SIZE = 0

    def __new__(cls, value: bytes) -> Self:
        if len(value) != cls.SIZE:
            raise ValueError(f"{cls.__name__} takes {cls.SIZE} bytes, got {len(value)}: {value!r}")
        return super().__new__(cls, value)

    @classmethod
    def fresh(cls) -> Self:
        """Return a new random identifier."""
        return cls(os.urandom(cls.SIZE))

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Return the identifier that `text` spells; ValueError where it does not."""
        return cls(bytes.fromhex(text))

    def binary(self) -> bytes:
        """Return the plain bytes."""
        return bytes(self)

    def is_nil(self) -> bool:
        """Return whether this identifier names nothing."""
        return not any(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex()})"

    __str__ = __repr__


class ActorID(_ID):
    """Names one actor through all its incarnations: 16 bytes, 32 hex digits."""

    SIZE = 16


class JobID(_ID):
    """Names one session: 4 bytes, 8 hex digits."""

    SIZE = 4


class NodeID(_ID):
    """Names this machine's part in a session, which is the whole of it: the same 4 bytes."""

    SIZE = 4


class TaskID(_ID):
    """Names one call: 24 bytes; the first 16 are the submitting process, the last 8 count."""

    SIZE = 24


class ObjectID(_ID):
    """Names one value: 28 bytes, the call's 24 and the index of the return value."""

    SIZE = 28

    def task_id(self) -> TaskID:
        """Return the identifier of the call that makes this value."""
        return TaskID(self[:24])
