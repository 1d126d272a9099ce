"""Forfeit: a worker is known to be dead, and all that it held comes back at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes.flaky import FlakyDriver
from fakes.leases import await_reclaim
from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, envelopes, failed, handed_back, released
from fakes.worker import FakeWorker

from qcore.envelope import Lease
from qcore.errors import ConnectionFailed
from qcore.states import JobState

KILLED = "killed by signal 9"
SOON_S = 2.5
"""What happens at once has happened by then, even on a loaded machine."""


def charges(lease: Lease) -> tuple[int, int, int, str | None]:
    """What a lease says of those before it."""
    return lease.attempts, lease.crashes, lease.reclaims, lease.crash_reason


def crash(driver: Any, reason: str = KILLED) -> str:
    """Let the next job kill its worker; returns the job's id."""
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    assert driver.forfeit(worker.name, {lease.id: reason}) == 1
    return lease.id


def test_every_lease_of_the_worker_comes_back(driver: Any) -> None:
    driver.push(envelopes(5))
    dead = FakeWorker(driver)
    held = [*dead.reserve(2), *dead.reserve(3)]
    assert driver.forfeit(dead.name, {}) == 5
    counts = driver.counts()[0]
    assert (counts.pending, counts.processing) == (5, 0)
    assert [lease.id for lease in FakeWorker(driver).reserve()] == [lease.id for lease in held]


def test_no_other_worker_loses_any(driver: Any) -> None:
    driver.push(envelopes(6))
    dead, alive = FakeWorker(driver, name="host-1"), FakeWorker(driver, name="host-12")
    nested = FakeWorker(driver, name="host-1/2")
    lost, *kept = dead.reserve(2), alive.reserve(2), nested.reserve(2)
    assert driver.forfeit(dead.name, {lease.id: KILLED for lease in kept[0]}) == 2
    assert not driver.settle([completed(lease) for leases in kept for lease in leases])
    assert {lease.id for lease in FakeWorker(driver).reserve()} == {lease.id for lease in lost}


def test_those_of_every_queue_come_back(driver: Any) -> None:
    jobs = [envelope("a"), envelope("b", priority=5), envelope("b", priority=-5)]
    driver.push(jobs)
    dead = FakeWorker(driver, "a", "b")
    dead.reserve()
    assert driver.forfeit(dead.name, {jobs[2].id: KILLED}) == 3
    again = FakeWorker(driver, "a", "b").reserve()
    assert [(lease.id, lease.attempts) for lease in again] == [(jobs[0].id, 0), (jobs[1].id, 0), (jobs[2].id, 1)]


def test_a_job_that_is_not_charged_is_as_it_was(driver: Any) -> None:
    driver.push([envelope()])
    dead = FakeWorker(driver)
    lease = dead.reserve_one()
    dead.heartbeat([lease], [lease.id])
    driver.forfeit(dead.name, {})
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.crashes, job.worker) == (JobState.PENDING, 0, 0, None)
    again = FakeWorker(driver).reserve_one()
    assert charges(again) == (0, 0, 0, None)
    assert (again.id, again.due_us, again.exceptions) == (lease.id, lease.due_us, 0)
    assert again.token != lease.token


def test_a_job_that_is_charged_tells_why(driver: Any) -> None:
    driver.push([envelope()])
    dead = FakeWorker(driver)
    lease = dead.reserve_one()
    driver.forfeit(dead.name, {lease.id: KILLED})
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.crashes) == (JobState.RETRYING, 1, 1)
    assert driver.counts()[0].retrying == 1
    again = FakeWorker(driver).reserve_one()
    assert charges(again) == (1, 1, 0, KILLED)
    assert (again.due_us, again.exceptions) == (lease.due_us, 0)


