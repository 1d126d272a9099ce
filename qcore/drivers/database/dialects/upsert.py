"""ON CONFLICT, as SQLite and PostgreSQL both have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Table
    from sqlalchemy.dialects import postgresql, sqlite

    from qcore.drivers.database.dialects.base import Source

    Insert = postgresql.Insert | sqlite.Insert


def on_conflict(insert: Insert, source: Source, setting: Sequence[str], adding: Sequence[str]) -> Insert:
    """Fill an insert, and say what becomes of the row that is there; see `Dialect.upsert`."""
    table = cast("Table", insert.table)
    keys = list(table.primary_key)
    filled = insert.values(source) if isinstance(source, dict) else insert.from_select(*source)
    if not setting and not adding:
        return filled.on_conflict_do_nothing(index_elements=keys)
    changed = {name: filled.excluded[name] for name in setting}
    added = {name: table.c[name] + filled.excluded[name] for name in adding}
    return filled.on_conflict_do_update(index_elements=keys, set_={**changed, **added})
