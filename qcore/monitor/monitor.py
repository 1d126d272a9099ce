"""The read side: what the queues, jobs and stores look like now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qcore.clock import Clock, SystemClock, instant
from qcore.config import mask_url
from qcore.errors import ConfigurationError, JobNotFound, QueueError
from qcore.filters import STATES, Filter
from qcore.monitor.keeping import Kept
from qcore.monitor.pace import clears_in_s, paces
from qcore.monitor.reading import limit_snapshot, lock_snapshot, snapshot, unused_limit, worker_snapshot
from qcore.monitor.selection import Selection
from qcore.monitor.snapshots import (
    BackendSnapshot,
    JobSnapshot,
    JobsPage,
    LimitSnapshot,
    LimitsPage,
    LockSnapshot,
    LocksPage,
    QueueSnapshot,
    StatsSnapshot,
    TotalsSnapshot,
    WorkerSnapshot,
)
from qcore.monitor.spread import across

if TYPE_CHECKING:
    from qcore.manager import QueueManager
    from qcore.records import QueueCounts, StoredJob

_TRIPS, _COUNTED_S = 10, 0.02
"""A count goes to a store and back so often, at the most; one that takes so many seconds costs nothing yet."""
VIEWS = STATES
"""The lists of jobs there are."""


class Monitor:
    """Answers what a person asks about the queues; changes nothing.

    Args:
        manager: whose connections are read.
        clock: tells ages; the host's if None.
    """

    def __init__(self, manager: QueueManager, clock: Clock | None = None) -> None:
        self._manager = manager
        self._clock = clock or SystemClock()

    def stats(
        self, queues: Sequence[str] | None = None, connection: str | None = None, kept: Kept | None = None
    ) -> StatsSnapshot:
        """Count jobs by queue and state.

        Args:
            queues: only these; all that the store knows if None.
            connection: whose; the default connection's if None.
            kept: counts of a moment ago will do, where counting takes long.

        Returns:
            The counts, and how fast the store answered (ms); a queue that it does not know is told of in `warnings`.

        Raises:
            ConnectionFailed: the store does not answer.
            ConfigurationError: there is no such connection.
        """
        settings = self._manager.settings.connection(connection)
        store = self._manager.connection(settings.name)
        latency_s = store.ping()
        served = Counter(queue for worker in store.workers() for queue in worker.queues)
        pace = paces(store, self._clock.wall_us()) if settings.metrics else None
        free_s = max(_COUNTED_S, _TRIPS * latency_s)
        counted = (kept or Kept()).read(lambda: store.counts(queues), queues, free_s)
        found = [self._queue(counts, settings.name, settings.driver, served[counts.name], pace) for counts in counted]
        unknown = sorted(set(queues or ()) - {queue.name for queue in found})
        return StatsSnapshot(
            generated_at=datetime.now(UTC),
            backend=BackendSnapshot(
                connection=settings.name,
                driver=settings.driver,
                url=mask_url(settings.url),
                latency_ms=round(latency_s * 1000, 3),
            ),
            totals=_totals(found),
            queues=tuple(found),
            warnings=tuple(f"queue {name!r} has had no jobs here" for name in unknown),
        )

    def jobs(
        self,
        view: str,
        *,
        queue: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        connection: str | None = None,
    ) -> JobsPage:
        """List jobs of a view, newest first.

        Args:
            view: one of `VIEWS`.
            queue: only this queue's.
            cursor: `next_cursor` of the page before.
            limit: jobs, 1 to 1,000.
            connection: whose; the queue's own, or the default, if None.

        Returns:
            The jobs, without their payloads; `next_cursor` is None on the last page.

        Raises:
            ConfigurationError: there is no such view or connection.
            ConnectionFailed: the store does not answer.
        """
        if view not in VIEWS:
            raise ConfigurationError(f"there is no list {view!r}", hint=f"lists are: {', '.join(VIEWS)}")
        name = connection or self._manager.connection_of(queue).name
        name = self._manager.settings.connection(name).name
        page = self._manager.connection(name).page(view, queue=queue, cursor=cursor, limit=limit)
        return JobsPage(
            jobs=tuple(self._snapshot(job, name, full=False) for job in page.jobs),
            next_cursor=page.next_cursor,
        )

    def select(
        self,
        chosen: Filter,
        *,
        views: Sequence[str] = VIEWS,
        connection: str | None = None,
        everywhere: bool = False,
        bounded: bool = False,
    ) -> Selection:
        """Select the jobs that match a filter; see `Selection`.

        Args:
            chosen: the filter, as `qcore.filters.parse` reads it.
            views: the lists that are looked through, of `VIEWS`.
            connection: whose; if None as the filter and `everywhere` say.
            everywhere: all connections in use instead of the default.
            bounded: judge no more than `Selection.scan_most` jobs, also where the filter leaves nothing to judge.

        Returns:
            What gives them when it is gone through; nothing was asked of a store yet.

        Raises:
            ConfigurationError: there is no such connection.
        """
        return Selection(
            self._manager,
            chosen,
            views=views,
            connection=connection,
            everywhere=everywhere,
            bounded=bounded,
            clock=self._clock,
        )

    def elsewhere(self, views: Sequence[str]) -> tuple[str, ...]:
        """Tell, in words, which connections in use besides the default hold jobs of these views too, or are silent."""
        return tuple(
            note for name in self._manager.connections_in_use()[1:] if (note := self._told(name, views)) is not None
        )

    def _told(self, name: str, views: Sequence[str]) -> str | None:
        try:
            store = self._manager.connection(name)
            is_held = any(store.page(view, limit=1).jobs for view in views)
        except QueueError as error:
            return f"connection {name!r} was not looked at: {error.message}"
        return f"connection {name!r} holds such jobs too: --connection {name}" if is_held else None

    def ping(self, connection: str | None = None) -> float:
        """Ask a store for an answer; returns the seconds it took.

        Args:
            connection: whose; the default connection's if None.

        Raises:
            ConnectionFailed: it does not answer.
        """
        return self._manager.connection(self._manager.settings.connection(connection).name).ping()

    def workers(self, connection: str | None = None) -> tuple[WorkerSnapshot, ...]:
        """List the workers that reported of late, by supervisor and id.

        Args:
            connection: whose; the default connection's if None.

        Raises:
            ConnectionFailed: the store does not answer.
        """
        name = self._manager.settings.connection(connection).name
        now_us = self._clock.wall_us()
        return tuple(worker_snapshot(one, name, now_us=now_us) for one in self._manager.connection(name).workers())

    def locks(self, *, cursor: str | None = None, limit: int = 50, connection: str | None = None) -> LocksPage:
        """List the locks that jobs hold, by key.

        Args:
            cursor: `next_cursor` of the page before.
            limit: locks, 1 to 1,000.
            connection: whose; if None those of every connection that is configured, one after the other, for
                `unique_via` may name any.

        Returns:
            A page of them; `next_cursor` is None on the last one.

        Raises:
            ConnectionFailed: the store does not answer; of one that no queue uses none are listed then.
        """
        in_use = self._in_use(connection)
        names = in_use if connection else self._manager.connections_known()
        now_us = self._clock.wall_us()

        def read(name: str, cursor: str | None, limit: int) -> tuple[list[LockSnapshot], str | None]:
            try:
                page = self._manager.connection(name).locks(cursor=cursor, limit=limit)
            except QueueError:
                if name in in_use:
                    raise
                return [], None
            return [lock_snapshot(lock, name, now_us=now_us) for lock in page.locks], page.next_cursor

        locks, next_cursor = across(names, cursor, limit, read)
        return LocksPage(locks=tuple(locks), next_cursor=next_cursor)

    def _in_use(self, connection: str | None) -> list[str]:
        """The connection that is named, or all in use."""
        known = self._manager.settings.connection
        return [known(connection).name] if connection else self._manager.connections_in_use()

    def limits(self, *, cursor: str | None = None, limit: int = 50, connection: str | None = None) -> LimitsPage:
        """List the limits by which jobs start, by key: those of late, and on the last page those that queues have.

        Args:
            cursor: `next_cursor` of the page before.
            limit: limits, 1 to 1,000.
            connection: whose; if None those of every connection in use, one after the other.

        Returns:
            A page of them; `next_cursor` is None on the last one.

        Raises:
            ConnectionFailed: a store does not answer.
        """
        limits, next_cursor = across(self._in_use(connection), cursor, limit, self._limits_of)
        return LimitsPage(limits=tuple(limits), next_cursor=next_cursor)

    def _limits_of(self, name: str, cursor: str | None, limit: int) -> tuple[list[LimitSnapshot], str | None]:
        store = self._manager.connection(name)
        page = store.limits(cursor=cursor, limit=limit)
        shown = [limit_snapshot(one, name, now_us=page.now_us) for one in page.limits]
        if page.next_cursor is None:
            known = {one.key for one in shown}
            unused = store.limited([counts.name for counts in store.counts()]).values()
            shown += [unused_limit(one, name) for one in unused if one.key not in known and one.key > (cursor or "")]
        return sorted(shown, key=lambda one: one.key), page.next_cursor

    def job(self, job_id: str, connection: str | None = None) -> JobSnapshot:
        """Show one job whole.

        Args:
            job_id: as `dispatch` returned it.
            connection: where to look; on every connection if None.

        Returns:
            The job with its arguments, result and errors, what is to be hidden masked.

        Raises:
            JobNotFound: no store knows it.
            ConnectionFailed: a store does not answer, and none of the others knows it.
        """
        job, name = self.find(job_id, connection)
        return self._snapshot(job, name, full=True)

    def find(self, job_id: str, connection: str | None = None) -> tuple[StoredJob, str]:
        """Find a job as stored; returns it and the name of its connection.

        Raises:
            JobNotFound: no store knows it.
            ConnectionFailed: a store does not answer, and none of the others knows it.
        """
        silent: QueueError | None = None
        names = [self._manager.settings.connection(connection).name] if connection else self._manager.connections()
        for name in names:
            try:
                job = self._manager.connection(name).find(job_id)
            except QueueError as error:
                silent = silent or error
                continue
            if job is not None:
                return job, name
        if silent is not None:
            raise silent
        raise JobNotFound(f"no job {job_id}", hint="it may have ended and left the window of completed jobs")

    def _snapshot(self, job: StoredJob, connection: str, *, full: bool) -> JobSnapshot:
        keyring = self._manager.keyring(connection) if full else None
        return snapshot(job, connection, keyring, now_us=self._clock.wall_us(), full=full)

    def _queue(
        self, counts: QueueCounts, connection: str, driver: str, workers: int, pace: Mapping[str, float] | None
    ) -> QueueSnapshot:
        oldest = counts.oldest_due_us
        per_min = None if pace is None else pace.get(counts.name, 0.0)
        drained_per_s = None if per_min is None or counts.paused else per_min / 60
        waiting = counts.pending + counts.retrying
        definition = counts.definition
        return QueueSnapshot(
            name=counts.name,
            connection=connection,
            driver=driver,
            pending=counts.pending,
            delayed=counts.delayed,
            processing=counts.processing,
            retrying=counts.retrying,
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
            oldest_pending_s=None if oldest is None else max(0.0, (self._clock.wall_us() - oldest) / 1e6),
            paused=counts.paused,
            paused_until=None if counts.paused_until_us is None else instant(counts.paused_until_us),
            pause_reason=counts.pause_reason,
            max_jobs=definition.max_jobs if definition else None,
            workers=workers,
            throughput_per_min=per_min,
            clears_in_s=None if drained_per_s is None else clears_in_s(waiting, drained_per_s),
        )


def _totals(queues: Sequence[QueueSnapshot]) -> TotalsSnapshot:
    return TotalsSnapshot(**{name: sum(getattr(queue, name) for queue in queues) for name in VIEWS})
