"""When the journal of a SQLite file is written back into it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPICursor

_PAGES = 4000
"""How long the journal is to become: 16 MB."""
_MOST_PAGES = 4 * _PAGES
"""From there on SQLite sees to it itself, should a process commit seldom, but much."""
_EVERY = (8, 64, 4096)
"""Transactions from one time to the next: at the least, at first, at the most."""
_READERS_MS = 10
"""How long to wait for those who read; they read for less than that."""
_SLOW_S = 0.1
"""Where the disk takes that long, nobody is kept from writing while it is waited for: the journal may grow."""


class Journal:
    """The share of one process in it.

    SQLite's own way is to write back after each commit once the journal is long, and to begin it anew if nobody reads
    at that moment. Where sixteen processes look for work somebody always does: then every commit waits for the disk.
    """

    def __init__(self) -> None:
        self._every = self._left = _EVERY[1]

    @staticmethod
    def prepare(cursor: DBAPICursor) -> None:
        """Leave a connection's commits alone."""
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_MOST_PAGES}")

    def is_due(self) -> bool:
        """Count a transaction; whether it is time."""
        self._left -= 1
        return self._left <= 0

    def write_back(self, connection: sqlite3.Connection) -> None:
        """Write back what nobody needs in the journal any more, and let it begin anew if it is long."""
        with suppress(sqlite3.Error):  # what was committed is safe where it is
            self._every = self._next(connection)
        self._left = self._every

    def _next(self, connection: sqlite3.Connection) -> int:
        least, _, most = _EVERY
        began = time.monotonic()
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        is_slow = time.monotonic() - began > _SLOW_S
        if pages < _PAGES // 2 or is_slow or not self._begins_anew(connection):
            return min(most, 2 * self._every)
        return max(least, self._every // 2) if pages > 2 * _PAGES else self._every

    def _begins_anew(self, connection: sqlite3.Connection) -> bool:
        connection.execute(f"PRAGMA busy_timeout = {_READERS_MS}")
        try:
            is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        finally:
            connection.execute("PRAGMA busy_timeout = 0")
        return not is_busy
