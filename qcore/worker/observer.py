"""Who listens to a worker: the log line of each job, a test, a screen."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from qcore.envelope import Lease
from qcore.records import unpack_history
from qcore.settlement import Settlement
from qcore.states import Outcome


class StopReason(Enum):
    """Why a worker stopped."""

    SIGNAL = "signal"
    """It was told to: by TERM or INT, a command, or `stop()`."""
    EMPTY = "empty"
    """No job was due (`stop_when_empty`, `once`)."""
    ONCE = "once"
    """It ran its one attempt."""
    MAX_JOBS = "max_jobs"
    """It ran as many as it was to."""
    MAX_TIME = "max_time"
    """It ran as long as it was to."""
    MEMORY = "memory"
    """It held more memory than it may."""


class WorkerObserver(Protocol):
    """Told of a worker's life, from the thread that lives it; what it raises is the worker's end."""

    def started(self, worker_id: str, queues: Sequence[str]) -> None:
        """Hear that the worker serves these queues from now on."""
        ...

    def running(self, job_id: str, job: str, queue: str, attempt: int) -> None:
        """Hear that an attempt begins."""
        ...

    def ended(
        self,
        job_id: str,
        job: str,
        queue: str,
        attempt: int,
        outcome: Outcome,
        runtime_s: float,
        error: str | None,
        delay_s: float,
    ) -> None:
        """Hear how an attempt ended, and how many seconds it took; with RELEASED, in how many the job is due again."""
        ...

    def trouble(self, text: str) -> None:
        """Hear of something that an operator should know: a store out of reach, a lost lease."""
        ...

    def stopped(self, reason: StopReason, jobs: int) -> None:
        """Hear why the worker stopped, and how many attempts it ran."""
        ...


def tell_of_end(observer: WorkerObserver, lease: Lease, end: Settlement) -> None:
    """Tell an observer how an attempt ended."""
    error = end.error
    if error is None and end.history and end.exceptions > lease.exceptions:
        error = unpack_history(end.history)[-1].summary
    delay_s = max(0, end.delay_us) / 1e6
    observer.ended(lease.id, lease.job, lease.queue, lease.attempts + 1, end.outcome, end.runtime_s, error, delay_s)
