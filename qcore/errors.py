"""Everything that can go wrong, in the words of the person who must mend it.

QueueError
├── ConfigurationError      settings that contradict or are missing
│   └── SchemaError         tables older or newer than this version
├── ConnectionFailed        the store did not answer
├── PayloadError            arguments that cannot travel, or a payload that cannot be read
│   ├── PayloadTooLargeError
│   ├── UnknownJobClass
│   ├── SignatureError
│   └── DecryptionError
├── QueueFullError          `max_jobs` reached; nothing was stored
├── JobNotFound
├── FilterError             a filter that says nothing readable
├── PermissionDenied
├── LeaseLost               somebody else owns the job now
├── JobFailedError          a job of a batch or chain failed elsewhere: what `catch` is given
└── AttemptEnded            why an attempt ended
    ├── MaxAttemptsExceeded
    ├── JobTimeout
    └── WorkerCrashed

Interruption                what a worker raises in a job that must end; no `Exception`
"""

from __future__ import annotations


class QueueError(Exception):
    """Base of every error a user can meet.

    Args:
        message: what was wrong and where, in one line.
        hint: what to do about it, in one line; empty when the message says it all.
    """

    code = "error"
    """A word for programs, as `--json` gives it; each class has its own."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What was wrong and where; also `str(error)`."""
        self.hint = hint
        """What to do about it; may be empty."""
        self.stored_ids: tuple[str, ...] = ()
        """What a dispatch of many had stored before it failed."""


class ConfigurationError(QueueError):
    """Settings that contradict each other, or one that is missing."""

    code = "configuration"


class ConnectionFailed(QueueError):  # noqa: N818  the public name is fixed
    """The store did not answer, or refused; what remains stored is said in the message.

    Args:
        message: which connection, and the reason.
        hint: what to do about it.
        may_have_reached: the request was sent and its answer lost, so it may have taken effect.
        is_refusal: the store answered, and said no (full, read-only, wrong password): repeating helps nobody.
    """

    code = "backend_unreachable"

    def __init__(
        self, message: str, *, hint: str = "", may_have_reached: bool = False, is_refusal: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.may_have_reached = may_have_reached
        self.is_refusal = is_refusal


class SchemaError(ConfigurationError):
    """The store's tables are older or newer than this version of qcore knows."""

    code = "schema"


class PayloadError(QueueError):
    """Arguments that cannot travel, or a stored payload that cannot be read."""

    code = "payload"


class PayloadTooLargeError(PayloadError):
    """A payload above the limit; nothing was stored."""

    code = "payload_too_large"


class UnknownJobClass(PayloadError):  # noqa: N818  the public name is fixed
    """A class path that leads to no `Job` here."""

    code = "unknown_job_class"


class SignatureError(PayloadError):
    """A payload whose signature is missing or wrong; nothing of it was run."""

    code = "signature"


class DecryptionError(PayloadError):
    """A payload that no key at hand opens."""

    code = "decryption"


class QueueFullError(QueueError):
    """The queue holds `max_jobs` already; nothing was stored."""

    code = "queue_full"


class JobNotFound(QueueError):  # noqa: N818  the public name is fixed
    """No job of that id in the store."""

    code = "not_found"


class FilterError(QueueError):
    """A filter that cannot be read, in one line that says where and what was probably meant.

    Args:
        message: what is wrong, where, and what to write.
        column: where in its text, from 1; 0 where that is said otherwise.
    """

    code = "filter"

    def __init__(self, message: str, *, column: int = 0) -> None:
        super().__init__(f"{message} (column {column})" if column else message)
        self.column = column


class PermissionDenied(QueueError):  # noqa: N818  the public name is fixed
    """The worker or the dispatcher lacks a permission that the job requires."""

    code = "permission_denied"


class JobFailedError(QueueError):
    """A job of a batch, chain or graph failed; its text is that of the job's own error.

    Args:
        message: of the job's error.
        job_id: of the job.
        job: its class path.
        kind: the class of its error, with its module unless builtin.
        traceback: as text.
    """

    code = "job_failed"

    def __init__(self, message: str, *, job_id: str, job: str = "", kind: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.job_id = job_id
        self.job = job
        self.kind = kind
        self.traceback = traceback


class LeaseLost(QueueError):  # noqa: N818  the public name is fixed
    """The lease ran out and another worker may own the job; this end was refused."""

    code = "lease_lost"


class AttemptEnded(QueueError):  # noqa: N818  base of the reasons below
    """Why an attempt, or the job with it, ended without an error of its own."""

    code = "attempt_ended"


class MaxAttemptsExceeded(AttemptEnded):
    """No tries are left; `__cause__` is the last real error."""

    code = "max_attempts"


class JobTimeout(AttemptEnded):
    """The attempt ran longer than its `timeout`."""

    code = "timeout"


class WorkerCrashed(AttemptEnded):
    """The process that ran the attempt died."""

    code = "worker_crashed"


class Interruption(BaseException):
    """Raised in a running job from outside, because it is to end: whoever else runs at that moment lets it pass."""


def words_of(error: BaseException) -> str:
    """The text of an error, whatever its author made of it."""
    try:
        return str(error)
    except Interruption:
        raise
    except BaseException as broken:  # noqa: BLE001  an exception whose own text raises
        return f"(its text cannot be read: {type(broken).__name__})"
