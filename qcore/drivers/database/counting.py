"""How many jobs are where: by index alone, and reading no more of one than has to be counted.

A count by itself is many times faster than one that groups, or takes a minimum on the way. So each queue is counted for
itself, and who has waited longest is looked up: at the head of each priority.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, func, select

from qcore.drivers.database.schema import DELAYED, LEASED, READY
from qcore.drivers.database.statements import Statements, literally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Table

    from qcore.drivers.database.prepared import Prepared

_AT = bindparam("at_us", type_=BigInteger)
_MOST_RANKS = 64
"""Priorities of one queue whose heads are looked up; where there are more, all ready jobs are looked at."""


class Numbers(NamedTuple):
    """What is counted of one queue."""

    ready: int
    delayed: int
    """Those that were not due when last looked at."""
    due: int
    """Of them, those that are by now."""
    first_us: int | None
    """When the first of them is due."""
    retrying: int
    retrying_later: int
    """Of them, those that are not due."""
    failed: int
    leased: int
    completed: int
    cancelled: int
    oldest_ready_us: int | None


class Counting(Statements):
    """What is asked of the tables, each statement built and compiled at its first use and kept."""

    def read(self, connection: Connection, names: Sequence[str], at_us: int) -> dict[str, Numbers]:
        """Count the jobs of queues that the store knows, one at least, as of an instant."""
        packed = self.dialect.pack(names)
        leased = self._by_queue(self.leased, connection, packed)
        ended = self._by_queue(self.ended, connection, packed)
        oldest = self._oldest(connection, packed)
        found = {}
        for queue, *counted in self.waiting.run(connection, names=packed, at_us=at_us):
            completed, cancelled = (int(number or 0) for number in ended[queue])
            found[queue] = Numbers(*counted, leased[queue][0], completed, cancelled, oldest.get(queue))  # type: ignore[call-arg]  # the rest of the row
        return found

    def _oldest(self, connection: Connection, packed: Any) -> dict[str, int]:
        """The due time of the job of each queue that has been ready for longest, of those that have one."""
        found = {row[0]: (row[1], row[2]) for row in self.heads.run(connection, names=packed)}
        many = [queue for queue, (_, ranks) in found.items() if ranks >= _MOST_RANKS]
        oldest = {queue: due_us for queue, (due_us, _) in found.items()}
        if many:
            oldest.update((row[0], row[1]) for row in self.oldest.run(connection, names=self.dialect.pack(many)))
        return oldest

    @staticmethod
    def _by_queue(statement: Prepared, connection: Connection, packed: Any) -> defaultdict[str, tuple[Any, ...]]:
        rows = {row[0]: tuple(row)[1:] for row in statement.run(connection, names=packed)}
        return defaultdict(lambda: (0, 0), rows)

    @cached_property
    def waiting(self) -> Prepared:
        """For each of `names` the first fields of `Numbers`."""
        jobs, delayed = self.jobs.c, self.is_in(DELAYED)
        tried = (jobs.attempts > literally(0), jobs.state < literally(LEASED))
        is_delayed = jobs.state + literally(0) == literally(DELAYED)  # as a sum: the index of tried jobs is to be read
        first_us = select(func.min(jobs.due_us)).where(jobs.queue == self.queues.c.name, delayed)
        return self.prepared(
            select(
                self.queues.c.name,
                self._number(self.jobs, self.is_in(READY)),
                self._number(self.jobs, delayed),
                self._number(self.jobs, delayed, jobs.due_us <= _AT),
                first_us.correlate(self.queues).scalar_subquery(),
                self._number(self.jobs, *tried),
                self._number(self.jobs, *tried, is_delayed, jobs.due_us > _AT),
                self._number(self.failed),
            ).where(self.dialect.among(self.queues.c.name, "names"))
        )

    def _number(self, table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        of_queue = select(func.count()).select_from(table).where(table.c.queue == self.queues.c.name, *conditions)
        return of_queue.correlate(self.queues).scalar_subquery()

    @cached_property
    def leased(self) -> Prepared:
        """How many jobs of each of `names` are leased, of those that have some."""
        return self._grouped(self.jobs, [func.count()], self.is_in(LEASED))

    @cached_property
    def ended(self) -> Prepared:
        """How many jobs of each of `names` completed, and were cancelled, since the store was made."""
        counters = self.tables.counters.c
        return self._grouped(self.tables.counters, [func.sum(counters.completed), func.sum(counters.cancelled)])

    @cached_property
    def oldest(self) -> Prepared:
        """The earliest due time of the ready jobs of each of `names`, found by looking at all."""
        return self._grouped(self.jobs, [func.min(self.jobs.c.due_us)], self.is_in(READY))

    def _grouped(
        self, table: Table, numbers: Sequence[ColumnElement[Any]], *conditions: ColumnElement[bool]
    ) -> Prepared:
        chosen = select(table.c.queue, *numbers).where(self.dialect.among(table.c.queue, "names"), *conditions)
        return self.prepared(chosen.group_by(table.c.queue))

    @cached_property
    def heads(self) -> Prepared:
        """The same, with how many priorities were looked at: one step of the index for each, 64 at the most."""
        jobs, ready = self.jobs.c, self.is_in(READY)
        first = select(func.min(jobs.rank)).where(ready, jobs.queue == self.queues.c.name)
        place = (
            select(
                self.queues.c.name.label("queue"),
                first.correlate(self.queues).scalar_subquery().label("rank"),
                literally(1).label("number"),
            )
            .where(self.dialect.among(self.queues.c.name, "names"))
            .cte("places", recursive=True)
        )
        next_rank = select(func.min(jobs.rank)).where(ready, jobs.queue == place.c.queue, jobs.rank > place.c.rank)
        following = select(
            place.c.queue, next_rank.correlate(place).scalar_subquery(), place.c.number + literally(1)
        ).where(place.c.rank.is_not(None), place.c.number < literally(_MOST_RANKS))
        places = place.union_all(following)
        due_us = select(func.min(jobs.due_us)).where(ready, jobs.queue == places.c.queue, jobs.rank == places.c.rank)
        heads = (
            select(places.c.queue, places.c.number, due_us.correlate(places).scalar_subquery().label("due_us"))
            .where(places.c.rank.is_not(None))
            .subquery("heads")
        )
        found = select(heads.c.queue, func.min(heads.c.due_us), func.max(heads.c.number))
        return self.prepared(found.group_by(heads.c.queue))
