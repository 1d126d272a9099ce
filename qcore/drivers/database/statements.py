"""The statements that move jobs, each built and compiled at its first use and kept.

Numbers that choose a partial index are written into the text: as parameters they would hide the index from the
planner. Parameters that are lists go through `Dialect.pack`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
    update,
)

from qcore.drivers.database.prepared import Prepared
from qcore.drivers.database.schema import CANCELLED, DELAYED, LEASED, LOCKING, READY

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, Column, ColumnElement, Insert, Select, Table

    from qcore.drivers.database.dialects.base import Dialect
    from qcore.drivers.database.schema import Tables

LEASE_COLUMNS = (
    "id",
    "job",
    "queue",
    "payload",
    "attempts",
    "exceptions",
    "crashes",
    "reclaims",
    "created_us",
    "due_us",
    "history",
    "cancel_requested",
    "crash_reason",
    "lock_name",
    "rank",
    "flow",
    "tags",
)
"""What a lease is made of, in the order the selects give it; then come the token and the instant."""

KEPT_AT_THE_END = (
    "id",
    "job",
    "queue",
    "rank",
    "created_us",
    "due_us",
    "crashes",
    "reserved_us",
    "token",
    "last_token",
    "last_outcome",
    "progress",
    "progress_note",
    "flow",
    "tags",
    "payload",
)
PUSHED = ("id", "job", "queue", "rank", "created_us", "due_us", "flow", "state", "tags", "payload")
"""What a push says of a job, in this order."""


def literally(number: int) -> ColumnElement[int]:
    """A number as part of a statement's text."""
    return literal_column(str(number))


