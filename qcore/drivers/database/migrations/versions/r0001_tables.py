"""The first tables.

Revision 0001, of nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import context, op
from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table

if TYPE_CHECKING:
    from sqlalchemy import Index

    from qcore.drivers.database.dialects.base import Dialect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them, and their indexes."""
    dialect: Dialect = context.config.attributes["dialect"]
    prefix: str = context.config.attributes["tables"].prefix
    jobs = _table(dialect, prefix, *_described(dialect), *_locking(dialect), *_live(dialect), *_carried(dialect))
    finished = _table(dialect, f"{prefix}_finished", *_described(dialect), *_finished(dialect), *_carried(dialect))
    failed = _table(
        dialect, f"{prefix}_failed", *_described(dialect), *_locking(dialect), *_failed(dialect), *_carried(dialect)
    )
    locks = _table(dialect, f"{prefix}_locks", *_lock(dialect))
    limits = _table(dialect, f"{prefix}_limits", *_limit(dialect))
    slots = _table(dialect, f"{prefix}_slots", *_slot(dialect))
    flows = _table(dialect, f"{prefix}_flows", *_flow(dialect))
    steps = _table(dialect, f"{prefix}_steps", *_step(dialect))
    _table(dialect, f"{prefix}_queues", *_queue(dialect))
    _table(dialect, f"{prefix}_counters", *_counter(dialect))
    _table(dialect, f"{prefix}_workers", *_worker(dialect))
    commands = _table(dialect, f"{prefix}_commands", *_command(dialect))
    for index in (
        dialect.index(jobs, "ready", ("queue", "rank", "due_us", "id"), only="state = 0", over=("state",)),
        dialect.index(jobs, "delayed", ("queue", "due_us", "id"), only="state = 1", over=("state",)),
        dialect.index(jobs, "leased", ("lease_until_us", "queue"), only="state = 2", over=("state",)),
        dialect.index(
            jobs,
            "retrying",
            ("queue", "due_us", "id"),
            only="attempts > 0 AND state < 2",
            over=("attempts",),
            also=("state",),
        ),
        dialect.index(jobs, "flow", ("flow", "id"), only="flow IS NOT NULL"),
        dialect.index(finished, "window", ("queue", "state", "kept", "ended_us")),
        dialect.index(finished, "results", ("result_until_us",), only="kept = 1", over=("kept",)),
        dialect.index(failed, "ended_queue", ("queue", "ended_us", "id")),
        dialect.index(failed, "ended", ("ended_us",)),
        dialect.index(failed, "flow", ("flow", "id"), only="flow IS NOT NULL"),
        dialect.index(locks, "owner", ("owner",)),
        dialect.index(locks, "until", ("until_us",)),
        dialect.index(limits, "until", ("until_us",)),
        dialect.index(slots, "at", ("at_us",)),
        *_of_flows(dialect, flows, steps),
        dialect.index(commands, "address", ("address", "left_us")),
    ):
        index.create(op.get_bind())


def _of_flows(dialect: Dialect, flows: Table, steps: Table) -> list[Index]:
    stopping = "finished_us IS NULL AND cancelled_us IS NOT NULL"
    return [
        dialect.index(flows, "kind", ("kind", "id")),
        dialect.index(flows, "finished", ("finished_us",)),
        dialect.index(flows, "stopping", ("cancelled_us",), only=stopping, over=("finished_us",)),
        dialect.index(steps, "flow", ("flow", "strand", "place")),
    ]


def _table(dialect: Dialect, name: str, *columns: Column[Any]) -> Table:
    return op.create_table(name, *columns, **dialect.table_options)


