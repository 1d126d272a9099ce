"""The tables of a store. A state is a table: the hot one holds live work alone.

jobs            waiting and leased jobs; every index holds one kind of them and no other
jobs_finished   completed and cancelled ones, a bounded window
jobs_failed     what ended badly, until somebody retries or forgets it
jobs_dropped    what an operator dropped, for a day in case it is missed
jobs_locks      keys that a job holds: while it lives, until it starts, or while it runs
jobs_limits     how far limits are used up, by which jobs start
jobs_slots      when a job may start that a limit sent away
jobs_flows      batches, chains and graphs, with their counters and callbacks
jobs_steps      members of them that wait for others, or for which others wait
jobs_queues     what is known of a queue: its definition, its pause
jobs_tags       tags that somebody monitors
jobs_workers    workers as they last reported themselves
jobs_commands   what is to be told to workers when they next report
jobs_measures   what is measured of jobs in the last minutes, a row per writer so that no two wait for one
jobs_history    the same of minutes, hours and days that are over, in few rows
jobs_counters   ends since the store was made, a row per writer so that no two wait for one

`jobs` stands for `ConnectionSettings.table`. Instants are microseconds since the epoch by the store's clock;
`rank` is the priority negated, so that what comes first sorts first everywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, Table

from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

    from qcore.drivers.database.dialects.base import Dialect

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision of the schema, oldest first; the last is what this version of qcore works with."""

READY, DELAYED, LEASED = 0, 1, 2
"""Where a live job is (`jobs.state`). READY: may be reserved. DELAYED: was not due when last looked at."""
COMPLETED, CANCELLED = 0, 1
"""How a finished job ended (`jobs_finished.state`)."""
CANCEL_SOFT, CANCEL_HARD = 1, 2
"""How somebody asked to cancel a leased job; 0: nobody did. A hard one interrupts it."""
UNIQUE, UNTIL_START, EXCLUSIVE = 0, 1, 2
"""When a lock ends at the latest (`jobs_locks.kind`): with its job, as that starts, with its lease."""
LOCKING = ("lock_name", "lock_kind", "lock_for_us")
"""What live and failed jobs say of the unique lock they asked for."""
CELL_ROW = ("queue", "job", "measure", "bucket", "number", "total")
"""What a writer adds to the measures of a minute, in this order."""
FOREVER_US = 2**63 - 1
"""The end of a pause that has none."""

_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def checked_prefix(prefix: str) -> str:
    """Give the prefix back if it may begin a table's name.

    Raises:
        ConfigurationError: it may not.
    """
    if _PREFIX.fullmatch(prefix) is None:
        raise ConfigurationError(
            f'table: "{prefix}" cannot name a table',
            hint="use letters, digits and underscores, 40 at the most, no digit first",
        )
    return prefix


