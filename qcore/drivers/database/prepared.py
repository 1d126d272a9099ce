"""Statements compiled once: built with SQLAlchemy, run by their text."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ClauseElement, Connection
    from sqlalchemy.sql.compiler import SQLCompiler

    from qcore.drivers.database.dialects.base import Dialect

Values = dict[str, Any]


class Rows:
    """All that a statement answered."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount
        """How many rows of tables it touched, where it gave none."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        """Every row."""
        return self._rows

    def one(self) -> Any:
        """The only row there is."""
        (row,) = self._rows
        return row

    def first(self) -> Any:
        """The first row, or None."""
        return self._rows[0] if self._rows else None

    def scalars(self) -> list[Any]:
        """The first value of every row."""
        return [row[0] for row in self._rows]

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        return self._rows[0][0] if self._rows else None


def build(holder: object) -> None:
    """Compile every statement that an object keeps, as each would be at its first use."""
    for name in dir(type(holder)):
        if isinstance(getattr(type(holder), name), cached_property):
            getattr(holder, name)


def execute(connection: Connection, sql: str) -> None:
    """Execute what has no parameters and no answer; the client library's own errors are raised."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()  # one that an error keeps would keep a SQLite file open, whatever is closed


class Prepared:
    """One statement in the words of one database.

    SQLAlchemy's own execution would cost several times what a small statement does, and a dispatch is one: its text
    goes to the client library directly.
    """

    def __init__(self, clause: ClauseElement, dialect: Dialect) -> None:
        compiled = cast("SQLCompiler", clause.compile(dialect=dialect.sqlalchemy))
        self.sql = str(compiled)
        names = compiled.bind_names.items()
        self._constants = {name: bind.effective_value for bind, name in names if not bind.required}
        self._order = compiled.positiontup
        self._dialect = dialect

    def in_order(self, names: Sequence[str]) -> Self:
        """Make sure that `tuples` takes its values in the order of these names.

        Raises:
            ValueError: the text has them in another one.
        """
        if self._order is not None and tuple(self._order) != tuple(names):
            raise ValueError(f"the statement takes {self._order}, not {names}: {self.sql}")
        return self

    def run(self, connection: Connection, **values: Any) -> Rows:
        """Execute it once; the client library's own errors are raised."""
        cursor = self._dialect.cursor(connection.connection.dbapi_connection)
        cursor.execute(self.sql, self._bound(values))
        rows = [] if cursor.description is None else cursor.fetchall()
        return Rows(rows, cursor.rowcount)

    def many(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Execute it for each of the rows; returns how many rows of tables that touched."""
        return self.tuples(connection, [self._bound(row) for row in rows])

    def tuples(self, connection: Connection, rows: list[Any]) -> int:
        """Execute it for each of the rows, whose values stand in the order of its text; returns as `many` does."""
        cursor = self._dialect.cursor(connection.connection.dbapi_connection)
        if len(rows) == 1:
            cursor.execute(self.sql, rows[0])
        else:
            cursor.executemany(self.sql, rows)
        return int(cursor.rowcount)

    def _bound(self, values: Values) -> Any:
        values = {**self._constants, **self._dialect.stamp(), **values}
        if self._order is None:
            return values
        return tuple([values[name] for name in self._order])
