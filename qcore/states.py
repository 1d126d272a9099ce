"""Where a job can be, how an attempt can end, and how long a job keeps a lock."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum


class JobState(StrEnum):
    """Where a job is in its life.

    A job that waits is PENDING until its first attempt fails and RETRYING after; whether it is due yet is
    told apart by `due_at` (lists call the pending one that is not due "delayed").
    """

    PENDING = "pending"
    """It waits for its first attempt."""
    PROCESSING = "processing"
    """A worker has reserved it."""
    COMPLETED = "completed"
    """It ended well."""
    FAILED = "failed"
    """It ended badly, with no try left."""
    CANCELLED = "cancelled"
    """It was ended before it was done."""
    RETRYING = "retrying"
    """It waits for another attempt."""

    @property
    def is_final(self) -> bool:
        """Whether no worker will touch the job again by itself."""
        return self in _FINAL


_FINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class Outcome(Enum):
    """How an attempt ended, as the worker tells the store."""

    COMPLETED = "completed"
    """Well."""
    RELEASED = "released"
    """Its job goes back, to be tried again."""
    FAILED = "failed"
    """Badly, and there is no further try."""
    CANCELLED = "cancelled"
    """Somebody wanted it to end."""


class LockKind(StrEnum):
    """When the lock of a job ends, at the latest."""

    UNIQUE = "unique"
    """When the job ends for good."""
    UNTIL_START = "until_start"
    """When the job starts."""
    EXCLUSIVE = "exclusive"
    """When the attempt ends."""


class Refusal(StrEnum):
    """Why a job that was dropped does not come back."""

    LOCKED = "another job holds its unique lock"
    MEMBER = "it belonged to a batch, chain or graph"
    TAKEN = "there is a job of this id"


class Strategy(IntEnum):
    """How a limit counts what starts."""

    SLIDING_WINDOW = 0
    """No stretch of time as long as the window holds more than the most."""
    FIXED_WINDOW = 1
    """None of the windows that follow each other since the epoch does."""
    TOKEN_BUCKET = 2
    """So many may start at once; then one by one, as the bucket fills evenly."""
    LEAKY_BUCKET = 3
    """One by one from the first on, at even distances."""
