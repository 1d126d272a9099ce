"""Within: a push or a settlement in the caller's own transaction is committed, or not, with the caller's rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, envelopes, failed, released
from fakes.worker import FakeWorker
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session

from qcore.envelope import Unique
from qcore.errors import QueueFullError
from qcore.records import QueueDefinition
from qcore.states import JobState


@pytest.fixture
def engine(driver: Any, store: StoreUnderTest) -> Iterator[Engine]:
    """The caller's own way to the store's database, where that is one."""
    if not driver.capabilities.transactional:
        pytest.skip("the store has no transactions of the caller's")
    driver.migrate()
    engine = create_engine(store.url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def test_a_push_is_seen_once_it_is_committed(driver: Any, connection: Connection) -> None:
    jobs = envelopes(2)
    assert list(driver.push(jobs, within=connection)) == [job.id for job in jobs]
    assert driver.find(jobs[0].id) is None
    assert list(FakeWorker(driver).reserve()) == []
    connection.commit()
    assert [lease.id for lease in FakeWorker(driver).reserve()] == [job.id for job in jobs]


def test_a_push_that_is_rolled_back_never_was(driver: Any, connection: Connection) -> None:
    job = envelope()
    driver.push([job], within=connection)
    connection.rollback()
    assert driver.find(job.id) is None
    assert list(FakeWorker(driver).reserve()) == []
    assert list(driver.push([job])) == [job.id]
    assert FakeWorker(driver).reserve_one().id == job.id


def test_a_push_stands_or_falls_with_the_callers_rows(driver: Any, engine: Engine) -> None:
    job = envelope()
    with Session(engine) as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS app_orders (number INTEGER)"))
        session.commit()
        session.execute(text("INSERT INTO app_orders VALUES (1)"))
        driver.push([job], within=session)
        session.rollback()
        assert session.execute(text("SELECT COUNT(*) FROM app_orders")).scalar() == 0
        assert driver.find(job.id) is None
        session.execute(text("INSERT INTO app_orders VALUES (1)"))
        driver.push([job], within=session)
        session.commit()
        assert session.execute(text("SELECT COUNT(*) FROM app_orders")).scalar() == 1
    assert driver.find(job.id).state is JobState.PENDING


def test_a_full_queue_leaves_the_callers_transaction_usable(driver: Any, connection: Connection) -> None:
    driver.define([QueueDefinition(name="small", max_jobs=1)])
    kept = envelope()
    driver.push([kept], within=connection)
    with pytest.raises(QueueFullError):
        driver.push(envelopes(2, "small"), within=connection)
    connection.commit()
    assert driver.find(kept.id) is not None
    assert driver.counts(["small"])[0].pending == 0


def test_a_settlement_takes_effect_with_the_commit(driver: Any, connection: Connection) -> None:
    driver.push(envelopes(3))
    first, second, third = FakeWorker(driver).reserve()
    following = envelope("next", bypass_capacity=True)
    ends = [completed(first, pushes=(following,)), failed(second), released(third)]
    assert not driver.settle(ends, within=connection)
    assert driver.find(first.id).state is JobState.PROCESSING
    assert driver.find(following.id) is None
    connection.commit()
    states = [driver.find(lease.id).state for lease in (first, second, third)]
    assert states == [JobState.COMPLETED, JobState.FAILED, JobState.RETRYING]
    assert driver.find(following.id).state is JobState.PENDING
    assert driver.counts(["default"])[0].completed == 1


def test_a_settlement_that_is_rolled_back_may_be_made_again(driver: Any, connection: Connection) -> None:
    driver.push([envelope()])
    end = completed(FakeWorker(driver).reserve_one())
    assert not driver.settle([end], within=connection)
    connection.rollback()
    assert driver.find(end.id).state is JobState.PROCESSING
    assert driver.counts()[0].completed == 0
    assert not driver.settle([end])
    assert driver.counts()[0].completed == 1


def test_a_stale_settlement_is_refused_within_too(driver: Any, connection: Connection) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    late = completed(worker.reserve_one())
    driver.settle([released(worker.repeat(1)[0])])
    worker.reserve_one()
    assert list(driver.settle([late], within=connection)) == [late]
    connection.commit()
    assert driver.find(late.id).state is JobState.PROCESSING


def test_a_commit_ends_a_wait(driver: Any, engine: Engine) -> None:
    def dispatch() -> None:
        with engine.begin() as connection:
            driver.push([envelope()], within=connection)

    waiting = FakeWorker(driver)
    pushing = threading.Timer(0.1, dispatch)
    pushing.start()
    assert waiting.await_one(within_s=2.5)
    pushing.join()


def test_a_unique_job_takes_its_lock_with_the_commit(driver: Any, connection: Connection) -> None:
    first, second = envelope(unique=Unique(key="k")), envelope(unique=Unique(key="k"))
    assert list(driver.push([first], within=connection)) == [first.id]
    assert list(driver.push([second], within=connection)) == [None]
    assert driver.locks().locks == ()
    connection.rollback()
    assert list(driver.push([second], within=connection)) == [second.id]
    connection.commit()
    assert [lock.owner for lock in driver.locks().locks] == [second.id]


def test_a_push_that_is_refused_in_a_transaction_holds_up_nobody(
    driver: Any, connection: Connection, store: StoreUnderTest
) -> None:
    if store.name == "mariadb":
        pytest.skip("its transactions see what was, and whoever wants to know more holds the lock's row")
    job = envelope(unique=Unique(key="k"))
    driver.push([job])
    lease = FakeWorker(driver).reserve_one()
    assert list(driver.push([envelope(unique=Unique(key="k"))], within=connection)) == [None]
    assert not driver.settle([completed(lease)])
    connection.rollback()
    assert driver.locks().locks == ()


def test_an_end_in_a_transaction_frees_the_lock_with_it(driver: Any, connection: Connection) -> None:
    job = envelope(unique=Unique(key="k"))
    driver.push([job])
    lease = FakeWorker(driver).reserve_one()
    assert not driver.settle([completed(lease)], within=connection)
    connection.rollback()
    assert [lock.owner for lock in driver.locks().locks] == [job.id]
    assert not driver.settle([completed(lease)], within=connection)
    connection.commit()
    assert driver.locks().locks == ()


def test_ends_in_two_transactions_wait_for_each_other_nowhere(
    driver: Any, engine: Engine, store: StoreUnderTest
) -> None:
    """However few jobs there are: a plan that reads all of them would lock those of others."""
    if store.name == "sqlite":
        pytest.skip("it has one writer at a time")
    driver.push(envelopes(3))
    first, second, third = FakeWorker(driver).reserve(3)
    with engine.connect() as one, engine.connect() as other:
        for connection in (one, other):
            connection.execute(text(_IMPATIENT[engine.name]))
        assert not driver.settle([completed(second)], within=one)
        assert not driver.settle([completed(first)], within=other)
        assert not driver.settle([completed(third)], within=one)
        one.commit()
        other.commit()
    assert [driver.find(lease.id).state for lease in (first, second, third)] == [JobState.COMPLETED] * 3


_IMPATIENT = {"mysql": "SET SESSION innodb_lock_wait_timeout = 1", "postgresql": "SET lock_timeout = '1s'"}
