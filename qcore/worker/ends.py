"""Ends that a worker gives attempts without asking their jobs, and what it keeps of errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from qcore.drivers import Store
from qcore.envelope import Lease
from qcore.errors import ConnectionFailed, JobTimeout, QueueError, WorkerCrashed
from qcore.records import Failure, pack_history, storable, unpack_history
from qcore.settlement import Settlement
from qcore.states import Outcome

_TEXT_KEPT = 64 * 1024
"""Characters of a message or traceback that are kept; the rest is cut with a mark."""
_KINDS = {one.__name__: f"{one.__module__}.{one.__qualname__}" for one in (WorkerCrashed, JobTimeout)}
"""The errors that a supervisor charges a dead worker's jobs with, by the name that it gives."""
_CRASHES = frozenset(_KINDS.values())
_DIED = "the worker died under it"


def handed_back(lease: Lease, delay_us: int = -1) -> Settlement:
    """Give a lease back uncharged, as if it had never been taken: with its old due time, or due in so long."""
    return Settlement(
        id=lease.id,
        queue=lease.queue,
        job=lease.job,
        token=lease.token,
        outcome=Outcome.RELEASED,
        attempts=lease.attempts,
        exceptions=lease.exceptions,
        delay_us=delay_us,
    )


def unstorable(settlement: Settlement, error: QueueError) -> Settlement:
    """Fail a job whose end the store cannot hold, with nothing but the reason."""
    reason = storable(f"the end of this attempt cannot be stored: {error.message}")
    failure = Failure(max(1, settlement.attempts), kind_of(error), reason, "", time.time_ns() // 1000)
    return Settlement(
        id=settlement.id,
        queue=settlement.queue,
        job=settlement.job,
        token=settlement.token,
        outcome=Outcome.FAILED,
        attempts=settlement.attempts,
        exceptions=settlement.exceptions,
        error=failure.summary[:1000],
        history=pack_history([failure]),
        runtime_s=settlement.runtime_s,
        waited_us=settlement.waited_us,
        lock=settlement.lock,
        exclusive=settlement.exclusive,
        flow=settlement.flow,
    )


def settle_each(
    store: Store, batch: Sequence[Settlement], restore: Callable[[Sequence[Settlement]], None]
) -> list[Settlement]:
    """Settle one by one what a store would not take together; returns those refused.

    The one that it cannot hold fails, with the reason.

    Args:
        store: whose verb raised.
        batch: what it would not take.
        restore: is given what was not sent, where the store does not answer.
    """
    refused: list[Settlement] = []
    for at, settlement in enumerate(batch):
        try:
            refused += store.settle([settlement])
        except ConnectionFailed:
            restore(batch[at:])
            raise
        except QueueError as error:
            refused += store.settle([unstorable(settlement, error)])
    return refused


def kind_of(error: BaseException) -> str:
    """Name the class of an error; without its module, where everybody knows it."""
    module, name = type(error).__module__, type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def cut(text: str) -> str:
    """A text that every store can hold, as long as may be kept."""
    text = storable(text)
    if len(text) <= _TEXT_KEPT:
        return text
    half = _TEXT_KEPT // 2
    return f"{text[:half]}\n… {len(text) - _TEXT_KEPT:,} characters cut …\n{text[-half:]}"


def failures_of(lease: Lease) -> list[Failure]:
    """Read the errors of a job so far; crashes, which nobody was left to describe, are described here."""
    failures = unpack_history(lease.history)
    told = sum(not failure.traceback and failure.kind in _CRASHES for failure in failures)
    for number in range(told + 1, lease.crashes + 1):
        reason = lease.crash_reason if number == lease.crashes else None
        kind, _, said = (reason or f"WorkerCrashed: {_DIED}").partition(": ")
        failures.append(Failure(lease.attempts, _KINDS.get(kind, kind), said, "", lease.reserved_us))
    return failures


def log_of_attempt(log: logging.Logger, lease: Lease, runtime_s: float, words: str, exception: str) -> None:
    """Log what went wrong about an attempt; whoever writes JSON finds its fields in the record."""
    which = {"job_id": lease.id, "job": lease.job, "queue": lease.queue, "attempt": lease.attempts + 1}
    told = {**which, "duration_s": round(runtime_s, 6), "exception": exception}
    text = f"{lease.job} {lease.id}: {words}"
    log.error("%s\n%s", text, exception, extra={"event": words, "fields": told})
