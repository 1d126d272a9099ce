"""What travels to a store and what comes back of it. Drivers never open a payload; jobs never see a driver."""

from __future__ import annotations

from enum import Enum

import msgspec

from qcore.limits import Limit


class Unique(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A lock that a job takes as it is stored: while it is held, no other job of its key can be."""

    key: str
    """190 characters at the most."""
    until_start: bool = False
    """It ends when the job starts, not when it ends."""
    for_us: int = 0
    """From the store's now, after which it is free whatever became of the job; 0: as long as the job lives."""
    replaces: bool = False
    """A holder that waits is cancelled and makes room; one that was reserved refuses all the same."""
    max_wait_us: int = 0
    """Due no later than so long after the first of those that were replaced; 0: whatever the delay says."""
    via: str | None = None
    """The connection that keeps the lock, if not the job's own: then it is none of the job's store's business."""


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One dispatched job, sealed.

    What a store needs to order and list jobs lies outside; everything a worker needs is in `payload`, which
    repeats id, class, queue, priority, tags and flow so that an envelope cannot be altered or moved unseen.
    """

    id: str
    """UUIDv7, made by the client, so that a push whose reply was lost can be repeated."""
    job: str
    """Class path, `module:QualName`."""
    queue: str
    payload: bytes
    priority: int = 0
    """Larger first."""
    delay_us: int = 0
    """From the store's now; ignored where `due_us` is set."""
    due_us: int | None = None
    """An instant, microseconds since the epoch, when dispatched for a point in time."""
    tags: tuple[str, ...] = ()
    bypass_capacity: bool = False
    """Next steps, callbacks and an operator's retries always enter a full queue."""
    unique: Unique | None = None
    """The lock it needs to be stored."""
    flow: str | None = None
    """The batch, chain or graph it belongs to, and what it is to it (`flows.membership`)."""


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A job in one worker's hands until it is settled or the lease runs out."""

    id: str
    job: str
    queue: str
    payload: bytes
    token: str
    """Proves ownership; every reserve makes a new one."""
    attempts: int = 0
    """Tries charged before this one."""
    exceptions: int = 0
    """Attempts that ended by an exception."""
    crashes: int = 0
    reclaims: int = 0
    created_us: int = 0
    """When the store took the job; an operator's retry sets it anew."""
    due_us: int = 0
    reserved_us: int = 0
    history: bytes | None = None
    """The errors so far, packed by `records.pack_history`."""
    cancel_requested: bool = False
    crash_reason: str | None = None
    """Why the worker that ran it last died under it, where its supervisor saw that (see `Driver.forfeit`)."""
    lock: str | None = None
    """Key of the unique lock that the job took; its `Settlement` carries it back."""
    flow: str | None = None
    """As its `Envelope` said; its `Settlement` carries it back."""
    priority: int = 0
    tags: tuple[str, ...] = ()


class Exclusive(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A lock that a job holds while it runs: of all jobs of its key one runs at a time."""

    key: str
    """190 characters at the most."""
    expire_us: int = 0
    """From its start, after which it is free although the job still runs; 0: as long as its lease lasts."""


class Start(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a leased job needs before it may run."""

    id: str
    token: str
    lock: str | None = None
    """Key of a unique lock that ends now (`Unique.until_start`)."""
    exclusive: Exclusive | None = None
    limits: tuple[Limit, ...] = ()
    """It starts by all of them, or by none."""
    ahead: bool = False
    """It does not start yet: it is only to be sent away where a limit is shut. Else it is told LATER, 0."""


class StartVerdict(Enum):
    """Whether a leased job may run."""

    STARTED = "started"
    LOST = "lost"
    """The lease is no longer held: the job must not run, and its end would be refused."""
    LATER = "later"
    """Not now, and nothing was taken or freed."""


class Started(msgspec.Struct, frozen=True, gc=False):
    """The answer to one `Start`."""

    verdict: StartVerdict
    delay_us: int = 0
    """LATER: when it is worth asking again, from now."""
    is_slot: bool = False
    """LATER: that instant is kept for this job by its limits."""
