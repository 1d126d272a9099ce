"""What the store can tell a person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.redis.facts import facts_in
from qcore.drivers.redis.scripts import script
from qcore.drivers.redis.wire import (
    DIGITS,
    NO_MARKS,
    Ending,
    Marks,
    facts_of,
    readings_in,
    unpack_definition,
    unpack_ending,
    unpack_marks,
)
from qcore.drivers.timing import timed
from qcore.errors import ConnectionFailed
from qcore.limits import unpack
from qcore.records import (
    LimitPage,
    LimitRecord,
    LockPage,
    LockRecord,
    Page,
    QueueCounts,
    StoredJob,
    StoreFacts,
    WorkerRecord,
)
from qcore.states import JobState, LockKind

if TYPE_CHECKING:
    from qcore.drivers.redis.server import Argument, Server
    from qcore.measures import Reading, Span

VIEWS = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
_unpack_worker = msgspec.msgpack.Decoder(WorkerRecord).decode
_unpack_progress = msgspec.msgpack.Decoder(tuple[int, str | None]).decode
_LOCK_KINDS = {b"0": LockKind.UNIQUE, b"1": LockKind.UNTIL_START, b"2": LockKind.EXCLUSIVE}
_FLAGS, _CANCELLING = ord("0"), 2  # see `lua/lib/job.lua`


class RedisReader:
    """The `Reader` face."""

    _server: Server

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Count the jobs of the named queues, or of all, sorted by name."""
        if queues is not None and not queues:
            return []
        rows = self._server.run(script("counts"), sorted(set(queues or ())))
        return sorted((_counts(row) for row in rows), key=lambda counts: counts.name)

    def find(self, job_id: str) -> StoredJob | None:
        """Read one job whole, wherever it is in its life."""
        now, rows = self._server.run(script("find"), [job_id])
        return _stored(rows[0], int(now), is_whole=True) if rows else None

    def page(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
    ) -> Page:
        """List jobs of a view, newest first; see `Reader.page`.

        Jobs that wait are placed by when they are due, running ones by when they were reserved, others by their end.
        A page may be short before the last one, where many jobs of another view lie between.
        """
        if view not in VIEWS:
            raise ValueError(f'no view "{view}": views are {", ".join(VIEWS)}')
        instant, _, after = cursor.partition(":") if cursor else ("", "", "")
        only = [] if queue is None else [queue]
        arguments: list[Argument] = [view, instant, after, limit, "1" if payloads else "0", *only]
        now, rows, next_instant, next_after = self._server.run(script("page"), arguments)
        jobs = tuple(_stored(row, int(now), is_whole=payloads) for row in rows)
        return Page(jobs, f"{int(next_instant)}:{next_after.decode()}" if next_instant else None)

    def results(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """List completed jobs whose result is kept, in no order; see `Reader.results`."""
        expiries = f"{self._server.root}expiries"
        after, found = self._server.call("ZSCAN", expiries, cursor or "0", "COUNT", limit)
        now, rows = self._server.run(script("find"), found[::2]) if found else (0, ())
        jobs = (_stored(row, int(now), is_whole=True) for row in rows)
        return Page(tuple(job for job in jobs if job.result is not None), None if after == b"0" else after.decode())

    def workers(self) -> Sequence[WorkerRecord]:
        """List the workers that reported within three lease terms, by supervisor and id."""
        rows = self._server.run(script("workers"), [])
        return sorted(map(_worker, rows), key=lambda worker: (worker.supervisor, worker.id))

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List the locks that are held, by key."""
        after = "-" if cursor is None else f"({cursor}"
        told = iter(self._server.run(script("locks"), [after, limit]))
        locks = [_lock(key, value) for key, value in zip(told, told, strict=True)]
        shown = tuple(locks[:limit])
        return LockPage(shown, shown[-1].key if len(locks) > limit else None)

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List the limits by which jobs started of late; see `Reader.limits`."""
        after = "-" if cursor is None else f"({cursor}"
        now, *told = self._server.run(script("limits"), [after, limit + 1])
        rows = list(zip(told[::2], told[1::2], strict=True))
        shown = tuple(LimitRecord.of(key.decode(), unpack(state), int(now)) for key, state in rows[:limit])
        return LimitPage(shown, int(now), shown[-1].key if len(rows) > limit else None)

    def monitored_tags(self) -> Sequence[str]:
        """List the tags that somebody keeps an eye on, sorted."""
        return sorted(tag.decode() for tag in self._server.call("SMEMBERS", f"{self._server.root}tags"))

    def readings(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """Read what was measured of jobs; see `Reader.readings`."""
        first, after = span.next_start(first), span.next_start(after)
        return readings_in(self._server.run(script("readings"), [int(span), first, after]), span)

    def ping(self) -> float:
        """Ask the store for an answer; returns the seconds it took, or raises `ConnectionFailed`."""
        began = time.perf_counter()
        self._server.call("PING")
        return time.perf_counter() - began

    def facts(self) -> StoreFacts:
        """Tell what the server is and how it is set up; see `Reader.facts`."""
        try:
            info = self._server.call("INFO")
        except ConnectionFailed as failure:
            if not failure.is_refusal:
                raise
            info = b""  # this user may not ask
        return StoreFacts(**facts_in(info), **timed(self._time_us))

    def _time_us(self) -> int:
        seconds, micros = self._server.call("TIME")
        return int(seconds) * 1_000_000 + int(micros)


def _lock(key: bytes, value: bytes) -> LockRecord:
    kind = 3 * DIGITS
    return LockRecord(
        key=key.decode(),
        kind=_LOCK_KINDS[value[kind : kind + 1]],
        owner=value[kind + 1 :].decode(),
        taken_us=int(value[2 * DIGITS : kind]),
        until_us=int(value[:DIGITS]) or None,
    )


def _counts(row: Sequence[Any]) -> QueueCounts:
    name, pending, delayed, processing, retrying, completed, failed, cancelled, oldest, pause, definition = row
    ends_us = int(pause[:DIGITS]) if pause else 0
    has_reason = bool(pause) and pause[DIGITS : DIGITS + 1] == b"1"
    return QueueCounts(
        name=name.decode(),
        pending=pending,
        delayed=delayed,
        processing=processing,
        retrying=retrying,
        completed=int(completed),
        failed=failed,
        cancelled=int(cancelled),
        oldest_due_us=int(oldest) if oldest else None,
        paused=bool(pause),
        paused_until_us=ends_us or None,
        pause_reason=pause[DIGITS + 1 :].decode() if has_reason else None,
        definition=unpack_definition(definition),
    )


def _worker(row: bytes) -> WorkerRecord:
    return msgspec.structs.replace(_unpack_worker(row[DIGITS:]), beat_us=int(row[:DIGITS]))


def _stored(row: Sequence[Any], now_us: int, *, is_whole: bool) -> StoredJob:
    job_id, value, lease, end, due, packed_marks, progress, apart, history, result = row
    packed, created_us, header = facts_of(value)
    marks = unpack_marks(packed_marks) if packed_marks else NO_MARKS
    percent, note = _unpack_progress(progress) if progress else (None, None)
    return StoredJob(
        id=job_id.decode(),
        job=header.job,
        queue=header.queue,
        priority=int(header.priority),
        created_us=created_us,
        crashes=marks.crashes,
        tags=header.tags,
        flow=header.flow,
        payload=(apart or value[len(packed) :]) if is_whole else b"",
        history=history,
        result=result[DIGITS:] if result and int(result[:DIGITS]) > now_us else None,
        progress=percent,
        progress_note=note,
        **_life(lease, end, due, marks),
    )


def _life(lease: bytes | None, end: bytes | None, due: bytes | None, marks: Marks) -> dict[str, Any]:
    if end:
        ending = unpack_ending(end[3 * DIGITS + 1 :])
        return {"ended_us": int(end[:DIGITS]), **_leased(end[DIGITS:], ending.token), **_ended(ending)}
    if lease:
        token = lease[2 * DIGITS + 1 :].decode()
        return {"state": JobState.PROCESSING, "attempts": marks.attempts, **_leased(lease, token)}
    return {
        "state": JobState.RETRYING if marks.attempts else JobState.PENDING,
        "attempts": marks.attempts,
        "due_us": int(due or 0),
        "cancel_requested": marks.cancel_requested,
    }


def _leased(value: bytes, token: str) -> dict[str, Any]:
    return {
        "due_us": int(value[:DIGITS]),
        "reserved_us": int(value[DIGITS : 2 * DIGITS]) or None,
        "cancel_requested": bool(value[2 * DIGITS] - _FLAGS & _CANCELLING),
        "worker": token.rpartition("/")[0] or None,
    }


def _ended(ending: Ending) -> dict[str, Any]:
    return {"state": JobState(ending.outcome), "attempts": ending.attempts, "runtime_s": ending.runtime_s}
