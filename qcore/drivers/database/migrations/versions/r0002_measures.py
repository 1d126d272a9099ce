"""What is measured of jobs.

Revision 0002, of 0001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context, op
from sqlalchemy import BigInteger, Column, Integer, SmallInteger

if TYPE_CHECKING:
    from qcore.drivers.database.dialects.base import Dialect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the last minutes and of what is over."""
    dialect: Dialect = context.config.attributes["dialect"]
    prefix: str = context.config.attributes["tables"].prefix
    op.create_table(
        f"{prefix}_measures",
        Column("minute", Integer, primary_key=True, autoincrement=False),
        Column("writer", dialect.id_type, primary_key=True),
        Column("queue", dialect.name_type, primary_key=True),
        Column("job", dialect.name_type, primary_key=True),
        Column("measure", SmallInteger, primary_key=True, autoincrement=False),
        Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
        Column("number", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        **dialect.table_options,
    )
    op.create_table(
        f"{prefix}_history",
        Column("span", SmallInteger, primary_key=True, autoincrement=False),
        Column("minute", Integer, primary_key=True, autoincrement=False),
        Column("queue", dialect.name_type, primary_key=True),
        Column("job", dialect.name_type, primary_key=True),
        Column("spreads", dialect.blob_type, nullable=False),
        **dialect.table_options,
    )
