"""Ray's names for our errors, so that ``except ray.exceptions.RayActorError`` goes on working.

They are aliases: catching one catches ours. Where Ray tells apart what is one thing on one machine
(a worker that crashed, one that ran out of memory), two names mean the same class. Names that only
a cluster can need are missing.
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
    "ActorStartError",
    "ActorUnavailableError",
    "ActorUnschedulableError",
    "AsyncioActorExit",
    "CheckpointError",
    "GetTimeoutError",
    "InsufficientResourcesError",
    "JactorsError",
    "ObjectFetchTimedOutError",
    "ObjectFreedError",
    "ObjectLostError",
    "ObjectReconstructionFailedError",
    "ObjectStoreFullError",
    "OufOfBandObjectRefSerializationException",
    "OutOfDiskError",
    "OutOfMemoryError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "PlasmaObjectNotAvailable",
    "ProtocolError",
    "RayActorError",
    "RayError",
    "RaySystemError",
    "RayTaskError",
    "ReferenceCountingAssertionError",
    "ReloadError",
    "RpcError",
    "RuntimeEnvSetupError",
    "SerializationError",
    "TaskCancelledError",
    "TaskError",
    "TaskUnschedulableError",
    "UnserializableException",
    "UserCodeException",
    "WorkerCrashedError",
]

RayError = JactorsError
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
