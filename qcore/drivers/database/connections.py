"""Connections between two pieces of work."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import QueuePool

POOL_SIZE = 5
POOL_OVERFLOW = 20

_inherited: list[object] = []
"""What the parent process had open: letting go of it here would end the parent's connections."""


class Connections:
    """Where connections rest; who was the last to rest is the first to work.

    SQLAlchemy's pool makes them and limits their number. Those that rest here stay checked out of it, because coming
    and going there costs more than a small statement does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._resting: deque[Connection] = deque()  # its single steps are atomic
        self._made: dict[Connection, int] = {}
        """Since how many closings each is there: a pool that was disposed of would never close what comes back."""
        self._closings = 0
        self._closing = threading.Lock()
        """What goes back to the pool does so before that is disposed of, or not at all."""

    def take(self) -> Connection:
        """Give one out: to be given back or, if it is of no more use, to be invalidated and given back."""
        try:
            return self._resting.pop()
        except IndexError:
            closings = self._closings  # looked at first: what is made while all are closed counts as older
            connection = self._engine.connect()
            self._made[connection] = closings
            return connection

    def give_back(self, connection: Connection) -> None:
        """Let one rest."""
        is_plain = not (connection.invalidated or connection.in_transaction())
        made_at = self._made.get(connection)
        if is_plain and made_at == self._closings and len(self._resting) < POOL_SIZE and not self._are_scarce():
            self._resting.append(connection)
            if made_at != self._closings:
                self._end_resting()  # whoever closed them meanwhile may have looked before this one came
            return
        with self._closing:
            if made_at != self._closings:
                self._end(connection)
            else:
                self._made.pop(connection, None)
                connection.close()

    def close(self) -> None:
        """Close those that rest; others are closed as they come back."""
        with self._closing:
            self._closings += 1
            self._end_resting()
            self._engine.dispose()

    def abandon(self) -> None:
        """Forget all of them, in a process that was forked: they are the parent's."""
        _inherited.extend((self._engine.pool, *self._resting, *self._made))
        self._resting.clear()
        self._made.clear()
        self._closing = threading.Lock()  # whoever held it is not here
        self._engine.dispose(close=False)

    def _end_resting(self) -> None:
        while self._resting:
            try:
                self._end(self._resting.pop())
            except IndexError:
                break  # another thread took the last one

    def _end(self, connection: Connection) -> None:
        self._made.pop(connection, None)
        connection.invalidate()
        connection.close()

    def _are_scarce(self) -> bool:
        """Whether somebody may be waiting for one: the pool tells him, not we."""
        return cast("QueuePool", self._engine.pool).checkedout() >= POOL_SIZE + POOL_OVERFLOW
