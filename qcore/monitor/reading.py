"""Stored jobs into snapshots: payloads opened for show, never run."""

from __future__ import annotations

from typing import Any

import msgspec

from qcore.clock import instant
from qcore.codec import MASK, describe_arguments, describe_value, short
from qcore.crypto.keyring import Keyring
from qcore.errors import PayloadError
from qcore.flows import flow_in
from qcore.jobs.guarding import bare_result, read_result
from qcore.jobs.packing import Guard, unpack
from qcore.limits import Limit
from qcore.monitor.fingerprints import fingerprint
from qcore.monitor.snapshots import (
    FailureSnapshot,
    JobSnapshot,
    LimitSnapshot,
    LockSnapshot,
    RunningSnapshot,
    StackSnapshot,
    WorkerSnapshot,
)
from qcore.records import Failure, LimitRecord, LockRecord, StoredJob, WorkerRecord, unpack_history
from qcore.states import JobState

_WAITING = frozenset({JobState.PENDING, JobState.RETRYING})
_ARGUMENTS_WIDTH = 200
_HIDDEN: dict[str, Any] = {"args": [MASK], "kwargs": {}}
"""How arguments are shown that are encrypted whole."""


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
        name=_name(job.job),
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
        fingerprint=fingerprint(job.job, failures[-1]) if failures else None,
        failures=tuple(map(_failure, failures)) if full else (),
        arguments=arguments,
        payload=payload,
        result=shown_result(job) if full else None,
        progress=job.progress,
        progress_note=job.progress_note,
        flow=flow_in(job.flow) if job.flow else None,
    )


def _failure(failure: Failure) -> FailureSnapshot:
    return FailureSnapshot(
        attempt=failure.attempt,
        kind=failure.kind,
        text=failure.message,
        traceback=failure.traceback,
        at=instant(failure.at_us),
        worker=failure.worker,
    )


def lock_snapshot(lock: LockRecord, connection: str, *, now_us: int) -> LockSnapshot:
    """Show one lock."""
    return LockSnapshot(
        key=lock.key,
        kind=lock.kind.value,
        owner=lock.owner,
        connection=connection,
        taken_at=instant(lock.taken_us),
        held_s=max(0.0, (now_us - lock.taken_us) / 1e6),
        ends_at=_instant(lock.until_us),
        ends_in_s=None if lock.until_us is None else max(0.0, (lock.until_us - now_us) / 1e6),
    )


def limit_snapshot(limit: LimitRecord, connection: str, *, now_us: int) -> LimitSnapshot:
    """Show one limit."""
    return LimitSnapshot(
        key=limit.key,
        connection=connection,
        strategy=limit.strategy,
        max_attempts=limit.most,
        per_seconds=limit.window_us / 1e6,
        used=limit.used,
        left=max(0, limit.most - limit.used),
        opens_in_s=max(0.0, (limit.opens_us - now_us) / 1e6),
    )


def unused_limit(limit: Limit, connection: str) -> LimitSnapshot:
    """Show a limit by which nothing has started of late."""
    strategy = limit.strategy.name.lower()
    record = LimitRecord(
        key=limit.key, strategy=strategy, most=limit.most, window_us=limit.window_us, used=0, opens_us=0
    )
    return limit_snapshot(record, connection, now_us=0)


def worker_snapshot(worker: WorkerRecord, connection: str, *, now_us: int) -> WorkerSnapshot:
    """Show one worker.

    Args:
        worker: as it reported itself.
        connection: whose store it reported to.
        now_us: the present, to tell ages.
    """
    age_s = max(0.0, (now_us - worker.beat_us) / 1e6)
    uptime_s = max(0.0, (now_us - worker.started_us) / 1e6)
    busy_s = worker.busy_s + sum(one.runtime_s for one in worker.running)
    reported_s = max(uptime_s - age_s, 1e-3)
    lived_s = reported_s * max(1, worker.places)  # a supervisor by itself has none
    return WorkerSnapshot(
        id=worker.id,
        supervisor=worker.supervisor,
        host=worker.host,
        pid=worker.pid,
        connection=connection,
        state=worker.state,
        queues=worker.queues,
        running=tuple(
            RunningSnapshot(
                id=one.id,
                job=one.job,
                name=_name(one.job),
                queue=one.queue,
                attempt=one.attempt,
                runtime_s=one.runtime_s,
            )
            for one in worker.running
        ),
        places=worker.places,
        jobs=worker.jobs,
        failures=worker.failures,
        busy_percent=round(min(100.0, 100 * busy_s / lived_s), 1),
        cpu_percent=worker.cpu_percent,
        rss_bytes=worker.rss_bytes,
        started_at=instant(worker.started_us),
        uptime_s=round(uptime_s, 3),
        heartbeat_age_s=round(age_s, 3),
        jobs_per_min=round(worker.jobs / max(1.0, reported_s / 60), 3),
        stack=StackSnapshot(at=instant(worker.stack.at_us), text=worker.stack.text) if worker.stack else None,
    )


def result_of(job: StoredJob, keyring: Keyring | None) -> Any:
    """Decode what a job returned.

    Raises:
        DecryptionError: it is encrypted, and no key at hand opens it.
        SignatureError: it was altered, or names a class and nobody vouches for it.
    """
    return read_result(job.result, job.id, job.job, keyring) if job.result else None


def shown_result(job: StoredJob) -> Any:
    """Describe what a job returned for people and JSON: nothing is imported, and nothing decrypted."""
    if not job.result:
        return None
    encoded = bare_result(job.result)
    return MASK if encoded is None else describe_value(encoded)


def _opened(job: StoredJob, keyring: Keyring | None) -> tuple[dict[str, Any], str | None]:
    try:
        payload = unpack(job, keyring)
        guard = payload.guard or Guard()
        arguments = _HIDDEN if guard.is_encrypted else describe_arguments(payload.arguments)
    except PayloadError as error:
        return {"unreadable": error.message}, None
    options = msgspec.to_builtins(payload.options) if payload.options is not None else {}
    words = [_word(arg) for arg in arguments["args"]]
    words += [f"{name}={_word(value)}" for name, value in arguments["kwargs"].items()]
    return {**arguments, "options": options, **_protection(guard)}, ", ".join(words)


def _word(value: Any) -> str:
    return MASK if value == MASK else short(value, _ARGUMENTS_WIDTH)


def _protection(guard: Guard) -> dict[str, Any]:
    """What is to be told of how a job is protected, where it is."""
    told: dict[str, Any] = {}
    if guard.is_encrypted:
        told["encrypted"] = True
    if guard.required is not None:
        told["permissions"] = list(guard.required)
    if guard.identity is not None:
        told["user"] = guard.identity.user
    return told


def _instant(us: int | None) -> Any:
    return None if us is None else instant(us)


def _name(path: str) -> str:
    return path.rpartition(":")[2].rpartition(".")[2]
