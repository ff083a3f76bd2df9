"""Entries: one value that is or will be.

An `Entry` is made when a call is submitted (or a value is put) and ends once. It is shared by all
`ObjectRef` objects of this process that name the same value, and by whoever waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

__all__ = ["Entry", "Payload", "Raised", "deliver"]

log = logging.getLogger("jactors")


class Payload(Protocol):
    """What an entry ends in: something that can be loaded, again and again."""

    #: True where `load` raises.
    failed: bool

    def load(self) -> Any:
        """Return the value, rebuilt; or raise the error."""

    def size(self) -> int:
        """Return the number of bytes that it holds."""


class Raised:
    """The payload of an entry that ended in an error made in this process."""

    __slots__ = ("error", "failed")

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.failed = True

    def load(self) -> Any:
        """Raise the error, without the frames of earlier raises."""
        raise self.error.with_traceback(None)

    def size(self) -> int:
        """Return 0: nothing is held."""
        return 0


#: Guards `done` and `callbacks` of all entries: held for a few instructions, never while calling out.
_lock = threading.Lock()


class Entry:
    """The fate of one value.

    Attributes
    ----------
    origin : object
        What makes the value, if anything in this process does (a call): asked by `cancel` and by
        a waiter that wants to read the socket itself.
    hold : object
        Where the value is another process': what keeps it there.
    """

    __slots__ = ("__weakref__", "_callbacks", "address", "done", "hold", "id", "origin", "payload", "want")

    def __init__(self, id_: bytes, origin: Any = None) -> None:
        self.id = id_
        self.origin = origin
        self.payload: Payload | None = None
        #: Written under `_lock`, read anywhere: never goes back to False.
        self.done = False
        self.hold: Any = None
        #: The owner's desk, where the value is another process'.
        self.address = ""
        #: Fetches the value of another process' ref when first somebody waits for it.
        self.want: Callable[[], object] | None = None
        self._callbacks: list[Callable[[Entry], None]] | None = None

    @property
    def number(self) -> int:
        """The number of the call that makes it, in the process that owns it."""
        return int.from_bytes(self.id[16:24], "big")

    def end(self, payload: Payload) -> bool:
        """End in `payload`; return False if it had ended before (then nothing happens)."""
        with _lock:
            if self.done:
                return False
            self.payload = payload
            self.origin = None
            self.done = True
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback(self)
            except (Exception, SystemExit):  # a user's, maybe: the results behind this one have to be delivered too
                log.exception("a callback of %s failed", self.id.hex())
        return True

    def on_end(self, callback: Callable[[Entry], None]) -> None:
        """Call `callback` once the entry has ended: at once if it has, else in the ending thread."""
        with _lock:
            if not self.done:
                if self._callbacks is None:
                    self._callbacks = [callback]
                else:
                    self._callbacks.append(callback)
                want, self.want = self.want, None
                late = False
            else:
                want, late = None, True
        if late:
            callback(self)
        elif want is not None:
            want()

    def forget(self, callback: Callable[[Entry], None]) -> None:
        """Take back an `on_end`; no error where it has been called."""
        with _lock:
            if self._callbacks and callback in self._callbacks:
                self._callbacks.remove(callback)

    def load(self) -> Any:
        """Return the value or raise the error of an entry that has ended."""
        assert self.payload is not None
        return self.payload.load()


def deliver(ended: Iterable[tuple[Entry, Payload]]) -> None:
    """End the entries: outside every lock, since their callbacks are the user's."""
    for entry, payload in ended:
        entry.end(payload)
