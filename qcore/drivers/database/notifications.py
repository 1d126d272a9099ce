"""What PostgreSQL tells those who listen."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from qcore.drivers.database.watch import PollWatch, Rest, Watch, rest_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qcore.drivers.base import Bell
    from qcore.drivers.database.link import Link

_KEPT_S = 1.0
"""How long the server's words may lie unread while nobody waits; it cannot let go of them before."""


class NotificationWatch(Watch):
    """Listens on a connection of its own; while there is none, it polls."""

    def __init__(self, link: Link, channel: str) -> None:
        self._link = link
        self._channel = channel
        self._otherwise = PollWatch(link)
        self._connection: Connection | None = None
        self._read_at = 0.0

    def arm(self) -> None:
        """Forget what was said, and listen anew if the connection was lost."""
        if self._connection is not None:
            self._read()
        if self._connection is None:
            with suppress(SQLAlchemyError, psycopg.Error):
                self._listen()

    def rest(self, bell: Bell, timeout_s: float, queues: Sequence[str]) -> Rest:
        """Sleep until the server says something."""
        socket = self._socket()
        if socket is None:
            return self._otherwise.rest(bell, timeout_s, queues)
        return rest_on(bell, timeout_s, socket)

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
        connection = self._link.dialect.engine.connect()
        connection.detach()  # from the pool: it is closed when we are done with it
        try:
            connection.exec_driver_sql(f'LISTEN "{self._channel}"')
        except (SQLAlchemyError, psycopg.Error):
            connection.close()
            raise
        self._connection = connection

    def _read(self) -> None:
        assert self._connection is not None  # noqa: S101  the callers looked
        wire = self._wire(self._connection)
        try:
            wire.consume_input()
            while wire.notifies() is not None:
                pass
        except psycopg.Error:
            self.close()
        self._read_at = time.monotonic()

    @staticmethod
    def _wire(connection: Connection) -> psycopg.pq.abc.PGconn:
        driver: psycopg.Connection[object] = connection.connection.dbapi_connection  # type: ignore[assignment]  # psycopg's
        return driver.pgconn
