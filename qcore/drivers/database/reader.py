"""The read side. Every reading sees one instant of the store."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.database.counting import Counting, Numbers
from qcore.drivers.database.flow_statements import counted_in
from qcore.drivers.database.flowing import callbacks_in, flow_of, steps_in
from qcore.drivers.database.moves import decode_tags, worker_of
from qcore.drivers.database.readings import Readings
from qcore.drivers.database.schema import EXCLUSIVE, FOREVER_US, REVISIONS, UNIQUE, UNTIL_START
from qcore.drivers.timing import timed
from qcore.errors import ConfigurationError
from qcore.flows import FlowPage, FlowRecord
from qcore.limits import unpack
from qcore.records import (
    LimitPage,
    LimitRecord,
    LockPage,
    LockRecord,
    Page,
    QueueCounts,
    QueueDefinition,
    StoredJob,
    StoreFacts,
)
from qcore.states import JobState, LockKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link
    from qcore.flows import FlowKind, Step
    from qcore.measures import Reading, Span

_AFTER_ALL = "g"
"""Behind every id."""
_MOST_RANKS = 64
"""Priorities of one queue that are read apart, each by its index; where there are more, they are sorted."""
_FIRST_RANK = -(2**63)
_decode_definition = msgspec.json.Decoder(QueueDefinition).decode
_LOCK_KINDS = {UNIQUE: LockKind.UNIQUE, UNTIL_START: LockKind.UNTIL_START, EXCLUSIVE: LockKind.EXCLUSIVE}
_Row = tuple[Any, ...]


class DatabaseReader:
    """The `Reader` face of a database."""

    _link: Link

    @cached_property
    def _counting(self) -> Counting:
        return Counting(self._link.tables, self._link.dialect)

    @cached_property
    def _readings(self) -> Readings:
        return Readings(self._link.tables, self._link.dialect)

    def counts(self, queues: Sequence[str] | None = None) -> Sequence[QueueCounts]:
        """Count the jobs of the named queues, or of all, sorted by name; see `Reader.counts`."""
        return self._link.read(lambda connection: self._counts(connection, queues))

    def find(self, job_id: str) -> StoredJob | None:
        """Read one job whole, wherever it is in its life."""

        def find(connection: Connection) -> StoredJob | None:
            at_us = self._instant(connection)
            for statement in self._readings.find:
                row = statement.run(connection, job_id=job_id, at_us=at_us).first()
                if row is not None:
                    return _stored(tuple(row))
            return None

        return self._link.read(find)

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
        if view not in self._readings.views:
            raise ConfigurationError(f'no view "{view}"', hint=f"views are: {', '.join(self._readings.views)}")
        below_us, below = _bound(cursor)
        values = {"below_us": below_us, "below": below, "most": limit + 1}

        def page(connection: Connection) -> list[_Row]:
            instant = {"at_us": self._instant(connection), **values}
            names = [queue] if queue is not None else self._names(connection)
            return [row for name in names for row in self._rows(connection, view, payloads, {"queue": name, **instant})]

        return _page(sorted(self._link.read(page), key=lambda row: (row[-1], row[0]), reverse=True), limit)

    def results(self, *, cursor: str | None = None, limit: int = 50) -> Page:
        """List completed jobs whose result is kept, by when that ends; see `Reader.results`."""

        def read(connection: Connection) -> list[_Row]:
            at_us = self._instant(connection)
            after_us, after = (at_us, "") if cursor is None else _bound(cursor)
            values = {"at_us": at_us, "after_us": after_us, "after": after, "most": limit + 1}
            return self._readings.results.run(connection, **values).all()

        rows = self._link.read(read)
        return _page(rows, limit)

    def locks(self, *, cursor: str | None = None, limit: int = 50) -> LockPage:
        """List the locks that are held, by key."""
        page = self._link.locking.say.page
        rows = self._link.read(lambda connection: page.run(connection, after=cursor or "", most=limit + 1)).all()
        shown = rows[:limit]
        return LockPage(tuple(map(_lock, shown)), shown[-1][0] if len(rows) > len(shown) else None)

    def limits(self, *, cursor: str | None = None, limit: int = 50) -> LimitPage:
        """List the limits by which jobs started of late; see `Reader.limits`."""
        page = self._link.limiting.say.page

        def read(connection: Connection) -> tuple[int, list[_Row]]:
            rows = page.run(connection, after=cursor or "", most=limit + 1).all()
            return self._instant(connection), rows

        now_us, rows = self._link.read(read)
        shown = tuple(LimitRecord.of(name, unpack(bytes(state)), now_us) for name, state in rows[:limit])
        return LimitPage(shown, now_us, shown[-1].key if len(rows) > limit else None)

    def flow(self, flow: str) -> FlowRecord | None:
        """Read one flow."""
        say, ids = self._link.flowing.say, self._link.dialect.pack([flow])
        row = self._link.read(lambda connection: say.read_flows.run(connection, ids=ids).first())
        return None if row is None else _flow(row)

    def flows(self, kinds: Sequence[FlowKind], *, cursor: str | None = None, limit: int = 50) -> FlowPage:
        """List flows, newest first; see `Reader.flows`."""
        say = self._link.flowing.say
        values = {"before": cursor or _AFTER_ALL, "most": limit + 1}
        names = self._link.dialect.pack([kind.value for kind in kinds])
        rows = self._link.read(lambda connection: say.page.run(connection, kinds=names, **values).all())
        shown = [_flow(row) for row in rows[:limit]]
        return FlowPage(tuple(shown), shown[-1].flow.id if len(rows) > len(shown) else None)

    def steps(self, flow: str) -> Sequence[Step]:
        """Read the steps of a flow, in order."""
        say = self._link.flowing.say
        return self._link.read(lambda connection: steps_in(say.steps_of.run(connection, flow_id=flow)))

    def steps_among(self, flow: str, ids: Sequence[str]) -> Sequence[Step]:
        """Read those of the ids that are steps of a flow."""
        del flow
        say, packed = self._link.flowing.say, self._link.dialect.pack(list(ids)) if ids else None
        return self._link.read(lambda connection: steps_in(say.steps.run(connection, ids=packed))) if ids else []

    def payloads_of(self, flow: str) -> Sequence[bytes]:
        """Read the payloads that a flow keeps for later."""
        say = self._link.flowing.say

        def read(connection: Connection) -> tuple[list[Step], Any]:
            steps = steps_in(say.steps_of.run(connection, flow_id=flow))
            return steps, say.callbacks.run(connection, flow_id=flow).scalar()

        steps, packed = self._link.read(read)
        later = [step.envelope for step in steps if step.envelope is not None and step.state.may_start]
        return [envelope.payload for envelope in (*later, *callbacks_in(packed).values())]

    def failed_of(self, flow: str, *, limit: int = 1000) -> Sequence[str]:
        """Name failed members of a flow, by id."""
        say = self._link.flowing.say
        return self._link.read(
            lambda connection: say.failed_members.run(connection, most=limit, **counted_in(flow)).scalars()
        )

    def readings(self, span: Span, first: int, after: int) -> Sequence[Reading]:
        """Read what was measured of jobs; see `Reader.readings`."""
        return self._link.read(lambda connection: self._link.measuring.read(connection, span, first, after))

    def ping(self) -> float:
        """Ask the store for an answer; returns the seconds it took."""
        began = time.perf_counter()
        self._link.run(self._instant, begin=())
        return time.perf_counter() - began

    def facts(self) -> StoreFacts:
        """Tell what the database is and how it is set up; see `Reader.facts`."""

        def read(connection: Connection) -> StoreFacts:
            revision = self._link.upgrade.found(connection)
            self._instant(connection)  # the first time it is compiled, which is not to be timed
            return StoreFacts(
                revision=revision,
                wanted_revision=REVISIONS[-1],
                is_known_revision=revision is None or revision in REVISIONS,
                **self._link.dialect.facts(connection),
                **timed(lambda: self._instant(connection)),
            )

        return self._link.look(read)

    def _instant(self, connection: Connection) -> int:
        return int(self._readings.instant.run(connection).scalar())

    def _names(self, connection: Connection) -> list[str]:
        return [row[0] for row in self._readings.known_queues.run(connection)]

    def _counts(self, connection: Connection, queues: Sequence[str] | None) -> Sequence[QueueCounts]:
        at_us = self._instant(connection)
        known = [row for row in self._readings.known_queues.run(connection) if queues is None or row[0] in queues]
        if not known:
            return []
        numbers = self._counting.read(connection, [row[0] for row in known], at_us)
        return [_counted(tuple(row), numbers[row[0]], at_us) for row in known if row[0] in numbers]

    def _rows(self, connection: Connection, view: str, whole: bool, values: dict[str, Any]) -> Iterator[_Row]:
        for place, branch in enumerate(self._readings.views[view]):
            ranks = self._ranks(connection, values["queue"]) if branch.by_rank else None
            statement = self._readings.page(view, place, whole, ranks is not None)
            for rank in [None] if ranks is None else ranks:
                extra = {} if rank is None else {"rank": rank}
                yield from (tuple(row) for row in statement.run(connection, **values, **extra))

    def _ranks(self, connection: Connection, queue: str) -> list[int] | None:
        """The ranks of the queue's ready jobs, each found by one step of the index; None if they are many."""
        ranks: list[int] = []
        after = _FIRST_RANK
        while len(ranks) < _MOST_RANKS:
            found = self._readings.next_rank.run(connection, queue=queue, after=after).scalar()
            if found is None:
                return ranks
            ranks.append(found)
            after = found
        return None


