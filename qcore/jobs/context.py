"""What `handle` may ask of the attempt it runs in. The runner makes one for each attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


def _nothing(*_: Any) -> None:
    """Report to nobody: the attempt runs outside a worker."""


class Wish(msgspec.Struct, frozen=True, gc=False):
    """How `handle` asked its attempt to end."""

    kind: str
    """`release`, `snooze`, `fail` or `delete`."""
    delay_us: int = 0
    error: BaseException | None = None


class JobContext:
    """One attempt, seen from inside `handle`.

    Args:
        job_id: of the running job.
        attempt: which one it is, from 1.
        queue: where the job came from.
        report: takes (percent, note) as the job reports progress.
        is_cancelled: asks whether somebody wants the job to stop.
    """

    __slots__ = ("attempt", "is_cancelled", "job_id", "queue", "report", "wish")

    def __init__(
        self,
        job_id: str,
        attempt: int,
        queue: str,
        report: Callable[[int, str | None], None] = _nothing,
        is_cancelled: Callable[[], bool] = bool,
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.queue = queue
        self.report = report
        self.is_cancelled = is_cancelled
        self.wish: Wish | None = None
