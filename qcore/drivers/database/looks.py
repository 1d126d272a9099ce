"""The statements of those who wait."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, union_all

from qcore.drivers.database.schema import DELAYED, READY
from qcore.drivers.database.statements import Statements, literally

if TYPE_CHECKING:
    from qcore.drivers.database.prepared import Prepared


class Looks(Statements):
    """What is asked of the tables by who waits for work."""

    @cached_property
    def glance(self) -> Prepared:
        """Of `queue`: the instant, whether a job is ready, when the next is due, until when it is paused."""
        jobs = self.jobs.c
        of_queue = jobs.queue == bindparam("queue")
        ready = select(literally(1)).where(self.is_in(READY), of_queue).limit(literally(1))
        delayed = select(jobs.due_us).where(self.is_in(DELAYED), of_queue).order_by(jobs.due_us)
        paused = select(self.queues.c.paused_until_us).where(self.queues.c.name == bindparam("queue"))
        return self.prepared(
            select(
                self.dialect.now,
                ready.scalar_subquery(),
                delayed.limit(literally(1)).scalar_subquery(),
                paused.scalar_subquery(),
            )
        )

    @cached_property
    def any_ready(self) -> Prepared:
        """Whether a job of one of `queues` is ready: one row, or none."""
        chosen = select(literally(1)).where(self.is_in(READY), self.dialect.among(self.jobs.c.queue, "queues"))
        return self.prepared(chosen.limit(literally(1)))

    @cached_property
    def any_due(self) -> Prepared:
        """Whether a job of one of `queues` is ready, or is due to become so: one row, or none."""
        jobs = self.jobs.c
        due = self.is_in(DELAYED) & (jobs.due_us <= self.dialect.now)
        named = self.dialect.among(jobs.queue, "queues")
        found = [select(literally(1).label("one")).where(named, kind) for kind in (self.is_in(READY), due)]
        return self.prepared(union_all(*found).limit(literally(1)))
