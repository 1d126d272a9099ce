"""One driver's way to its database: connections, transactions, repeats, and errors in our words."""

from __future__ import annotations

import os
import random
import time
import uuid
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qcore.drivers.database.connections import Connections
from qcore.drivers.database.dialects import dialect_for
from qcore.drivers.database.dialects.base import Trouble
from qcore.drivers.database.dropping import Dropping
from qcore.drivers.database.flowing import Flowing
from qcore.drivers.database.limiting import Limiting
from qcore.drivers.database.locking import Locking
from qcore.drivers.database.measuring import Measuring
from qcore.drivers.database.moving import Moving
from qcore.drivers.database.prepared import execute
from qcore.drivers.database.pushing import Pushing
from qcore.drivers.database.schema import Tables
from qcore.drivers.database.upgrade import Upgrade
from qcore.errors import ConfigurationError, ConnectionFailed, PayloadError, QueueError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from qcore.config import ConnectionSettings
    from qcore.drivers.database.dialects.base import Dialect
    from qcore.drivers.database.moves import Moves
    from qcore.drivers.database.statements import Statements

T = TypeVar("T")

_PAUSE_S = (0.0002, 0.0008)
"""Before a transaction that met another one is repeated, times two for each step of the level."""
_MOST_LEVEL, _LATE_LEVEL = 7, 3
"""How far it goes, and how far with who has lost for half of the time: chance would starve somebody."""
_LONGEST_PAUSE_S = 0.05
_PROVEN = "qcore_proven"


