"""Jobs that run where they are dispatched: `dispatch_now`, and connections that keep no queue."""

from __future__ import annotations

from collections.abc import Callable
from traceback import format_exception
from typing import Any

from qcore.clock import SystemClock
from qcore.drivers import Store
from qcore.envelope import Lease
from qcore.ids import new_id
from qcore.jobs.context import JobContext
from qcore.jobs.job import Job
from qcore.jobs.running import close_loop, run
from qcore.records import Failure, pack_history
from qcore.settlement import Settlement
from qcore.states import Outcome

Build = Callable[[Lease], Job]


def run_here(job: Job, queue: str) -> Any:
    """Run one job to its end in this call; its error is the caller's, after `failed()` heard it."""
    context = JobContext(job.job_id or new_id(), 1, queue)
    try:
        return _result(job, context)
    except Exception as error:
        job.failed(error)
        raise
    finally:
        close_loop()


def _result(job: Job, context: JobContext) -> Any:
    result = run(job, context)
    if context.wish is not None and context.wish.error is not None:
        raise context.wish.error
    return result


def run_pushed(store: Store, queue: str, build: Build) -> None:
    """Run what was just pushed, in order; the first error is raised once all have ended."""
    first: Exception | None = None
    request = 0
    worker = f"here-{new_id()}"
    while leases := store.reserve([queue], 100, worker, (request := request + 1)):
        for lease in leases:
            first = first or _run_lease(store, lease, build)
    if first is not None:
        raise first


def _run_lease(store: Store, lease: Lease, build: Build) -> Exception | None:
    try:
        run_here(build(lease), lease.queue)
    except Exception as error:  # noqa: BLE001  a job may raise anything; the caller gets it
        store.settle([_failed(lease, error)])
        return error
    store.settle([_ended(lease, Outcome.COMPLETED)])
    return None


def _ended(lease: Lease, outcome: Outcome, **more: Any) -> Settlement:
    return Settlement(
        id=lease.id, queue=lease.queue, job=lease.job, token=lease.token, outcome=outcome, attempts=1, **more
    )


def _failed(lease: Lease, error: Exception) -> Settlement:
    failure = Failure(
        attempt=1,
        kind=type(error).__name__,
        message=str(error),
        traceback="".join(format_exception(error)),
        at_us=SystemClock().wall_us(),
    )
    history = pack_history([failure])
    return _ended(lease, Outcome.FAILED, error=failure.summary, history=history, exceptions=1)
