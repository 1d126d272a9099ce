"""The statements of measures, each built and compiled at its first use and kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, bindparam, cast, delete, select

from qcore.drivers.database.schema import CELL_ROW
from qcore.drivers.database.statements import Statements, literally
from qcore.measures import EVER, MINUTE_US

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Insert

    from qcore.drivers.database.prepared import Prepared

ADDED = ("number", "total")
PLACE = ("minute", "writer", "queue", "job", "measure", "bucket")
CELL = (*PLACE, *ADDED)
ROW = ("span", "minute", "queue", "job", "spreads")


class Measurements(Statements):
    """What is said to the tables of measures."""

    @property
    def this_minute(self) -> ColumnElement[int]:
        """Minutes since the epoch, by the store's clock."""
        return cast(self.dialect.now // literally(MINUTE_US), Integer)

    @cached_property
    def add(self) -> Prepared:
        """Add the rows of `Dialect.cells` to the cells of `writer` in the minute under way."""
        return self.prepared(self.adding())

    def adding(self) -> Insert:
        """The statement `add`, for one that does more."""
        given = self.dialect.cells()
        values: dict[str, ColumnElement[Any]] = {
            "minute": self.this_minute,
            "writer": bindparam("writer", type_=self.tables.measures.c.writer.type),
            **{name: given.c[name] for name in CELL_ROW},
        }
        chosen = select(*values.values()).select_from(given).where(literally(1) == literally(1))
        return self.dialect.upsert(self.tables.measures, (list(values), chosen), adding=ADDED)

    @cached_property
    def minute_now(self) -> Prepared:
        """The minute under way."""
        return self.prepared(select(self.this_minute))

    @cached_property
    def only_one(self) -> Prepared:
        """The row that whoever sums up holds; nothing, while somebody does."""
        version = self.tables.version.c.version_num
        return self.prepared(self.dialect.locked(select(version), skip=True))

    @cached_property
    def over(self) -> Prepared:
        """`most` cells of minutes before `minute`, held."""
        cells = self.tables.measures.c
        chosen = select(*(cells[name] for name in CELL)).where(cells.minute < bindparam("minute"))
        return self.prepared(self.dialect.locked(chosen.limit(bindparam("most")), skip=True))

    @cached_property
    def drop_cell(self) -> Prepared:
        """Drop one cell."""
        cells = self.tables.measures
        is_it = [cells.c[name] == bindparam(f"of_{name}", type_=cells.c[name].type) for name in PLACE]
        return self.prepared(delete(cells).where(*is_it))

    @cached_property
    def summed(self) -> Prepared:
        """What is summed up of one queue and class in one span."""
        history = self.tables.history.c
        keys = [history[name] == bindparam(f"of_{name}", type_=history[name].type) for name in ROW[:-1]]
        return self.prepared(select(history.spreads).where(*keys))

    @cached_property
    def sum_up(self) -> Prepared:
        """Keep what is summed up."""
        history = self.tables.history
        values: dict[str, Any] = {name: bindparam(name, type_=history.c[name].type) for name in ROW}
        return self.prepared(self.dialect.upsert(history, values, setting=("spreads",)))

    @cached_property
    def drop_old(self) -> Prepared:
        """Forget what is summed up in spans of one kind that began before `before`, but for what is kept for ever."""
        history = self.tables.history
        minute = history.c.minute
        old = (history.c.span == bindparam("of_span"), minute > literally(EVER), minute < bindparam("before"))
        return self.prepared(delete(history).where(*old))

    @cached_property
    def between(self) -> Prepared:
        """Minute, queue, class and spreads of spans of one kind that begin from `first` to before `after`."""
        history = self.tables.history.c
        chosen = select(*(history[name] for name in ROW[1:]))
        return self.prepared(
            chosen.where(
                history.span == bindparam("of_span"),
                history.minute >= bindparam("first"),
                history.minute < bindparam("after"),
            )
        )

    @cached_property
    def cells(self) -> Prepared:
        """The cells of minutes from `first` to before `after` that are not summed up."""
        cells = self.tables.measures.c
        chosen = select(*(cells[name] for name in CELL))
        return self.prepared(chosen.where(cells.minute >= bindparam("first"), cells.minute < bindparam("after")))
