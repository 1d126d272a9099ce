"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Engine,
    Index,
    LargeBinary,
    Text,
    any_,
    bindparam,
    cast,
    event,
    extract,
    func,
    text,
)
from sqlalchemy import select as selecting
from sqlalchemy.dialects.postgresql import insert

from qcore.drivers.database.dialects import arrays
from qcore.drivers.database.dialects.base import ENDED_ROW, Dialect, Trouble
from qcore.drivers.database.dialects.postgresql_moves import PostgreSQLMoves
from qcore.drivers.database.dialects.postgresql_statements import (
    CELL_TYPES,
    ROW_TYPES,
    PostgreSQLStatements,
    unnested,
)
from qcore.drivers.database.dialects.upsert import on_conflict
from qcore.drivers.database.notifications import NotificationWatch
from qcore.drivers.database.schema import CELL_ROW
from qcore.drivers.database.statements import Statements, literally
from qcore.records import Trait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from sqlalchemy import URL, ColumnElement, Connection, FromClause, Insert, Select, Table
    from sqlalchemy.types import TypeEngine

    from qcore.config import ConnectionSettings
    from qcore.drivers.database.dialects.base import CellRow, EndedRow, Source
    from qcore.drivers.database.link import Link
    from qcore.drivers.database.moves import Moves
    from qcore.drivers.database.watch import Watch

_CANCELLED = "57014"
_AGAIN = frozenset({"40001", "40P01", "55P03", _CANCELLED})
_NO_TABLE = frozenset({"42P01", "42703", "3F000"})
_REFUSES_OPTIONS = re.compile(r"startup parameter|command-line option", re.IGNORECASE)
_STALE_PLAN = "0A000"
_WRITES_AGAIN = "set default_transaction_read_only = off; if it is a standby, let the URL lead to the primary"
"""A table was changed, and a connection goes by what it was."""
_OFF = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
"""A plan made while a table was empty is kept, and must be good for a full one: by index, row by row."""
_PACK_ROWS: dict[str, Callable[[Any], arrays.Array]] = {
    "id": arrays.texts,
    "token": arrays.texts,
    "attempts": arrays.ints,
    "exceptions": arrays.ints,
    "runtime_us": arrays.bigs,
    "kept": arrays.ints,
}
_PACK_CELLS: dict[str, Callable[[Any], arrays.Array]] = {
    "queue": arrays.texts,
    "job": arrays.texts,
    "measure": arrays.ints,
    "bucket": arrays.ints,
    "number": arrays.bigs,
    "total": arrays.bigs,
}


