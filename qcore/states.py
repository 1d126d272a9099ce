"""Where a job can be, how an attempt can end, and how long a job keeps a lock."""

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


class LockKind(StrEnum):
    """When the lock of a job ends, at the latest."""

    UNIQUE = "unique"
    """When the job ends for good."""
    UNTIL_START = "until_start"
    """When the job starts."""
    EXCLUSIVE = "exclusive"
    """When the attempt ends."""