class Link:
    """What the faces of one driver share."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.dialect = dialect_for(settings)
        self.tables = Tables(settings.table, self.dialect)
        self.writer = uuid.uuid4().hex
        """Under which name this process counts."""
        self._level = 0
        """A step up for each collision, a step down for each transaction that ends well: the more others there are, the
        longer each stays away, and who has the store writes several times in a row, with its pages as it left them."""
        self.collisions = 0
        """How often a transaction met another one, and was repeated."""
        self._pid = os.getpid()
        self._connections = Connections(self.dialect.engine)
        self._sessions: Engine | None = None
        library = self.dialect.errors
        self._failures = (library.Error, DBAPIError, PoolTimeout, OverflowError, UnicodeEncodeError)
        self._unholdable = (library.DataError, DataError, OverflowError, UnicodeEncodeError)
        """What is said of a value that the database has no room for: the fault is the value's."""
        event.listen(self.dialect.engine, "connect", self._prepare)

    @cached_property
    def statements(self) -> Statements:
        """What is said to the tables."""
        return self.dialect.statements(self)

    @cached_property
    def upgrade(self) -> Upgrade:
        """What keeps the tables up to date."""
        return Upgrade(self)

    @cached_property
    def moves(self) -> Moves:
        """How jobs move."""
        return self.dialect.moves(self)

    @cached_property
    def pushing(self) -> Pushing:
        """How jobs come in."""
        return Pushing(self)

    @cached_property
    def locking(self) -> Locking:
        """How jobs take keys and free them."""
        return Locking(self)

    @cached_property
    def dropping(self) -> Dropping:
        """What was dropped, and can be brought back."""
        return Dropping(self)

    @cached_property
    def moving(self) -> Moving:
        """How an operator moves jobs."""
        return Moving(self)

    @cached_property
    def measuring(self) -> Measuring:
        """What is measured of jobs."""
        return Measuring(self)

    @cached_property
    def flowing(self) -> Flowing:
        """How batches, chains and graphs move."""
        return Flowing(self)

    @property
    def sessions(self) -> Engine:
        """For the sessions of jobs: connections that are theirs alone, and wait for nobody else's."""
        self._after_fork()
        if self._sessions is None:
            self._sessions = self.dialect.session_engine()
        return self._sessions

    @cached_property
    def limiting(self) -> Limiting:
        """How jobs start by limits."""
        return Limiting(self)

    def run(self, work: Callable[[Connection], T], begin: Sequence[str] | None = None) -> T:
        """Run a piece of work on the store, whose tables are there and up to date, in its own transaction.

        Args:
            work: is given the connection; may be called several times, each time on a clean slate.
            begin: statements that begin the transaction; empty for none at all, None for the usual one.

        Raises:
            ConnectionFailed: the database did not answer in time, or refused.
            SchemaError: the tables are older or newer than this version knows, and may not be changed here.
        """
        self.upgrade.ensure()
        return self.transact(work, begin)

    def run_lightly(self, work: Callable[[Connection], T]) -> T:
        """Run a piece of work that may be done again: a crash of the server may take it back; see `run`."""
        return self.run(work, (self.dialect.begin_lightly,))

    def once(self, statement: str) -> None:
        """Execute what has no parameters and no answer, outside of any transaction; it is not tried again.

        Raises:
            ConnectionFailed: the database did not answer in time, or refused.
        """
        self._after_fork()
        with suppress(_Again):
            self._once(lambda connection: execute(connection, statement), ())

    def transact(self, work: Callable[[Connection], T], begin: Sequence[str] | None = None) -> T:
        """Run a piece of work in a transaction of its own, whatever tables there are; see `run`."""
        self._after_fork()
        opening = (self.dialect.begin,) if begin is None else begin
        deadline = time.monotonic() + self.settings.timeout_s
        may_have_reached = False
        while True:
            try:
                answer = self._once(work, opening)
            except _Again as again:
                may_have_reached = may_have_reached or again.may_have_reached
                self._pause(again, deadline)
            except ConnectionFailed as failure:
                failure.may_have_reached = failure.may_have_reached or may_have_reached
                raise
            else:
                if self._level:
                    self._level -= 1
                return answer

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run a piece of work that sees one instant of the store and changes nothing."""
        return self.run(work, self.dialect.snapshot)

    def look(self, work: Callable[[Connection], T]) -> T:
        """Run a piece of work that changes nothing, whatever tables there are; not even the store itself is made."""
        stand_in = self.dialect.stand_in
        if stand_in is None:
            return self.transact(work, begin=())
        try:
            with stand_in.connect() as connection:
                return work(connection)
        finally:
            stand_in.dispose()

    def inside(self, work: Callable[[Connection], T], within: Any) -> T:
        """Run a piece of work in the caller's own open transaction, once; nothing is committed here."""
        self.upgrade.ensure()
        connection = self._connection_of(within)
        if not connection.in_transaction():
            connection.begin()  # as SQLAlchemy would at its first statement: ours are not known to it
        self.dialect.adopt(connection.connection.dbapi_connection)
        try:
            return work(connection)
        except (SQLAlchemyError, *self._failures) as error:
            raise self.failure(error) from error

    def failure(self, error: BaseException, *, may_have_reached: bool = False) -> QueueError:
        """Say in our words what an error of the client library means."""
        cause = cause_of(error)
        trouble = self.dialect.judge(cause)
        where = f'connection "{self.settings.name}" ({self.dialect.place})'
        if trouble is Trouble.NO_TABLE:
            return SchemaError(
                f"{where}: its tables are missing or of another version ({self.dialect.explain(cause)})",
                hint="run: qctl migrate",
            )
        if isinstance(error, self._unholdable):
            return PayloadError(f"{where}: it cannot hold a value: {self.dialect.explain(cause)}")
        return ConnectionFailed(
            f"{where}: {self.dialect.explain(cause)}",
            hint=self.dialect.remedy(cause),
            may_have_reached=may_have_reached,
            is_refusal=trouble is Trouble.REFUSED,
        )

    def is_gone(self, error: BaseException) -> bool:
        """Whether an error means that the connection broke off."""
        return self.dialect.judge(cause_of(error)) is Trouble.GONE

    def close(self) -> None:
        """Let go of every connection; the next piece of work opens new ones."""
        self._after_fork()
        self._connections.close()
        if self._sessions is not None:
            self._sessions.dispose()

    def _once(self, work: Callable[[Connection], T], opening: Sequence[str]) -> T:
        attempt = _Attempt(self.dialect, self._connections, opening)
        try:
            with attempt as connection:
                answer = work(connection)
                attempt.commit()
                return answer
        except self._failures as error:
            raise self._verdict(error, attempt) from error

    def _verdict(self, error: Exception, attempt: _Attempt) -> BaseException:
        """Whether to try again: after a collision, or once where a connection had died while it lay idle."""
        cause = cause_of(error)
        trouble = self.dialect.judge(cause)
        may_have_reached = trouble is Trouble.GONE and attempt.may_have_acted
        failure = self.failure(error, may_have_reached=may_have_reached)
        if trouble is Trouble.BUSY:
            return _Again(failure, is_busy=True, may_have_reached=False)
        if trouble is Trouble.GONE:
            self._connections.close()
            if attempt.was_idle and not attempt.is_ambiguous:
                return _Again(failure, is_busy=False, may_have_reached=may_have_reached)
        return failure

    def _pause(self, again: _Again, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise again.failure from again
        if again.is_busy:
            self.collisions += 1
            self._level = min(_MOST_LEVEL, self._level + 1)
            is_late = left_s < self.settings.timeout_s / 2
            growth = 2.0 ** min(self._level, _LATE_LEVEL if is_late else _MOST_LEVEL)
            time.sleep(min(_LONGEST_PAUSE_S, random.uniform(*_PAUSE_S) * growth))  # noqa: S311  no secret

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid, self.writer = os.getpid(), uuid.uuid4().hex
            self._connections.abandon()
            if self._sessions is not None:
                self._sessions.dispose(close=False)

    def _prepare(self, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        self.dialect.prepare(connection)

    def _connection_of(self, within: Any) -> Connection:
        connection = within if isinstance(within, Connection) else _of_session(within)
        if connection.dialect.driver != self.dialect.sqlalchemy.driver:
            raise ConfigurationError(
                f'connection "{self.settings.name}": the transaction given is one of {connection.dialect.name} '
                f"through {connection.dialect.driver}, the store's is {self.dialect.url.drivername}",
                hint="give a session or connection on the store's own database",
            )
        return connection


class _Attempt:
    """One try at a transaction, and how far it came."""

    def __init__(self, dialect: Dialect, connections: Connections, opening: Sequence[str]) -> None:
        self._dialect = dialect
        self._connections = connections
        self._opening = opening
        self._is_open = False
        self._is_connected = False
        self.was_idle = False
        """Whether the connection had served before: then it may have died since."""
        self.is_ambiguous = False
        """Whether the commit was sent."""

    @property
    def may_have_acted(self) -> bool:
        """Whether the store may have been changed for good: a statement outside of a transaction is so at once."""
        return self.is_ambiguous or (self._is_connected and not self._opening)

    def __enter__(self) -> Connection:
        self._connection = connection = self._connections.take()
        self._is_connected = True
        self.was_idle = bool(connection.info.get(_PROVEN))
        try:
            for statement in self._opening:
                self._is_open = self._is_open or ";" in statement  # should its second half fail
                execute(connection, statement)
                self._is_open = True
        except BaseException as error:
            self._give_back(error)
            raise
        return connection

    def commit(self) -> None:
        if self._is_open:
            self.is_ambiguous = True
            execute(self._connection, "COMMIT")
            self._is_open = False
        self._connection.info[_PROVEN] = True
        self._dialect.committed(self._connection)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._give_back(error)

    def _give_back(self, error: BaseException | None) -> None:
        if error is not None:
            self._undo(error)
        self._connections.give_back(self._connection)

    def _undo(self, error: BaseException) -> None:
        """Nobody else is to get a connection of which nobody knows what it is in the middle of."""
        if not isinstance(error, Exception) or self._dialect.judge(cause_of(error)) is Trouble.GONE:
            self._connection.invalidate()
        elif self._is_open:
            try:
                execute(self._connection, "ROLLBACK")
            except (SQLAlchemyError, self._dialect.errors.Error):
                self._connection.invalidate()


class _Again(Exception):  # noqa: N818  a request, no error
    """The work may be tried again; `failure` is what to say when there is no time left for it."""

    def __init__(self, failure: QueueError, *, is_busy: bool, may_have_reached: bool) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_busy = is_busy
        self.may_have_reached = may_have_reached


def cause_of(error: BaseException) -> BaseException:
    """The client library's own error, where SQLAlchemy wrapped one."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _of_session(within: Any) -> Connection:
    connection: Any = within.connection() if hasattr(within, "connection") else None
    if not isinstance(connection, Connection):
        if hasattr(connection, "close"):
            connection.close()  # a coroutine of an asynchronous session
        raise ConfigurationError(
            f"a transaction is a Session or a Connection of SQLAlchemy, not {type(within).__name__}",
            hint="of an asynchronous session, run the dispatch by run_sync",
        )
    return connection
