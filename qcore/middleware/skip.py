"""Middleware that leaves a job out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from qcore.jobs.job import Job
from qcore.middleware.stack import Next, answered

Condition = bool | Callable[[Job], object]
"""What holds or not; a function is given the job, just before it would run."""


class Skip:
    """Lets a job count as done without running it: made by `Skip.when` or `Skip.unless`.

    Source: Laravel's `Skip::when` and `Skip::unless`.
    """

    def __init__(self, condition: Condition, *, wanted: bool) -> None:
        self._condition = condition
        self._wanted = wanted

    @classmethod
    def when(cls, condition: Condition) -> Self:
        """Return a middleware that skips the job where the condition holds.

        Args:
            condition: a truth value, or a function that is given the job just before it would run; not async.
        """
        return cls(condition, wanted=True)

    @classmethod
    def unless(cls, condition: Condition) -> Self:
        """Return a middleware that skips the job where the condition does not hold.

        Args:
            condition: as of `when`.
        """
        return cls(condition, wanted=False)

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job, or leave it out; returns what it returns, or None.

        Raises:
            ConfigurationError: the condition is an async function.
        """
        said = self._condition(job) if callable(self._condition) else self._condition
        return None if answered(said, "Skip") == self._wanted else next(job)


class SkipIfBatchCancelled:
    """Lets a member of a batch count as done without running it, where the batch was cancelled meanwhile.

    What a worker has not reserved by then is cancelled anyway; this is for what it had in hand.

    Source: Laravel's `SkipIfBatchCancelled`; there it is what a cancelled batch's waiting jobs rely on.
    """

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job, or leave it out; returns what it returns, or None.

        Raises:
            ConnectionFailed: the store, which is asked for the batch, did not answer.
        """
        batch = job.batch
        return None if batch is not None and batch.cancelled() else next(job)