class Statements:
    """What is said to the tables of one store."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self.tables = tables
        self.dialect = dialect
        self.jobs: Table = tables.jobs
        self.finished: Table = tables.finished
        self.failed: Table = tables.failed
        self.queues: Table = tables.queues

    def prepared(self, clause: ClauseElement) -> Prepared:
        """Compile a statement for this database."""
        return Prepared(clause, self.dialect)

    def is_in(self, state: int) -> ColumnElement[bool]:
        """Whether a live job is in that state."""
        return self.jobs.c.state == literally(state)

    # --- push -------------------------------------------------------------------------------------------------

    @cached_property
    def push(self) -> Prepared:
        """Store one job, given in the order of `PUSHED`, unless its id is live."""
        values: dict[str, Any] = {name: bindparam(name) for name in PUSHED}
        return self.prepared(self.dialect.upsert(self.jobs, values)).in_order(PUSHED)

    @cached_property
    def push_one(self) -> Prepared:
        """Store one job unless its id is known or its queue has a limit; whether it did tells the number of rows."""
        return self.prepared(self._pushing_one())

    def _pushing_one(self) -> Insert:
        now: ColumnElement[int] = self.dialect.now
        queue: ColumnElement[str] = bindparam("queue")
        due_us = func.coalesce(bindparam("due_us", type_=BigInteger), now + bindparam("delay_us", type_=BigInteger))
        values: dict[str, Any] = {
            **{name: bindparam(name, type_=self.jobs.c[name].type) for name in PUSHED},
            "created_us": now,
            "due_us": due_us,
            "state": case((due_us > now, literally(DELAYED)), else_=literally(READY)),
        }
        limited = select(literally(1)).where(self.queues.c.name == queue, self.queues.c.max_jobs.is_not(None))
        one = select(literally(1).label("one")).subquery("one")
        own = bindparam("id", type_=self.jobs.c.id.type)
        ended = (exists(select(literally(1)).where(table.c.id == own)) for table in (self.finished, self.failed))
        chosen = select(*values.values()).select_from(one).where(~exists(limited), *(~found for found in ended))
        return self.dialect.upsert(self.jobs, (list(values), chosen))

    @cached_property
    def limits(self) -> Prepared:
        """The instant, and the name of each queue among `names` that has a limit: one row at least."""
        one = select(literally(1).label("one")).subquery("one")
        limited = self._limited()
        return self.prepared(
            select(self.dialect.now, self.queues.c.name).select_from(one.outerjoin(self.queues, limited))
        )

    @cached_property
    def lock_limits(self) -> Prepared:
        """Name and `max_jobs` of each queue among `names` that has a limit, held until the commit."""
        chosen = select(self.queues.c.name, self.queues.c.max_jobs).where(self._limited())
        return self.prepared(self.dialect.locked(chosen.order_by(self.queues.c.name)))

    def _limited(self) -> ColumnElement[bool]:
        return self.queues.c.max_jobs.is_not(None) & self.dialect.among(self.queues.c.name, "names")

    @cached_property
    def held(self) -> Prepared:
        """How many jobs of the queue `name` are live, counting no further than `most` in each state."""
        ready, delayed, leased = (self._held_in(state) for state in (READY, DELAYED, LEASED))
        return self.prepared(select(ready + delayed + leased))

    def _held_in(self, state: int) -> ColumnElement[int]:
        some = select(literally(1).label("one")).where(self.is_in(state), self.jobs.c.queue == bindparam("name"))
        return select(func.count()).select_from(some.limit(bindparam("most")).subquery()).scalar_subquery()

    @cached_property
    def live_ids(self) -> Prepared:
        """Which of `ids` are live."""
        return self.prepared(select(self.jobs.c.id).where(self.dialect.among(self.jobs.c.id, "ids")))

    @cached_property
    def know_queue(self) -> Prepared:
        """Remember that a queue was used."""
        return self.prepared(self.dialect.upsert(self.queues, {"name": bindparam("name")}))

    # --- reserve ----------------------------------------------------------------------------------------------

    @cached_property
    def due(self) -> Prepared:
        """Ids of delayed jobs of `queues` that are due, `most` at the most, theirs who reads them."""
        chosen = select(self.jobs.c.id).where(
            self.is_in(DELAYED),
            self.dialect.among(self.jobs.c.queue, "queues"),
            self.jobs.c.due_us <= self.dialect.now,
        )
        return self.prepared(self.dialect.locked(chosen.limit(bindparam("most")), skip=True))

    @cached_property
    def make_ready(self) -> Prepared:
        """Let the jobs `ids` be reserved that still are delayed."""
        ready = update(self.jobs).values(state=READY)
        return self.prepared(ready.where(self.dialect.among(self.jobs.c.id, "ids"), self.is_in(DELAYED)))

    @cached_property
    def next_ready(self) -> Prepared:
        """The first `most` ready jobs of `queue`, theirs who reads them; none while it is paused."""
        chosen = select(*self._of_lease(), self.jobs.c.token, self.dialect.now)
        return self.prepared(self.dialect.locked(self._first_ready(chosen), skip=True))

    def _first_ready(self, chosen: Select[Any]) -> Select[Any]:
        jobs = self.jobs.c
        return (
            chosen.where(self.is_in(READY), jobs.queue == bindparam("queue"), ~self._is_paused(bindparam("queue")))
            .order_by(jobs.rank, jobs.due_us, jobs.id)
            .limit(bindparam("most"))
        )

    def _is_paused(self, name: ColumnElement[str]) -> ColumnElement[bool]:
        paused = self.queues.c.paused_until_us > self.dialect.now
        return exists(select(literally(1)).where(self.queues.c.name == name, paused))

    def _of_lease(self) -> list[Column[Any]]:
        return [self.jobs.c[name] for name in LEASE_COLUMNS]

    @cached_property
    def lease(self) -> Prepared:
        """Lease the jobs `ids`, which the transaction holds, as of the instant `at_us`."""
        values = self._leased(bindparam("at_us", type_=BigInteger))
        return self.prepared(update(self.jobs).values(values).where(self.dialect.among(self.jobs.c.id, "ids")))

    def _leased(self, now: ColumnElement[int]) -> dict[str, Any]:
        return {
            "state": LEASED,
            "token": bindparam("token"),
            "reserved_us": now,
            "lease_until_us": self._lease_end(),
            "started": 0,
            "progress": null(),
            "progress_note": null(),
        }

    def _lease_end(self) -> ColumnElement[int]:
        return self.dialect.lease_now + bindparam("term_us", type_=BigInteger)

    @cached_property
    def leases(self) -> Prepared:
        """The leases of `token`."""
        chosen = select(*self._of_lease(), self.jobs.c.token, self.jobs.c.reserved_us)
        return self.prepared(chosen.where(self.is_in(LEASED), self.jobs.c.token == bindparam("token")))

    # --- leases -----------------------------------------------------------------------------------------------

    @cached_property
    def hold(self) -> Prepared:
        """Id, token and whether it is to be cancelled of those of `ids` that are leased, held in id order."""
        chosen = select(self.jobs.c.id, self.jobs.c.token, self.jobs.c.cancel_requested).where(
            self.dialect.among(self.jobs.c.id, "ids"), self.is_in(LEASED)
        )
        return self.prepared(self.dialect.locked(chosen.order_by(self.jobs.c.id)))

    @cached_property
    def extend(self) -> Prepared:
        """Let the leases of `ids` last for another term; `started` says whether their jobs have begun."""
        values = {"lease_until_us": self._lease_end(), "started": bindparam("started")}
        return self.prepared(update(self.jobs).values(values).where(self.dialect.among(self.jobs.c.id, "ids")))

    @cached_property
    def lapsed(self) -> Prepared:
        """Id and queue of jobs whose lease ran out, `most` at the most, theirs who reads them."""
        jobs = self.jobs.c
        chosen = select(jobs.id, jobs.queue).where(self.is_in(LEASED), self.dialect.has_lapsed(jobs.lease_until_us))
        chosen = chosen.order_by(jobs.lease_until_us).limit(bindparam("most"))
        return self.prepared(self.dialect.locked(chosen, skip=True))

    @cached_property
    def give_back(self) -> Prepared:
        """Let the jobs `ids` wait again, charged for their lost lease; in order, for what reads `started`."""
        jobs = self.jobs.c
        charged = update(self.jobs).ordered_values(
            (jobs.attempts, jobs.attempts + jobs.started),
            (jobs.crashes, jobs.crashes + jobs.started),
            (jobs.reclaims, jobs.reclaims + literally(1) - jobs.started),
            (jobs.crash_reason, case((jobs.started == literally(0), jobs.crash_reason), else_=null())),
            *((jobs[name], value) for name, value in self._unleased().items()),
        )
        return self.prepared(charged.where(self.dialect.among(jobs.id, "ids")))

    def _unleased(self) -> dict[str, Any]:
        unset = {"token": null(), "reserved_us": null(), "lease_until_us": null()}
        return {"state": literally(READY), **unset, "started": literally(0)}

    @cached_property
    def forfeited(self) -> Prepared:
        """Id, queue and token of jobs leased under tokens from `first` to before `after`, held."""
        jobs = self.jobs.c
        chosen = select(jobs.id, jobs.queue, jobs.token).where(
            self.is_in(LEASED), jobs.token >= bindparam("first"), jobs.token < bindparam("after")
        )
        return self.prepared(self.dialect.locked(chosen.order_by(jobs.id)))

    @cached_property
    def take_back(self) -> Prepared:
        """Let the jobs `ids` wait again, uncharged."""
        waiting = update(self.jobs).values(self._unleased())
        return self.prepared(waiting.where(self.dialect.among(self.jobs.c.id, "ids")))

    @cached_property
    def charge(self) -> Prepared:
        """Charge one job with the crash of its worker."""
        jobs = self.jobs.c
        values = {
            "attempts": jobs.attempts + literally(1),
            "crashes": jobs.crashes + literally(1),
            "crash_reason": bindparam("reason"),
        }
        return self.prepared(update(self.jobs).values(values).where(jobs.id == bindparam("job_id")))

    @cached_property
    def release(self) -> Prepared:
        """Let one leased job wait again, as its settlement says."""
        jobs = self.jobs.c
        delay = bindparam("delay_us", type_=BigInteger)
        values = {
            **self._unleased(),
            "state": bindparam("state"),
            "due_us": case((delay < 0, jobs.due_us), else_=self.dialect.now + delay),
            "attempts": bindparam("attempts"),
            "exceptions": bindparam("exceptions"),
            "crash_reason": case((delay < 0, jobs.crash_reason), else_=null()),  # a job handed back has not run
            "history": func.coalesce(bindparam("history", type_=jobs.history.type), jobs.history),
            "last_token": bindparam("token"),
            "last_outcome": bindparam("outcome"),
        }
        return self.prepared(update(self.jobs).values(values).where(jobs.id == bindparam("job_id")))

    # --- ends -------------------------------------------------------------------------------------------------

    @cached_property
    def finish(self) -> Prepared:
        """Copy the leased jobs of `Dialect.rows` to the finished ones, ended as `state` says."""
        values, chosen = self._finishing()
        return self.prepared(self.replacing(self.finished, values, chosen))

    def _finishing(self) -> tuple[dict[str, ColumnElement[Any]], Select[Any]]:
        rows = self.dialect.rows()
        values = {
            **{name: self.jobs.c[name] for name in (*KEPT_AT_THE_END, "history")},
            **{name: rows.c[name] for name in ("attempts", "exceptions", "runtime_us", "kept")},
            "state": bindparam("ended_as", type_=self.finished.c.state.type),
            "ended_us": self.dialect.now,
        }
        source = rows.join(self.jobs, (self.jobs.c.id == rows.c.id) & (self.jobs.c.token == rows.c.token))
        return values, select(*values.values()).select_from(source).where(self.is_in(LEASED))

    def replacing(self, table: Table, values: dict[str, Any], chosen: Select[Any]) -> Insert:
        """Insert rows of ended jobs; an id may end again, when it was pushed anew after it had ended."""
        names = list(values)
        return self.dialect.upsert(table, (names, chosen), setting=[name for name in names if name != "id"])

    @cached_property
    def drop(self) -> Prepared:
        """Take the jobs `ids` off the live ones."""
        return self.prepared(delete(self.jobs).where(self.dialect.among(self.jobs.c.id, "ids")))

    @cached_property
    def set_result(self) -> Prepared:
        """Note what one finished job returned."""
        until = self.dialect.now + bindparam("ttl_us", type_=BigInteger)
        values = {"result": bindparam("answer"), "result_until_us": until}
        return self.prepared(update(self.finished).values(values).where(self.finished.c.id == bindparam("job_id")))

    @cached_property
    def set_history(self) -> Prepared:
        """Note the errors of one finished job."""
        changed = update(self.finished).values(history=bindparam("errors"))
        return self.prepared(changed.where(self.finished.c.id == bindparam("job_id")))

    @cached_property
    def fail(self) -> Prepared:
        """Copy one leased job to the failed ones."""
        jobs = self.jobs.c
        values = {
            **{name: jobs[name] for name in (*KEPT_AT_THE_END, *LOCKING)},
            "attempts": bindparam("attempts", type_=jobs.attempts.type),
            "exceptions": bindparam("exceptions", type_=jobs.exceptions.type),
            "runtime_us": bindparam("runtime_us", type_=BigInteger),
            "history": func.coalesce(bindparam("history", type_=jobs.history.type), jobs.history),
            "error": bindparam("error", type_=self.failed.c.error.type),
            "ended_us": self.dialect.now,
        }
        chosen = select(*values.values()).where(jobs.id == bindparam("job_id"))
        return self.prepared(self.replacing(self.failed, values, chosen))

    @cached_property
    def count_ends(self) -> Prepared:
        """Add to the counters of one queue."""
        values: dict[str, Any] = {name: bindparam(name) for name in ("writer", "queue", "completed", "cancelled")}
        return self.prepared(self.dialect.upsert(self.tables.counters, values, adding=("completed", "cancelled")))

    @cached_property
    def known_ends(self) -> Prepared:
        """How the last lease of each of `ids` ended, and the one before: id, outcome, token."""
        return self.prepared(union_all(*self._outcomes()))

    def _outcomes(self) -> list[Select[Any]]:
        outcome = case((self.finished.c.state == CANCELLED, "cancelled"), else_="completed")
        found = [
            select(self.finished.c.id, outcome, self.finished.c.token),
            select(self.failed.c.id, literal("failed"), self.failed.c.token),
            *(select(t.c.id, t.c.last_outcome, t.c.last_token) for t in (self.jobs, self.finished, self.failed)),
        ]
        return [chosen.where(self.dialect.among(chosen.selected_columns[0], "ids")) for chosen in found]
