"""Jobs in a database: SQLite, PostgreSQL, MariaDB or MySQL.

The driver's faces (`driver`, `operator`, `reader`; workers apart in `registry`) share one `Link`: connections,
transactions, repeats. What they say to the tables (`schema`) is in `statements`, `operations`, `readings`, `looks`
and `trimming`; how jobs move, many at a time, in `moves`. What differs between databases is a class of `dialects`,
and nothing else asks which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcore.drivers.database.driver import DatabaseDriver
from qcore.drivers.database.link import Link
from qcore.drivers.database.operator import DatabaseOperator
from qcore.drivers.database.prepared import build
from qcore.drivers.database.reader import DatabaseReader
from qcore.drivers.database.registry import DatabaseRegistry

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers import Store


class DatabaseStore(DatabaseDriver, DatabaseOperator, DatabaseReader, DatabaseRegistry):
    """A whole store in a database."""

    def get_ready(self) -> None:
        """Compile what workers and their supervisor say again and again; see `Driver.get_ready`."""
        self._waiting.get_ready()
        for statements in (self._link.statements, self._link.limiting.say, self._registry):
            build(statements)
        self._link.moves.get_ready()
        self._readings.instant  # noqa: B018  built at its first use


def open_database(settings: ConnectionSettings) -> Store:
    """Open a store in a database; nothing is connected before the first verb.

    Args:
        settings: `url` chooses the database, `table` is the prefix of its tables, and `options` are given to the
            client library when it connects.

    Raises:
        ConfigurationError: the URL leads nowhere, or the client library is too old.
        ModuleNotFoundError: the client library is not installed.
    """
    return DatabaseStore(Link(settings))
