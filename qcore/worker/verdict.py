"""What becomes of a job after an attempt, or before one. Pure: every rule of retrying is here, and no store."""

from __future__ import annotations

import msgspec

from qcore.backoff import DEFAULT, Backoff, pause_s
from qcore.envelope import Lease
from qcore.errors import (
    AttemptEnded,
    JobTimeout,
    MaxAttemptsExceeded,
    PayloadError,
    PermissionDenied,
    WorkerCrashed,
)
from qcore.jobs.context import Ruling
from qcore.jobs.options import DEFAULT_TIMEOUT_S, DEFAULT_TRIES, MAX_CRASHES, MAX_RECLAIMS, NONE, JobOptions
from qcore.records import unpack_history
from qcore.states import Outcome
from qcore.worker.options import WorkerOptions

_DEADLY = (SystemExit, KeyboardInterrupt, MemoryError)
"""Errors that would end a process by themselves: the limit of crashes holds for them, however many tries there are."""


class Rules(msgspec.Struct, frozen=True, gc=False):
    """The rules of retrying that hold for one job, merged from all who had a say."""

    tries: int = DEFAULT_TRIES
    timeout_s: float = DEFAULT_TIMEOUT_S
    backoff: Backoff = DEFAULT
    options: JobOptions = NONE


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ends, and what it costs."""

    outcome: Outcome
    charged: bool = True
    delay_us: int = 0


def rules(
    job: JobOptions | None, queue_tries: int | None, worker: WorkerOptions, connection_tries: int | None
) -> Rules:
    """Merge the options: first found of the job's, its queue's, the worker's flags, the connection's, the default."""
    own = job or NONE
    tries = _first(own.max_tries, queue_tries, worker.tries, connection_tries, DEFAULT_TRIES)
    timeout_s = _first(own.timeout_s, worker.timeout_s, DEFAULT_TIMEOUT_S)
    backoff = own.backoff if own.backoff is not None else worker.backoff
    return Rules(int(tries), timeout_s, DEFAULT if backoff is None else backoff, own)


def refusal(lease: Lease, held: Rules) -> AttemptEnded | None:
    """Say why a job must not be run again, or None. Time is the store's, as of the reserve."""
    limit = held.options.max_crashes or MAX_CRASHES
    if lease.crashes >= limit:
        return WorkerCrashed(f"the worker died under this job {lease.crashes} times; the limit is {limit}")
    if lease.reclaims >= MAX_RECLAIMS:
        return WorkerCrashed(f"{lease.reclaims} workers in a row died before they could start this job")
    if held.options.fail_on_timeout and (lease.crash_reason or "").startswith(JobTimeout.__name__):
        return JobTimeout("its process had to be ended, and it is not to be tried again")
    until = _retry_until(lease, held.options)
    if until is not None:
        return MaxAttemptsExceeded("the time to try it again is over") if lease.reserved_us > until else None
    if held.tries and lease.attempts >= held.tries:
        return MaxAttemptsExceeded(f"all {held.tries} tries are used up")
    return None


def was_told(lease: Lease, held: Rules) -> bool:
    """Whether a job that must not be run again was told so before, and its process died under that: not once more."""
    limit = held.options.max_crashes or MAX_CRASHES
    return lease.crashes > limit or (bool(lease.crashes) and 0 < held.tries < lease.attempts)


def after_error(
    lease: Lease, held: Rules, error: BaseException, runtime_s: float, ruling: Ruling | None = None
) -> Verdict:
    """Judge an attempt that ended by an exception, on which a middleware may have ruled."""
    failed = Verdict(Outcome.FAILED)
    if _is_final(lease, held.options, error) or _is_ruled_out(lease, ruling):
        return failed
    delay_us = ruling.delay_us if ruling is not None else None
    if delay_us is None:
        delay_us = round(pause_s(held.backoff, lease.attempts + 1) * 1_000_000)
    until = _retry_until(lease, held.options)
    if until is not None:
        now_us = lease.reserved_us + round(runtime_s * 1_000_000)
        return failed if now_us >= until else Verdict(Outcome.RELEASED, delay_us=min(delay_us, until - now_us))
    if held.tries and lease.attempts + 1 >= held.tries:
        return failed
    return Verdict(Outcome.RELEASED, delay_us=delay_us)


def _is_ruled_out(lease: Lease, ruling: Ruling | None) -> bool:
    """Whether a middleware leaves no further try."""
    if ruling is None:
        return False
    return ruling.is_final or bool(ruling.tries and lease.attempts + 1 >= ruling.tries)


def _is_final(lease: Lease, own: JobOptions, error: BaseException) -> bool:
    """Whether such an error leaves no further try, however many there may be."""
    if isinstance(error, (PayloadError, PermissionDenied)):
        return True
    if isinstance(error, JobTimeout) and own.fail_on_timeout:
        return True
    if own.max_exceptions is not None and lease.exceptions + 1 >= own.max_exceptions:
        return True
    return isinstance(error, _DEADLY) and _deaths(lease, error) >= (own.max_crashes or MAX_CRASHES)


def _deaths(lease: Lease, error: BaseException) -> int:
    """Count the attempts that ended by such an error, this one included."""
    return 1 + sum(failure.kind == type(error).__name__ for failure in unpack_history(lease.history))


def _retry_until(lease: Lease, own: JobOptions) -> int | None:
    """Return the instant after which there is no further try.

    One that had passed already when the store took the job (an operator's retry) does not count.
    """
    if own.retry_for_us is not None:
        return lease.created_us + own.retry_for_us
    if own.retry_until_us is not None and own.retry_until_us > lease.created_us:
        return own.retry_until_us
    return None


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
