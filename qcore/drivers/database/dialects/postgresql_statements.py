"""What is said to PostgreSQL: statements that change, answer and tell at once."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import Grouping

from qcore.drivers.database.measurements import Measurements
from qcore.drivers.database.schema import COMPLETED, DELAYED, READY
from qcore.drivers.database.statements import KEPT_AT_THE_END, PUSHED, Statements, literally
from qcore.flows import Hook, bit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import CTE, ColumnElement, FromClause, Insert
    from sqlalchemy.sql.dml import ReturningUpdate
    from sqlalchemy.types import TypeEngine

    from qcore.drivers.database.prepared import Prepared

ROW_TYPES: dict[str, TypeEngine[Any]] = {
    "id": Text(),
    "token": Text(),
    "attempts": Integer(),
    "exceptions": Integer(),
    "runtime_us": BigInteger(),
    "kept": Integer(),
}
CELL_TYPES: dict[str, TypeEngine[Any]] = {
    "queue": Text(),
    "job": Text(),
    "measure": Integer(),
    "bucket": Integer(),
    "number": BigInteger(),
    "total": BigInteger(),
}
_GIVEN_TYPES: dict[str, TypeEngine[Any]] = {
    "id": Text(),
    "job": Text(),
    "queue": Text(),
    "rank": BigInteger(),
    "due_us": BigInteger(),
    "delay_us": BigInteger(),
    "flow": Text(),
    "tags": Text(),
    "payload": LargeBinary(),
}


def unnested(types: Mapping[str, TypeEngine[Any]], name: str) -> FromClause:
    """A table of several arrays: the parameters are its columns' names with an `s`."""
    arrays: list[ColumnElement[Any]] = [bindparam(f"{column}s", type_=ARRAY(kind)) for column, kind in types.items()]
    return func.unnest(*arrays).table_valued(*types, name=name).render_derived()


