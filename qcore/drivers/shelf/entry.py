"""One job on the shelf: the same facts as a `StoredJob`, and what only the store needs, open to change."""

from __future__ import annotations

from dataclasses import dataclass

from qcore.envelope import Envelope, Lease
from qcore.records import StoredJob
from qcore.states import JobState, Outcome


@dataclass(slots=True, kw_only=True)
class Entry:
    """A job, wherever it is in its life."""

    envelope: Envelope
    state: JobState
    created_us: int
    due_us: int
    view: str = ""
    """Which list shows it now."""
    stamp_us: int = 0
    """Its place in that list."""
    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    reclaims: int = 0
    crash_reason: str | None = None
    history: bytes | None = None
    token: str | None = None
    """Of the lease; stays after its end, so that a repeated settlement is recognised."""
    outcome: Outcome | None = None
    """How the lease of that token ended."""
    worker: str | None = None
    started: bool = False
    lease_until_us: int = 0
    reserved_us: int | None = None
    ended_us: int | None = None
    runtime_s: float | None = None
    result: bytes | None = None
    result_until_us: int = 0
    progress: int | None = None
    progress_note: str | None = None
    cancel_requested: bool = False
    cancel_hard: bool = False

    @property
    def id(self) -> str:
        """The job's id."""
        return self.envelope.id

    @property
    def is_waiting(self) -> bool:
        """Whether a worker may get it, now or later."""
        return self.state in {JobState.PENDING, JobState.RETRYING}

    def lease(self) -> Lease:
        """What the worker that holds it gets to know."""
        return Lease(
            id=self.envelope.id,
            job=self.envelope.job,
            queue=self.envelope.queue,
            payload=self.envelope.payload,
            token=self.token or "",
            attempts=self.attempts,
            exceptions=self.exceptions,
            crashes=self.crashes,
            reclaims=self.reclaims,
            created_us=self.created_us,
            due_us=self.due_us,
            reserved_us=self.reserved_us or 0,
            history=self.history,
            cancel_requested=self.cancel_requested,
            crash_reason=self.crash_reason,
            lock=self.envelope.unique.key if self.envelope.unique is not None else None,
            flow=self.envelope.flow,
            priority=self.envelope.priority,
            tags=self.envelope.tags,
        )

    def stored(self, now_us: int, *, whole: bool = True) -> StoredJob:
        """What a person gets to know; without `whole`, no payload or result."""
        result = self.result if now_us < self.result_until_us else None
        return StoredJob(
            id=self.envelope.id,
            job=self.envelope.job,
            queue=self.envelope.queue,
            state=self.state,
            priority=self.envelope.priority,
            attempts=self.attempts,
            crashes=self.crashes,
            created_us=self.created_us,
            due_us=self.due_us,
            reserved_us=self.reserved_us,
            ended_us=self.ended_us,
            runtime_s=self.runtime_s,
            worker=self.worker,
            tags=self.envelope.tags,
            payload=self.envelope.payload if whole else b"",
            history=self.history,
            result=result if whole else None,
            progress=self.progress,
            progress_note=self.progress_note,
            cancel_requested=self.cancel_requested,
            flow=self.envelope.flow,
        )
