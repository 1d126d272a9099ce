"""Stored jobs into snapshots: payloads opened for show, never run."""

from __future__ import annotations

from typing import Any

import msgspec

from qcore.clock import instant
from qcore.codec import decode_value, describe_arguments, describe_value, short
from qcore.crypto.keyring import Keyring
from qcore.errors import PayloadError
from qcore.jobs.packing import unpack
from qcore.monitor.snapshots import FailureSnapshot, JobSnapshot
from qcore.records import StoredJob, unpack_history
from qcore.states import JobState

_WAITING = frozenset({JobState.PENDING, JobState.RETRYING})
_ARGUMENTS_WIDTH = 200


def snapshot(job: StoredJob, connection: str, keyring: Keyring | None, *, now_us: int, full: bool) -> JobSnapshot:
    """Show one job.

    Args:
        job: as the store gave it.
        connection: where it lives.
        keyring: opens its payload.
        now_us: the present, to tell whether it is due.
        full: with payload, result and the errors of every attempt.
    """
    failures = unpack_history(job.history)
    payload, arguments = _opened(job, keyring) if full and job.payload else (None, None)
    return JobSnapshot(
        id=job.id,
        job=job.job,
        name=job.job.rpartition(":")[2].rpartition(".")[2],
        queue=job.queue,
        connection=connection,
        state=job.state,
        delayed=job.state in _WAITING and job.due_us > now_us,
        priority=job.priority,
        attempts=job.attempts,
        crashes=job.crashes,
        created_at=instant(job.created_us),
        due_at=instant(job.due_us),
        reserved_at=_instant(job.reserved_us),
        ended_at=_instant(job.ended_us),
        runtime_s=job.runtime_s,
        worker=job.worker,
        tags=job.tags,
        error=failures[-1].summary if failures else None,
        failures=tuple(
            FailureSnapshot(
                attempt=one.attempt,
                kind=one.kind,
                text=one.message,
                traceback=one.traceback,
                at=instant(one.at_us),
                worker=one.worker,
            )
            for one in failures
        )
        if full
        else (),
        arguments=arguments,
        payload=payload,
        result=result_of(job, shown=True) if full else None,
        progress=job.progress,
        progress_note=job.progress_note,
    )


def result_of(job: StoredJob, *, shown: bool = False) -> Any:
    """Decode a job's result; `shown` gives a form for people and JSON, without importing what it names."""
    if not job.result:
        return None
    return describe_value(job.result) if shown else decode_value(job.result)


def _opened(job: StoredJob, keyring: Keyring | None) -> tuple[dict[str, Any], str | None]:
    try:
        payload = unpack(job.payload, keyring, job_id=job.id, queue=job.queue)
        arguments = describe_arguments(payload.arguments)
    except PayloadError as error:
        return {"unreadable": error.message}, None
    options = msgspec.to_builtins(payload.options) if payload.options is not None else {}
    words = [short(arg, _ARGUMENTS_WIDTH) for arg in arguments["args"]]
    words += [f"{name}={short(value, _ARGUMENTS_WIDTH)}" for name, value in arguments["kwargs"].items()]
    return {**arguments, "options": options}, ", ".join(words)


def _instant(us: int | None) -> Any:
    return None if us is None else instant(us)
