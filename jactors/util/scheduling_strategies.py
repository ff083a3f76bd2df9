"""Where an actor runs, in Ray's words; on one machine there is one place, so these are checked and change nothing.

Placement groups are not here: they reserve for several actors at once, and jactors reserves for each when it starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from jactors import session
from jactors.errors import InsufficientResourcesError

__all__ = ["NodeAffinitySchedulingStrategy"]


@dataclass(frozen=True)
class NodeAffinitySchedulingStrategy:
    """On the node with that id, which is this machine's, or where `soft`, on another too.

    Raises
    ------
    InsufficientResourcesError
        It is another node's id, and `soft` is false. Raised here already, not by the first `get`.
    """

    node_id: str
    soft: bool

    def __post_init__(self) -> None:
        here = session.current().id
        if not self.soft and self.node_id != here:
            raise InsufficientResourcesError(
                f"the node {self.node_id!r} does not exist: this machine is the only one, and its id is {here!r}; "
                "soft=True accepts it in place of another"
            )
