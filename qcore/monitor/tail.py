"""What happens, told as it happens: read from the lists of jobs again and again, so that nobody pays who does not ask.

An event is told from what the store keeps of its job, so that one that came and went between two looks is told in
full. What left the lists meanwhile is not told: a job that was forgotten, or more jobs than the lists keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from qcore.clock import Clock, SystemClock, instant, microseconds
from qcore.filters import STATES, Filter
from qcore.monitor.reading import snapshot
from qcore.monitor.selection import place_of, sources_of, with_names
from qcore.monitor.snapshots import JobSnapshot
from qcore.states import JobState

if TYPE_CHECKING:
    from qcore.manager import QueueManager
    from qcore.records import StoredJob

_PAGE = 200
_MOST_PAGES = 25
"""Of one list, at one look."""
_MOST_PAGES_OF_LATER = 5
"""Of a list of jobs that wait for later: what is new may stand anywhere in it."""
_LATER = frozenset({"delayed", "retrying"})
_LATE = timedelta(seconds=1)
"""How much later than another an event may be stored that came before it."""
_LAST = {
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


class Happening(StrEnum):
    """What can happen to a job."""

    DISPATCHED = "dispatched"
    STARTED = "started"
    RETRYING = "retrying"
    """An attempt failed, and another follows."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ORDER = {what: place for place, what in enumerate(Happening)}


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a job, and how the job looked when that was read."""

    at: datetime
    what: Happening
    job: JobSnapshot
    attempt: int
    """0: it has not been tried."""
    error: str | None = None


class _Key(NamedTuple):
    job_id: str
    what: Happening
    at: datetime


class Tail:
    """Follows what happens to jobs.

    Args:
        manager: whose connections are read.
        chosen: which jobs.
        connection: which alone; if None all in use, or that of each queue that the filter names.
        since: from when on; if None from the first look on, which then tells nothing.
        clock: tells ages.
    """

    def __init__(
        self,
        manager: QueueManager,
        chosen: Filter,
        *,
        connection: str | None = None,
        since: datetime | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.has_skipped = False
        """Whether more happened since the last look than was looked at."""
        self._manager = manager
        self._chosen = chosen
        self._sources = sources_of(manager, chosen, connection, everywhere=True)
        self._since = since
        self._is_first = since is None
        self._clock = clock or SystemClock()
        self._told: dict[_Key, None] = {}
        self._newest: datetime | None = None

    def look(self) -> list[JobEvent]:
        """What has happened since the look before, oldest first.

        Raises:
            ConnectionFailed: a store does not answer; nothing is lost by looking again.
        """
        self.has_skipped = False
        found: dict[_Key, JobEvent] = {}
        for connection, queue in self._sources:
            for view in (view for view in STATES if view in self._chosen.states):
                for job in self._read(connection, queue, view):
                    found |= {_Key(event.job.id, event.what, event.at): event for event in events_of(job)}
        fresh = {key: event for key, event in found.items() if key not in self._told and self._is_wanted(event)}
        self._remember(fresh)
        if self._is_first:
            self._is_first = False
            return []
        return sorted(fresh.values(), key=lambda event: (event.at, event.job.id, _ORDER[event.what]))

    def _is_wanted(self, event: JobEvent) -> bool:
        return self._since is None or event.at >= self._since

    def _remember(self, fresh: dict[_Key, JobEvent]) -> None:
        """Note what was told, as far back as it may be met again."""
        self._told.update(dict.fromkeys(fresh))
        newest = max((key.at for key in fresh), default=self._newest)
        if newest is None:
            return
        self._newest = newest if self._newest is None else max(newest, self._newest)
        self._since = max(filter(None, (self._since, self._newest - _LATE)))
        self._told = {key: None for key in self._told if key.at >= self._since}

    def _read(self, connection: str, queue: str | None, view: str) -> Iterator[JobSnapshot]:
        """The jobs of one list that may have something to tell, and that the filter asks for."""
        now_us = self._clock.wall_us()
        rest = self._chosen.rest
        for stored in self._recent(connection, queue, view, payloads=bool(rest.in_payload)):
            keyring = self._manager.keyring(connection) if rest.in_payload else None
            job = snapshot(stored, connection, keyring, now_us=now_us, full=True)
            if rest.matches(with_names(job) if rest.in_payload else job, instant(now_us)):
                yield job

    def _recent(self, connection: str, queue: str | None, view: str, *, payloads: bool) -> Iterator[StoredJob]:
        """What is new in a list: from its newest job on, as far back as what was told already."""
        store, cursor = self._manager.connection(connection), None
        since_us = 0 if self._since is None else microseconds(self._since)
        for _ in range(_MOST_PAGES_OF_LATER if view in _LATER else _MOST_PAGES):
            page = store.page(view, queue=queue, cursor=cursor, limit=_PAGE, payloads=payloads)
            yield from (job for job in page.jobs if _has_news(job, since_us))
            cursor = page.next_cursor
            is_known = bool(page.jobs) and place_of(view, page.jobs[-1])[0] < since_us
            if cursor is None or is_known or self._is_first:
                return
        self.has_skipped = self.has_skipped or view not in _LATER


def _has_news(job: StoredJob, since_us: int) -> bool:
    """Whether something may have happened to it since: what it keeps of its errors is worth a look."""
    return job.history is not None or max(job.created_us, job.reserved_us or 0, job.ended_us or 0) >= since_us


def events_of(job: JobSnapshot) -> Iterator[JobEvent]:
    """All that is known to have happened to a job, told from what the store keeps of it."""
    yield JobEvent(at=job.created_at, what=Happening.DISPATCHED, job=job, attempt=0)
    is_over = job.state in _LAST
    last = job.failures[-1] if job.failures and job.state is JobState.FAILED else None
    for failure in job.failures:
        if failure is not last and failure.at >= job.created_at:
            error = f"{failure.kind}: {failure.text}" if failure.text else failure.kind
            yield JobEvent(at=failure.at, what=Happening.RETRYING, job=job, attempt=failure.attempt, error=error)
    running = job.attempts if is_over else job.attempts + 1
    if job.reserved_at is not None:
        yield JobEvent(at=job.reserved_at, what=Happening.STARTED, job=job, attempt=running)
    if is_over and job.ended_at is not None:
        why = job.error if job.state is JobState.FAILED else None
        yield JobEvent(at=job.ended_at, what=Happening(_LAST[job.state]), job=job, attempt=job.attempts, error=why)
