"""Alembic, told where everything is: no file of settings, no command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcore.drivers.database.dialects.base import Dialect
    from qcore.drivers.database.schema import Tables


def upgrade(tables: Tables, dialect: Dialect, connection: Connection, revision: str = "head") -> None:
    """Bring the tables of one prefix up to a revision.

    Args:
        tables: of this version; their prefix is the one to migrate.
        dialect: of the database.
        connection: holds the lock under which the schema changes, and commits it.
        revision: where to stop; `head` is the newest.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes.update(tables=tables, dialect=dialect, connection=connection)
    command.upgrade(config, revision)
