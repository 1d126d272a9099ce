"""What Alembic runs for every command; see `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcore.drivers.database.schema import Tables

tables: Tables = context.config.attributes["tables"]
connection: Connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=tables.metadata,
    version_table=tables.version.name,
    transactional_ddl=False,  # the caller's transaction holds the lock
    render_as_batch=True,  # SQLite changes no column in place
)
context.run_migrations()
