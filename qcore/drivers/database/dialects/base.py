"""What the rest of the driver asks of a database; each answer is a class of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Engine, Index, create_engine
from sqlalchemy.exc import SQLAlchemyError

from qcore.config import mask_url
from qcore.drivers.database.connections import POOL_OVERFLOW, POOL_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import URL, ColumnElement, Connection, FromClause, Insert, Select, Table
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.engine.interfaces import Dialect as SQLAlchemyDialect
    from sqlalchemy.types import TypeEngine

    from qcore.config import ConnectionSettings
    from qcore.drivers.database.link import Link
    from qcore.drivers.database.moves import Moves
    from qcore.drivers.database.statements import Statements
    from qcore.drivers.database.watch import Watch

EndedRow = tuple[str, str, int, int, int, int]
"""`id`, `token`, `attempts`, `exceptions`, `runtime_us`, `kept`."""
Source = dict[str, Any] | tuple[list[str], "Select[Any]"]
"""What is inserted: values by column, or columns and the select that fills them."""
CellRow = tuple[str, str, int, int, int, int]
"""`queue`, `job`, `measure`, `bucket`, `number`, `total`."""
ENDED_ROW = ("id", "token", "attempts", "exceptions", "runtime_us", "kept")


class Trouble(Enum):
    """What an error of the client library means for the one who asked."""

    BUSY = auto()
    """Others were in the way, and nothing happened: ask again."""
    GONE = auto()
    """The connection is of no more use."""
    NO_TABLE = auto()
    """A table, or a column, is not there."""
    REFUSED = auto()
    """The database answered, and said no."""


class Dialect(ABC):
    """One kind of database, as one connection of the user's is set up.

    Connections are in autocommit mode; `begin` and `commit` are sent as statements, so that a verb of one
    statement costs one round trip.
    """

    begin: ClassVar[str] = "BEGIN"
    snapshot: ClassVar[tuple[str, ...]] = ("BEGIN",)
    """Begin a transaction that reads one instant."""
    engine_options: ClassVar[dict[str, Any]] = {}
    """What SQLAlchemy is to be told beyond the usual."""
    table_options: ClassVar[dict[str, Any]] = {}
    sees_latest: ClassVar[bool] = True
    """Whether a transaction of the caller's sees what others have committed since it began, unless told otherwise."""
    id_type: ClassVar[TypeEngine[str]]
    name_type: ClassVar[TypeEngine[str]]
    text_type: ClassVar[TypeEngine[str]]
    blob_type: ClassVar[TypeEngine[bytes]]
    now: ColumnElement[int]
    """The store's clock, microseconds since the epoch."""
    lease_now: ColumnElement[int]
    """The clock of the leases; the store's, where that one never steps."""

    def __init__(self, settings: ConnectionSettings, url: URL) -> None:
        self.settings = settings
        self.url = url
        self.engine = self._engine()

    @property
    def sqlalchemy(self) -> SQLAlchemyDialect:
        """SQLAlchemy's own idea of this database, for compiling."""
        return self.engine.dialect

    @property
    def errors(self) -> Any:
        """The client library, as PEP 249 has it, for its errors."""
        return self.engine.dialect.loaded_dbapi

    @cached_property
    def place(self) -> str:
        """Where the store is, without its secrets."""
        shown = self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)
        return mask_url(shown)  # the secrets among the parameters, too

    @property
    def stand_in(self) -> Engine | None:
        """What may be asked in its place where it is not there yet, and looking must not make it; None where it is."""
        return None

    @property
    def forgotten_after_s(self) -> float:
        """Seconds of silence in a transaction after which its client is taken for lost, and its locks are freed.

        A host that vanishes from the network, or is suspended, would hold them for hours.
        """
        return 2 * self.settings.timeout_s

    def _engine(self) -> Engine:
        return create_engine(
            self.url,
            isolation_level="AUTOCOMMIT",
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=self.settings.timeout_s,
            pool_use_lifo=True,
            pool_reset_on_return=None,
            skip_autocommit_rollback=True,
            **self.engine_options,
            connect_args={**self.connect_args(), **self.settings.options},
        )

    def session_engine(self) -> Engine:
        """Another way to the same database, for sessions of jobs: as their author would set it up."""
        return create_engine(
            self.url,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=self.settings.timeout_s,
            pool_pre_ping=True,
            connect_args=dict(self.settings.options),
        )

    def committed(self, connection: Connection) -> None:  # noqa: B027  most need not know
        """Learn that a transaction on a connection of the store's own ended well."""

    @abstractmethod
    def connect_args(self) -> dict[str, Any]:
        """What the client library is to be told when it connects."""

    @property
    def begin_lightly(self) -> str:
        """Begin a transaction that a crash of the server may take back, whole, where that makes it cheaper.

        Two statements in one are begun by the first, even if the second fails.
        """
        return self.begin

    def adopt(self, connection: Any) -> None:  # noqa: B027  most need nothing
        """Make the caller's connection fit for statements of ours."""

    def prepare(self, connection: DBAPIConnection) -> None:  # noqa: B027  one has nothing to set up
        """Set a new connection up."""

    def cursor(self, connection: Any) -> Any:
        """A cursor of the client library's, for statements of ours."""
        return connection.cursor()

    @property
    def voice(self) -> dict[str, Any]:
        """What a statement that tells of what it stored is given; nothing where none can."""
        return {}

    def stamp(self) -> dict[str, Any]:
        """Values that statements of this database are given each time."""
        return {}

    # --- statements -------------------------------------------------------------------------------------------

    @abstractmethod
    def statements(self, link: Link) -> Statements:
        """The statements of one store."""

    @abstractmethod
    def moves(self, link: Link) -> Moves:
        """How jobs move in one store."""

    @abstractmethod
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
        """Add an index to a table.

        Args:
            table: whose rows are indexed.
            name: of the index, after the table's own.
            columns: in order.
            only: hold the rows of this condition alone, where the database can.
            over: the columns of that condition, to lead the index where it cannot.
            also: columns that may be read without the table, where they cost the rows of other conditions nothing.
        """

    @abstractmethod
    def among(self, column: ColumnElement[str], name: str) -> ColumnElement[bool]:
        """Whether a column is one of a list of strings, the parameter `name` (see `pack`)."""

    @abstractmethod
    def pack(self, values: Sequence[str]) -> Any:
        """Bring a list of strings, one at least, into the form `among` wants."""

    @abstractmethod
    def rows(self) -> FromClause:
        """A table made of parameters: the columns of `ENDED_ROW`, a row per job that ends."""

    @abstractmethod
    def pack_rows(self, rows: Sequence[EndedRow]) -> dict[str, Any]:
        """Bring such rows into the parameters of `rows`."""

    @abstractmethod
    def cells(self) -> FromClause:
        """A table made of parameters: the columns of `CELL_ROW`, a row per cell of the measures."""

    @abstractmethod
    def pack_cells(self, rows: Sequence[CellRow]) -> dict[str, Any]:
        """Bring such rows into the parameters of `cells`."""

    @abstractmethod
    def upsert(self, table: Table, source: Source, setting: Sequence[str] = (), adding: Sequence[str] = ()) -> Insert:
        """Insert, unless a row of that primary key is there; no other trouble is passed over.

        Args:
            table: to insert into.
            source: a value for each column, or a select for several of them.
            setting: columns of the row that is there to set to the new values.
            adding: columns of the row that is there to add the new values to.
        """

    def has_lapsed(self, lease_until_us: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether a lease that lasts until then, by the clock of the leases, is over."""
        return lease_until_us <= self.lease_now

    def locked(self, select: Select[Any], *, skip: bool = False) -> Select[Any]:
        """Let a select lock what it finds; `skip` passes over what others hold."""
        return select.with_for_update(skip_locked=skip)

    def locked_by_now(self, select: Select[Any]) -> Select[Any] | None:
        """Let a select lock what it finds, and tell last the instant at which it had; None if it cannot tell that."""
        del select
        return None

    def spare_readers(self, table: Table) -> str:
        """A statement outside of any transaction, after which who counts need not look at rows stored of late; or none.

        It may take its time with many of them, and it may be left out.
        """
        del table
        return ""

    # --- the life of a connection -----------------------------------------------------------------------------

    @abstractmethod
    def judge(self, error: BaseException) -> Trouble:
        """Tell what an error of the client library means."""

    @abstractmethod
    def explain(self, error: BaseException) -> str:
        """Tell an error of the client library in one line."""

    def remedy(self, error: BaseException) -> str:
        """What to do about an error of the client library, in one line; empty when the message says it all."""
        return "" if self.judge(error) is Trouble.REFUSED else "is it running? check --url, or QCTL_URL"

    def begin_exclusive(self) -> Sequence[str]:
        """How a transaction begins that no other migration runs beside."""
        return (self.begin,)

    @contextmanager
    def migrating(self, connection: Connection) -> Iterator[None]:
        """Hold the one lock under which the schema changes."""
        for statement in self.begin_exclusive():
            connection.exec_driver_sql(statement)
        try:
            yield
        except BaseException:
            with suppress(SQLAlchemyError):  # where the server fell silent, that is what is to be told
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    @abstractmethod
    def facts(self, connection: Connection) -> dict[str, Any]:
        """What the database tells of itself: fields of `StoreFacts`, as far as it may be asked for them."""

    @abstractmethod
    def watch(self, link: Link) -> Watch:
        """What tells a wait that something happened in the store."""
