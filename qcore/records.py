"""What the store tells: values to read, without I/O. Instants are microseconds since the epoch, UTC."""

from __future__ import annotations

import msgspec

from qcore.limits import Limit, State, earliest, unpack_own, used
from qcore.states import JobState, LockKind, Refusal


class Failure(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The error of one attempt, as text: never an object, so reading it can run nothing."""

    attempt: int
    """Which attempt, from 1."""
    kind: str
    """The exception's class, with its module unless builtin."""
    message: str
    traceback: str
    at_us: int
    worker: str = ""
    is_excused: bool = False
    """Whether a flow does not count it against what it allows."""

    @property
    def summary(self) -> str:
        """Kind and message in one line."""
        return f"{self.kind}: {self.message}" if self.message else self.kind


_HISTORY_KEPT = 50
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Failure]).decode


def storable(text: str) -> str:
    """Make a text one that every store can hold: no NUL, and nothing that is no Unicode."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def pack_history(failures: list[Failure]) -> bytes:
    """Encode the errors of a job's attempts, oldest first; the newest 50 are kept."""
    return _encode(failures[-_HISTORY_KEPT:])


def unpack_history(data: bytes | None) -> list[Failure]:
    """Decode what `pack_history` made; nothing gives an empty list."""
    return _decode(data) if data else []


