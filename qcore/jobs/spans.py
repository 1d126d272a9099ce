"""Spans of OpenTelemetry: one where jobs are dispatched, and one for each attempt, its child wherever it runs.

What joins them travels in the payload, in the form that is configured for the process (W3C Trace Context unless said).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from qcore.jobs.context import Discreet
from qcore.jobs.job import Job
from qcore.jobs.running import is_async
from qcore.jobs.wrapping import Call, around_all, wrap_outermost

_SYSTEM = "qcore"


class Spans:
    """Makes the spans of this process; a middleware around every job."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer(_SYSTEM)

    def cover(self) -> None:
        """See to it that every job that this process runs is traced."""
        if self not in around_all:
            wrap_outermost(self)

    def carried(self) -> dict[str, str] | None:
        """What a job takes with it of the span in force; None where there is none."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier or None

    @contextmanager
    def dispatching(self, jobs: Sequence[Job]) -> Iterator[None]:
        """A block in which jobs are dispatched."""
        if not jobs:
            yield
            return
        names = {type(job).__qualname__ for job in jobs}
        about = names.pop() if len(names) == 1 else "jobs"
        values: dict[str, Any] = {"messaging.system": _SYSTEM, "messaging.operation.type": "send"}
        if len(jobs) > 1:
            values["messaging.batch.message_count"] = len(jobs)
        with self._tracer.start_as_current_span(f"dispatch {about}", kind=SpanKind.PRODUCER, attributes=values) as span:
            yield
            if len(jobs) == 1 and span.is_recording():
                span.set_attribute("messaging.message.id", jobs[0].job_id or "")

    def handle(self, job: Job, next: Call) -> Any:  # noqa: A002  the form of a middleware
        """Run an attempt in a span of its own."""
        if is_async(job):
            return self._awaited(job, next)
        with self._running(job):
            return next(job)

    async def _awaited(self, job: Job, following: Call) -> Any:
        with self._running(job):  # entered where it is left: on the event loop
            result = following(job)
            return await result if isawaitable(result) else result

    @contextmanager
    def _running(self, job: Job) -> Iterator[None]:
        parent = None if job._trace is None else propagate.extract(job._trace)
        with self._tracer.start_as_current_span(
            f"run {type(job).__qualname__}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes=_told_of(job),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                _note(span, job, error)
                raise
            wish = None if job._context is None else job._context.wish
            if wish is not None:
                span.set_attribute("qcore.outcome", _OUTCOMES[wish.kind])
                if wish.error is not None:
                    _note(span, job, wish.error)


_OUTCOMES = {"release": "released", "snooze": "released", "fail": "failed", "delete": "completed"}


def _told_of(job: Job) -> dict[str, Any]:
    kind = type(job)
    values: dict[str, Any] = {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "process",
        "qcore.job": f"{kind.__module__}:{kind.__qualname__}",  # unchecked: one that runs here may be any
    }
    if job._context is not None:
        values["messaging.destination.name"] = job._context.queue
        values["messaging.message.id"] = job._context.job_id
        values["qcore.attempt"] = job._context.attempt
    return values


def _note(span: Span, job: Job, error: BaseException) -> None:
    """Note an error; of a job whose arguments are hidden its kind alone, for its text may hold them."""
    kind = type(error).__name__
    if job._context is not None and isinstance(job._context.desk, Discreet):
        span.add_event("exception", {"exception.type": kind})
        span.set_status(Status(StatusCode.ERROR, kind))
        return
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, f"{kind}: {error}"))
