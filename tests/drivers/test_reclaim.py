"""Reclaim: the jobs of the dead come back, charged only if they had begun."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes.leases import await_reclaim, let_pass
from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, envelopes, released
from fakes.worker import FakeWorker

from qcore.states import JobState

TERM_S = 0.1


@pytest.fixture
def driver(store: StoreUnderTest) -> Any:
    """A driver whose leases lapse soon."""
    return store.open(lease_s=TERM_S)


def test_nothing_lapsed(driver: Any) -> None:
    assert list(driver.reclaim()) == []
    driver.push([envelope()])
    assert list(driver.reclaim()) == []


def test_a_job_that_had_not_begun_is_not_charged(driver: Any) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    await_reclaim(driver, 1)
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.crashes) == (JobState.PENDING, 0, 0)
    again = FakeWorker(driver).reserve_one()
    assert (again.id, again.attempts, again.crashes, again.reclaims) == (lease.id, 0, 0, 1)
    assert again.due_us == lease.due_us
    assert again.token != lease.token


def test_a_job_that_had_begun_is_charged(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    worker.heartbeat([lease], [lease.id])
    await_reclaim(driver, 1)
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.crashes) == (JobState.RETRYING, 1, 1)
    assert driver.counts()[0].retrying == 1
    again = FakeWorker(driver).reserve_one()
    assert (again.attempts, again.crashes, again.reclaims, again.exceptions) == (1, 1, 0, 0)
    assert again.due_us == lease.due_us


def test_only_those_that_had_begun_are_charged(driver: Any) -> None:
    driver.push(envelopes(4))
    worker = FakeWorker(driver)
    leases = worker.reserve()
    begun = {leases[0].id, leases[2].id}
    worker.heartbeat(leases, begun)
    await_reclaim(driver, 4)
    again = FakeWorker(driver).reserve()
    assert {lease.id: (lease.attempts, lease.crashes, lease.reclaims) for lease in again} == {
        lease.id: (1, 1, 0) if lease.id in begun else (0, 0, 1) for lease in leases
    }


def test_the_last_heartbeat_decides(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    worker.heartbeat([lease], [lease.id])
    worker.heartbeat([lease])
    await_reclaim(driver, 1)
    assert driver.find(lease.id).attempts == 0


def test_a_new_lease_has_not_begun(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    worker.heartbeat([lease], [lease.id])
    driver.settle([released(lease)])
    worker.reserve_one()
    await_reclaim(driver, 1)
    again = worker.reserve_one()
    assert (again.attempts, again.crashes, again.reclaims) == (1, 0, 1)


def test_charges_add_up(driver: Any) -> None:
    driver.push([envelope()])
    for _ in range(2):
        worker = FakeWorker(driver)
        worker.heartbeat([lease := worker.reserve_one()], [lease.id])
        await_reclaim(driver, 1)
        worker.reserve_one()
        await_reclaim(driver, 1)
    again = FakeWorker(driver).reserve_one()
    assert (again.attempts, again.crashes, again.reclaims) == (2, 2, 2)


def test_a_reclaimed_job_keeps_its_place(driver: Any) -> None:
    first, second = envelopes(2)
    driver.push([first])
    FakeWorker(driver).reserve_one()
    driver.push([second])
    await_reclaim(driver, 1)
    assert [lease.id for lease in FakeWorker(driver).reserve()] == [first.id, second.id]


def test_the_late_worker_is_refused(driver: Any) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    await_reclaim(driver, 1)
    late = completed(lease)
    assert list(driver.settle([late])) == [late]
    held = FakeWorker(driver).reserve_one()
    assert list(driver.settle([late])) == [late]
    assert not driver.settle([completed(held)])
    assert driver.counts()[0].completed == 1


def test_a_settled_job_is_not_given_back(driver: Any) -> None:
    driver.push(envelopes(2))
    first, second = FakeWorker(driver).reserve()
    driver.settle([completed(first)])
    assert await_reclaim(driver, 1) == [second.id]
    assert driver.find(first.id).state is JobState.COMPLETED


def test_a_reclaimed_job_is_given_back_once(driver: Any) -> None:
    driver.push(envelopes(40))
    FakeWorker(driver).reserve(40)
    let_pass(driver, TERM_S + 0.02)
    with ThreadPoolExecutor(4) as threads:
        found = [job_id for ids in threads.map(lambda _: list(driver.reclaim()), range(8)) for job_id in ids]
    assert len(found) == len(set(found)) == 40
    assert {lease.reclaims for lease in FakeWorker(driver).reserve(40)} == {1}


def test_in_bounded_steps(driver: Any) -> None:
    driver.push(envelopes(1000))
    driver.push(envelopes(5))
    worker = FakeWorker(driver)
    assert len([*worker.reserve(1000), *worker.reserve(1000)]) == 1005
    let_pass(driver, TERM_S + 0.02)
    assert [len(driver.reclaim()) for _ in range(3)] == [1000, 5, 0]


def test_a_mark_to_cancel_outlives_its_worker(driver: Any) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    driver.cancel([lease.id])
    await_reclaim(driver, 1)
    assert FakeWorker(driver).reserve_one().cancel_requested


def test_a_request_whose_leases_lapsed_gives_none_of_them_again(driver: Any) -> None:
    driver.push([envelope()])
    late, owner = FakeWorker(driver), FakeWorker(driver)
    late.reserve_one()
    await_reclaim(driver, 1)
    held = owner.reserve_one()
    assert list(late.repeat()) == []
    assert not driver.settle([completed(held)])
