"""Whether the tables are those of this version, and making them so. Alembic is loaded only to change old ones."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select

from qcore.drivers.database.schema import REVISIONS
from qcore.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from qcore.drivers.database.link import Link


class Upgrade:
    """The state of one store's schema."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = Lock()
        self._is_current = False

    def ensure(self) -> None:
        """Make sure, once, that the tables are those of this version.

        Raises:
            SchemaError: they are newer, or older and `auto_migrate` is off.
        """
        if self._is_current:
            return
        with self._lock:
            if not self._is_current:
                self._ensure()
                self._is_current = True

    def migrate(self) -> Sequence[str]:
        """Bring the tables up to date; returns the revisions applied, oldest first.

        Raises:
            SchemaError: they are newer than this version of qcore.
        """
        return self._link.transact(self._migrate, begin=())

    def _ensure(self) -> None:
        revision = self._link.transact(self._revision, begin=())
        if revision == REVISIONS[-1]:
            return
        if not self._link.settings.auto_migrate:
            what = "the store has no tables yet" if revision is None else f"its tables are at revision {revision}"
            raise SchemaError(f"{self._where}: {what}, this version needs {REVISIONS[-1]}", hint="run: qctl migrate")
        self.migrate()

    def _migrate(self, connection: Connection) -> Sequence[str]:
        with self._link.dialect.migrating(connection):
            revision = self._revision(connection)  # again: another process may have been first
            if revision is None:
                self._create(connection)
                return REVISIONS
            applied = REVISIONS[REVISIONS.index(revision) + 1 :]
            if applied:
                _upgrade(self._link, connection)
            return applied

    def _create(self, connection: Connection) -> None:
        """Make the tables at once: a first use must not wait for Alembic to load."""
        tables = self._link.tables
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.version).values(version_num=REVISIONS[-1]))

    def found(self, connection: Connection) -> str | None:
        """Read the revision of the tables that are there, whether it is known or not."""
        version = self._link.tables.version
        if not inspect(connection).has_table(version.name):
            return None
        return connection.execute(select(version.c.version_num)).scalar_one_or_none()

    def _revision(self, connection: Connection) -> str | None:
        revision = self.found(connection)
        if revision is not None and revision not in REVISIONS:
            raise SchemaError(
                f"{self._where}: its tables are of a newer version (revision {revision}, known here: {REVISIONS[-1]})",
                hint="update qctl on this host",
            )
        return revision

    @property
    def _where(self) -> str:
        return f'connection "{self._link.settings.name}" ({self._link.dialect.place})'


def _upgrade(link: Link, connection: Connection) -> None:
    from qcore.drivers.database.migrations.run import upgrade

    upgrade(link.tables, link.dialect, connection)