def _microseconds(instant: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(extract("epoch", instant) * literally(1_000_000), BigInteger)


class PostgreSQL(Dialect):
    """A PostgreSQL server; its clock is the one of each statement."""

    snapshot = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    id_type: ClassVar[TypeEngine[str]] = Text(collation="C")
    name_type: ClassVar[TypeEngine[str]] = Text(collation="C")
    text_type: ClassVar[TypeEngine[str]] = Text()
    blob_type: ClassVar[TypeEngine[bytes]] = LargeBinary()
    now = _microseconds(func.statement_timestamp())
    lease_now = now

    def __init__(self, settings: ConnectionSettings, url: URL) -> None:
        super().__init__(settings, url)
        self.channel = f"{settings.table}_ready"
        self.is_pooled = False
        """Whether a pooler stands between: then nothing is left behind in a session, which is anybody's next."""
        self.is_deaf = False
        """Whether that pooler lets no notification through."""
        self._sets_options = True

    def _engine(self) -> Engine:
        engine = super()._engine()
        event.listen(engine, "do_connect", self._connect)
        return engine

    def connect_args(self) -> dict[str, Any]:
        """Limit every wait for the server, and let the kernel find out when it is no more there."""
        timeout_s = self.settings.timeout_s
        return {
            "connect_timeout": max(2, math.ceil(timeout_s)),
            "keepalives_idle": max(1, math.ceil(timeout_s)),
            "keepalives_interval": 1,
            "keepalives_count": 3,
            "tcp_user_timeout": round(timeout_s * 1000),
            "application_name": "qcore",
        }

    def _connect(self, _: Any, __: Any, arguments: list[Any], values: dict[str, Any]) -> psycopg.Connection[Any]:
        """Connect, with settings for the session where that is possible; a pooler refuses or ignores them."""
        try:
            connection = _Connection.connect(*arguments, **self._with_options(values), autocommit=True)
        except psycopg.OperationalError as error:
            if not self._sets_options or not _REFUSES_OPTIONS.search(str(error)):
                raise
            self._sets_options = False
            return self._connect(_, __, arguments, values)
        connection.limit_s = self.settings.timeout_s * 1.2  # the server's own limit comes first
        try:
            (backend,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
            arrays.register(connection)
        except psycopg.Error:  # a pooler takes its clients in while the server is gone
            connection.close()
            raise
        if backend != connection.info.backend_pid:  # a pooler gives each client a number of its own
            self.is_pooled = True
            connection.prepare_threshold = None
        return connection

    def _with_options(self, values: dict[str, Any]) -> dict[str, Any]:
        if not self._sets_options:
            return values
        given = values.get("options", ())
        ours = [f"-c {name}=off" for name in _OFF]
        ours.append(f"-c statement_timeout={round(self.settings.timeout_s * 1000)}")
        ours.append(f"-c idle_in_transaction_session_timeout={round(self.forgotten_after_s * 1000)}")
        return {**values, "options": " ".join([*([given] if isinstance(given, str) else given), *ours])}

    def locked_by_now(self, select: Select[Any]) -> Select[Any]:
        """As of the base class; a statement's own instant is that at which it began to wait."""
        held = select.with_for_update().cte("held")
        return selecting(held, _microseconds(func.clock_timestamp()))

    @property
    def begin_lightly(self) -> str:
        """Not to wait for the disk at the commit; within the transaction alone, so a pooler may stand between."""
        is_full = self.settings.durability == "full"
        return self.begin if is_full else f"{self.begin}; SET LOCAL synchronous_commit TO off"

    @property
    def voice(self) -> dict[str, Any]:
        """Where it listens who waits."""
        return {"channel": self.channel}

    def cursor(self, connection: Any) -> Any:
        """One that answers in binary form: payloads and numbers need no reading then."""
        return connection.cursor(binary=True)

    def adopt(self, connection: Any) -> None:
        """Let the caller's connection take our lists."""
        arrays.register(connection)

    def begin_exclusive(self) -> Sequence[str]:
        """One migration at a time; the lock ends with the transaction, so a pooler may stand between."""
        return ("BEGIN", f"SELECT pg_advisory_xact_lock(hashtext('qcore {self.settings.table}'))")

    def statements(self, link: Link) -> Statements:
        """The statements of one store."""
        return PostgreSQLStatements(link.tables, self)

    def moves(self, link: Link) -> Moves:
        """How jobs move in one store."""
        return PostgreSQLMoves(link)

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
        """Add an index to a table, over the rows of a condition alone."""
        del over
        keys = [table.c[column] for column in (*columns, *also)]
        return Index(f"{table.name}_{name}", *keys, postgresql_where=text(only) if only else None)

    def among(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """Whether a column is one of an array."""
        return column == any_(bindparam(name, type_=ARRAY(Text)))

    def pack(self, values: Sequence[str]) -> arrays.Texts:
        """A list is an array."""
        return arrays.texts(values)

    def rows(self) -> FromClause:
        """The rows of several arrays."""
        return unnested(ROW_TYPES, "ending")

    def pack_rows(self, rows: Sequence[EndedRow]) -> dict[str, Any]:
        """An array for each column."""
        columns = zip(ENDED_ROW, zip(*rows, strict=True), strict=True)
        return {f"{name}s": _PACK_ROWS[name](column) for name, column in columns}

    def cells(self) -> FromClause:
        """The rows of several arrays."""
        return unnested(CELL_TYPES, "cell")

    def pack_cells(self, rows: Sequence[CellRow]) -> dict[str, Any]:
        """An array for each column."""
        columns = zip(CELL_ROW, zip(*rows, strict=True), strict=True)
        return {f"{name}s": _PACK_CELLS[name](column) for name, column in columns}

    def upsert(self, table: Table, source: Source, setting: Sequence[str] = (), adding: Sequence[str] = ()) -> Insert:
        """Insert, or change the row that is there."""
        return on_conflict(insert(table), source, setting, adding)

    def spare_readers(self, table: Table) -> str:
        """Note which pages hold nothing but what all may see: the server does so by itself, but minutes later."""
        name = self.sqlalchemy.identifier_preparer.format_table(table)
        return f"VACUUM (INDEX_CLEANUP off, TRUNCATE off, SKIP_LOCKED) {name}"

    def judge(self, error: BaseException) -> Trouble:
        """Tell what an error of psycopg means."""
        state = getattr(error, "sqlstate", None)
        if state in _AGAIN:
            return Trouble.BUSY
        if state in _NO_TABLE:
            return Trouble.NO_TABLE
        if state == _STALE_PLAN:
            return Trouble.GONE
        is_broken = state is None or state.startswith(("08", "57P"))
        return Trouble.GONE if is_broken and isinstance(error, psycopg.OperationalError) else Trouble.REFUSED

    def explain(self, error: BaseException) -> str:
        """Tell an error of psycopg in one line."""
        if getattr(error, "sqlstate", None) == _CANCELLED:
            return f"the server did not answer within {self.settings.timeout_s:g} s"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[0] if lines else type(error).__name__

    def facts(self, connection: Connection) -> dict[str, Any]:
        """Version, and whether commits and pages are safe on disk."""
        asked = "SELECT name, setting FROM pg_settings WHERE name IN ('server_version', 'fsync', 'full_page_writes')"
        said: dict[str, str] = {row[0]: row[1] for row in connection.exec_driver_sql(asked)}
        risk, remedy = "a crash of the server's host may damage the database", "{} = on in postgresql.conf"
        reads_only = str(connection.exec_driver_sql("SHOW transaction_read_only").scalar())
        return {
            "product": "PostgreSQL",
            "version": said.pop("server_version", ""),
            "durability": tuple(
                Trait(name=name, value=value)
                if value == "on"
                else Trait(name=name, value=value, risk=risk, remedy=remedy.format(name))
                for name, value in sorted(said.items())
            ),
            "writing": Trait.of_writing(
                "transaction_read_only", reads_only, reads_only=reads_only == "on", remedy=_WRITES_AGAIN
            ),
        }

    def watch(self, link: Link) -> Watch:
        """Listen to what the server tells."""
        return NotificationWatch(link, self)


class _Connection(psycopg.Connection[Any]):
    """One that gives up on a server that has fallen silent: a frozen one keeps its sockets alive."""

    limit_s = math.inf

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **values: Any) -> Any:
        """Drive one exchange with the server to its end, or to the end of our patience."""
        return super().wait(_limited(gen, self.limit_s), *arguments, **values)


def _limited(exchange: Generator[Any, Any, Any], limit_s: float) -> Generator[Any, Any, Any]:
    until = time.monotonic() + limit_s
    try:
        wanted = next(exchange)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise psycopg.OperationalError(f"the server has been silent for {limit_s:g} s")
            wanted = exchange.send(ready)
    except StopIteration as end:
        return end.value