class StoredJob(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One job as the store holds it."""

    id: str
    job: str
    """Class path, `module:QualName`."""
    queue: str
    state: JobState
    priority: int = 0
    attempts: int = 0
    """Tries charged so far; the one that runs is not among them yet."""
    crashes: int = 0
    created_us: int = 0
    due_us: int = 0
    reserved_us: int | None = None
    ended_us: int | None = None
    runtime_s: float | None = None
    worker: str | None = None
    tags: tuple[str, ...] = ()
    payload: bytes = b""
    """Empty in pages unless asked for."""
    history: bytes | None = None
    result: bytes | None = None
    progress: int | None = None
    """Percent, 0 to 100, as the job reported it."""
    progress_note: str | None = None
    cancel_requested: bool = False
    flow: str | None = None
    """The batch, chain or graph it belongs to, and what it is to it (`flows.membership`)."""


class QueueDefinition(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What `define_queue` says of a queue; None leaves a setting to its default."""

    name: str
    """Of the queue."""
    connection: str | None = None
    """Where its jobs live; the default connection if None."""
    max_jobs: int | None = None
    """Waiting and leased jobs at the most; a dispatch past it is refused."""
    priority_weight: int | None = None
    """Its share of a worker that runs with `--fair`; 1 if None."""
    max_attempts: int | None = None
    """Tries of a job that says nothing itself."""
    retry_after: float | None = None
    """Seconds; kept for Laravel's sake: heartbeats alone decide how long a lease lasts."""
    rate_limit_enabled: bool | None = None
    """Whether the limit is in force; if None it is where one is given."""
    rate_limit_max: int | None = None
    """Jobs that may start in a window."""
    rate_limit_window: float | None = None
    """Seconds."""
    encryption_enabled: bool | None = None
    """Whether every job that is dispatched to it is encrypted."""
    limit: Limit | None = None
    """What the three of the rate limit mean together."""


class QueueCounts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How many jobs of a queue are where."""

    name: str
    pending: int = 0
    """Due now and never tried."""
    delayed: int = 0
    """Not due yet and never tried."""
    processing: int = 0
    retrying: int = 0
    """Waiting for another try, due or not."""
    completed: int = 0
    """Since the store was made, not what the window still holds."""
    failed: int = 0
    """In the failed store now."""
    cancelled: int = 0
    """Since the store was made."""
    oldest_due_us: int | None = None
    """When the job that waits longest became due."""
    paused: bool = False
    paused_until_us: int | None = None
    pause_reason: str | None = None
    definition: QueueDefinition | None = None


class Page(msgspec.Struct, frozen=True, gc=False):
    """Some jobs, newest first, and where the next page begins."""

    jobs: tuple[StoredJob, ...]
    next_cursor: str | None = None


class Restored(msgspec.Struct, frozen=True, gc=False):
    """What one step of bringing dropped jobs back did."""

    ids: tuple[str, ...] = ()
    refused: tuple[tuple[str, Refusal], ...] = ()
    """Ids of those that stay dropped, and why; more than one step may tell of the same."""
    cursor: str | None = None
    """Where the next step begins; None when this was the last."""


class LockRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A lock that is held."""

    key: str
    kind: LockKind
    owner: str
    """Id of the job that holds it."""
    taken_us: int
    until_us: int | None = None
    """When it is free whatever became of the job; None: as long as that lives."""


class LockPage(msgspec.Struct, frozen=True, gc=False):
    """Some locks, by key, and where the next page begins."""

    locks: tuple[LockRecord, ...]
    next_cursor: str | None = None


class LimitRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A limit by which jobs start."""

    key: str
    """Class path, the key in it, window and strategy; of a queue's own `queue` and its name."""
    strategy: str
    most: int
    window_us: int
    used: int
    """What of its window is used up now."""
    opens_us: int
    """When a job that asks now would start, by the store's clock."""

    @staticmethod
    def of(key: str, state: State, now_us: int) -> LimitRecord:
        """Show what is known of a limit."""
        return LimitRecord(
            key=key,
            strategy=state.strategy.name.lower(),
            most=state.most,
            window_us=state.window_us,
            used=used(state, now_us),
            opens_us=max(earliest(state, state.starts, now_us), earliest(state, state.plan, now_us)),
        )


def limit_in_force(definition: QueueDefinition | None, own: bytes | None) -> Limit | None:
    """The limit of a queue: the operator's word (`limits.pack_own`), or where there is none the definition's."""
    if own is not None:
        return unpack_own(own)
    return definition.limit if definition is not None else None


class LimitPage(msgspec.Struct, frozen=True, gc=False):
    """Some limits, by key, and where the next page begins."""

    limits: tuple[LimitRecord, ...]
    now_us: int
    """The instant of all of them."""
    next_cursor: str | None = None


class RunningRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A job in a worker's hands."""

    id: str
    job: str
    queue: str
    attempt: int
    runtime_s: float
    """Since it began, as of the worker's last report."""


class StackRecord(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where the threads and tasks of a worker were, without values."""

    at_us: int
    """When it was asked, by its host's clock."""
    text: str


class WorkerRecord(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A worker as it last reported itself."""

    id: str
    """Host, pid and chance: new at every start."""
    supervisor: str
    """Id of the process above it; its own where there is none."""
    host: str
    pid: int
    queues: tuple[str, ...]
    started_us: int
    state: str
    """`running`, `paused` or `stopping`; of a supervisor without a registered child `starting` or `crashing`."""
    running: tuple[RunningRecord, ...] = ()
    places: int = 1
    """Jobs it runs at a time."""
    jobs: int = 0
    """Attempts since its start."""
    failures: int = 0
    busy_s: float = 0.0
    """Seconds spent in jobs, all places together."""
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    beat_us: int = 0
    """When it last reported, by the store's clock; filled in by the store."""
    stack: StackRecord | None = None
    """Told for half a minute to who asked for it."""


class WorkerCommand(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What somebody left for a worker, or a supervisor, to do."""

    id: str
    """New each time it is said."""
    address: str
    """Id of the worker or supervisor."""
    command: str


class Trait(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A setting or a version of the store that decides what it may lose; the driver knows what it means."""

    name: str
    value: str
    risk: str = ""
    """What may come of this value, in one line; empty: nothing."""
    remedy: str = ""
    is_grave: bool = False
    """Jobs may be lost, or none be taken, while everything works as it is set up."""

    @classmethod
    def of_writing(cls, name: str, value: str, *, reads_only: bool, remedy: str) -> Trait:
        """Tell of what decides whether a store may be written to; the remedy is for one that may only be read."""
        if not reads_only:
            return cls(name=name, value=value)
        risk = "it may only be read: no job can be dispatched, run or ended"
        return cls(name=name, value=value, risk=risk, remedy=remedy, is_grave=True)


class StoreFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a store tells of itself; None where it has nothing of the kind, or does not tell."""

    product: str
    """As its makers call it."""
    version: str = ""
    now_us: int
    """By its clock."""
    latency_s: float
    """Of one question and its answer, on a connection that stands."""
    skew_s: float = 0.0
    """By how much its clock is ahead of this host's."""
    revision: str | None = None
    """Of its tables; None where there are none."""
    wanted_revision: str | None = None
    """Which this version needs; None for a store without a schema."""
    is_known_revision: bool = True
    file_bytes: int | None = None
    """Of an embedded store, its journal included."""
    free_bytes: int | None = None
    """Of the disk that it is on."""
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    """0: it has no limit."""
    eviction: Trait | None = None
    library: Trait | None = None
    """The version of what reads and writes it."""
    durability: tuple[Trait, ...] = ()
    """What decides whether a crash or a power cut loses anything."""
    writing: Trait | None = None
    """Whether it may be written to, or only read."""
