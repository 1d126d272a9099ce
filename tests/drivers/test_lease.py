"""Leases: alive by heartbeat, each by its own."""

from __future__ import annotations

from typing import Any

import msgspec
from fakes.leases import await_reclaim, let_pass
from fakes.store import StoreUnderTest
from fakes.values import cancelled, completed, envelope, envelopes, released
from fakes.worker import FakeWorker

from qcore.states import JobState

TERM_S = 0.3


def test_a_lease_lives_for_its_term(driver: Any) -> None:
    driver.push(envelopes(3))
    FakeWorker(driver).reserve()
    assert list(driver.reclaim()) == []
    assert driver.counts()[0].processing == 3


def test_a_heartbeat_extends_the_leases_it_names_and_no_others(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=TERM_S)
    driver.push(envelopes(3))
    worker = FakeWorker(driver)
    kept, *others = worker.reserve()
    reclaimed: list[str] = []
    for _ in range(5):
        let_pass(driver, TERM_S / 3)
        worker.heartbeat([kept])
        reclaimed += driver.reclaim()
    assert sorted(reclaimed) == sorted(lease.id for lease in others)
    assert not driver.settle([completed(kept)])


def test_a_heartbeat_revives_a_lapsed_lease_that_nobody_took(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=TERM_S)
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    let_pass(driver, TERM_S + 0.05)
    worker.heartbeat([lease])
    assert list(driver.reclaim()) == []
    assert not driver.settle([completed(lease)])


def test_a_lapsed_lease_that_nobody_took_may_be_settled(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    let_pass(driver, 0.1)
    assert not driver.settle([completed(lease)])
    assert list(driver.reclaim()) == []


def test_a_heartbeat_does_not_revive_what_was_reclaimed(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    driver.push([envelope()])
    late = FakeWorker(driver)
    lease = late.reserve_one()
    await_reclaim(driver, 1)
    late.heartbeat([lease], [lease.id])
    assert driver.find(lease.id).state is JobState.PENDING
    assert FakeWorker(driver).reserve_one().id == lease.id


def test_a_heartbeat_of_a_late_worker_does_not_touch_the_new_owner(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=TERM_S)
    driver.push([envelope()])
    late, owner = FakeWorker(driver), FakeWorker(driver)
    lost = late.reserve_one()
    await_reclaim(driver, 1)
    held = owner.reserve_one()
    for _ in range(4):
        late.heartbeat([lost], [lost.id])
        let_pass(driver, TERM_S / 3)
    assert await_reclaim(driver, 1) == [held.id]
    assert (driver.find(held.id).attempts, driver.find(held.id).crashes) == (0, 0)


def test_a_heartbeat_tells_of_cancellations(driver: Any) -> None:
    driver.push(envelopes(3))
    worker = FakeWorker(driver)
    leases = worker.reserve()
    assert list(worker.heartbeat(leases)) == []
    assert list(driver.cancel([leases[1].id])) == []
    assert list(worker.heartbeat([leases[0]])) == []
    assert list(worker.heartbeat(leases)) == [leases[1].id]
    assert list(worker.heartbeat(leases)) == [leases[1].id]
    driver.settle([cancelled(leases[1])])
    assert list(worker.heartbeat(leases)) == []


def test_a_heartbeat_tells_which_cancellations_are_hard(driver: Any) -> None:
    driver.push(envelopes(3))
    worker = FakeWorker(driver)
    soft, hard, both = leases = worker.reserve()
    driver.cancel([soft.id, both.id])
    driver.cancel([hard.id, both.id], hard=True)
    expected = {soft.id: False, hard.id: True, both.id: True}
    assert worker.heartbeat(leases) == expected
    assert worker.heartbeat(leases, [hard.id]) == expected, "whether it has begun changes nothing about that"
    assert worker.heartbeat(leases, [soft.id, both.id]) == expected
    driver.cancel([lease.id for lease in leases])
    assert worker.heartbeat(leases) == expected, "what was asked for hard stays so"


def test_a_job_that_was_cancelled_hard_ends_like_any_other(driver: Any) -> None:
    worker = FakeWorker(driver)
    driver.push([*envelopes(3), envelope(payload=b"large" * 20_000)])
    done, dropped, again, large = leases = worker.reserve()
    driver.cancel([lease.id for lease in leases], hard=True)
    worker.heartbeat(leases, [lease.id for lease in leases])
    assert driver.find(done.id).cancel_requested
    assert not driver.settle([completed(done), cancelled(dropped), released(again), completed(large)])
    states = [driver.find(lease.id).state for lease in leases]
    assert states == [JobState.COMPLETED, JobState.CANCELLED, JobState.RETRYING, JobState.COMPLETED]
    next_one = worker.reserve_one()
    assert (next_one.id, next_one.cancel_requested) == (again.id, True)


def test_a_heartbeat_without_leases(driver: Any) -> None:
    assert list(FakeWorker(driver).heartbeat([])) == []


def test_a_heartbeat_of_a_lease_that_ended(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    driver.settle([released(lease)])
    assert list(worker.heartbeat([lease], [lease.id])) == []
    assert driver.find(lease.id).state is JobState.RETRYING


def test_a_heartbeat_with_a_forged_token(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=TERM_S)
    driver.push([envelope()])
    worker = FakeWorker(driver)
    forged = msgspec.structs.replace(worker.reserve_one(), token="forged")
    for _ in range(4):
        worker.heartbeat([forged], [forged.id])
        let_pass(driver, TERM_S / 3)
    assert await_reclaim(driver, 1) == [forged.id]
    assert driver.find(forged.id).attempts == 0


def test_many_leases_in_one_heartbeat(driver: Any) -> None:
    driver.push(envelopes(1000))
    worker = FakeWorker(driver)
    leases = worker.reserve(1000)
    driver.cancel([leases[7].id])
    assert list(worker.heartbeat(leases, [lease.id for lease in leases])) == [leases[7].id]


def test_a_mark_to_cancel_outlives_the_lease(driver: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    driver.cancel([lease.id])
    assert driver.find(lease.id).cancel_requested
    driver.settle([released(lease)])
    assert worker.reserve_one().cancel_requested
