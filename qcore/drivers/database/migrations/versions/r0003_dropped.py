"""What an operator dropped, and the tags that somebody monitors.

Revision 0003, of 0002.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context, op
from sqlalchemy import BigInteger, Column, SmallInteger

if TYPE_CHECKING:
    from qcore.drivers.database.dialects.base import Dialect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of what can be brought back, and of tags."""
    dialect: Dialect = context.config.attributes["dialect"]
    prefix: str = context.config.attributes["tables"].prefix
    dropped = op.create_table(
        f"{prefix}_dropped",
        Column("token", dialect.name_type, primary_key=True),
        Column("id", dialect.id_type, primary_key=True),
        Column("job", dialect.name_type, nullable=False),
        Column("queue", dialect.name_type, nullable=False),
        Column("rank", BigInteger, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        Column("dropped_us", BigInteger, nullable=False),
        Column("flow", dialect.name_type),
        Column("lock_name", dialect.name_type),
        Column("lock_kind", SmallInteger),
        Column("lock_for_us", BigInteger),
        Column("tags", dialect.text_type),
        Column("payload", dialect.blob_type, nullable=False),
        **dialect.table_options,
    )
    dialect.index(dropped, "dropped", ("dropped_us",)).create(op.get_bind())
    op.create_table(f"{prefix}_tags", Column("name", dialect.name_type, primary_key=True), **dialect.table_options)