def test_only_the_named_are_charged(driver: Any) -> None:
    driver.push(envelopes(4))
    dead = FakeWorker(driver)
    leases = dead.reserve()
    dead.heartbeat(leases, [lease.id for lease in leases])
    reasons = {leases[1].id: "exit code 3", leases[2].id: "Stapel übergelaufen — «signal 11»"}
    assert driver.forfeit(dead.name, {**reasons, "a job of nobody": KILLED}) == 4
    again = {lease.id: charges(lease) for lease in FakeWorker(driver).reserve()}
    assert again == {
        lease.id: (1, 1, 0, reasons[lease.id]) if lease.id in reasons else (0, 0, 0, None) for lease in leases
    }


def test_earlier_charges_stay(driver: Any) -> None:
    driver.push(envelopes(2))
    first = FakeWorker(driver)
    driver.settle([released(lease) for lease in first.reserve()])
    dead = FakeWorker(driver)
    charged, spared = dead.await_many(2)
    driver.forfeit(dead.name, {charged.id: KILLED})
    again = {lease.id: lease for lease in FakeWorker(driver).reserve()}
    assert charges(again[charged.id]) == (2, 1, 0, KILLED)
    assert charges(again[spared.id]) == (1, 0, 0, None)
    assert {lease.exceptions for lease in again.values()} == {1}


def test_the_reason_outlives_a_worker_that_handed_the_job_back(driver: Any) -> None:
    driver.push([envelope()])
    crash(driver)
    driver.settle([handed_back(FakeWorker(driver).reserve_one())])
    dead = FakeWorker(driver)
    assert charges(dead.reserve_one()) == (1, 1, 0, KILLED)
    driver.forfeit(dead.name, {})
    assert charges(FakeWorker(driver).reserve_one()) == (1, 1, 0, KILLED)


def test_the_newest_reason_counts(driver: Any) -> None:
    driver.push([envelope()])
    crash(driver, "exit code 3")
    crash(driver, KILLED)
    assert charges(FakeWorker(driver).reserve_one()) == (2, 2, 0, KILLED)


def test_a_crash_that_nobody_saw_has_no_reason(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.1)
    driver.push([envelope()])
    crash(driver)
    unseen = FakeWorker(driver)
    unseen.heartbeat([lease := unseen.reserve_one()], [lease.id])
    await_reclaim(driver, 1)
    assert charges(FakeWorker(driver).reserve_one()) == (2, 2, 0, None)


def test_an_operators_retry_begins_anew(driver: Any) -> None:
    driver.push([envelope()])
    job_id = crash(driver)
    driver.settle([failed(FakeWorker(driver).reserve_one())])
    assert list(driver.retry([job_id])) == [job_id]
    assert charges(FakeWorker(driver).await_one()) == (0, 0, 0, None)


def test_the_jobs_keep_their_place(driver: Any) -> None:
    old = envelopes(3)
    driver.push(old)
    dead = FakeWorker(driver)
    leases = dead.reserve()
    driver.push([young := envelope()])
    driver.forfeit(dead.name, {leases[1].id: KILLED})
    assert [lease.id for lease in FakeWorker(driver).reserve()] == [*(job.id for job in old), young.id]


def test_again_is_harmless(driver: Any) -> None:
    driver.push(envelopes(2))
    dead = FakeWorker(driver)
    charged, _ = dead.reserve()
    assert driver.forfeit(dead.name, {charged.id: KILLED}) == 2
    assert driver.forfeit(dead.name, {charged.id: KILLED}) == 0
    owner = FakeWorker(driver)
    leases = owner.reserve()
    held = {lease.id: charges(lease) for lease in leases}
    assert held.pop(charged.id) == (1, 1, 0, KILLED)
    assert list(held.values()) == [(0, 0, 0, None)]
    assert driver.forfeit(dead.name, {charged.id: KILLED}) == 0
    assert not driver.settle([completed(lease) for lease in leases])


