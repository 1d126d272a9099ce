"""What PostgreSQL tells those who listen."""

from __future__ import annotations

import logging
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from qcore.drivers.database.watch import PollWatch, Rest, Watch, rest_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qcore.drivers.bell import Bell
    from qcore.drivers.database.dialects.postgresql import PostgreSQL
    from qcore.drivers.database.link import Link

_log = logging.getLogger("qcore.drivers")
_KEPT_S = 1.0
"""How long the server's words may lie unread while nobody waits; it cannot let go of them before."""
_HEARD_WITHIN_S = 0.5
"""What was said on purpose arrives by then, if ever."""


class NotificationWatch(Watch):
    """Listens on a connection of its own; while there is none, it polls."""

    def __init__(self, link: Link, dialect: PostgreSQL) -> None:
        self._link = link
        self._dialect = dialect
        self._otherwise = PollWatch(link)
        self._connection: Connection | None = None
        self._read_at = 0.0

    def arm(self) -> None:
        """Forget what was said, and listen anew if the connection was lost."""
        if self._connection is not None:
            self._read()
        if self._connection is None and not self._dialect.is_deaf:
            with suppress(SQLAlchemyError, psycopg.Error):
                self._listen()

    def rest(self, bell: Bell, timeout_s: float, queues: Sequence[str]) -> Rest:
        """Sleep until the server says something."""
        socket = self._socket()
        if socket is None:
            return self._otherwise.rest(bell, timeout_s, queues)
        rest = rest_on(bell, timeout_s, socket)
        return rest._replace(named=not self._read().isdisjoint(queues)) if rest.stirred else rest

    def keep_up(self) -> None:
        """Read what the server said meanwhile, now and then."""
        if self._connection is not None and time.monotonic() > self._read_at + _KEPT_S:
            self._read()

    def close(self) -> None:
        """Listen no more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, psycopg.Error):
                connection.close()

    def _socket(self) -> int | None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                return self._wire(self._connection).socket
            self.close()
        return None

    def _listen(self) -> None:
        connection = self._dialect.engine.connect()
        connection.detach()  # from the pool: it is closed when we are done with it
        try:
            if self._dialect.is_pooled and not self._hears(connection):
                self._give_up()
                connection.close()
                return
            connection.exec_driver_sql(f'LISTEN "{self._dialect.channel}"')
        except (SQLAlchemyError, psycopg.Error):
            connection.close()
            raise
        self._connection = connection

    def _hears(self, connection: Connection) -> bool:
        """Try whether a notification comes through, on a channel that nobody else knows.

        Should the pooler keep a session that listens to it, nothing is ever said there again.
        """
        channel = f"{self._dialect.channel}_{self._link.writer[:12]}"
        connection.exec_driver_sql(f'LISTEN "{channel}"')
        with self._dialect.engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_notify('{channel}', '')")
        wire = self._wire(connection)
        until = time.monotonic() + _HEARD_WITHIN_S
        while (left_s := until - time.monotonic()) > 0:
            if select.select([wire.socket], [], [], left_s)[0]:
                wire.consume_input()
            if wire.notifies() is not None:
                break
        connection.exec_driver_sql(f'UNLISTEN "{channel}"')
        return left_s > 0

    def _give_up(self) -> None:
        self._dialect.is_deaf = True
        _log.warning(
            'connection "%s" (%s): a pooler stands before the server and lets no NOTIFY through; workers poll instead',
            self._link.settings.name,
            self._dialect.place,
        )

    def _read(self) -> set[str]:
        """Read what was said; returns the queues named."""
        assert self._connection is not None  # noqa: S101  the callers looked
        wire = self._wire(self._connection)
        named = set()
        try:
            wire.consume_input()
            while (said := wire.notifies()) is not None:
                named.add(said.extra.decode(errors="replace"))
        except psycopg.Error:
            self.close()
        self._read_at = time.monotonic()
        return named

    @staticmethod
    def _wire(connection: Connection) -> psycopg.pq.abc.PGconn:
        driver: psycopg.Connection[object] = connection.connection.dbapi_connection  # type: ignore[assignment]  # psycopg's
        return driver.pgconn
