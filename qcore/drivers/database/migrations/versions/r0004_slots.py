"""Of which limits a slot is, so that it can be given back.

Revision 0004, of 0003.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context, op
from sqlalchemy import Column

if TYPE_CHECKING:
    from qcore.drivers.database.dialects.base import Dialect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; slots that there are keep none, and end with their time."""
    dialect: Dialect = context.config.attributes["dialect"]
    prefix: str = context.config.attributes["tables"].prefix
    op.add_column(f"{prefix}_slots", Column("limit_names", dialect.text_type))
