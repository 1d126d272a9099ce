"""SQLite: one file, one writer at a time, no server."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Index,
    LargeBinary,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.sqlite import insert

from qcore.clock import SystemClock
from qcore.drivers.database.dialects.base import ENDED_ROW, Dialect, Trouble
from qcore.drivers.database.dialects.sqlite_journal import Journal
from qcore.drivers.database.dialects.sqlite_moves import SqliteMoves, SqliteStatements
from qcore.drivers.database.dialects.upsert import on_conflict
from qcore.drivers.database.schema import CELL_ROW
from qcore.drivers.database.watch import FileWatch, PollWatch
from qcore.errors import ConfigurationError
from qcore.records import Trait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, ColumnElement, Connection, Engine, FromClause, Insert, Select, Table
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.types import TypeEngine

    from qcore.config import ConnectionSettings
    from qcore.drivers.database.dialects.base import CellRow, EndedRow, Source
    from qcore.drivers.database.link import Link
    from qcore.drivers.database.moves import Moves
    from qcore.drivers.database.statements import Statements
    from qcore.drivers.database.watch import Watch

_OLDEST = (3, 35, 0)
"""The first version that answers from an update."""
_MENDED = (3, 51, 3)
"""The first version without a race when the journal begins anew."""
_MENDED_TOO = ((3, 50, 7), (3, 44, 6))
"""Older lines that were mended from there on."""
_CACHE_KIB = 8000

_BOOT_US = 2**50
"""Leases are timed by the clock that never steps; it begins anew with each start of the host, which therefore
has a number: 36 years of microseconds for each of 8192 starts."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_PRIMARY = 0xFF
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_GONE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR})
_KNOWN = {
    sqlite3.SQLITE_BUSY: ("another process kept the file locked all the time", "end it, or try again"),
    sqlite3.SQLITE_NOTADB: ("the file is no SQLite database", "move it away, or name another file"),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "restore it from a backup, or move it away"),
    sqlite3.SQLITE_READONLY: ("the file is not writable", "give this user the right to write it and its folder"),
    sqlite3.SQLITE_PERM: ("the file is not this user's to open", "give this user the right to read and write it"),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room on the disk"),
    sqlite3.SQLITE_IOERR: ("the disk does not answer", "look at the disk"),
}

_encode = msgspec.json.Encoder().encode


