"""The statements of upkeep, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, bindparam, delete, func, null, select, update

from qcore.drivers.database.statements import Statements, literally

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from qcore.drivers.database.prepared import Prepared


class Trimming(Statements):
    """What is said to the tables so that they stay small."""

    @cached_property
    def over_full(self) -> Prepared:
        """When the newest job ended that the window has no place for: `skip` newer ones are there."""
        ended = self.finished.c.ended_us
        newest = select(ended).where(*self._windowed()).order_by(ended.desc())
        return self.prepared(newest.limit(literally(1)).offset(bindparam("skip")))

    @cached_property
    def too_old(self) -> Prepared:
        """Ids of `most` finished jobs that ended at `until_us` or before, and `old_us` ago at the least."""
        return self.prepared(self.dialect.locked(self._old(), skip=True))

    @cached_property
    def drop_old(self) -> Prepared:
        """Forget those of `too_old`, where a statement may both choose and delete."""
        return self.prepared(delete(self.finished).where(self.finished.c.id.in_(self._old())))

    def _old(self) -> Select[Any]:
        ended = self.finished.c.ended_us
        limit = self.dialect.now - bindparam("old_us", type_=BigInteger)
        old = select(self.finished.c.id).where(*self._windowed(), ended <= bindparam("until_us"), ended <= limit)
        return old.order_by(ended).limit(bindparam("most")).correlate(None)

    def _windowed(self) -> list[ColumnElement[bool]]:
        finished = self.finished.c
        state = finished.state == bindparam("ended_as")
        return [finished.queue == bindparam("queue"), state, finished.kept == literally(0)]

    @cached_property
    def drop_finished(self) -> Prepared:
        """Forget the finished jobs `ids`."""
        return self.prepared(delete(self.finished).where(self.dialect.among(self.finished.c.id, "ids")))

    @cached_property
    def over_results(self) -> Prepared:
        """Ids of `most` finished jobs whose result is kept no longer."""
        finished = self.finished.c
        over = select(finished.id).where(finished.kept == literally(1), finished.result_until_us <= self.dialect.now)
        return self.prepared(self.dialect.locked(over.limit(bindparam("most")), skip=True))

    @cached_property
    def drop_results(self) -> Prepared:
        """Forget the results of `ids`; the window counts these jobs again."""
        forgotten = update(self.finished).values(kept=0, result=null(), result_until_us=null())
        return self.prepared(forgotten.where(self.dialect.among(self.finished.c.id, "ids")))

    @cached_property
    def queue_names(self) -> Prepared:
        """Every queue that was ever used."""
        return self.prepared(select(self.queues.c.name))

    @cached_property
    def counter_rows(self) -> Prepared:
        """How many rows of counters there are."""
        return self.prepared(select(func.count()).select_from(self.tables.counters))

    @cached_property
    def counters(self) -> Prepared:
        """`most` rows of counters that nobody writes to, but the ones of `folded`, held."""
        counters = self.tables.counters.c
        rows = select(counters.writer, counters.queue, counters.completed, counters.cancelled)
        rows = rows.where(counters.writer != bindparam("folded")).limit(bindparam("most"))
        return self.prepared(self.dialect.locked(rows, skip=True))

    @cached_property
    def drop_counter(self) -> Prepared:
        """Drop one row of counters."""
        counters = self.tables.counters
        is_it = (counters.c.writer == bindparam("of_writer")) & (counters.c.queue == bindparam("of_queue"))
        return self.prepared(delete(counters).where(is_it))
