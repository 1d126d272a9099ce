"""The statements of readers, each built and compiled at its first use and kept.

`at_us` is the instant of the reading, so that a job that becomes due meanwhile is not counted twice.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, case, literal, null, or_, select

from qcore.drivers.database.schema import CANCELLED, COMPLETED, DELAYED, LEASED, READY
from qcore.drivers.database.statements import Statements, literally
from qcore.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Label, Table

    from qcore.drivers.database.prepared import Prepared

AT = bindparam("at_us", type_=BigInteger)
_BRIEF = ("id", "job", "queue", "rank", "attempts", "crashes", "created_us", "due_us", "reserved_us", "token")
_BRIEF_END = ("progress", "progress_note", "flow", "tags")
ENDED_STATES = {COMPLETED: JobState.COMPLETED.value, CANCELLED: JobState.CANCELLED.value}


class Branch(NamedTuple):
    """Some of a view's jobs: those that one index holds in the order of the view."""

    table: str
    instant: str
    """The column that orders them."""
    conditions: tuple[ColumnElement[bool], ...]
    by_rank: bool = False
    """Whether the index has them by rank first, so that each rank is read apart."""


class Readings(Statements):
    """What a person may ask of the tables of one store."""

    @cached_property
    def instant(self) -> Prepared:
        """What time the store has."""
        return self.prepared(select(self.dialect.now))

    # --- queues -----------------------------------------------------------------------------------------------

    @cached_property
    def known_queues(self) -> Prepared:
        """Name, definition and pause of every queue."""
        queues = self.queues.c
        columns = (queues.name, queues.definition, queues.paused_until_us, queues.pause_reason)
        return self.prepared(select(*columns).order_by(queues.name))

    # --- jobs -------------------------------------------------------------------------------------------------

    @cached_property
    def find(self) -> list[Prepared]:
        """The job `job_id`, in each table where it may be, the live one first."""
        tables = ("jobs", "finished", "failed")
        return [
            self.prepared(select(*columns).where(columns[0] == bindparam("job_id")))
            for columns in (self._stored(table, whole=True) for table in tables)
        ]

    def _stored(self, name: str, *, whole: bool) -> list[Any]:
        """The columns of a `StoredJob`, the same of each table."""
        table: Table = getattr(self, name)
        ended = name != "jobs"
        return [
            *(table.c[column] for column in _BRIEF),
            self._state(name),
            table.c.ended_us if ended else null(),
            table.c.runtime_us if ended else null(),
            literally(0) if ended else table.c.cancel_requested,
            *(table.c[column] for column in _BRIEF_END),
            *self._large(table, whole=whole),
        ]

    def _state(self, name: str) -> ColumnElement[str]:
        if name == "failed":
            return literal(JobState.FAILED.value)
        if name == "finished":
            return case(ENDED_STATES, value=self.finished.c.state)
        jobs = self.jobs.c
        return case(
            (self.is_in(LEASED), JobState.PROCESSING.value),
            (jobs.attempts > literally(0), JobState.RETRYING.value),
            else_=JobState.PENDING.value,
        )

    def _large(self, table: Table, *, whole: bool) -> list[Any]:
        if not whole:
            return [null(), table.c.history, null()]
        if table is not self.finished:
            return [table.c.payload, table.c.history, null()]
        is_kept = self.finished.c.result_until_us > AT
        return [table.c.payload, table.c.history, case((is_kept, table.c.result), else_=null())]

    # --- pages ------------------------------------------------------------------------------------------------

    @cached_property
    def views(self) -> dict[str, tuple[Branch, ...]]:
        """Of which branches each view is made."""
        jobs = self.jobs.c
        untried, tried = jobs.attempts == literally(0), jobs.attempts > literally(0)
        delayed = self.is_in(DELAYED)
        return {
            "pending": (
                Branch("jobs", "due_us", (self.is_in(READY), untried), by_rank=True),
                Branch("jobs", "due_us", (delayed, untried, jobs.due_us <= AT)),
            ),
            "delayed": (Branch("jobs", "due_us", (delayed, untried, jobs.due_us > AT)),),
            "retrying": (Branch("jobs", "due_us", (tried, jobs.state < literally(LEASED))),),
            "processing": (Branch("jobs", "reserved_us", (self.is_in(LEASED),)),),
            "failed": (Branch("failed", "ended_us", ()),),
            "completed": self._finished_as(COMPLETED),
            "cancelled": self._finished_as(CANCELLED),
        }

    def _finished_as(self, state: int) -> tuple[Branch, ...]:
        finished = self.finished.c
        ended = finished.state == literally(state)
        return tuple(Branch("finished", "ended_us", (ended, finished.kept == literally(kept))) for kept in (0, 1))

    @cached_property
    def results(self) -> Prepared:
        """`most` completed jobs whose result is kept till `after_us` at least, that one's behind the id `after`."""
        finished, after_us = self.finished.c, bindparam("after_us", type_=BigInteger)
        until = finished.result_until_us
        is_after = and_(until >= after_us, or_(until > after_us, finished.id > bindparam("after")))
        chosen = select(*self._stored("finished", whole=True), _labelled(until))
        chosen = chosen.where(finished.kept == literally(1), is_after).order_by(until, finished.id)
        return self.prepared(chosen.limit(bindparam("most")))

    @cached_property
    def next_rank(self) -> Prepared:
        """The first rank after `after` among the ready jobs of `queue`."""
        jobs = self.jobs.c
        later = jobs.rank > bindparam("after", type_=BigInteger)
        chosen = select(jobs.rank).where(self.is_in(READY), jobs.queue == bindparam("queue"), later)
        return self.prepared(chosen.order_by(jobs.rank).limit(literally(1)))

    @cached_property
    def page(self) -> Any:
        """`page(view, place, whole, ranked)`: of `queue`, `most` jobs of a branch below a cursor, newest first.

        The cursor is the instant `below_us` and the id `below`; `ranked` ones are those of `rank` alone.
        """
        return cache(self._page)

    def _page(self, view: str, place: int, whole: bool, ranked: bool) -> Prepared:
        branch = self.views[view][place]
        columns = self._stored(branch.table, whole=whole)
        table: Table = getattr(self, branch.table)
        instant = table.c[branch.instant]
        conditions: Sequence[ColumnElement[bool]] = (
            *branch.conditions,
            table.c.queue == bindparam("queue"),
            *([table.c.rank == bindparam("rank")] if ranked else []),
            self._is_below(instant, table.c.id),
        )
        chosen = select(*columns, _labelled(instant)).where(*conditions)
        return self.prepared(chosen.order_by(instant.desc(), table.c.id.desc()).limit(bindparam("most")))

    def _is_below(self, instant: Column[Any], key: Column[Any]) -> ColumnElement[bool]:
        """Said so that an index on the instant can begin at the cursor."""
        below_us = bindparam("below_us", type_=BigInteger)
        return and_(instant <= below_us, or_(instant < below_us, key < bindparam("below")))


def _labelled(instant: Column[Any]) -> Label[Any]:
    return instant.label("instant")
