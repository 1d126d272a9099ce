"""Statements compiled once: built with SQLAlchemy, run by their text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ClauseElement, Connection, CursorResult
    from sqlalchemy.sql.compiler import SQLCompiler

    from qcore.drivers.database.dialects.base import Dialect

Values = dict[str, Any]


class Prepared:
    """One statement in the words of one database.

    SQLAlchemy would look each construct up anew among those it has compiled, and a dispatch is one small statement.
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

    def run(self, connection: Connection, **values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Execute it once."""
        return connection.exec_driver_sql(self.sql, self._bound(values))

    def many(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Execute it for each of the rows; returns how many rows of tables that touched."""
        bound = [self._bound(row) for row in rows]
        return connection.exec_driver_sql(self.sql, bound).rowcount

    def tuples(self, connection: Connection, rows: list[tuple[Any, ...]]) -> None:
        """Execute it for each of the rows, whose values stand in the order of its text."""
        connection.exec_driver_sql(self.sql, rows)

    def _bound(self, values: Values) -> Any:
        values = {**self._constants, **self._dialect.stamp(), **values}
        if self._order is None:
            return values
        return tuple(values[name] for name in self._order)
