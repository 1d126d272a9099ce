"""What listeners hear of the attempts of a worker; called only where somebody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qcore import events
from qcore.errors import JobTimeout
from qcore.states import Outcome

if TYPE_CHECKING:
    from qcore.envelope import Lease
    from qcore.settlement import Settlement
    from qcore.worker.attempt import Attempt
    from qcore.worker.lane import Lane


def begins(lease: Lease, lane: Lane) -> None:
    """Tell that an attempt is about to begin."""
    _tell_of_the_last(lease, lane)
    _tell(events.JobProcessing, lease, lane)


def ended(attempt: Attempt, lane: Lane, end: Settlement, error: BaseException | None = None) -> None:
    """Tell how an attempt ended that its job, or its worker, brought to an end without an exception.

    Args:
        attempt: that ended.
        lane: where it came from.
        end: how.
        error: for which the job is failed.
    """
    if error is not None:
        _tell(events.JobFailed, attempt.lease, lane, error=error)
    elif attempt.has_begun:
        _tell(events.JobProcessed, attempt.lease, lane, outcome=end.outcome, runtime_s=end.runtime_s)


def raised(attempt: Attempt, lane: Lane, end: Settlement, error: BaseException) -> None:
    """Tell how an attempt ended that raised."""
    lease = attempt.lease
    if isinstance(error, JobTimeout):
        _tell(events.JobTimedOut, lease, lane, is_hard=False)
    after = {"outcome": end.outcome, "delay_s": max(0, end.delay_us) / 1e6, "runtime_s": end.runtime_s}
    _tell(events.JobExceptionOccurred, lease, lane, error=error, **after)
    if end.outcome is Outcome.FAILED:
        _tell(events.JobFailed, lease, lane, error=error)


def refused(attempt: Attempt, lane: Lane, error: BaseException) -> None:
    """Tell of a job that failed because it must not run again."""
    _tell_of_the_last(attempt.lease, lane)
    _tell(events.JobFailed, attempt.lease, lane, attempt=max(1, attempt.lease.attempts), error=error)


def _tell_of_the_last(lease: Lease, lane: Lane) -> None:
    """Tell of the attempt before, if its process was ended for its timeout: whoever ran it could not."""
    if (lease.crash_reason or "").startswith(JobTimeout.__name__):
        _tell(events.JobTimedOut, lease, lane, attempt=lease.attempts, is_hard=True)


def _tell(kind: type[events.Event], lease: Lease, lane: Lane, **fields: Any) -> None:
    if kind not in events.listeners:
        return
    which = {
        "job_id": lease.id,
        "job": lease.job,
        "queue": lease.queue,
        "attempt": lease.attempts + 1,
        "connection": lane.settings.name,
        "worker": lane.worker,
    }
    events.tell(kind(**which | fields))