class PostgreSQLStatements(Statements):
    """Statements that change, answer and tell at once."""

    @cached_property
    def push_all(self) -> Prepared:
        """Store the jobs of several arrays unless a queue among `entering` has a limit, and tell of the ready ones.

        Gives how many such queues there are; where there is one, nothing was stored.
        """
        pushed = self._pushed()
        limited = select(self.queues.c.name).where(
            self.queues.c.max_jobs.is_not(None), self.dialect.among(self.queues.c.name, "entering")
        )
        limits = limited.cte("limits")
        chosen = select(*(pushed.c[name] for name in PUSHED)).where(~exists(select(limits.c.name)))
        stored = self.dialect.upsert(self.jobs, (list(PUSHED), chosen)).returning(self.jobs.c.queue, self.jobs.c.state)
        ready = stored.cte("stored")
        told = select(ready.c.queue).where(ready.c.state == literally(READY)).distinct().subquery("ready")
        tell = func.pg_notify(bindparam("channel", type_=Text), told.c.queue)
        return self.prepared(
            select(
                select(func.count()).select_from(limits).scalar_subquery(),
                select(func.count(tell)).scalar_subquery(),
            )
        )

    @cached_property
    def push_one(self) -> Prepared:
        """As everywhere, and tell of it if it is ready."""
        jobs = self.jobs.c
        tell = func.pg_notify(bindparam("channel", type_=Text), jobs.queue)
        told = case((jobs.state == literally(READY), cast(tell, Text)))
        return self.prepared(self._pushing_one().returning(told))

    def _pushed(self) -> FromClause:
        """The jobs of several arrays, as rows of `PUSHED`."""
        given = unnested(_GIVEN_TYPES, "given")
        now = select(self.dialect.now.label("now_us")).cte("moment")
        due_us = func.coalesce(given.c.due_us, now.c.now_us + given.c.delay_us)
        return select(
            *(given.c[name] for name in ("id", "job", "queue", "rank", "flow", "tags", "payload")),
            now.c.now_us.label("created_us"),
            due_us.label("due_us"),
            case((due_us > now.c.now_us, literally(DELAYED)), else_=literally(READY)).label("state"),
        ).subquery("pushed")

    @cached_property
    def tell(self) -> Prepared:
        """Tell those who listen that there is something in each of `queues`."""
        queues = unnested({"queue": Text()}, "told")
        return self.prepared(select(func.pg_notify(bindparam("channel", type_=Text), queues.c.queue)))

    @cached_property
    def take(self) -> Prepared:
        """Lease the first `most` ready jobs of `queue`; gives the leases in no order."""
        return self.prepared(self._taking())

    @cached_property
    def take_alone(self) -> Callable[[bool, bool], Prepared]:
        """`take_alone(lightly, unless_due)`: do so in a transaction of its own; not where a delayed job is due."""
        return cache(self._taking_alone)

    def _taking_alone(self, lightly: bool, unless_due: bool) -> Prepared:
        taking = self._taking()
        if lightly:
            taking = taking.where(self._lightly())
        if unless_due:
            jobs = self.jobs.alias("due")
            due = select(literally(1)).where(
                jobs.c.state == literally(DELAYED),
                jobs.c.queue == bindparam("queue"),
                jobs.c.due_us <= self.dialect.now,
            )
            taking = taking.where(~exists(due))
        return self.prepared(taking)

    def _lightly(self) -> ColumnElement[bool]:
        """Holds; and as it is looked at, once, the disk is not to be waited for at the commit."""
        said = func.set_config("synchronous_commit", "off", literal_column("true"))
        lightly = select(said.label("said")).cte("lightly")
        return select(lightly.c.said).scalar_subquery().is_not(None)

    def _taking(self) -> ReturningUpdate[Any]:
        place: ColumnElement[Any] = literal_column("ctid")  # the shortest way to a row that this statement holds
        first = self.dialect.locked(self._first_ready(select(place).select_from(self.jobs)), skip=True)
        held = func.array(first.correlate(None).scalar_subquery())
        taken = (
            update(self.jobs)
            .values(self._leased(self._moment()))
            .where(literal_column(f"{self.jobs.name}.ctid") == any_(held))
        )
        return taken.returning(*self._of_lease(), self.jobs.c.token, self.jobs.c.reserved_us)

    def _moment(self) -> ColumnElement[int]:
        """The instant of the statement, worked out once and not for each row."""
        return select(self.dialect.now).scalar_subquery()

    def _lease_end(self) -> ColumnElement[int]:
        return self._moment() + bindparam("term_us", type_=BigInteger)

    @cached_property
    def finish_all(self) -> Prepared:
        """Move jobs leased under `token` to the finished ones, ended as `ended_as` says; gives their ids.

        The other parameters are those of `Dialect.rows`, in the order of the ids. A job looks for its place among them:
        were they joined, the planner might, by what it knew of the tables once, go through all jobs for each that ends.
        The token is one for all, since the nth of many texts is found by reading those before it.
        """
        jobs = self.jobs.c
        ids: ColumnElement[Any] = bindparam("ids", type_=ARRAY(Text))
        place = func.width_bucket(jobs.id, ids, type_=Integer)
        gone = (
            delete(self.jobs)
            .where(jobs.id == any_(ids), jobs.token == bindparam("token", type_=Text))
            .returning(*(jobs[name] for name in (*KEPT_AT_THE_END, "history")), place.label("place"))
            .cte("gone")
        )
        values = {
            **{name: gone.c[name] for name in (*KEPT_AT_THE_END, "history")},
            **{name: _nth(name, gone.c.place) for name in ("attempts", "exceptions", "runtime_us", "kept")},
            "state": bindparam("ended_as", type_=self.finished.c.state.type),
            "ended_us": self._moment(),
        }
        moved = self.replacing(self.finished, values, select(*values.values()))
        return self.prepared(moved.returning(self.finished.c.id))

    @cached_property
    def end_at_once(self) -> Callable[..., Prepared]:
        """`end_at_once(lightly, measured, in_flow=False)`: complete all of `ids`, count and measure them, or fail.

        One statement that is its own transaction; it fails where a lease is held no more, or where something follows
        from what ends in `flow_id`. `tokens` are few, and `ofs` says which of them is whose; the rest is as in
        `finish_all` and `Measurements.add`.
        """
        return cache(self._ending_at_once)

    def _ending_at_once(self, lightly: bool, measured: bool, *, in_flow: bool = False) -> Prepared:
        gone = self._gone(lightly)
        steps = [self._finished(gone).cte("finished"), self._counted(gone).cte("counted")]
        if measured:
            steps.append(self._measured().cte("measured"))
        token = _nth("token", _nth("of", gone.c.place))
        held = func.count().filter(gone.c.token == token)
        said = literal("leases that are not held: ", Text) + cast(held, Text)
        expected = func.cardinality(bindparam("ids", type_=ARRAY(Text)))
        fault = cast(said, Integer)  # fails: no other way to undo what a statement has done
        is_whole = held == expected
        if in_flow:
            counted = self._counted_in_flow(gone)
            is_whole &= select(func.count()).select_from(counted).scalar_subquery() == 1
        return self.prepared(select(case((is_whole, held), else_=fault)).select_from(gone).add_cte(*steps))

    def _gone(self, lightly: bool) -> CTE:
        jobs = self.jobs.c
        ids: ColumnElement[Any] = bindparam("ids", type_=ARRAY(Text))
        places = select(cast(ids, ARRAY(Uuid)).label("ids")).cte("places")  # of one length: found by halving
        place = func.width_bucket(cast(jobs.id, Uuid), select(places.c.ids).scalar_subquery(), type_=Integer)
        taken = (
            delete(self.jobs)
            .where(jobs.id == any_(ids), jobs.token == any_(bindparam("tokens", type_=ARRAY(Text))))
            .returning(*(jobs[name] for name in (*KEPT_AT_THE_END, "history")), place.label("place"))
        )
        return (taken.where(self._lightly()) if lightly else taken).cte("gone")

    def _finished(self, gone: CTE) -> Insert:
        values = {
            **{name: gone.c[name] for name in (*KEPT_AT_THE_END, "history")},
            **{name: _nth(name, gone.c.place) for name in ("attempts", "exceptions", "runtime_us")},
            "state": literally(COMPLETED),
            "ended_us": self._moment(),
        }
        return insert(self.finished).from_select(list(values), select(*values.values()))

    def _counted(self, gone: CTE) -> Insert:
        values = {
            "writer": bindparam("writer", type_=Text),
            "queue": gone.c.queue,
            "completed": func.count(),
        }
        chosen = select(*values.values()).group_by(gone.c.queue)
        return self.dialect.upsert(self.tables.counters, (list(values), chosen), adding=("completed",))

    def _counted_in_flow(self, gone: CTE) -> CTE:
        """Count members, once their rows are held, in a flow where nothing follows from that."""
        flows, named = self.tables.flows, bindparam("flow_id", type_=Text)
        members = select(func.count().label("ended")).select_from(gone).where(gone.c.flow == named).subquery()
        ended = flows.c.processed + flows.c.failed + flows.c.cancelled + members.c.ended
        counted = update(flows).values(processed=flows.c.processed + members.c.ended)
        counted = counted.where(flows.c.id == named, members.c.ended > 0, flows.c.finished_us.is_(None))
        counted = counted.where(flows.c.hooks.op("&")(bit_of(Hook.PROGRESS)) == 0)
        goes_on = (flows.c.is_open == 1) & flows.c.cancelled_us.is_(None)
        return counted.where(or_(goes_on, ended < flows.c.total)).returning(flows.c.id).cte("in_flow")

    def _measured(self) -> Insert:
        return Measurements(self.tables, self.dialect).adding()


def _nth(name: str, place: ColumnElement[int]) -> ColumnElement[Any]:
    """What stands at a place, from 1, of an array of `Dialect.pack_rows`."""
    given: ColumnElement[Any] = bindparam(f"{name}s", type_=ARRAY({**ROW_TYPES, "of": Integer()}[name]))
    return Grouping(given)[place]
