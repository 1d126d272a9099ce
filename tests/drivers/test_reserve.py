"""Reserve: a job is in one worker's hands at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, envelopes, handed_back
from fakes.worker import FakeWorker
from processes import run_together

from qcore.drivers.base import MAX_RESERVE
from qcore.envelope import Lease


def test_a_lease_tells_all_a_worker_needs(driver: Any) -> None:
    job = envelope("emails", job="app.jobs:Send", payload=b"hello", priority=2, tags=("a", "b"))
    driver.push([job])
    lease = FakeWorker(driver, "emails").reserve_one()
    stored = driver.find(job.id)
    expected = Lease(
        id=job.id,
        job="app.jobs:Send",
        queue="emails",
        payload=b"hello",
        token=lease.token,
        created_us=stored.created_us,
        due_us=stored.due_us,
        reserved_us=lease.reserved_us,
        priority=2,
        tags=("a", "b"),
    )
    assert lease == expected
    assert lease.token
    assert lease.reserved_us >= lease.due_us


def test_no_more_than_asked_for(driver: Any) -> None:
    driver.push(envelopes(5))
    worker = FakeWorker(driver)
    assert [len(worker.reserve(2)) for _ in range(4)] == [2, 2, 1, 0]


def test_the_most_that_may_be_asked_for(driver: Any) -> None:
    driver.push(envelopes(1000))
    driver.push(envelopes(1))
    worker = FakeWorker(driver)
    assert [len(worker.reserve(MAX_RESERVE)) for _ in range(3)] == [1000, 1, 0]


def test_nothing_due_gives_nothing_at_once(driver: Any) -> None:
    assert list(FakeWorker(driver, "no such queue").reserve()) == []
    assert list(driver.reserve([], 5, "worker", 1)) == []


def test_a_queue_named_twice_gives_no_job_twice(driver: Any) -> None:
    driver.push(envelopes(3))
    leases = FakeWorker(driver, "default", "default").reserve()
    assert len({lease.id for lease in leases}) == len(leases) == 3


def test_every_reserve_makes_a_new_token(driver: Any) -> None:
    driver.push(envelopes(4))
    worker, other = FakeWorker(driver), FakeWorker(driver)
    first, second, third = worker.reserve_one(), worker.reserve_one(), other.reserve_one()
    driver.settle([handed_back(first)])
    again = other.reserve_one()
    assert again.id == first.id
    assert len({lease.token for lease in (first, second, third, again)}) == 4


def test_a_repeated_request_gives_the_same_leases(driver: Any) -> None:
    driver.push(envelopes(5))
    worker = FakeWorker(driver)
    first = worker.reserve(3)
    assert list(worker.repeat(3)) == list(first)
    assert len(worker.reserve(3)) == 2


def test_a_request_is_repeated_in_its_order(driver: Any) -> None:
    driver.push([envelope("a"), envelope("b", priority=1), envelope("a", priority=5), envelope("b")])
    worker = FakeWorker(driver, "b", "a")
    assert list(worker.reserve()) == list(worker.repeat())


def test_requests_of_different_workers_do_not_meet(driver: Any) -> None:
    driver.push(envelopes(2))
    one, other = FakeWorker(driver), FakeWorker(driver)
    first, second = one.reserve_one(), other.reserve_one()
    assert first.id != second.id
    assert list(one.repeat(1)) == [first]
    assert list(other.repeat(1)) == [second]


def test_threads_of_one_driver_get_no_job_twice(driver: Any) -> None:
    driver.push(envelopes(200))
    with ThreadPoolExecutor(4) as threads:
        taken = [job_id for ids in threads.map(lambda _: take_all(driver, 7), range(4)) for job_id in ids]
    assert len(taken) == len(set(taken)) == 200


def test_eight_processes_get_no_job_twice(store: StoreUnderTest) -> None:
    driver = store.open()
    store.share(driver).push(envelopes(400))
    taken = [job_id for ids in run_together(store.settings(), take_all, [(5,)] * 8) for job_id in ids]
    assert len(taken) == len(set(taken)) == 400
    assert driver.counts()[0].processing == 400


def test_processes_that_push_and_work_lose_nothing(store: StoreUnderTest) -> None:
    driver = store.open()
    store.share(driver)
    results = run_together(store.settings(), push_and_work, [(60,)] * 3)
    pushed = {job_id for ids, _ in results for job_id in ids}
    ended = [job_id for _, ids in results for job_id in ids]
    ended += work_off(driver)
    assert len(pushed) == 180
    assert sorted(ended) == sorted(pushed)
    (counts,) = driver.counts()
    assert (counts.completed, counts.pending, counts.processing) == (180, 0, 0)


def take_all(driver: Any, limit: int) -> list[str]:
    """Reserve until nothing is left."""
    worker = FakeWorker(driver)
    taken: list[str] = []
    while leases := worker.reserve(limit):
        taken += [lease.id for lease in leases]
    return taken


def push_and_work(driver: Any, number: int) -> tuple[list[str], list[str]]:
    """Push jobs in small groups, and work off somebody's in between."""
    worker = FakeWorker(driver)
    pushed: list[str] = []
    ended: list[str] = []
    for turn in range(number // 4):
        pushed += driver.push(envelopes(4, priority=turn % 3))
        leases = worker.reserve(3)
        assert not driver.settle([completed(lease) for lease in leases])
        ended += [lease.id for lease in leases]
    return pushed, ended


def work_off(driver: Any) -> list[str]:
    """Complete whatever is left, in the hot loop of a worker."""
    worker = FakeWorker(driver)
    ended: list[str] = []
    leases = worker.reserve(10)
    while leases:
        ended += [lease.id for lease in leases]
        worker.request += 1
        refused, leases = driver.settle_and_reserve(
            [completed(lease) for lease in leases], worker.queues, 10, worker.name, 1000 + worker.request
        )
        assert not refused
    return ended
