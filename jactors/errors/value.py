"""What became of a value: late, lost, or not to be pickled or kept."""

from __future__ import annotations

from jactors.errors.root import JactorsError

__all__ = ["CheckpointError", "GetTimeoutError", "ObjectLostError", "OwnerDiedError", "SerializationError"]


class GetTimeoutError(JactorsError, TimeoutError):
    """The value was not there in time: nobody's fault. The call goes on, and another `get` may have it."""


class SerializationError(JactorsError, TypeError):
    """Something cannot be pickled; the text names it and the attribute path. The caller's to change; no retry."""


class ObjectLostError(JactorsError):
    """The value is gone, because whoever held it let go of it: submit the call again."""


class OwnerDiedError(ObjectLostError):
    """The process that submitted the call, and held its value, has died: submit the call from here."""


class CheckpointError(JactorsError):
    """An actor's state could not be saved, or not be brought back; the text says why, and names the file.

    The actor goes on as it is, and so does the checkpoint before. Retry when the cause (a full disk,
    an object that cannot be taken apart) is gone.
    """