def _lock(row: _Row) -> LockRecord:
    key, kind, owner, taken_us, until_us = row
    return LockRecord(key=key, kind=_LOCK_KINDS[kind], owner=owner, taken_us=taken_us, until_us=until_us)


def _page(rows: list[_Row], limit: int) -> Page:
    """The first rows, each with the instant that orders them at its end, and where the rest begins."""
    shown = rows[:limit]
    more = f"{shown[-1][-1]}:{shown[-1][0]}" if len(rows) > len(shown) else None
    return Page(tuple(_stored(row) for row in shown), more)


def _bound(cursor: str | None) -> tuple[int, str]:
    if cursor is None:
        return FOREVER_US, ""
    instant, _, job_id = cursor.partition(":")
    try:
        return int(instant), job_id
    except ValueError as error:
        raise ConfigurationError(f'"{cursor}" is no cursor of a page') from error


def _stored(row: _Row) -> StoredJob:
    state = JobState(row[10])
    return StoredJob(
        id=row[0],
        job=row[1],
        queue=row[2],
        state=state,
        priority=-row[3],
        attempts=row[4],
        crashes=row[5],
        created_us=row[6],
        due_us=row[7],
        reserved_us=row[8],
        worker=worker_of(row[9]) if row[9] else None,
        ended_us=row[11],
        runtime_s=row[12] / 1_000_000 if row[12] is not None else None,
        cancel_requested=bool(row[13]),
        progress=row[14],
        progress_note=row[15],
        flow=row[16],
        tags=decode_tags(row[17]) if row[17] else (),
        payload=row[18] or b"",
        history=row[19],
        result=row[20],
    )


def _counted(queue: _Row, numbers: Numbers, at_us: int) -> QueueCounts:
    name, definition, paused_until_us, reason = queue
    retrying_due = numbers.retrying - numbers.retrying_later
    oldest = [us for us in (numbers.oldest_ready_us, numbers.first_us) if us is not None and us <= at_us]
    is_paused = paused_until_us is not None and paused_until_us > at_us
    return QueueCounts(
        name=name,
        pending=numbers.ready + numbers.due - retrying_due,
        delayed=numbers.delayed - numbers.due - numbers.retrying_later,
        processing=numbers.leased,
        retrying=numbers.retrying,
        failed=numbers.failed,
        completed=numbers.completed,
        cancelled=numbers.cancelled,
        oldest_due_us=min(oldest, default=None),
        paused=is_paused,
        paused_until_us=paused_until_us if is_paused and paused_until_us != FOREVER_US else None,
        pause_reason=reason if is_paused else None,
        definition=_decode_definition(definition) if definition else None,
    )


def _flow(row: _Row) -> FlowRecord:
    return FlowRecord(flow=flow_of(row), options=row[-1] or b"")
