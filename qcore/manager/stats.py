"""The state of a queue, as its user asks for it."""

from __future__ import annotations

from typing import Self

import msgspec

from qcore.clock import SystemClock
from qcore.records import QueueCounts


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one queue, as `QueueManager.get_stats` tells it."""

    queue: str
    """Its name."""
    pending: int
    """Jobs due now and never tried."""
    delayed: int
    """Jobs not due yet and never tried."""
    processing: int
    """Jobs that a worker has reserved."""
    retrying: int
    """Jobs that wait for another attempt, due or not."""
    failed: int
    """Jobs in the failed list now."""
    completed: int
    """Jobs that ended well since the store was made, not only those that are still kept."""
    oldest_pending_age: float | None
    """Seconds since the job that waits longest became due; None where none is due."""

    @classmethod
    def of(cls, counts: QueueCounts) -> Self:
        """Tell what a store counted, as of now."""
        oldest = counts.oldest_due_us
        return cls(
            queue=counts.name,
            pending=counts.pending,
            delayed=counts.delayed,
            processing=counts.processing,
            retrying=counts.retrying,
            failed=counts.failed,
            completed=counts.completed,
            oldest_pending_age=None if oldest is None else max(0.0, (SystemClock().wall_us() - oldest) / 1e6),
        )
