"""What the monitor tells: frozen values with their units in the names. Instants are aware, in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from qcore.states import JobState


class BackendSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The store behind a connection."""

    connection: str
    driver: str
    url: str
    """Passwords masked."""
    latency_ms: float


class TotalsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs by state, over all queues."""

    pending: int = 0
    delayed: int = 0
    processing: int = 0
    retrying: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class QueueSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One queue."""

    name: str
    connection: str
    driver: str
    pending: int
    delayed: int
    processing: int
    retrying: int
    completed: int
    failed: int
    cancelled: int
    oldest_pending_s: float | None
    paused: bool
    paused_until: datetime | None
    pause_reason: str | None
    max_jobs: int | None
    workers: int
    """That serve it now."""
    throughput_per_min: float | None = None
    """Jobs that ended well or failed, a minute, over the last five or since the first of them; None: not measured."""
    clears_in_s: float | None = None
    """Seconds until what is due or retried now has ended, at that pace; None: nothing drains it, or not measured."""


class StatsSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every queue of the connections asked for."""

    generated_at: datetime
    backend: BackendSnapshot
    totals: TotalsSnapshot
    queues: tuple[QueueSnapshot, ...]
    warnings: tuple[str, ...] = ()


class FailureSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The error of one attempt."""

    attempt: int
    kind: str
    text: str
    traceback: str
    at: datetime
    worker: str


class JobSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One job. What stands in its payload is read only where a single job is asked for."""

    id: str
    job: str
    """Class path, `module:QualName`."""
    name: str
    """The class alone."""
    queue: str
    connection: str
    state: JobState
    delayed: bool
    """It waits, and is not due yet."""
    priority: int
    attempts: int
    crashes: int
    created_at: datetime
    due_at: datetime
    reserved_at: datetime | None
    ended_at: datetime | None
    runtime_s: float | None
    worker: str | None
    tags: tuple[str, ...]
    error: str | None
    fingerprint: str | None = None
    """What errors have in common that are one and the same trouble; see `fingerprints.fingerprint`."""
    silenced: bool = False
    """It completed, and its class or one of its tags is silenced."""
    failures: tuple[FailureSnapshot, ...] = ()
    arguments: str | None = None
    payload: dict[str, Any] | None = None
    result: Any = None
    progress: int | None = None
    progress_note: str | None = None
    flow: str | None = None
    """The batch, chain or graph it belongs to."""


class JobsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some jobs, newest first."""

    jobs: tuple[JobSnapshot, ...]
    next_cursor: str | None
    scanned_limit: bool = False
    """Not all jobs were looked at: no index tells which match, and there are too many."""


class TagSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs of one tag, by state."""

    tag: str
    monitored: bool
    """Somebody keeps an eye on it."""
    totals: TotalsSnapshot


class LockSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A lock that a job holds."""

    key: str
    kind: str
    """`unique`, `until_start` or `exclusive`."""
    owner: str
    """Id of the job."""
    connection: str
    """Whose store keeps it."""
    taken_at: datetime
    held_s: float
    ends_at: datetime | None
    """When it ends whatever becomes of the job; None: with the job, or with its start or attempt."""
    ends_in_s: float | None


class LimitSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A limit by which jobs start."""

    key: str
    connection: str
    strategy: str
    max_attempts: int
    per_seconds: float
    used: int
    """Of the window as it is now."""
    left: int
    opens_in_s: float
    """When a job that asks now would start; 0: at once."""


class LimitsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some limits, by key."""

    limits: tuple[LimitSnapshot, ...]
    next_cursor: str | None


class LocksPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some locks, by key."""

    locks: tuple[LockSnapshot, ...]
    next_cursor: str | None


class RunningSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A job in a worker's hands, as of the worker's last report."""

    id: str
    job: str
    """Class path, `module:QualName`."""
    name: str
    """The class alone."""
    queue: str
    attempt: int
    runtime_s: float


class StackSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Where the threads and tasks of a worker were."""

    at: datetime
    """By its host's clock; tells one from the one before."""
    text: str
    """Of each its files, lines and functions, tasks last; no values."""


class WorkerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, as it last reported itself."""

    id: str
    supervisor: str
    """Id of the process above it; its own where there is none."""
    host: str
    pid: int
    connection: str
    """Whose store it reports to."""
    state: str
    """`running`, `paused` or `stopping`."""
    queues: tuple[str, ...]
    running: tuple[RunningSnapshot, ...]
    places: int
    """Jobs it runs at a time."""
    jobs: int
    """Attempts since its start."""
    failures: int
    busy_percent: float
    """Of its places, how much of the time since its start they spent in jobs."""
    cpu_percent: float
    rss_bytes: int
    started_at: datetime
    uptime_s: float
    heartbeat_age_s: float
    jobs_per_min: float = 0.0
    """Attempts a minute, since its start."""
    stack: StackSnapshot | None = None
    """Told for half a minute to whoever asked for it."""


class StepSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a chain or graph, or a member of a batch that waits for others."""

    id: str
    """Of its job; of a nested batch or chain the id of that."""
    name: str | None
    job: str
    state: str
    runtime_s: float | None
    error: str | None
    after: tuple[str, ...]
    """Ids of the steps it waits for."""
    is_flow: bool
    progress: int | None
    """Percent, of a nested batch or chain."""
    steps: tuple[StepSnapshot, ...] = ()
    """Of a nested batch or chain."""


class FlowSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, chain or graph."""

    id: str
    kind: str
    """`batch`, `chain` or `graph`."""
    name: str
    connection: str
    state: str
    total: int
    """Jobs stored so far."""
    pending: int
    processed: int
    failed: int
    cancelled: int
    progress: int
    """Percent that ended."""
    open: bool
    """Its producer has not said that it is complete."""
    created_at: datetime
    finished_at: datetime | None
    cancelled_at: datetime | None
    parent: str | None
    """The flow of which it is a step."""
    options: dict[str, Any] = {}
    steps: tuple[StepSnapshot, ...] = ()
    failed_ids: tuple[str, ...] = ()
    error: str | None = None


class FlowsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some batches, chains or graphs, newest first."""

    flows: tuple[FlowSnapshot, ...]
    next_cursor: str | None = None
