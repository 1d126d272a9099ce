"""A job queue that loses nothing. Every name is imported when first used, so `import qcore` costs next to nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qcore import dispatcher as _dispatcher

if TYPE_CHECKING:
    from qcore.backoff import exponential
    from qcore.dispatcher import deferring
    from qcore.errors import (
        ConfigurationError,
        ConnectionFailed,
        DecryptionError,
        FilterError,
        JobFailedError,
        JobNotFound,
        JobTimeout,
        LeaseLost,
        MaxAttemptsExceeded,
        PayloadError,
        PayloadTooLargeError,
        PermissionDenied,
        QueueError,
        QueueFullError,
        SignatureError,
        UnknownJobClass,
        WorkerCrashed,
    )
    from qcore.events import (
        JobExceptionOccurred,
        JobFailed,
        JobProcessed,
        JobProcessing,
        JobQueued,
        JobRetryRequested,
        JobTimedOut,
        WorkerLooping,
        WorkerStopping,
        on,
    )
    from qcore.jobs.contracts import ShouldBeEncrypted, ShouldBeUnique, ShouldBeUniqueUntilProcessing
    from qcore.jobs.dispatch import dispatch_many
    from qcore.jobs.function import JobFunction, job
    from qcore.jobs.job import Job
    from qcore.jobs.members import BatchableJob, ChainableJob
    from qcore.jobs.rate_limits import RateLimit, RateLimited
    from qcore.manager import QueueManager, define_queue
    from qcore.monitor.metrics import JobMetrics
    from qcore.monitor.records import JobRecord
    from qcore.security import SecureJob
    from qcore.states import JobState
    from qcore.worker import Worker
    from qcore.workflows.batch import JobBatch, batch
    from qcore.workflows.chain import chain
    from qcore.workflows.following import ChainMonitor
    from qcore.workflows.graph import workflow

__version__ = "0.1.0"

_HOMES = {
    "qcore.backoff": ("exponential",),
    "qcore.dispatcher": ("deferring",),
    "qcore.errors": (
        "ConfigurationError",
        "ConnectionFailed",
        "DecryptionError",
        "FilterError",
        "JobFailedError",
        "JobNotFound",
        "JobTimeout",
        "LeaseLost",
        "MaxAttemptsExceeded",
        "PayloadError",
        "PayloadTooLargeError",
        "PermissionDenied",
        "QueueError",
        "QueueFullError",
        "SignatureError",
        "UnknownJobClass",
        "WorkerCrashed",
    ),
    "qcore.events": (
        "JobExceptionOccurred",
        "JobFailed",
        "JobProcessed",
        "JobProcessing",
        "JobQueued",
        "JobRetryRequested",
        "JobTimedOut",
        "WorkerLooping",
        "WorkerStopping",
        "on",
    ),
    "qcore.jobs.contracts": ("ShouldBeEncrypted", "ShouldBeUnique", "ShouldBeUniqueUntilProcessing"),
    "qcore.jobs.dispatch": ("dispatch_many",),
    "qcore.jobs.function": ("JobFunction", "job"),
    "qcore.jobs.job": ("Job",),
    "qcore.jobs.members": ("BatchableJob", "ChainableJob"),
    "qcore.jobs.rate_limits": ("RateLimit", "RateLimited"),
    "qcore.manager": ("QueueManager", "define_queue"),
    "qcore.monitor.metrics": ("JobMetrics",),
    "qcore.monitor.records": ("JobRecord",),
    "qcore.security": ("SecureJob",),
    "qcore.states": ("JobState",),
    "qcore.worker": ("Worker",),
    "qcore.workflows.batch": ("JobBatch", "batch"),
    "qcore.workflows.chain": ("chain",),
    "qcore.workflows.following": ("ChainMonitor",),
    "qcore.workflows.graph": ("workflow",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BatchableJob",
    "ChainMonitor",
    "ChainableJob",
    "ConfigurationError",
    "ConnectionFailed",
    "DecryptionError",
    "FilterError",
    "Job",
    "JobBatch",
    "JobExceptionOccurred",
    "JobFailed",
    "JobFailedError",
    "JobFunction",
    "JobMetrics",
    "JobNotFound",
    "JobProcessed",
    "JobProcessing",
    "JobQueued",
    "JobRecord",
    "JobRetryRequested",
    "JobState",
    "JobTimedOut",
    "JobTimeout",
    "LeaseLost",
    "MaxAttemptsExceeded",
    "PayloadError",
    "PayloadTooLargeError",
    "PermissionDenied",
    "QueueError",
    "QueueFullError",
    "QueueManager",
    "RateLimit",
    "RateLimited",
    "SecureJob",
    "ShouldBeEncrypted",
    "ShouldBeUnique",
    "ShouldBeUniqueUntilProcessing",
    "SignatureError",
    "UnknownJobClass",
    "Worker",
    "WorkerCrashed",
    "WorkerLooping",
    "WorkerStopping",
    "batch",
    "chain",
    "deferring",
    "define_queue",
    "dispatch_many",
    "exponential",
    "job",
    "on",
    "workflow",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'qcore' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _manager() -> _dispatcher.Dispatcher:
    from qcore.manager import QueueManager

    return QueueManager.open()


_dispatcher.install_factory(_manager)
