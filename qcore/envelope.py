"""What travels to a store and what comes back of it. Drivers never open a payload; jobs never see a driver."""

from __future__ import annotations

import msgspec


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One dispatched job, sealed.

    What a store needs to order and list jobs lies outside; everything a worker needs is in `payload`, which
    repeats id, class and queue so that an envelope cannot be altered or moved unseen.
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
