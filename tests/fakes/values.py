"""Envelopes and settlements in one line, for tests that care about one or two of their fields."""

from __future__ import annotations

from typing import Any

from qcore.envelope import Envelope, Lease
from qcore.ids import new_id
from qcore.records import Failure, pack_history
from qcore.settlement import Settlement
from qcore.states import Outcome

HOUR_S = 3600.0


def envelope(
    queue: str = "default",
    *,
    priority: int = 0,
    delay_s: float = 0,
    payload: bytes = b"{}",
    **fields: Any,
) -> Envelope:
    """A job to push; `fields` are any others of an `Envelope`."""
    return Envelope(
        id=fields.pop("id", None) or new_id(),
        job=fields.pop("job", "app.jobs:Noop"),
        queue=queue,
        payload=payload,
        priority=priority,
        delay_us=us(delay_s),
        **fields,
    )


def envelopes(count: int, queue: str = "default", **fields: Any) -> list[Envelope]:
    """Several jobs to push, oldest first."""
    return [envelope(queue, **fields) for _ in range(count)]


def completed(lease: Lease, **fields: Any) -> Settlement:
    """The end of an attempt that went well."""
    return settlement(lease, Outcome.COMPLETED, attempts=lease.attempts + 1, **fields)


def failed(lease: Lease, error: str = "ValueError: no", **fields: Any) -> Settlement:
    """The end of a job's last attempt, with its error in the history."""
    attempts = lease.attempts + 1
    return settlement(
        lease,
        Outcome.FAILED,
        **{
            "attempts": attempts,
            "exceptions": lease.exceptions + 1,
            "error": error,
            "history": history(attempts, is_excused=bool(fields.get("is_excused"))),
            **fields,
        },
    )


def released(lease: Lease, delay_s: float = 0, **fields: Any) -> Settlement:
    """The end of an attempt that failed and is to be repeated."""
    fields = {"attempts": lease.attempts + 1, "exceptions": lease.exceptions + 1, **fields}
    return settlement(lease, Outcome.RELEASED, delay_us=us(delay_s), **fields)


def handed_back(lease: Lease) -> Settlement:
    """A lease given back unused: nothing is charged, its place in the queue stays."""
    return settlement(lease, Outcome.RELEASED, attempts=lease.attempts, exceptions=lease.exceptions, delay_us=-1)


def cancelled(lease: Lease, **fields: Any) -> Settlement:
    """The end of a job that somebody cancelled while it was leased."""
    return settlement(lease, Outcome.CANCELLED, attempts=lease.attempts, **fields)


def settlement(lease: Lease, outcome: Outcome, **fields: Any) -> Settlement:
    """Any end of an attempt."""
    fields = {"lock": lease.lock, "flow": lease.flow, **fields}
    return Settlement(id=lease.id, queue=lease.queue, job=lease.job, token=lease.token, outcome=outcome, **fields)


def history(attempts: int, *, is_excused: bool = False) -> bytes:
    """The errors of so many attempts, packed as a worker would; the last may be one that its flow does not count."""
    return pack_history(
        [
            Failure(
                attempt=n,
                kind="ValueError",
                message=f"no, {n}",
                traceback="Traceback …",
                at_us=n,
                is_excused=is_excused,
            )
            for n in range(1, attempts + 1)
        ]
    )


def us(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * 1_000_000)
