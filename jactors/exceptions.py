"""Ray's names for our errors, so that ``except ray.exceptions.RayActorError`` goes on working.

They are aliases: catching one catches ours. Where Ray tells apart what is one thing on one machine
(a worker that crashed, one that ran out of memory), two names mean the same class.

Every name of Ray's hierarchy is here, so that no ``except`` clause, and no import, breaks. Those for what
cannot happen on one machine, nodes, placement groups, channels, other languages, are classes of their own
that nothing raises: an alias would catch, in a clause meant for a lost node, what it was not meant for.
"""

from __future__ import annotations

from jactors.errors import (
    ActorAlreadyExistsError,
    ActorClassInheritanceError,
    ActorDiedError,
    ActorError,
    ActorExit,
    ActorNotFoundError,
    ActorStartError,
    ActorUnavailableError,
    CheckpointError,
    GetTimeoutError,
    InsufficientResourcesError,
    JactorsError,
    ObjectLostError,
    OwnerDiedError,
    PendingCallsLimitExceeded,
    ProtocolError,
    ReloadError,
    RuntimeEnvSetupError,
    SerializationError,
    TaskCancelledError,
    TaskError,
)

__all__ = [
    "ActorAlreadyExistsError",
    "ActorClassInheritanceError",
    "ActorClassInheritanceException",
    "ActorDiedError",
    "ActorError",
    "ActorExit",
    "ActorHandleNotFoundError",
    "ActorNotFoundError",
    "ActorPlacementGroupRemoved",
    "ActorStartError",
    "ActorUnavailableError",
    "ActorUnschedulableError",
    "AsyncioActorExit",
    "AuthenticationError",
    "CheckpointError",
    "CrossLanguageError",
    "GetTimeoutError",
    "InsufficientResourcesError",
    "JactorsError",
    "LocalRayletDiedError",
    "NodeDiedError",
    "ObjectFetchTimedOutError",
    "ObjectFreedError",
    "ObjectLostError",
    "ObjectReconstructionFailedError",
    "ObjectRefStreamEndOfStreamError",
    "ObjectStoreFullError",
    "OufOfBandObjectRefSerializationException",
    "OutOfDiskError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "PlasmaObjectNotAvailable",
    "ProtocolError",
    "RayActorError",
    "RayCgraphCapacityExceeded",
    "RayChannelError",
    "RayChannelTimeoutError",
    "RayDirectTransportError",
    "RayError",
    "RaySystemError",
    "RayTaskError",
    "ReferenceCountingAssertionError",
    "ReloadError",
    "RpcError",
    "RuntimeEnvSetupError",
    "SerializationError",
    "StreamingGeneratorReplayInconsistentError",
    "TaskCancelledError",
    "TaskError",
    "TaskPlacementGroupRemoved",
    "TaskUnschedulableError",
    "UnserializableException",
    "UserCodeException",
    "WorkerCrashedError",
]

RayError = JactorsError


class NodeDiedError(JactorsError):
    """Never raised: there are no nodes. What dies is an actor."""


class LocalRayletDiedError(JactorsError):
    """Never raised: a supervisor's end is told by `ActorDiedError`."""


class AuthenticationError(JactorsError):
    """Never raised: sessions are files of one user, and the file system says who may."""


class CrossLanguageError(JactorsError):
    """Never raised: actors are Python."""


class TaskPlacementGroupRemoved(JactorsError):  # noqa: N818 - Ray's name, as are the next
    """Never raised: there are no placement groups."""


class ActorPlacementGroupRemoved(JactorsError):  # noqa: N818
    """Never raised: there are no placement groups."""


class RayChannelError(ProtocolError):
    """Never raised: there are no compiled graphs."""


class RayChannelTimeoutError(RayChannelError, TimeoutError):
    """Never raised: there are no compiled graphs."""


class RayCgraphCapacityExceeded(ProtocolError):  # noqa: N818
    """Never raised: there are no compiled graphs."""


class RayDirectTransportError(ProtocolError):
    """Never raised: there is no transport of tensors by itself."""


class StreamingGeneratorReplayInconsistentError(ProtocolError):
    """Never raised: a generator that is replayed and yields less than before just ends."""


class ObjectRefStreamEndOfStreamError(JactorsError):
    """Never raised: the end of a generator is StopIteration, as in Ray, where this one is internal."""


RayTaskError = TaskError
UserCodeException = TaskError
RayActorError = ActorError
RaySystemError = ProtocolError
RpcError = ProtocolError

#: The worker is the actor's process, and the text says how it ended.
WorkerCrashedError = ActorDiedError
OutOfMemoryError = ActorDiedError
AsyncioActorExit = ActorExit
ActorHandleNotFoundError = ActorNotFoundError
#: In ray.actor over there.
ActorClassInheritanceException = ActorClassInheritanceError

ActorUnschedulableError = InsufficientResourcesError
TaskUnschedulableError = InsufficientResourcesError
ObjectStoreFullError = InsufficientResourcesError
OutOfDiskError = InsufficientResourcesError

ObjectFetchTimedOutError = ObjectLostError
ObjectFreedError = ObjectLostError
ObjectReconstructionFailedError = ObjectLostError
PlasmaObjectNotAvailable = ObjectLostError
ReferenceCountingAssertionError = ObjectLostError

UnserializableException = SerializationError
OufOfBandObjectRefSerializationException = SerializationError
