"""Middleware that leaves a job out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from qcore.jobs.job import Job
from qcore.middleware.stack import Next, answered

Condition = bool | Callable[[Job], object]
"""What holds or not; a function is given the job, just before it would run."""


class Skip:
    """Lets a job count as done without running it: made by `Skip.when` or `Skip.unless`."""

    def __init__(self, condition: Condition, *, wanted: bool) -> None:
        self._condition = condition
        self._wanted = wanted

    @classmethod
    def when(cls, condition: Condition) -> Self:
        """Skip the job where the condition holds."""
        return cls(condition, wanted=True)

    @classmethod
    def unless(cls, condition: Condition) -> Self:
        """Skip the job where the condition does not hold."""
        return cls(condition, wanted=False)

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job, or leave it out; returns what it returns, or None."""
        said = self._condition(job) if callable(self._condition) else self._condition
        return None if answered(said, "Skip") == self._wanted else next(job)


class SkipIfBatchCancelled:
    """Lets a member of a batch count as done without running it, where the batch was cancelled meanwhile.

    What a worker has not reserved by then is cancelled anyway; this is for what it had in hand.
    """

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job, or leave it out; returns what it returns, or None."""
        batch = job.batch
        return None if batch is not None and batch.cancelled() else next(job)