def test_a_reply_that_was_lost(driver: Any) -> None:
    flaky = FlakyDriver(driver)
    driver.push([envelope()])
    dead = FakeWorker(flaky)
    lease = dead.reserve_one()
    flaky.cut("forfeit")
    with pytest.raises(ConnectionFailed):
        flaky.forfeit(dead.name, {lease.id: KILLED})
    flaky.forfeit(dead.name, {lease.id: KILLED})
    assert charges(FakeWorker(driver).reserve_one()) == (1, 1, 0, KILLED)


def test_two_that_saw_it_charge_once(driver: Any) -> None:
    driver.push(envelopes(40))
    dead = FakeWorker(driver)
    reasons = {lease.id: KILLED for lease in dead.reserve(40)}
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda _: driver.forfeit(dead.name, reasons), range(8))) == 40
    assert {charges(lease) for lease in FakeWorker(driver).reserve(40)} == {(1, 1, 0, KILLED)}


def test_a_worker_that_holds_nothing(driver: Any) -> None:
    driver.push([job := envelope()])
    assert driver.forfeit("nobody", {job.id: KILLED}) == 0
    assert charges(FakeWorker(driver).reserve_one()) == (0, 0, 0, None)


def test_what_it_had_settled_stays(driver: Any) -> None:
    driver.push(envelopes(4))
    dead = FakeWorker(driver)
    done, broken, again, held = dead.reserve()
    driver.settle([completed(done), failed(broken), released(again)])
    assert driver.forfeit(dead.name, {done.id: KILLED, broken.id: KILLED, again.id: KILLED}) == 1
    found = {lease.id: driver.find(lease.id) for lease in (done, broken, again, held)}
    assert [job.state for job in found.values()] == [
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.RETRYING,
        JobState.PENDING,
    ]
    assert {job.crashes for job in found.values()} == {0}


def test_a_late_end_is_refused(driver: Any) -> None:
    driver.push([envelope()])
    dead = FakeWorker(driver)
    lease = dead.reserve_one()
    driver.forfeit(dead.name, {lease.id: KILLED})
    late = completed(lease)
    assert list(driver.settle([late])) == [late]
    held = FakeWorker(driver).reserve_one()
    assert list(driver.settle([late])) == [late]
    assert not driver.settle([completed(held)])
    assert driver.counts()[0].completed == 1


def test_a_late_heartbeat_revives_nothing(driver: Any) -> None:
    driver.push([envelope()])
    dead = FakeWorker(driver)
    lease = dead.reserve_one()
    driver.forfeit(dead.name, {})
    dead.heartbeat([lease], [lease.id])
    assert list(dead.repeat()) == []
    assert driver.find(lease.id).state is JobState.PENDING


def test_a_mark_to_cancel_outlives_the_worker(driver: Any) -> None:
    driver.push([envelope()])
    dead = FakeWorker(driver)
    driver.cancel([dead.reserve_one().id])
    driver.forfeit(dead.name, {})
    assert FakeWorker(driver).reserve_one().cancel_requested


def test_more_than_one_reserve_can_give(driver: Any) -> None:
    driver.push(envelopes(1000))
    driver.push(envelopes(205))
    dead, alive = FakeWorker(driver), FakeWorker(driver)
    alive.reserve(5)
    leases = [*dead.reserve(1000), *dead.reserve(1000)]
    assert len(leases) == 1200
    assert driver.forfeit(dead.name, {lease.id: KILLED for lease in leases[:1100]}) == 1200
    again = [*FakeWorker(driver).reserve(1000), *FakeWorker(driver).reserve(1000)]
    assert [lease.id for lease in again] == [lease.id for lease in leases]
    assert sum(lease.crashes for lease in again) == 1100


def test_who_waits_is_woken(driver: Any) -> None:
    driver.push([envelope()])
    dead, idle = FakeWorker(driver), FakeWorker(driver)
    lease = dead.reserve_one()
    timer = threading.Timer(0.1, lambda: driver.forfeit(dead.name, {lease.id: KILLED}))
    timer.start()
    began = time.monotonic()
    idle.await_one(within_s=20.0)
    assert time.monotonic() - began < SOON_S
    timer.join()
