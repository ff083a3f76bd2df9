"""A limit that was reached, or a promise that cannot be kept."""

from __future__ import annotations

from jactors.errors.root import JactorsError

__all__ = ["InsufficientResourcesError", "PendingCallsLimitExceeded", "ProtocolError", "RuntimeEnvSetupError"]


class PendingCallsLimitExceeded(JactorsError):  # noqa: N818 - Ray's name
    """The actor has ``max_pending_calls`` of this caller waiting: get some results, then try again."""


class InsufficientResourcesError(JactorsError):
    """More was asked for than there is; the text says what was asked, what there is, and who holds the rest.

    A retry helps only when somebody gives something back.
    """


class RuntimeEnvSetupError(JactorsError):
    """The environment that was asked for could not be made: the option's fault. Change it, then retry."""


class ProtocolError(JactorsError):
    """A message that cannot be: a bug in jactors, or somebody else on the wire. Please report; do not retry."""