class Tables:
    """The tables of one prefix, in the column types of one dialect."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self.prefix = checked_prefix(prefix)
        self.metadata = MetaData()
        self._dialect = dialect
        self.jobs = self._table("", *_described(dialect), *_locking(dialect), *_live(dialect), *_carried(dialect))
        self.finished = self._table("_finished", *_described(dialect), *_finished(dialect), *_carried(dialect))
        self.failed = self._table(
            "_failed", *_described(dialect), *_locking(dialect), *_failed(dialect), *_carried(dialect)
        )
        self.dropped = self._table("_dropped", *_dropped(dialect))
        self.locks = self._table("_locks", *_lock(dialect))
        self.limits = self._table("_limits", *_limit(dialect))
        self.slots = self._table("_slots", *_slot(dialect))
        self.flows = self._table("_flows", *_flow(dialect))
        self.steps = self._table("_steps", *_step(dialect))
        self.queues = self._table("_queues", *_queue(dialect))
        self.counters = self._table("_counters", *_counter(dialect))
        self.measures = self._table("_measures", *_measure(dialect))
        self.history = self._table("_history", *_history(dialect))
        self.tags = self._table("_tags", Column("name", dialect.name_type, primary_key=True))
        self.workers = self._table("_workers", *_worker(dialect))
        self.commands = self._table("_commands", *_command(dialect))
        self.version = self._table("_schema_version", Column("version_num", dialect.name_type, primary_key=True))
        self._index_all()

    def _table(self, suffix: str, *items: SchemaItem) -> Table:
        return Table(self.prefix + suffix, self.metadata, *items, **self._dialect.table_options)

    def _index_all(self) -> None:
        index = self._dialect.index
        state = ("state",)
        index(self.jobs, "ready", ("queue", "rank", "due_us", "id"), only="state = 0", over=state)
        index(self.jobs, "delayed", ("queue", "due_us", "id"), only="state = 1", over=state)
        index(self.jobs, "leased", ("lease_until_us", "queue"), only="state = 2", over=state)
        index(
            self.jobs,
            "retrying",
            ("queue", "due_us", "id"),
            only="attempts > 0 AND state < 2",
            over=("attempts",),
            also=("state",),
        )
        index(self.jobs, "flow", ("flow", "id"), only="flow IS NOT NULL")
        index(self.finished, "window", ("queue", "state", "kept", "ended_us"))
        index(self.finished, "results", ("result_until_us",), only="kept = 1", over=("kept",))
        index(self.failed, "ended_queue", ("queue", "ended_us", "id"))
        index(self.failed, "ended", ("ended_us",))
        index(self.failed, "flow", ("flow", "id"), only="flow IS NOT NULL")
        index(self.dropped, "dropped", ("dropped_us",))
        index(self.locks, "owner", ("owner",))
        index(self.locks, "until", ("until_us",))
        index(self.limits, "until", ("until_us",))
        index(self.slots, "at", ("at_us",))
        index(self.flows, "kind", ("kind", "id"))
        index(self.flows, "finished", ("finished_us",))
        index(
            self.flows,
            "stopping",
            ("cancelled_us",),
            only="finished_us IS NULL AND cancelled_us IS NOT NULL",
            over=("finished_us",),
        )
        index(self.steps, "flow", ("flow", "strand", "place"))
        index(self.commands, "address", ("address", "left_us"))


def _count(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


def _flag(name: str) -> Column[Any]:
    return Column(name, SmallInteger, nullable=False, server_default="0")


def _described(dialect: Dialect) -> list[SchemaItem]:
    """What a job carries from table to table."""
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("job", dialect.name_type, nullable=False),
        Column("queue", dialect.name_type, nullable=False),
        Column("rank", BigInteger, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        _count("attempts"),
        _count("exceptions"),
        _count("crashes"),
        Column("reserved_us", BigInteger),
        Column("token", dialect.name_type),
        Column("last_token", dialect.name_type),  # of the lease before, and how that one ended:
        Column("last_outcome", dialect.name_type),  # so that a repeated settlement is known again
        Column("progress", SmallInteger),
        Column("progress_note", dialect.text_type),
        Column("flow", dialect.name_type),  # to which it belongs, and what it is to it
    ]


def _locking(dialect: Dialect) -> list[SchemaItem]:
    """Which unique lock a job asked for, whether or not it still holds it."""
    return [
        Column("lock_name", dialect.name_type),
        Column("lock_kind", SmallInteger),
        Column("lock_for_us", BigInteger),
    ]


def _carried(dialect: Dialect) -> list[SchemaItem]:
    """What may be large comes last in a row, so that reading the rest stays cheap."""
    return [
        Column("tags", dialect.text_type),
        Column("history", dialect.blob_type),
        Column("payload", dialect.blob_type, nullable=False),
    ]


def _live(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("state", SmallInteger, nullable=False),
        _count("reclaims"),
        _flag("started"),
        _flag("cancel_requested"),
        Column("crash_reason", dialect.text_type),
        Column("lease_until_us", BigInteger),
    ]


def _ended() -> list[SchemaItem]:
    return [Column("ended_us", BigInteger, nullable=False), Column("runtime_us", BigInteger)]


def _finished(dialect: Dialect) -> list[SchemaItem]:
    return [
        *_ended(),
        Column("state", SmallInteger, nullable=False),
        _flag("kept"),  # 1 while its result is kept: the window passes it over
        Column("result_until_us", BigInteger),
        Column("result", dialect.blob_type),
    ]


def _failed(dialect: Dialect) -> list[SchemaItem]:
    return [*_ended(), Column("error", dialect.text_type)]


def _dropped(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("token", dialect.name_type, primary_key=True),
        Column("id", dialect.id_type, primary_key=True),
        Column("job", dialect.name_type, nullable=False),
        Column("queue", dialect.name_type, nullable=False),
        Column("rank", BigInteger, nullable=False),
        Column("due_us", BigInteger, nullable=False),
        Column("dropped_us", BigInteger, nullable=False),
        Column("flow", dialect.name_type),
        *_locking(dialect),
        Column("tags", dialect.text_type),
        Column("payload", dialect.blob_type, nullable=False),
    ]


def _lock(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("owner", dialect.id_type, nullable=False),
        Column("kind", SmallInteger, nullable=False),
        Column("taken_us", BigInteger, nullable=False),
        Column("first_us", BigInteger, nullable=False),  # of those that replaced each other
        Column("until_us", BigInteger),
    ]


def _limit(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("until_us", BigInteger, nullable=False),  # after which nothing of it matters
        Column("state", dialect.blob_type),
    ]


def _slot(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("owner", dialect.id_type, primary_key=True),
        Column("at_us", BigInteger, nullable=False),
        Column("bound", Integer, nullable=False),  # bit by bit the limits of the job in which it has it
        Column("limit_names", dialect.text_type),  # of those, as JSON
    ]


def _flow(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("kind", dialect.name_type, nullable=False),
        Column("name", dialect.name_type, nullable=False),
        Column("parent", dialect.id_type),
        _count("total"),
        _count("processed"),
        _count("failed"),
        _count("cancelled"),
        _count("excused"),
        _count("allowed"),
        Column("allowed_ppm", BigInteger),
        _flag("is_open"),
        _flag("has_begun"),
        _flag("hooks"),
        _flag("hooked"),
        _count("live"),
        _flag("progress"),
        Column("created_us", BigInteger, nullable=False),
        Column("failed_us", BigInteger),
        Column("failed_by", dialect.id_type),
        Column("cancelled_us", BigInteger),
        Column("finished_us", BigInteger),
        Column("options", dialect.blob_type),
        Column("callbacks", dialect.blob_type),
    ]


def _step(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("flow", dialect.id_type, nullable=False),
        Column("strand", BigInteger, nullable=False),
        Column("place", BigInteger, nullable=False),
        Column("name", dialect.name_type),
        Column("job", dialect.name_type, nullable=False),
        _flag("is_flow"),
        Column("state", SmallInteger, nullable=False),
        _count("waits"),
        Column("runtime_us", BigInteger),
        Column("ended_us", BigInteger),
        Column("parents", dialect.text_type),
        Column("children", dialect.text_type),
        Column("error", dialect.text_type),
        Column("envelope", dialect.blob_type),
        Column("result", dialect.blob_type),
    ]


def _queue(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("name", dialect.name_type, primary_key=True),
        Column("max_jobs", Integer),
        Column("definition", dialect.text_type),
        Column("own_limit", dialect.blob_type),  # an operator's word, whatever the definition says
        Column("paused_until_us", BigInteger),  # FOREVER_US: until resumed
        Column("pause_reason", dialect.text_type),
    ]


def _counter(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("writer", dialect.id_type, primary_key=True),
        Column("queue", dialect.name_type, primary_key=True),
        Column("completed", BigInteger, nullable=False, server_default="0"),
        Column("cancelled", BigInteger, nullable=False, server_default="0"),
    ]


def _measure(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("minute", Integer, primary_key=True, autoincrement=False),
        Column("writer", dialect.id_type, primary_key=True),
        Column("queue", dialect.name_type, primary_key=True),
        Column("job", dialect.name_type, primary_key=True),
        Column("measure", SmallInteger, primary_key=True, autoincrement=False),
        Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
        Column("number", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
    ]


def _history(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("span", SmallInteger, primary_key=True, autoincrement=False),
        Column("minute", Integer, primary_key=True, autoincrement=False),
        Column("queue", dialect.name_type, primary_key=True),
        Column("job", dialect.name_type, primary_key=True),
        Column("spreads", dialect.blob_type, nullable=False),
    ]


def _worker(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("id", dialect.name_type, primary_key=True),
        Column("supervisor", dialect.name_type, nullable=False),
        Column("beat_us", BigInteger, nullable=False),
        Column("record", dialect.text_type, nullable=False),
    ]


def _command(dialect: Dialect) -> list[SchemaItem]:
    return [
        Column("id", dialect.id_type, primary_key=True),
        Column("address", dialect.name_type, nullable=False),
        Column("command", dialect.name_type, nullable=False),
        Column("left_us", BigInteger, nullable=False),
    ]