def _number(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


def _flag(name: str) -> Column[Any]:
    return Column(name, SmallInteger, nullable=False, server_default="0")


def _described(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("job", dialect.name_type, nullable=False),
        Column("queue", dialect.name_type, nullable=False),
        Column("rank", BigInteger, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        _number("attempts"),
        _number("exceptions"),
        _number("crashes"),
        Column("reserved_us", BigInteger),
        Column("token", dialect.name_type),
        Column("last_token", dialect.name_type),
        Column("last_outcome", dialect.name_type),
        Column("progress", SmallInteger),
        Column("progress_note", dialect.text_type),
        Column("flow", dialect.name_type),
    ]


def _locking(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("lock_name", dialect.name_type),
        Column("lock_kind", SmallInteger),
        Column("lock_for_us", BigInteger),
    ]


def _live(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("state", SmallInteger, nullable=False),
        _number("reclaims"),
        _flag("started"),
        _flag("cancel_requested"),
        Column("crash_reason", dialect.text_type),
        Column("lease_until_us", BigInteger),
    ]


def _finished(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("ended_us", BigInteger, nullable=False),
        Column("runtime_us", BigInteger),
        Column("state", SmallInteger, nullable=False),
        _flag("kept"),
        Column("result_until_us", BigInteger),
        Column("result", dialect.blob_type),
    ]


def _failed(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("ended_us", BigInteger, nullable=False),
        Column("runtime_us", BigInteger),
        Column("error", dialect.text_type),
    ]


def _carried(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("tags", dialect.text_type),
        Column("history", dialect.blob_type),
        Column("payload", dialect.blob_type, nullable=False),
    ]


def _lock(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("owner", dialect.id_type, nullable=False),
        Column("kind", SmallInteger, nullable=False),
        Column("taken_us", BigInteger, nullable=False),
        Column("first_us", BigInteger, nullable=False),
        Column("until_us", BigInteger),
    ]


def _limit(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("until_us", BigInteger, nullable=False),
        Column("state", dialect.blob_type),
    ]


def _slot(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("owner", dialect.id_type, primary_key=True),
        Column("at_us", BigInteger, nullable=False),
        Column("bound", Integer, nullable=False),
    ]


def _flow(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("kind", dialect.name_type, nullable=False),
        Column("name", dialect.name_type, nullable=False),
        Column("parent", dialect.id_type),
        _number("total"),
        _number("processed"),
        _number("failed"),
        _number("cancelled"),
        _number("excused"),
        _number("allowed"),
        Column("allowed_ppm", BigInteger),
        _flag("is_open"),
        _flag("has_begun"),
        _flag("hooks"),
        _flag("hooked"),
        _number("live"),
        _flag("progress"),
        Column("created_us", BigInteger, nullable=False),
        Column("failed_us", BigInteger),
        Column("failed_by", dialect.id_type),
        Column("cancelled_us", BigInteger),
        Column("finished_us", BigInteger),
        Column("options", dialect.blob_type),
        Column("callbacks", dialect.blob_type),
    ]


def _step(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("flow", dialect.id_type, nullable=False),
        Column("strand", BigInteger, nullable=False),
        Column("place", BigInteger, nullable=False),
        Column("name", dialect.name_type),
        Column("job", dialect.name_type, nullable=False),
        _flag("is_flow"),
        Column("state", SmallInteger, nullable=False),
        _number("waits"),
        Column("runtime_us", BigInteger),
        Column("ended_us", BigInteger),
        Column("parents", dialect.text_type),
        Column("children", dialect.text_type),
        Column("error", dialect.text_type),
        Column("envelope", dialect.blob_type),
        Column("result", dialect.blob_type),
    ]


def _queue(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("max_jobs", Integer),
        Column("definition", dialect.text_type),
        Column("own_limit", dialect.blob_type),
        Column("paused_until_us", BigInteger),
        Column("pause_reason", dialect.text_type),
    ]


def _counter(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("writer", dialect.id_type, primary_key=True),
        Column("queue", dialect.name_type, primary_key=True),
        Column("completed", BigInteger, nullable=False, server_default="0"),
        Column("cancelled", BigInteger, nullable=False, server_default="0"),
    ]


def _worker(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("id", dialect.name_type, primary_key=True),
        Column("supervisor", dialect.name_type, nullable=False),
        Column("beat_us", BigInteger, nullable=False),
        Column("record", dialect.text_type, nullable=False),
    ]


def _command(dialect: Dialect) -> list[Column[Any]]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("address", dialect.name_type, nullable=False),
        Column("command", dialect.name_type, nullable=False),
        Column("left_us", BigInteger, nullable=False),
    ]
