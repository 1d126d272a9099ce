"""A job's own transaction, which ends it: its rows and its end are committed together, or neither is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qcore.errors import ConfigurationError, LeaseLost, QueueError
from qcore.jobs.context import JobContext
from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.worker.lane import Lane


@contextmanager
def transaction(lane: Lane, context: JobContext) -> Iterator[Any]:
    """Give a job a session on its connection's database, and commit it with the job's end.

    Raises:
        ConfigurationError: the connection has no transactions, or the job has asked for another end.
        LeaseLost: the job is another worker's by now; nothing was committed.
    """
    if context.has_ended:
        raise ConfigurationError("a job ends once: it has ended in a transaction before", hint="do it all in one")
    if context.is_ending:
        raise ConfigurationError("transaction() inside transaction(): its end is the job's", hint="do it all in one")
    context.is_ending = True
    try:
        with _committing(lane, context) as session:
            yield session
    finally:
        context.is_ending = False


@contextmanager
def _committing(lane: Lane, context: JobContext) -> Iterator[Any]:
    with lane.store.session() as session:  # closing it takes back what was not committed
        yield session
        if context.wish is not None and context.wish.kind != "delete":
            raise ConfigurationError(
                f"{context.wish.kind}() and transaction() exclude each other: this one completes the job",
                hint="raise an error inside to take it back",
            )
        if lane.store.settle([lane.end_of(context)], within=session):
            raise LeaseLost(f"job {context.job_id}: another worker has it by now, and its transaction was taken back")
        try:
            session.commit()
        except Exception:
            context.has_ended = _is_over(lane, context.job_id)  # the answer may have got lost, and not the commit
            raise
        context.has_ended = True


def _is_over(lane: Lane, job_id: str) -> bool:
    """Whether the store says that a job has completed; one that is silent says nothing."""
    try:
        found = lane.store.find(job_id)
    except QueueError:
        return False
    return found is not None and found.state is JobState.COMPLETED
