"""The jobs that a filter selects, newest first: by index where a store has one, and row by row from there."""

from __future__ import annotations

import inspect
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from qcore.clock import Clock, SystemClock, instant
from qcore.filters import STATES, Filter, state_of
from qcore.monitor.reading import snapshot
from qcore.monitor.silence import Silence
from qcore.monitor.snapshots import JobSnapshot, JobsPage
from qcore.records import Page, StoredJob

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.manager import QueueManager

SCAN_MOST = 100_000
"""Jobs that one question looks at where no index tells which of them match."""
_STEP = 500
_STEP_OF_PAYLOADS = 50
"""Smaller, since a payload may have megabytes."""
_ENDED = frozenset({"completed", "failed", "cancelled"})
_BEGINNING, _OVER = "", "."

Place = tuple[int, str]
"""Where a job stands in a view: its instant, then its id; the larger ones come first."""
_NOWHERE: Place = (-sys.maxsize, "")


class Found(NamedTuple):
    """A job that matches."""

    store: Store
    job: JobSnapshot


class Selection:
    """Jobs that match a filter, state by state, newest first in each, whatever stores and queues they are on.

    States and queues are left to the stores, and jobs whose ids are given are looked up by them. What else the filter
    asks is judged job by job, of the newest `scan_most` at the most, and `scanned_limit` tells whether there were more.

    Args:
        manager: whose connections are read.
        chosen: what is to be selected.
        views: which states, in this order; those that the filter leaves.
        connection: which alone; if None that of each queue, or the default where the filter names no queue.
        everywhere: all connections in use instead of the default.
        bounded: look at no more than `scan_most` also where the filter leaves nothing to judge.
        scan_most: jobs that are judged at the most.
        clock: tells ages.
    """

    def __init__(
        self,
        manager: QueueManager,
        chosen: Filter,
        *,
        views: Sequence[str] = STATES,
        connection: str | None = None,
        everywhere: bool = False,
        bounded: bool = False,
        scan_most: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.views = tuple(view for view in views if view in chosen.states)
        self.sources = sources_of(manager, chosen, connection, everywhere=everywhere)
        self.is_judged = bool(chosen.rest)
        self.scanned_limit = False
        self._manager = manager
        self._silence = Silence(manager.settings)
        self._rest = chosen.rest
        self._ids = chosen.ids
        self._named: dict[str, list[StoredJob]] = {}
        self._most = (SCAN_MOST if scan_most is None else scan_most) if self.is_judged or bounded else sys.maxsize
        self._left = self._most
        self._now_us = (clock or SystemClock()).wall_us()
        self._now = instant(self._now_us)
        self._ended_since = self._rest.ended_since(self._now)
        self._view = 0
        self._lines: list[_Line] = []
        self._last: Place | None = None

    def __iter__(self) -> Iterator[Found]:
        return self.read()

    def read(self, cursor: str | None = None, step: int = _STEP) -> Iterator[Found]:
        """Go through all that match, from the beginning or from where a page ended.

        Args:
            cursor: `next_cursor` of the page before.
            step: jobs that a store is asked for at a time.

        Raises:
            ValueError: no cursor of this selection.
        """
        starts = self._resume(cursor)
        step = min(step, _STEP_OF_PAYLOADS if self._rest.in_payload else _STEP)
        for number in range(self._view, len(self.views)):
            self._view = number
            self._lines = [self._line(source, start, step) for source, start in zip(self.sources, starts, strict=True)]
            yield from self._merged()
            if self.scanned_limit:
                return
            self._last, starts = None, [_BEGINNING] * len(self.sources)
        self._view = len(self.views)

    def page(self, limit: int, cursor: str | None = None) -> JobsPage:
        """List some of them.

        Args:
            limit: jobs at the most; fewer come, and perhaps none, where the jobs looked at did not suffice.
            cursor: `next_cursor` of the page before.

        Raises:
            ValueError: no cursor of this selection.
        """
        jobs: list[JobSnapshot] = []
        for found in self.read(cursor, _STEP if self.is_judged else limit):
            jobs.append(found.job)
            if len(jobs) == limit:
                break
        return JobsPage(jobs=tuple(jobs), next_cursor=self._cursor(), scanned_limit=self.scanned_limit)

    def _line(self, source: tuple[str, str | None], start: str, step: int) -> _Line:
        name, queue = source
        line = _Line(self._manager.connection(name), name, self.views[self._view], queue, step)
        if self._ids is not None:
            line.named = [job for job in self._of_ids(name, self._ids) if queue in {None, job.queue}]
        line.with_payloads = bool(self._rest.in_payload)
        line.begin(start, self._last)
        return line

    def _of_ids(self, connection: str, ids: Iterable[str]) -> list[StoredJob]:
        """The jobs of these ids that are in the state under way; each is looked up once."""
        if connection not in self._named:
            find = self._manager.connection(connection).find
            self._named[connection] = [job for job in map(find, ids) if job is not None]
        shown = [(job, self._shown(job, connection, full=False)) for job in self._named[connection]]
        return [job for job, told in shown if state_of(told) == self.views[self._view]]

    def _merged(self) -> Iterator[Found]:
        """Those of one view that match, of all sources together."""
        view = self.views[self._view]
        while (line := max(self._lines, key=_Line.head, default=None)) is not None and line.head() is not _NOWHERE:
            if self._left <= 0:
                self.scanned_limit = True
                return
            if self._is_too_old(view, line.head()):
                self._lines.clear()
                return
            self._left -= 1
            self._last = line.head()
            job = line.take()
            shown = self._shown(job, line.connection, full=False)
            if self._rest.brief.matches(shown, self._now) and self._has_in_payload(job, line.connection):
                yield Found(line.store, shown)

    def _is_too_old(self, view: str, place: Place) -> bool:
        """Whether this one, and all that come after it, ended before the filter cares."""
        return view in _ENDED and self._ended_since is not None and instant(place[0]) < self._ended_since

    def _has_in_payload(self, job: StoredJob, connection: str) -> bool:
        if not self._rest.in_payload:
            return True
        return self._rest.in_payload.matches(with_names(self._shown(job, connection, full=True)), self._now)

    def _shown(self, job: StoredJob, connection: str, *, full: bool) -> JobSnapshot:
        keyring = self._manager.keyring(connection) if full else None
        return self._silence.mark(snapshot(job, connection, keyring, now_us=self._now_us, full=full))

    def _cursor(self) -> str | None:
        """Where the next page begins: view, place of the last job looked at, and the page in hand of each source."""
        if self._view >= len(self.views):
            return None
        if all(line.is_over for line in self._lines):
            following = self.views[self._view + 1 : self._view + 2]
            return following[0] if following else None
        place = ("", "") if self._last is None else (str(self._last[0]), self._last[1])
        parts = (self.views[self._view], *place, *(line.start for line in self._lines))
        return "/".join(quote(part, safe=":") for part in parts)

    def _resume(self, cursor: str | None) -> list[str]:
        """Go to where a cursor points; returns where each source begins."""
        self._view, self._last, self._lines = 0, None, []
        self._left, self.scanned_limit = self._most, False
        self._named.clear()
        if cursor is None:
            return [_BEGINNING] * len(self.sources)
        view, *parts = map(unquote, cursor.split("/"))
        if view not in self.views or len(parts) not in {0, 2 + len(self.sources)}:
            raise ValueError(f"no cursor of this list: {cursor!r}")
        self._view = self.views.index(view)
        if not parts:
            return [_BEGINNING] * len(self.sources)
        at_us, job_id, *starts = parts
        self._last = (int(at_us), job_id) if at_us else None
        return starts


class _Line:
    """What a store holds of one view, for all queues or one, read page by page."""

    with_payloads = False
    named: Iterable[StoredJob] | None = None
    """All that it holds, in no order, where that is known already."""

    def __init__(self, store: Store, connection: str, view: str, queue: str | None, step: int) -> None:
        self.store = store
        self.connection = connection
        self._view = view
        self._queue = queue
        self._step = step
        self._jobs: deque[StoredJob] = deque()
        self._page: str = _BEGINNING
        self._next: str | None = None
        self._after: Place | None = None

    def begin(self, start: str, after: Place | None) -> None:
        """Begin at a page, with the first job that comes after a place."""
        self._next = None if start == _OVER else start
        self._after = after

    @property
    def is_over(self) -> bool:
        """Whether it is known that nothing is left."""
        return not self._jobs and self._next is None

    @property
    def start(self) -> str:
        """The page to begin with another time."""
        if self._jobs:
            return self._page
        return _OVER if self._next is None else self._next

    def head(self) -> Place:
        """Where the next job stands; `_NOWHERE` at the end."""
        while not self._jobs and self._next is not None:
            self._load(self._next)
        return place_of(self._view, self._jobs[0]) if self._jobs else _NOWHERE

    def take(self) -> StoredJob:
        """Take the next job."""
        return self._jobs.popleft()

    def _load(self, start: str) -> None:
        page = self._read(start)
        jobs = (job for job in page.jobs if self._after is None or place_of(self._view, job) < self._after)
        self._jobs.extend(jobs)
        self._page, self._next = start, page.next_cursor

    def _read(self, start: str) -> Page:
        if self.named is not None:
            return Page(tuple(sorted(self.named, key=lambda job: place_of(self._view, job), reverse=True)), None)
        return self.store.page(
            self._view,
            queue=self._queue,
            cursor=start or None,
            limit=self._step,
            payloads=self.with_payloads,
        )


def place_of(view: str, job: StoredJob) -> Place:
    """Where a job stands in a list of that view."""
    if view in _ENDED:
        return (job.ended_us or 0, job.id)
    return (job.reserved_us or 0 if view == "processing" else job.due_us, job.id)


def sources_of(
    manager: QueueManager, chosen: Filter, connection: str | None, *, everywhere: bool
) -> list[tuple[str, str | None]]:
    """The connections and queues that are read: a name, and a queue or None for all of its queues."""
    if chosen.queues is None:
        if connection is None and everywhere:
            return [(name, None) for name in manager.connections_in_use()]
        return [(manager.settings.connection(connection).name, None)]
    return [
        (manager.settings.connection(connection).name if connection else manager.connection_of(queue).name, queue)
        for queue in sorted(chosen.queues)
    ]


def with_names(job: JobSnapshot) -> JobSnapshot:
    """Give the arguments that were dispatched by position the names of their parameters, where the class is loaded."""
    payload = job.payload or {}
    given = dict(zip(_parameters(job.job), payload.get("args", ()), strict=False))
    return msgspec.structs.replace(job, payload={**payload, "kwargs": {**given, **payload.get("kwargs", {})}})


@lru_cache(maxsize=1024)
def _parameters(path: str) -> tuple[str, ...]:
    """The names of a job's positional parameters; none where its module is not imported: nothing is, to show a job."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in parameters if one.kind in positional)
