"""MariaDB 10.6 and newer, MySQL 8 and newer, through PyMySQL."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
import pymysql
from sqlalchemy import BigInteger, Index, bindparam, column, func, literal_column, text
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT, VARCHAR, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from qcore.drivers.database.dialects.base import ENDED_ROW, Dialect, Trouble
from qcore.drivers.database.moves import Moves, ended_rows
from qcore.drivers.database.schema import CELL_ROW
from qcore.drivers.database.statements import Statements
from qcore.drivers.database.watch import PollWatch
from qcore.records import Trait

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Insert, Select, Table
    from sqlalchemy.dialects.mysql.base import MySQLDialect, MySQLTypeCompiler
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.types import TypeEngine

    from qcore.drivers.database.dialects.base import CellRow, EndedRow, Source
    from qcore.drivers.database.link import Link
    from qcore.drivers.database.prepared import Prepared
    from qcore.drivers.database.watch import Watch
    from qcore.settlement import Settlement

_AGAIN = frozenset({1020, 1205, 1213, 3572})
_NO_TABLE = frozenset({1054, 1146})
_GONE = frozenset({1040, 1053, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 4031})
_FLUSHED = frozenset({"1", "3"})
_WRITABLE = frozenset({"0", "OFF"})
_WRITES_AGAIN = "SET GLOBAL read_only = 0; if it is a replica, let the URL lead to the primary"
"""Ways to commit that wait for the disk."""
_EPOCH = "'1970-01-01 00:00:00'"
_encode = msgspec.json.Encoder().encode

_MIGRATED_WITHIN_S = 30
"""Whoever finds that tables are being made waits longer than for an answer."""


class _Exact(VARCHAR):
    """Strings of which no two are alike, whatever their case, accents or spaces at the end."""


@compiles(_Exact)
def _exact(kind: _Exact, compiler: MySQLTypeCompiler, **_: Any) -> str:
    return f"VARCHAR({kind.length}) CHARACTER SET utf8mb4 COLLATE {_collation(compiler.dialect)}"


def _collation(dialect: MySQLDialect) -> str:
    """The one that compares bytes and pads nothing has a name of its own on each server."""
    return "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"


class _Names(UserDefinedType[Any]):
    """A list of strings, which PyMySQL writes with its parentheses."""

    cache_ok = True


class MySQL(Dialect):
    """A MariaDB or MySQL server; its clock is the one of each statement."""

    snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION READ ONLY")
    engine_options: ClassVar[dict[str, Any]] = {"paramstyle": "format"}  # rows of many inserts stay tuples
    table_options: ClassVar[dict[str, Any]] = {
        "mysql_engine": "InnoDB",
        "mysql_charset": "utf8mb4",
        "mysql_collate": "utf8mb4_bin",
        "mysql_row_format": "DYNAMIC",
    }
    sees_latest = False
    id_type: ClassVar[TypeEngine[str]] = _Exact(36)
    name_type: ClassVar[TypeEngine[str]] = _Exact(255)
    text_type: ClassVar[TypeEngine[str]] = LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    blob_type: ClassVar[TypeEngine[bytes]] = LONGBLOB()
    # in UTC, whatever the time zone of the session: it may be the caller's
    now = func.timestampdiff(
        literal_column("MICROSECOND"), literal_column(_EPOCH), func.utc_timestamp(literal_column("6")), type_=BigInteger
    )
    lease_now = now

    def connect_args(self) -> dict[str, Any]:
        """Limit every wait for the server."""
        timeout_s = self.settings.timeout_s
        return {
            "charset": "utf8mb4",
            "connect_timeout": max(1, round(timeout_s)),
            "read_timeout": max(1, round(timeout_s * 1.2)),  # the server's own limit comes first
            "write_timeout": max(1, round(timeout_s * 1.2)),
        }

    def prepare(self, connection: DBAPIConnection) -> None:
        """See what others commit at once, wait for no lock longer than for the server, and leave none behind."""
        cursor = connection.cursor()
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {max(1, round(self.settings.timeout_s))}")
        with suppress(pymysql.err.OperationalError):  # MySQL knows no such limit
            cursor.execute(f"SET SESSION idle_transaction_timeout = {max(1, round(self.forgotten_after_s))}")
        cursor.close()

    def statements(self, link: Link) -> Statements:
        """The statements of one store."""
        return MySQLStatements(link.tables, self)

    def moves(self, link: Link) -> Moves:
        """How jobs move in one store."""
        return MySQLMoves(link)

    def index(
        self,
        table: Table,
        name: str,
        columns: Sequence[str],
        *,
        only: str = "",
        over: Sequence[str] = (),
        also: Sequence[str] = (),
    ) -> Index:
        """Add an index to a table, led by the columns of the condition; the key `id` ends each by itself."""
        del only, also
        keys = [table.c[name] for name in dict.fromkeys([*over, *columns]) if name != "id"]
        return Index(f"{table.name}_{name}", *keys)

    def among(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """Whether a column is one of a list."""
        return column.bool_op("IN")(bindparam(name, type_=_Names()))

    def pack(self, values: Sequence[str]) -> list[str]:
        """A list stays one."""
        return list(values)

    def rows(self) -> FromClause:
        """The rows of a list of lists, given as JSON."""
        kinds = ("VARCHAR(36)", "VARCHAR(255)", "INT", "INT", "BIGINT", "INT")
        return self._listed("rows", dict(zip(ENDED_ROW, kinds, strict=True)), "ending")

    def pack_rows(self, rows: Sequence[EndedRow]) -> dict[str, Any]:
        """Write the rows as a list of lists."""
        return {"rows": _encode(rows).decode()}

    def cells(self) -> FromClause:
        """The rows of a list of lists, given as JSON."""
        kinds = ("VARCHAR(255)", "VARCHAR(255)", "INT", "INT", "BIGINT", "BIGINT")
        return self._listed("cells", dict(zip(CELL_ROW, kinds, strict=True)), "cell")

    def pack_cells(self, rows: Sequence[CellRow]) -> dict[str, Any]:
        """Write the rows as a list of lists."""
        return {"cells": _encode(rows).decode()}

    def _listed(self, parameter: str, kinds: Mapping[str, str], name: str) -> FromClause:
        exact = f"CHARACTER SET utf8mb4 COLLATE {_collation(cast('MySQLDialect', self.sqlalchemy))}"
        columns = [
            f"`{of}` {kind}{f' {exact}' if kind.startswith('VARCHAR') else ''} PATH '$[{place}]'"
            for place, (of, kind) in enumerate(kinds.items())
        ]
        table = f"JSON_TABLE(:{parameter}, '$[*]' COLUMNS ({', '.join(columns)})) AS given"
        chosen = text(f"SELECT * FROM {table}")  # noqa: S608  made of constants
        return chosen.columns(*(column(of) for of in kinds)).subquery(name)

    def upsert(self, table: Table, source: Source, setting: Sequence[str] = (), adding: Sequence[str] = ()) -> Insert:
        """Insert, or change the row that is there; one that is to stay has a key set to itself."""
        inserted = insert(table)
        filled = inserted.values(source) if isinstance(source, dict) else inserted.from_select(*source)
        key = next(iter(table.primary_key)).name
        changed = {name: filled.inserted[name] for name in setting or ([] if adding else [key])}
        added = {name: table.c[name] + filled.inserted[name] for name in adding}
        return filled.on_duplicate_key_update({**changed, **added})

    def judge(self, error: BaseException) -> Trouble:
        """Tell what an error of PyMySQL means."""
        number = error.args[0] if error.args else 0
        if number in _AGAIN:
            return Trouble.BUSY
        if number in _NO_TABLE:
            return Trouble.NO_TABLE
        is_broken = number in _GONE or isinstance(error, pymysql.err.InterfaceError)
        return Trouble.GONE if is_broken else Trouble.REFUSED

    def explain(self, error: BaseException) -> str:
        """Tell an error of PyMySQL in one line."""
        said = str(error.args[-1]) if error.args else ""
        return said.strip().partition("\n")[0] or type(error).__name__

    @contextmanager
    def migrating(self, connection: Connection) -> Iterator[None]:
        """Hold a named lock; changes of the schema commit themselves here."""
        name, step_s = f"qcore {self.settings.table}", max(1, round(self.settings.timeout_s / 2))
        for _ in range(0, _MIGRATED_WITHIN_S, step_s):
            if connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (name, step_s)).scalar() == 1:
                break
        else:
            raise pymysql.err.OperationalError(1205, "another process has been changing the tables all the time")
        try:
            yield
        finally:
            connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (name,))

    def facts(self, connection: Connection) -> dict[str, Any]:
        """Version, and whether a commit waits for the disk."""
        asked = "SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@global.read_only"
        version, flushes, reads_only = connection.exec_driver_sql(asked).one()
        name, value = "innodb_flush_log_at_trx_commit", str(flushes)
        risk, remedy = "a crash of the server's host may lose the last second of jobs", f"{name} = 1 in my.cnf"
        return {
            "product": "MariaDB" if cast("MySQLDialect", self.sqlalchemy).is_mariadb else "MySQL",
            "version": str(version),
            "durability": (
                Trait(name=name, value=value)
                if value in _FLUSHED
                else Trait(name=name, value=value, risk=risk, remedy=remedy),
            ),
            "writing": Trait.of_writing(
                "read_only", str(reads_only), reads_only=str(reads_only) not in _WRITABLE, remedy=_WRITES_AGAIN
            ),
        }

    def watch(self, link: Link) -> Watch:
        """Ask now and then: this server tells nobody anything."""
        return PollWatch(link)


class MySQLStatements(Statements):
    """The usual ones, and what spares one of them."""

    @cached_property
    def finish_new(self) -> Prepared:
        """As `finish`, holding the jobs; fails where one of them ended before, under the same id."""
        values, chosen = self._finishing()
        return self.prepared(insert(self.finished).from_select(list(values), chosen.with_for_update()))

    def _finishing(self) -> tuple[dict[str, ColumnElement[Any]], Select[Any]]:
        """By the ids: a server that believes the table short reads, and locks, the jobs of others beside them."""
        values, chosen = super()._finishing()
        return values, chosen.prefix_with("STRAIGHT_JOIN").with_hint(self.jobs, "FORCE INDEX (PRIMARY)")


class MySQLMoves(Moves):
    """No update answers here."""

    say: MySQLStatements
    looks_first = True
    works_in_parallel = True

    def finish(self, connection: Connection, settlements: Sequence[Settlement], ended_as: int) -> Collection[str]:
        """Move jobs to the finished ones; returns the ids whose lease was still held."""
        rows = self.dialect.pack_rows(ended_rows(settlements))
        try:
            moved = self.say.finish_new.run(connection, ended_as=ended_as, **rows).rowcount
        except pymysql.err.IntegrityError:  # which undid that statement alone
            return super().finish(connection, settlements, ended_as)
        held: Collection[str] = {s.id for s in settlements}
        if moved < len(held):
            held = self.held(connection, {(s.id, s.token) for s in settlements})
        if held:
            self.say.drop.run(connection, ids=self.dialect.pack(sorted(held)))
        return held
