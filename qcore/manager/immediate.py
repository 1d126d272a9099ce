"""Jobs that run where they are dispatched: `dispatch_now`, and connections that keep no queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from traceback import format_exception
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from qcore import events
from qcore.clock import SystemClock
from qcore.codec import MASK, encode_value
from qcore.drivers import Store
from qcore.envelope import Exclusive, Lease, Start, StartVerdict
from qcore.errors import QueueError, words_of
from qcore.flows import Growth
from qcore.identity import authorize, current_identity
from qcore.ids import new_id
from qcore.jobs.context import Desk, Discreet, JobContext, Nobody
from qcore.jobs.guarding import is_guarded, required_of
from qcore.jobs.job import Job
from qcore.jobs.loops import hush
from qcore.jobs.options import NONE, Elsewhere, JobOptions
from qcore.jobs.packing import Payload
from qcore.jobs.running import close_loop, run
from qcore.records import Failure, pack_history
from qcore.settlement import Settlement
from qcore.states import Outcome

FreeElsewhere = Callable[[Elsewhere, str], None]


class Opener(Protocol):
    """Opens what was stored, and closes what a job returned."""

    def unpack(self, lease: Lease) -> Payload:
        """Verify a lease's payload."""
        ...

    def admit(self, payload: Payload, lease: Lease) -> Job:
        """See that a payload's job may run here, and build it."""
        ...

    def mask(self, lease: Lease) -> Callable[[str], str] | None:
        """Return what hides the job's arguments in a text, if they are to be hidden."""
        ...

    def seal_result(self, lease: Lease, encoded: bytes) -> bytes:
        """Encrypt what the job returned, if its arguments are hidden."""
        ...


class Here(NamedTuple):
    """What jobs need to run where they are dispatched."""

    opener: Opener
    free_elsewhere: FreeElsewhere
    """Frees a job's lock that another connection keeps."""
    connection: str
    grants: tuple[str, ...]
    grow: Callable[[JobContext], Growth | None]
    """Seals what a member adds to its flow."""


class Member(Nobody):
    """The desk of a member of a batch, chain or graph that runs where it was dispatched."""

    of: ClassVar[Callable[[str, JobContext], Any]]
    """What the job may ask of its flow (`workflows.membership`)."""

    def __init__(self, grants: tuple[str, ...], connection: str) -> None:
        super().__init__(grants)
        self._connection = connection

    def membership(self, context: JobContext) -> Any:
        """What the job may ask of its flow."""
        return None if context.flow is None else type(self).of(self._connection, context)


def run_here(job: Job, queue: str, connection: str = "", grants: tuple[str, ...] = ()) -> Any:
    """Run one job to its end in this call; its error is the caller's, after `failed()` heard it.

    Raises:
        PermissionDenied: the job requires what this process, or whoever acts here, does not hold.
    """
    if required := required_of(job):
        authorize(required, grants=grants, identity=current_identity(), what=type(job).__qualname__)
    return _run_here(job, queue, connection, grants, lambda result, _: result)


def _run_here(
    job: Job,
    queue: str,
    connection: str,
    grants: tuple[str, ...],
    keep: Callable[[Any, JobContext], Any],
    flow: str | None = None,
) -> Any:
    """Run a job and keep its result; an error of either is the job's."""
    desk: Desk = Nobody(grants) if flow is None else Member(grants, connection)
    if is_guarded(type(job)):
        hush()
        desk = Discreet(desk, lambda: _hidden)  # nobody says here which part of a text is to be hidden
    began = time.perf_counter()
    context = JobContext(job.job_id or new_id(), 1, queue, desk, began)
    context.flow = flow
    which = _which(job, context, connection)
    if events.listeners:
        events.tell(events.JobProcessing(**which))
    try:
        result = keep(_result(job, context), context)
    except Exception as error:
        if events.listeners:
            _tell_raised(which, error, began)
        job.failed(error)
        raise
    finally:
        close_loop()
    if events.listeners:
        runtime_s = time.perf_counter() - began
        events.tell(events.JobProcessed(**which, outcome=Outcome.COMPLETED, runtime_s=runtime_s))
    return result


def _hidden(_: str) -> str:
    return MASK


def _which(job: Job, context: JobContext, connection: str) -> dict[str, Any]:
    cls = type(job)
    return {
        "job_id": context.job_id,
        "job": f"{cls.__module__}:{cls.__qualname__}",
        "queue": context.queue,
        "attempt": 1,
        "connection": connection,
        "worker": "",
    }


