"""The survey: all sessions of this user, and what their supervisors say; without a session of one's own.

Needs no thread and no event loop: connects, asks, reads the answer.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jactors.errors import JactorsError
from jactors.places import base_dir, read_record
from jactors.vitals import process_alive
from jactors.wire.channel import Channel, connect

__all__ = ["Running", "ask", "sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A session whose supervisor lives."""

    session: str
    folder: Path
    address: str
    supervisor_pid: int
    #: None: it has gone, and the session is there for detached actors alone.
    driver_pid: int | None

    def actors(self) -> list[dict[str, Any]]:
        """Return what the supervisor says of its actors, oldest first, dead ones included."""
        told: list[dict[str, Any]] = ask(self.address, "list")["actors"]
        return told


def sessions() -> Iterator[Running]:
    """Yield the running sessions of this user, oldest first."""
    for place in sorted(base_dir().glob("*/supervisor"), key=_age):
        told, driver = read_record(place), read_record(place.parent / "driver")
        if told is None or driver is None:
            continue  # it has just ended
        if process_alive(told["pid"], told["started"]):
            yield Running(
                session=place.parent.name,
                folder=place.parent,
                address=told["address"],
                supervisor_pid=told["pid"],
                driver_pid=driver["pid"] if process_alive(driver["pid"], driver["started"]) else None,
            )


def _age(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0


def ask(address: str, op: str, *, timeout: float = 10.0, **fields: Any) -> dict[str, Any]:
    """Ask the supervisor at `address` and return its answer.

    Raises
    ------
    JactorsError
        It has ended, refused, or did not answer within `timeout` seconds.
    """
    try:
        channel = Channel(connect(address))
    except OSError as error:
        raise JactorsError(f"the supervisor at {address} has ended: {error}") from error
    deadline = time.monotonic() + timeout
    try:
        left = channel.send({"op": op, "id": 1, **fields})
        while time.monotonic() < deadline:
            select.select([channel], [channel] if left else [], [], deadline - time.monotonic())
            left = channel.flush()
            for message in channel.receive():
                if message.get("re") == 1:
                    if "error" in message:
                        raise JactorsError(message["message"])
                    return message
    except EOFError:
        raise JactorsError(f"the supervisor at {address} has ended") from None
    finally:
        channel.close()
    raise JactorsError(f"the supervisor at {address} did not answer within {timeout:g} s: is it stopped?")
