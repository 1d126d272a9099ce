"""What an application hangs in: middleware around every job, listeners by the names that Laravel gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from qcore import events
from qcore.envelope import Envelope
from qcore.jobs.wrapping import wrap_all
from qcore.transactions import after_commit

L = TypeVar("L", bound=Callable[[Any], object])


class Hooks:
    """Says for the whole process, whichever manager is in force: an application module is imported before there is one.

    Each of those that take a listener returns it, so that they can be decorators: `@QueueManager.failing`.
    """

    @staticmethod
    def middleware(*layers: Any) -> None:
        """Put middleware around every job that this process runs, outermost first, outside of the jobs' own.

        Raises:
            ConfigurationError: one of them has no `handle(job, next)`.
        """
        wrap_all(layers)

    @staticmethod
    def queued(listener: L) -> L:
        """Call it with a `JobQueued` when a store took a job; returns it."""
        return events.on(events.JobQueued)(listener)

    @staticmethod
    def before(listener: L) -> L:
        """Call it with a `JobProcessing` before each attempt; returns it."""
        return events.on(events.JobProcessing)(listener)

    @staticmethod
    def after(listener: L) -> L:
        """Call it with a `JobProcessed` after each attempt that did not raise; returns it."""
        return events.on(events.JobProcessed)(listener)

    @staticmethod
    def exception_occurred(listener: L) -> L:
        """Call it with a `JobExceptionOccurred` after each attempt that raised; returns it."""
        return events.on(events.JobExceptionOccurred)(listener)

    @staticmethod
    def failing(listener: L) -> L:
        """Call it with a `JobFailed` when a job failed for good; returns it."""
        return events.on(events.JobFailed)(listener)

    @staticmethod
    def timed_out(listener: L) -> L:
        """Call it with a `JobTimedOut` when an attempt took too long; returns it."""
        return events.on(events.JobTimedOut)(listener)

    @staticmethod
    def retry_requested(listener: L) -> L:
        """Call it with a `JobRetryRequested` when a failed job is put back; returns it."""
        return events.on(events.JobRetryRequested)(listener)

    @staticmethod
    def looping(listener: L) -> L:
        """Call it with a `WorkerLooping` each time a worker looks for jobs; returns it."""
        return events.on(events.WorkerLooping)(listener)

    @staticmethod
    def stopping(listener: L) -> L:
        """Call it with a `WorkerStopping` when a worker stops; returns it."""
        return events.on(events.WorkerStopping)(listener)


def tell_queued(connection: str, envelopes: Sequence[Envelope], ids: Sequence[str | None], session: Any = None) -> None:
    """Tell of jobs that a store took: now, or once the session they were stored in has been committed.

    Args:
        connection: its name.
        envelopes: that were pushed.
        ids: what the store answered for each; None where it was refused.
        session: in whose transaction they were stored.
    """
    if events.JobQueued not in events.listeners:
        return
    if session is not None:
        after_commit(session, partial(tell_queued, connection, envelopes, ids))
        return
    for envelope, job_id in zip(envelopes, ids, strict=True):
        if job_id is not None:
            queued = events.JobQueued(job_id=job_id, job=envelope.job, queue=envelope.queue, connection=connection)
            events.tell(queued)
