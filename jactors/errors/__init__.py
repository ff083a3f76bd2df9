"""The error tree, in which every class says whose fault it is and whether to retry.

::

    JactorsError
    ├── TaskError                     the method raised; also an instance of its exception's type
    │   └── TaskCancelledError        cancelled or interrupted
    ├── ActorError                    the death certificate
    │   ├── ActorUnavailableError     restarting or silent: a retry may help
    │   └── ActorDiedError            gone for good
    │       └── ActorStartError       never came up
    ├── ActorNotFoundError, ActorAlreadyExistsError, ActorClassInheritanceError
    ├── ReloadError                   new code does not fit: also TypeError
    ├── GetTimeoutError               also TimeoutError
    ├── SerializationError            also TypeError
    ├── ObjectLostError
    │   └── OwnerDiedError
    ├── CheckpointError               state not saved, or not brought back
    ├── PendingCallsLimitExceeded, InsufficientResourcesError, RuntimeEnvSetupError
    └── ProtocolError                 a bug in jactors
    ActorExit                         a SystemExit: how `exit_actor` leaves

Guarantees: every error survives pickling with its fields, a user's exception inside one as well,
whatever signature its ``__init__`` has; none fails while it is printed.
"""

from __future__ import annotations

from jactors.errors.actor import (
    ActorAlreadyExistsError,
    ActorClassInheritanceError,
    ActorDiedError,
    ActorError,
    ActorExit,
    ActorNotFoundError,
    ActorStartError,
    ActorUnavailableError,
    ReloadError,
)
from jactors.errors.limit import (
    InsufficientResourcesError,
    PendingCallsLimitExceeded,
    ProtocolError,
    RuntimeEnvSetupError,
)
from jactors.errors.root import JactorsError
from jactors.errors.task import TaskCancelledError, TaskError
from jactors.errors.value import CheckpointError, GetTimeoutError, ObjectLostError, OwnerDiedError, SerializationError

__all__ = [
    "ActorAlreadyExistsError",
    "ActorClassInheritanceError",
    "ActorDiedError",
    "ActorError",
    "ActorExit",
    "ActorNotFoundError",
    "ActorStartError",
    "ActorUnavailableError",
    "CheckpointError",
    "GetTimeoutError",
    "InsufficientResourcesError",
    "JactorsError",
    "ObjectLostError",
    "OwnerDiedError",
    "PendingCallsLimitExceeded",
    "ProtocolError",
    "ReloadError",
    "RuntimeEnvSetupError",
    "SerializationError",
    "TaskCancelledError",
    "TaskError",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # what a traceback shows, and a pickle names