def _tell_raised(which: dict[str, Any], error: Exception, began: float) -> None:
    runtime_s = time.perf_counter() - began
    ended: dict[str, Any] = {"error": error, "outcome": Outcome.FAILED, "delay_s": 0.0, "runtime_s": runtime_s}
    events.tell(events.JobExceptionOccurred(**which, **ended))
    events.tell(events.JobFailed(**which, error=error))


def _result(job: Job, context: JobContext) -> Any:
    result = run(job, context)
    if context.wish is not None and context.wish.error is not None:
        raise context.wish.error
    return result


def run_pushed(store: Store, queues: Collection[str], here: Here) -> None:
    """Run what was just pushed, in order: one attempt each. The first error is raised once all have ended.

    There is no worker to try anything again: a job that raises has failed, one that asked for `release()` or
    `snooze()` is done as soon as `handle` returned, as Laravel's sync connection does it. What `handle` returned is
    kept for the job's `result_ttl`; a job whose result cannot be encoded has failed.
    """
    first: Exception | None = None
    request = 0
    worker = f"here-{new_id()}"
    while leases := store.reserve(list(queues), 1, worker, (request := request + 1)):
        for lease in leases:
            error = _run_lease(store, lease, here)
            first = first or error
    if first is not None:
        raise first


def _run_lease(store: Store, lease: Lease, here: Here) -> Exception | None:
    options = NONE
    error: BaseException | None = None
    began = time.perf_counter()
    try:
        payload = here.opener.unpack(lease)
        options = payload.options or NONE
        job = here.opener.admit(payload, lease)
        _start(store, lease, options, here.free_elsewhere)
        keep = partial(_completed, lease, options.result_ttl_s, here)
        end = _run_here(job, lease.queue, here.connection, here.grants, keep, lease.flow)
    except BaseException as raised:  # noqa: BLE001  a job may raise anything; the caller gets it
        error, end = raised, _failed(lease, raised, here.opener.mask(lease) or str)
    key = options.overlap.key if options.overlap is not None else None
    store.settle([msgspec.structs.replace(end, exclusive=key, runtime_s=time.perf_counter() - began)])
    if options.elsewhere is not None:
        here.free_elsewhere(options.elsewhere, lease.id)
    if error is not None and not isinstance(error, Exception):
        raise error  # somebody wants the process to end, not this job alone
    return error


def _start(store: Store, lease: Lease, options: JobOptions, free_elsewhere: FreeElsewhere) -> None:
    """Ask the store whether the job may run; there is no later here.

    Raises:
        QueueError: another job of its key runs.
    """
    if not options.starts:
        return
    overlap = options.overlap
    wanted = Start(
        id=lease.id,
        token=lease.token,
        lock=lease.lock if options.until_start else None,
        exclusive=Exclusive(overlap.key, overlap.expire_us) if overlap is not None else None,
    )
    if store.start([wanted])[0].verdict is not StartVerdict.STARTED:
        raise QueueError(
            f"{lease.job}: another job runs that must not overlap with it",
            hint="dispatch it to a queue that a worker serves: there it waits for its turn",
        )
    if options.elsewhere is not None and options.elsewhere.until_start:
        free_elsewhere(options.elsewhere, lease.id)


def _completed(lease: Lease, ttl_s: float, here: Here, result: Any, context: JobContext) -> Settlement:
    growth = here.grow(context)
    if result is None or not (ttl_s or lease.flow):
        return _ended(lease, Outcome.COMPLETED, growth=growth)
    encoded = here.opener.seal_result(lease, encode_value(result, what=f"the result of {lease.job}"))
    return _ended(lease, Outcome.COMPLETED, result=encoded, result_ttl_s=ttl_s, growth=growth)


def _ended(lease: Lease, outcome: Outcome, **more: Any) -> Settlement:
    return Settlement(
        id=lease.id,
        queue=lease.queue,
        job=lease.job,
        token=lease.token,
        outcome=outcome,
        attempts=1,
        lock=lease.lock,
        flow=lease.flow,
        **more,
    )


def _failed(lease: Lease, error: BaseException, mask: Callable[[str], str]) -> Settlement:
    failure = Failure(
        attempt=1,
        kind=mask(type(error).__name__),
        message=mask(words_of(error)),
        traceback=mask("".join(format_exception(error))),
        at_us=SystemClock().wall_us(),
    )
    history = pack_history([failure])
    return _ended(lease, Outcome.FAILED, error=failure.summary, history=history, exceptions=1)
