"""What the store can tell a person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING

from qcore.records import LimitPage, LockPage, Page, QueueCounts, StoredJob, WorkerRecord

if TYPE_CHECKING:
    from qcore.drivers.shelf.ordered import Key
    from qcore.drivers.shelf.shelf import Shelf


class Reading:
    """The `Reader` face."""

    _shelf: Shelf

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Count the jobs of the named queues, or of all, sorted by name."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            names = self._shelf.lanes if queues is None else set(queues)
            return [lane.counts(now_us) for lane in self._shelf.known(sorted(names))]

    def find(self, job_id: str) -> StoredJob | None:
        """Read one job whole, wherever it is in its life."""
        with self._shelf.lock:
            entry = self._shelf.entries.get(job_id)
            return entry.stored(self._shelf.now()) if entry is not None else None

    def page(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
    ) -> Page:
        """List jobs of a view, newest first; see `Reader.page`."""
        bound = _key(cursor) if cursor else None
        with self._shelf.lock:
            now_us = self._shelf.now()
            lanes = self._shelf.lanes.values() if queue is None else self._shelf.known([queue])
            keys = [key for lane in lanes for key in lane.views[view].below(bound, limit + 1)]
            shown = nlargest(limit, keys)
            jobs = tuple(self._shelf.entries[key[-1]].stored(now_us, whole=payloads) for key in shown)
        return Page(jobs, _cursor(shown[-1]) if len(keys) > len(shown) else None)

    def workers(self) -> Sequence[WorkerRecord]:
        """List the workers that reported within three lease terms, by supervisor and id."""
        with self._shelf.lock:
            return self._shelf.registry.known(self._shelf.now())

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List the locks that are held, by key."""
        with self._shelf.lock:
            return self._shelf.locks.page(cursor, limit, self._shelf.now())

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List the limits by which jobs started of late, by key."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            return self._shelf.limits.page(cursor, limit, now_us)

    def ping(self) -> float:
        """Ask the store for an answer; returns the seconds it took."""
        began = time.perf_counter()
        with self._shelf.lock:
            return time.perf_counter() - began


def _cursor(key: Key) -> str:
    return f"{key[0]}:{key[-1]}"


def _key(cursor: str) -> Key:
    stamp, _, job_id = cursor.partition(":")
    return (int(stamp), 0, job_id)
