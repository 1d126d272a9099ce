"""What a supervisor asks of a store: values that travel to the process that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from qcore.drivers import Store
from qcore.drivers.base import MAX_RECLAIM
from qcore.envelope import Lease
from qcore.records import QueueCounts, WorkerCommand, WorkerRecord

_RECLAIMS = 50
"""Steps of one look."""


class Errand(Protocol):
    """One piece of business with a store."""

    def __call__(self, store: Store) -> Any:
        """Do it; returns what the store said.

        Raises:
            QueueError: the store did not answer, or refused.
        """
        ...


class Held(msgspec.Struct, frozen=True, array_like=True):
    """What one worker has in hand on the connection."""

    worker: str
    leases: tuple[tuple[str, str], ...]
    """Ids and tokens."""
    started: frozenset[str]
    """Ids of those that have begun."""


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """Keep leases alive, and prove that the store is there, also where nothing is held.

    Answers by worker the ids that somebody asked to cancel, and whether they are to be interrupted.
    """

    held: tuple[Held, ...]
    reclaims: bool = False
    """Then take back what others lost, all of it: a host may have held thousands. What is held here is renewed by
    then, also where the store's clock has leaped past its end."""

    def __call__(self, store: Store) -> dict[str, dict[str, bool]]:
        """Ask the store."""
        if not self.held:
            store.ping()
        cancelled = {one.worker: dict(store.heartbeat(one.worker, _leases(one), one.started)) for one in self.held}
        if self.reclaims:
            reclaim_all(store)
        return cancelled


class Forfeit(msgspec.Struct, frozen=True, array_like=True):
    """Give back all that a dead worker held, and charge some of it."""

    worker: str
    charged: dict[str, str]

    def __call__(self, store: Store) -> None:
        """Ask the store."""
        store.forfeit(self.worker, self.charged)


class Dismiss(msgspec.Struct, frozen=True, array_like=True):
    """Take workers off the registry."""

    workers: tuple[str, ...]

    def __call__(self, store: Store) -> None:
        """Ask the store."""
        store.dismiss(self.workers)


class Report(msgspec.Struct, frozen=True, array_like=True):
    """Register workers; answers the commands left for them."""

    workers: tuple[WorkerRecord, ...]
    taken: tuple[WorkerCommand, ...] = ()
    """Those that were obeyed, and that the store may forget."""

    def __call__(self, store: Store) -> list[WorkerCommand]:
        """Ask the store."""
        return list(store.report(self.workers, self.taken))


class Count(msgspec.Struct, frozen=True, array_like=True):
    """Count the jobs of queues."""

    queues: tuple[str, ...]

    def __call__(self, store: Store) -> Sequence[QueueCounts]:
        """Ask the store."""
        return list(store.counts(self.queues))


def _leases(held: Held) -> list[Lease]:
    return [Lease(id=job_id, job="", queue="", payload=b"", token=token) for job_id, token in held.leases]


def reclaim_all(store: Store) -> None:
    """Take back every job whose lease ran out, a thousand at a time."""
    for _ in range(_RECLAIMS):
        if len(store.reclaim()) < MAX_RECLAIM:
            return
