"""Where a job can be, and how an attempt can end."""

from __future__ import annotations

from enum import Enum, StrEnum


class JobState(StrEnum):
    """Where a job is in its life.

    A job that waits is PENDING until its first attempt fails and RETRYING after; whether it is due yet is
    told apart by `due_at` (lists call the pending one that is not due "delayed").
    """

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETRYING = "retrying"

    @property
    def is_final(self) -> bool:
        """Whether no worker will touch the job again by itself."""
        return self in _FINAL


_FINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class Outcome(Enum):
    """How an attempt ended, as the worker tells the store."""

    COMPLETED = "completed"
    RELEASED = "released"
    FAILED = "failed"
    CANCELLED = "cancelled"