class Sqlite(Dialect):
    """A SQLite file in WAL mode, with the host's clock."""

    begin = "BEGIN IMMEDIATE"  # a transaction that reads first and writes later cannot be made to wait
    id_type: ClassVar[TypeEngine[str]] = Text()
    name_type: ClassVar[TypeEngine[str]] = Text()
    text_type: ClassVar[TypeEngine[str]] = Text()
    blob_type: ClassVar[TypeEngine[bytes]] = LargeBinary()
    now = bindparam("now_us", type_=BigInteger)
    lease_now = bindparam("lease_now_us", type_=BigInteger)

    def __init__(self, settings: ConnectionSettings, url: URL) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(
                f'connection "{settings.name}": SQLite {sqlite3.sqlite_version} is too old, 3.35 is needed',
                hint="use a newer Python, or another store",
            )
        if url.database in {None, "", ":memory:"}:
            raise ConfigurationError(
                f'connection "{settings.name}": a SQLite store is a file that processes share, not memory',
                hint='name a file, as in sqlite:///queue.db, or use the driver "memory"',
            )
        self.path = Path(url.database or "").absolute()  # the working directory may change later
        self._clock = SystemClock()
        self._journal = Journal()
        self._boot_us = _boot_number() * _BOOT_US
        super().__init__(settings, url.set(database=str(self.path)))

    def connect_args(self) -> dict[str, Any]:
        """Let a connection be used by one thread after another; the link waits for locks, and hears signals then."""
        return {"check_same_thread": False, "timeout": 0}

    @property
    def stand_in(self) -> Engine | None:
        """An empty database in memory: a connection would make the file."""
        is_missing = self.path.parent.is_dir() and not self.path.exists()
        return create_engine("sqlite://") if is_missing else None

    def session_engine(self) -> Engine:
        """One writer at a time, who waits for the one before."""
        engine = create_engine(self.url, connect_args={"check_same_thread": False, "timeout": self.settings.timeout_s})

        @event.listens_for(engine, "connect")
        def connect(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # else the library begins transactions, and later than they should
            self.prepare(connection)

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql(self.begin)

        return engine

    def prepare(self, connection: DBAPIConnection) -> None:
        """Choose WAL mode, and how much a commit waits for the disk."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone() != ("wal",):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {'FULL' if self.settings.durability == 'full' else 'NORMAL'}")
        cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        Journal.prepare(cursor)
        cursor.close()

    def committed(self, connection: Connection) -> None:
        """Write the journal back in time."""
        if self._journal.is_due():
            self._journal.write_back(connection.connection.dbapi_connection)  # type: ignore[arg-type]  # it is SQLite's

    def stamp(self) -> dict[str, Any]:
        """The host's clocks."""
        return {
            "now_us": self._clock.wall_us(),
            "lease_now_us": self._boot_us + time.monotonic_ns() // 1000,
            "boot_end_us": self._boot_us + _BOOT_US,
        }

    def statements(self, link: Link) -> Statements:
        """The statements of one store."""
        return SqliteStatements(link.tables, self)

    def moves(self, link: Link) -> Moves:
        """How jobs move in one store."""
        return SqliteMoves(link)

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
        return Index(f"{table.name}_{name}", *keys, sqlite_where=text(only) if only else None)

    def among(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """Whether a column is one of a list, given as JSON."""
        each = func.json_each(bindparam(name, type_=Text)).table_valued("value")
        return column.in_(select(each.c.value))

    def pack(self, values: Sequence[str]) -> str:
        """Write a list as JSON."""
        return _encode(values).decode()

    def rows(self) -> FromClause:
        """The rows of a list of lists, given as JSON."""
        return _listed("rows", ENDED_ROW).subquery("ending")

    def pack_rows(self, rows: Sequence[EndedRow]) -> dict[str, Any]:
        """Write the rows as a list of lists."""
        return {"rows": _encode(rows).decode()}

    def cells(self) -> FromClause:
        """The rows of a list of lists, given as JSON."""
        return _listed("cells", CELL_ROW).subquery("cell")

    def pack_cells(self, rows: Sequence[CellRow]) -> dict[str, Any]:
        """Write the rows as a list of lists."""
        return {"cells": _encode(rows).decode()}

    def has_lapsed(self, lease_until_us: ColumnElement[int]) -> ColumnElement[bool]:
        """A lease is over at its end, or when the host was started anew since."""
        return (lease_until_us <= self.lease_now) | (lease_until_us >= bindparam("boot_end_us", type_=BigInteger))

    def upsert(self, table: Table, source: Source, setting: Sequence[str] = (), adding: Sequence[str] = ()) -> Insert:
        """Insert, or change the row that is there."""
        return on_conflict(insert(table), source, setting, adding)

    def judge(self, error: BaseException) -> Trouble:
        """Tell what an error of SQLite means."""
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        if code in _BUSY:
            return Trouble.BUSY
        if code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column")):
            return Trouble.NO_TABLE
        return Trouble.GONE if code in _GONE else Trouble.REFUSED

    def explain(self, error: BaseException) -> str:
        """Tell an error of SQLite in one line."""
        return self._known(error)[0] or str(error).strip().partition("\n")[0]

    def remedy(self, error: BaseException) -> str:
        """What to do about it."""
        return self._known(error)[1]

    def _known(self, error: BaseException) -> tuple[str, str]:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        if code == sqlite3.SQLITE_CANTOPEN:
            return self._unopened()
        return _KNOWN.get(code, ("", ""))

    def _unopened(self) -> tuple[str, str]:
        folder = self.path.parent
        if not folder.is_dir():
            return f"there is no folder {folder}", "make the folder, or name another file"
        if not os.access(folder, os.W_OK | os.X_OK):
            return (
                f"the folder {folder} is not writable",
                "SQLite writes beside its file: name one in a folder of yours",
            )
        return "the file cannot be opened", "see whether it is a file, and yours to read and write"

    def facts(self, connection: Connection) -> dict[str, Any]:
        """Size, disk and version; the rest is set by `prepare`."""
        del connection
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return {
            "product": "SQLite",
            "version": sqlite3.sqlite_version,
            "file_bytes": sum(file.stat().st_size for file in files if file.exists()),
            "free_bytes": shutil.disk_usage(self.path.parent).free,
            "library": library_of(sqlite3.sqlite_version_info),
            "durability": (Trait(name="durability", value=self.settings.durability),),
            "writing": self._writing(),
        }

    def _writing(self) -> Trait:
        """SQLite writes to the file, and beside it."""
        places = [one for one in (self.path, self.path.parent) if one.exists()]
        closed = next((str(one) for one in places if not os.access(one, os.W_OK)), None)
        said = "not writable" if closed else "writable"
        remedy = "give this user the right to write it"
        return Trait.of_writing(closed or "file", said, reads_only=closed is not None, remedy=remedy)

    def watch(self, link: Link) -> Watch:
        """Watch the file that every commit writes to."""
        return FileWatch(Path(f"{self.path}-wal"), PollWatch(link))


def _listed(parameter: str, names: Sequence[str]) -> Select[Any]:
    """Read a list of lists, given as JSON."""
    each = func.json_each(bindparam(parameter, type_=Text)).table_valued("value")
    places: dict[str, ColumnElement[str]] = {name: literal_column(f"'$[{place}]'") for place, name in enumerate(names)}
    return select(*(func.json_extract(each.c.value, place).label(name) for name, place in places.items()))


def library_of(version: tuple[int, ...]) -> Trait:
    """Tell whether a version of SQLite has the race by which two checkpoints may damage a file in WAL mode."""
    text = ".".join(map(str, version))
    if version >= _MENDED or any(version[:2] == mended[:2] and version >= mended for mended in _MENDED_TOO):
        return Trait(name="SQLite", value=text)
    return Trait(
        name="SQLite",
        value=text,
        risk="in very rare cases two processes that write at once may damage the file (the WAL-reset race)",
        remedy="use SQLite 3.51.3 or newer (3.50.7 and 3.44.6 are mended too): a newer Python brings one",
    )


def _boot_number() -> int:
    try:
        return zlib.crc32(_BOOT_ID.read_bytes()) % 8192
    except OSError:
        return 0  # a host that does not number its starts: a lease may last longer after one
