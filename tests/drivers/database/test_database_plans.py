"""The hot statements go by their indexes, however much is stored."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import HOUR_S, envelopes
from sqlalchemy import Connection, text

from qcore.drivers.database.counting import Counting
from qcore.drivers.database.looks import Looks
from qcore.drivers.database.readings import Readings
from qcore.drivers.database.trimming import Trimming

IDS = [job.id for job in envelopes(3)]
QUEUES = ["default", "other"]
_WINDOW = {"queue": "default", "ended_as": 0}
HOT: dict[str, dict[str, Any]] = {
    "due": {"queues": QUEUES, "most": 100},
    "next_ready": {"queue": "default", "most": 10},
    "hold": {"ids": IDS},
    "drop": {"ids": IDS},
    "lapsed": {"most": 100},
    "leases": {"token": "worker/1"},
    "known_ends": {"ids": IDS},
    "held": {"name": "default", "most": 10},
}
KEEPING: dict[str, dict[str, Any]] = {
    "over_full": {"skip": 10, **_WINDOW},
    "too_old": {"until_us": 1, "old_us": 1, "most": 10, **_WINDOW},
    "over_results": {"most": 10},
}


@pytest.fixture
def full(store: Any) -> Any:
    """A store with more jobs than a plan may read."""
    for _ in range(3):
        store.push(envelopes(1000))
        store.push(envelopes(1000, delay_s=HOUR_S))
    with store._link.dialect.engine.connect() as connection:
        for statement in ANALYZE[connection.dialect.name]:
            connection.execute(text(statement))
    return store


ANALYZE = {"sqlite": ["ANALYZE"], "postgresql": ["ANALYZE jobs"], "mysql": ["ANALYZE TABLE jobs"]}


def whole_tables(connection: Connection, sql: str, values: Any) -> list[str]:
    """The steps of a statement's plan that read a whole table of ours."""
    name = connection.dialect.name
    if name == "mysql":
        rows = connection.exec_driver_sql(f"EXPLAIN {sql}", values).mappings()
        return [str(dict(row)) for row in rows if row["type"] in {"ALL", "index"} and row["table"] == "jobs"]
    if name == "postgresql":
        steps = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}", values)]
        return [step for step in steps if "Seq Scan on jobs" in step]
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    return [step for step in steps if step.startswith("SCAN jobs") and "USING" not in step]


def check(store: Any, prepared: Any, values: dict[str, Any]) -> None:
    pack = store._link.dialect.pack
    packed = {name: pack(value) if isinstance(value, list) else value for name, value in values.items()}
    with store._link.dialect.engine.connect() as connection:
        assert whole_tables(connection, prepared.sql, prepared._bound(packed)) == []


@pytest.mark.parametrize("statement", HOT)
def test_work(full: Any, statement: str) -> None:
    check(full, getattr(full._link.statements, statement), HOT[statement])


@pytest.mark.parametrize("statement", KEEPING)
def test_upkeep(full: Any, statement: str) -> None:
    check(full, getattr(Trimming(full._link.tables, full._link.dialect), statement), KEEPING[statement])


def test_waits(full: Any) -> None:
    looks = Looks(full._link.tables, full._link.dialect)
    check(full, looks.glance, {"queue": "default"})
    check(full, looks.any_ready, {"queues": QUEUES})


@pytest.mark.parametrize("statement", ["waiting", "leased", "heads", "oldest"])
def test_counts(full: Any, statement: str) -> None:
    counting = Counting(full._link.tables, full._link.dialect)
    values = {"names": QUEUES, "at_us": 2**50} if statement == "waiting" else {"names": QUEUES}
    check(full, getattr(counting, statement), values)


@pytest.mark.parametrize("view", ["pending", "delayed", "retrying", "processing", "completed", "failed"])
def test_pages(full: Any, view: str) -> None:
    readings = Readings(full._link.tables, full._link.dialect)
    cursor = {"queue": "default", "below_us": 2**60, "below": "", "most": 10, "at_us": 2**50}
    for place, branch in enumerate(readings.views[view]):
        values = {**cursor, "rank": 0} if branch.by_rank else cursor
        check(full, readings.page(view, place, False, branch.by_rank), values)


class TestOfOneStatement:
    """Where the database answers from what it changes."""

    ROWS = ((IDS[0], "worker/1", 1, 0, 5, 0),)

    def test_take(self, full: Any) -> None:
        statements = full._link.statements
        if not hasattr(statements, "take"):
            pytest.skip("it does not")
        check(full, statements.take, {"queue": "default", "most": 10, "token": "worker/1", "term_us": 1})

    def test_finish(self, full: Any) -> None:
        statements = full._link.statements
        finish = getattr(statements, "finish_all", statements.finish)
        rows = full._link.dialect.pack_rows(self.ROWS)
        prepared_rows = {"ended_as": 0, "token": "worker/1", **rows}
        with full._link.dialect.engine.connect() as connection:
            assert whole_tables(connection, finish.sql, finish._bound(prepared_rows)) == []

    def test_a_plan_for_empty_tables_is_good_for_full_ones(self, full: Any) -> None:
        """PostgreSQL keeps plans: a join made for few jobs would go through all of them for each that ends."""
        finish = full._link.statements.finish_all if hasattr(full._link.statements, "finish_all") else None
        if finish is None:
            pytest.skip("it keeps none, or joins by key alone")
        values = finish._bound({"ended_as": 0, "token": "worker/1", **full._link.dialect.pack_rows(self.ROWS)})
        with full._link.dialect.engine.connect() as connection:
            steps = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {finish.sql}", values)]
        assert not [step for step in steps if "Join" in step or "Nested Loop" in step]
        assert [step for step in steps if "jobs_pkey" in step]

    def test_a_step_that_is_its_own_transaction(self, full: Any) -> None:
        """An end, counted and measured, goes by the key alone; a reserve by the index of what is ready."""
        statements, pack_cells = full._link.statements, full._link.dialect.pack_cells
        if not full._link.moves.ends_at_once:
            pytest.skip("it has none")
        rows = full._link.dialect.pack_rows(self.ROWS)
        cells = pack_cells([("default", "app:Job", 0, 1, 1, 1)])
        values = {"writer": "w", "ofs": rows["attemptss"], **rows, **cells}
        check(full, statements.end_at_once(True, True), values)
        check(full, statements.end_at_once(True, True, in_flow=True), {"flow_id": "none", **values})
        take = {"queue": "default", "most": 10, "token": "worker/1", "term_us": 1}
        check(full, statements.take_alone(True, True), take)
