"""Unique jobs: lock and job are stored in one step, and a lock ends with the job that took it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.leases import let_pass
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, cancelled, completed, envelope, failed, handed_back, released, us
from fakes.worker import FakeWorker
from processes import run_together

from qcore.envelope import Envelope, Unique
from qcore.errors import QueueFullError
from qcore.records import QueueDefinition
from qcore.settlement import Settlement
from qcore.states import JobState, LockKind

LAST_ENDS = [completed, failed, cancelled]
OTHER_ENDS = [released, handed_back]


def unique(
    key: str = "k", *, queue: str = "default", delay_s: float = 0, job_id: str | None = None, **how: Any
) -> Envelope:
    """A job that needs the lock `key` to be stored."""
    return envelope(queue, delay_s=delay_s, id=job_id, unique=Unique(key=key, **how))


def pushed(driver: Any, *jobs: Envelope, **how: Any) -> list[bool]:
    """Which of the jobs were stored."""
    answer = list(driver.push(jobs, **how))
    assert all(got in (None, job.id) for got, job in zip(answer, jobs, strict=True))
    return [got is not None for got in answer]


def owners(driver: Any) -> dict[str, str]:
    """Who holds which key."""
    return {lock.key: lock.owner for lock in driver.locks().locks}


@pytest.fixture
def worker(driver: Any) -> FakeWorker:
    return FakeWorker(driver)


def test_the_second_is_refused_and_nothing_of_it_is_stored(driver: Any) -> None:
    first, second, other = unique(), unique(), unique("other")
    assert pushed(driver, first) == [True]
    assert pushed(driver, second, other) == [False, True]
    assert driver.find(second.id) is None
    assert driver.counts(["default"])[0].pending == 2
    assert owners(driver) == {"k": first.id, "other": other.id}


def test_two_of_one_key_in_one_push(driver: Any) -> None:
    first, plain, second = unique(), envelope(), unique()
    assert pushed(driver, first, plain, second) == [True, True, False]
    assert owners(driver) == {"k": first.id}
    assert driver.counts(["default"])[0].pending == 2


def test_another_queue_has_the_same_locks(driver: Any) -> None:
    assert pushed(driver, unique()) == [True]
    assert pushed(driver, unique(queue="never-used")) == [False]
    assert [counts.name for counts in driver.counts()] == ["default"]


def test_keys_are_told_apart_to_the_letter(driver: Any) -> None:
    keys = ["k", "K", "k ", "ḱ", "k:1", "x" * 190]
    assert pushed(driver, *(unique(key) for key in keys)) == [True] * len(keys)
    assert sorted(owners(driver)) == sorted(keys)


@pytest.mark.parametrize("end", LAST_ENDS)
def test_the_lock_ends_with_the_job(driver: Any, worker: FakeWorker, end: Callable[..., Settlement]) -> None:
    driver.push([unique()])
    lease = worker.reserve_one()
    assert lease.lock == "k"
    assert pushed(driver, unique()) == [False]
    assert not driver.settle([end(lease)])
    assert owners(driver) == {}
    assert pushed(driver, unique()) == [True]
    assert not driver.settle([end(lease)])  # sent again: the lock is another's by now
    assert pushed(driver, unique()) == [False]


@pytest.mark.parametrize("end", OTHER_ENDS)
def test_a_job_that_waits_again_keeps_its_lock(driver: Any, worker: FakeWorker, end: Callable[..., Settlement]) -> None:
    driver.push([job := unique()])
    assert not driver.settle([end(worker.reserve_one())])
    assert pushed(driver, unique()) == [False]
    assert owners(driver) == {"k": job.id}
    again = worker.reserve_one()
    assert again.lock == "k"
    driver.settle([completed(again)])
    assert owners(driver) == {}


def test_a_stale_settlement_frees_nothing(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := unique()])
    lease = worker.reserve_one()
    stale = completed(msgspec.structs.replace(lease, token="0" * len(lease.token)))
    assert list(driver.settle([stale])) == [stale]
    assert owners(driver) == {"k": job.id}


def test_many_ends_free_many_locks(driver: Any, worker: FakeWorker) -> None:
    keys = [f"k{number:03}" for number in range(100)]
    driver.push([unique(key) for key in keys] + [envelope() for _ in range(100)])
    leases = worker.reserve(200)
    ends = [(completed, failed, cancelled, released)[n % 4](lease) for n, lease in enumerate(leases)]
    refused, _ = driver.settle_and_reserve(ends, ["other"], 10, worker.name, worker.request + 1)
    assert not refused
    kept = {lease.lock for lease, end in zip(leases, ends, strict=True) if end.outcome.value == "released"} - {None}
    assert set(owners(driver)) == kept
    assert len(kept) == 25


def test_plain_jobs_have_no_lock(driver: Any, worker: FakeWorker) -> None:
    driver.push([envelope(), unique()])
    assert [lease.lock for lease in worker.reserve()] == [None, "k"]


def test_cancel_and_clear_free_the_lock(driver: Any) -> None:
    driver.push([job := unique(), unique("later", delay_s=HOUR_S)])
    assert list(driver.cancel([job.id])) == [job.id]
    assert list(owners(driver)) == ["later"]
    assert driver.clear("default") == 1
    assert owners(driver) == {}
    assert pushed(driver, unique(), unique("later")) == [True, True]


def test_a_leased_job_that_is_cancelled_frees_it_at_its_end(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := unique()])
    lease = worker.reserve_one()
    assert list(driver.cancel([job.id])) == []
    assert pushed(driver, unique()) == [False]
    driver.settle([cancelled(lease)])
    assert pushed(driver, unique()) == [True]


def test_a_failed_job_takes_the_lock_again_when_it_is_retried(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := unique(for_us=us(HOUR_S))])
    driver.settle([failed(worker.reserve_one())])
    assert list(driver.retry([job.id])) == [job.id]
    assert owners(driver) == {"k": job.id}
    assert driver.locks().locks[0].until_us is not None
    assert pushed(driver, unique()) == [False]
    driver.settle([completed(worker.reserve_one())])
    assert owners(driver) == {}


def test_a_failed_job_stays_where_it_is_while_another_has_the_lock(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := unique(), plain := envelope()])
    driver.settle([failed(lease) for lease in worker.reserve(2)])
    driver.push([other := unique(delay_s=HOUR_S)])
    assert list(driver.retry([job.id, plain.id])) == [plain.id]
    assert driver.find(job.id).state is JobState.FAILED
    assert owners(driver) == {"k": other.id}
    driver.cancel([other.id])
    assert list(driver.retry([job.id])) == [job.id]
    assert owners(driver) == {"k": job.id}


def test_of_two_failed_jobs_of_a_key_the_first_comes_back(driver: Any, worker: FakeWorker) -> None:
    jobs = [unique(), unique()]
    for job in jobs:
        driver.push([job])
        driver.settle([failed(worker.reserve_one())])
    first, second = (job.id for job in reversed(jobs))
    assert list(driver.retry([first, second])) == [first]
    assert owners(driver) == {"k": first}
    assert driver.find(second).state is JobState.FAILED
    driver.settle([completed(worker.reserve_one())])
    assert list(driver.retry([second])) == [second]


def test_forgetting_a_failed_job_frees_nobodys_lock(driver: Any, worker: FakeWorker) -> None:
    for forget in (lambda failed_id: driver.forget([failed_id]), lambda _: driver.flush()):
        driver.push([job := unique()])
        driver.settle([failed(worker.reserve_one())])
        driver.push([other := unique(delay_s=HOUR_S)])
        forget(job.id)
        assert owners(driver) == {"k": other.id}
        driver.clear("default")


def test_a_lock_is_free_after_its_time(driver: Any, worker: FakeWorker) -> None:
    driver.push([first := unique(for_us=us(0.2))])
    assert pushed(driver, unique(for_us=us(0.2))) == [False]
    let_pass(driver, 0.25)
    assert owners(driver) == {}
    assert pushed(driver, second := unique()) == [True]
    lease = next(lease for lease in worker.reserve() if lease.id == first.id)
    driver.settle([completed(lease)])  # it is not its lock any more
    assert owners(driver) == {"k": second.id}


def test_reclaim_and_forfeit_keep_the_lock(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    worker = FakeWorker(driver)
    driver.push([job := unique()])
    worker.reserve_one()
    let_pass(driver, 0.1)
    assert list(driver.reclaim()) == [job.id]
    assert owners(driver) == {"k": job.id}
    worker.reserve_one()
    assert driver.forfeit(worker.name, {job.id: "it died"}) == 1
    assert owners(driver) == {"k": job.id}
    driver.settle([completed(worker.reserve_one())])
    assert owners(driver) == {}


def test_a_push_whose_reply_was_lost_is_its_own(driver: Any, worker: FakeWorker) -> None:
    job = unique()
    assert pushed(driver, job) == [True]
    assert pushed(driver, job) == [True]
    assert pushed(driver, job, repeat=True) == [True]
    lease = worker.reserve_one()
    assert pushed(driver, job, repeat=True) == [True]
    driver.settle([completed(lease)])
    assert pushed(driver, job, repeat=True) == [True]
    assert owners(driver) == {}
    assert driver.find(job.id).state is JobState.COMPLETED


def test_one_id_twice_in_a_push(driver: Any) -> None:
    job = unique()
    assert pushed(driver, job, job) == [True, True]
    assert driver.counts(["default"])[0].pending == 1


def test_a_full_queue_leaves_no_lock(driver: Any) -> None:
    driver.define([QueueDefinition(name="default", max_jobs=2)])
    driver.push([envelope()])
    with pytest.raises(QueueFullError):
        driver.push([unique("a"), envelope(), unique("b")])
    assert owners(driver) == {}
    assert pushed(driver, unique("a")) == [True]
    assert pushed(driver, unique("a")) == [False]  # what is refused needs no room
    with pytest.raises(QueueFullError):
        driver.push([unique("b")])


def test_what_follows_a_job_takes_no_lock(driver: Any, worker: FakeWorker) -> None:
    driver.push([unique(), envelope()])
    first, second = worker.reserve()
    following = unique(queue="next")
    driver.settle([msgspec.structs.replace(completed(second), pushes=(following,))])
    assert driver.counts(["next"])[0].pending == 1
    assert owners(driver) == {"k": first.id}


# --- replacing ------------------------------------------------------------------------------------------------------


def test_a_waiting_holder_is_replaced(driver: Any, worker: FakeWorker) -> None:
    first, second = unique(replaces=True, delay_s=HOUR_S), unique(replaces=True)
    assert pushed(driver, first) == [True]
    assert pushed(driver, second) == [True]
    assert driver.find(first.id).state is JobState.CANCELLED
    assert owners(driver) == {"k": second.id}
    counts = driver.counts(["default"])[0]
    assert (counts.pending, counts.delayed, counts.cancelled) == (1, 0, 1)
    assert worker.reserve_one().id == second.id
    assert pushed(driver, first, repeat=True) == [True]
    assert driver.counts(["default"])[0].delayed == 0


def test_a_holder_that_was_reserved_is_not_replaced(driver: Any, worker: FakeWorker) -> None:
    driver.push([first := unique(replaces=True)])
    worker.reserve_one()
    assert pushed(driver, unique(replaces=True)) == [False]
    assert owners(driver) == {"k": first.id}


def test_the_last_of_one_push_wins(driver: Any) -> None:
    jobs = [unique(replaces=True) for _ in range(3)]
    assert pushed(driver, *jobs) == [True] * 3
    assert [driver.find(job.id).state for job in jobs] == [JobState.CANCELLED] * 2 + [JobState.PENDING]
    assert owners(driver) == {"k": jobs[2].id}


def test_a_replacement_needs_no_room_of_its_own(driver: Any) -> None:
    driver.define([QueueDefinition(name="default", max_jobs=1)])
    assert pushed(driver, unique(replaces=True)) == [True]
    assert pushed(driver, unique(replaces=True)) == [True]


def test_one_that_replaces_nobody_is_refused_by_a_waiting_holder(driver: Any) -> None:
    driver.push([unique(replaces=True)])
    assert pushed(driver, unique()) == [False]


def waits_s(driver: Any, job: Envelope, since_us: int | None = None) -> float:
    """Seconds from then, or from when the job was stored, until it is due; near enough for instants of one push."""
    found = driver.find(job.id)
    return round((found.due_us - (since_us or found.created_us)) / 1_000_000)


def test_a_burst_is_due_so_long_after_its_last_but_no_later_than_that(driver: Any) -> None:
    """What `debounce` asks for."""
    how = {"replaces": True, "until_start": True, "delay_s": 50.0, "max_wait_us": us(60)}
    driver.push([first := unique(**how)])
    began_us = driver.find(first.id).created_us
    assert waits_s(driver, first) == 50
    driver.push([second := unique(**{**how, "delay_s": 55.0})])
    assert waits_s(driver, second) == 55
    driver.push([third := unique(**{**how, "delay_s": 600.0}), fourth := unique(**{**how, "delay_s": 500.0})])
    assert waits_s(driver, fourth, began_us) == 60
    assert driver.find(third.id).state is JobState.CANCELLED
    assert driver.counts(["default"])[0].delayed == 1


# --- locks of jobs that live elsewhere, and a person's view ----------------------------------------------------------


def test_a_lock_for_a_job_elsewhere(driver: Any) -> None:
    assert driver.take_lock("k", "job", us(HOUR_S))
    assert driver.take_lock("k", "job", us(HOUR_S))
    assert not driver.take_lock("k", "other", us(HOUR_S))
    assert pushed(driver, unique()) == [False]
    assert not driver.release_lock("k", "other")
    assert driver.release_lock("k", "job")
    assert not driver.release_lock("k", "job")
    assert driver.take_lock("k", "other", us(0.05))
    let_pass(driver, 0.1)
    assert driver.take_lock("k", "third", us(HOUR_S))
    assert owners(driver) == {"k": "third"}


def test_whoever_frees_a_lock_need_not_own_it(driver: Any) -> None:
    driver.push([unique()])
    assert driver.release_lock("k")
    assert not driver.release_lock("k")
    assert pushed(driver, unique()) == [True]


def test_locks_are_listed_by_key(driver: Any) -> None:
    assert driver.locks().locks == ()
    jobs = [unique(f"k{number}", until_start=number == 1, for_us=us(HOUR_S) * (number % 2)) for number in range(5)]
    driver.push(list(reversed(jobs)))
    first = driver.locks(limit=2)
    second = driver.locks(limit=2, cursor=first.next_cursor)
    third = driver.locks(limit=2, cursor=second.next_cursor)
    found = [*first.locks, *second.locks, *third.locks]
    assert [lock.key for lock in found] == [job.unique.key for job in jobs if job.unique]
    assert [lock.owner for lock in found] == [job.id for job in jobs]
    assert third.next_cursor is None
    assert [lock.kind for lock in found[:2]] == [LockKind.UNIQUE, LockKind.UNTIL_START]
    created_us = driver.find(jobs[0].id).created_us
    assert all(abs(lock.taken_us - created_us) < us(1) for lock in found)
    assert [lock.until_us and lock.until_us - lock.taken_us for lock in found[:2]] == [None, us(HOUR_S)]


# --- many at once ---------------------------------------------------------------------------------------------------


def test_threads_that_push_one_key(driver: Any) -> None:
    def push(_: int) -> int:
        return sum(pushed(driver, unique("a"), unique("b")))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(push, range(40))) == 2
    assert sorted(owners(driver)) == ["a", "b"]


def test_threads_that_push_while_others_end(driver: Any) -> None:
    """There is never more than one live job of the key, and at the end every lock is free."""

    def push_and_work(_: int) -> int:
        stored = sum(pushed(driver, unique()))
        worker = FakeWorker(driver)
        leases = worker.reserve(5)
        assert len(leases) <= 1
        driver.settle([completed(lease) for lease in leases])
        return stored

    with ThreadPoolExecutor(4) as threads:
        stored = sum(threads.map(push_and_work, range(60)))
    last = FakeWorker(driver)
    driver.settle([completed(lease) for lease in last.reserve()])
    assert owners(driver) == {}
    assert driver.counts(["default"])[0].completed == stored > 0


def push_many(driver: Any, number: int) -> int:
    """Push so many jobs of one key, one by one; returns how many were stored."""
    return sum(pushed(driver, unique())[0] for _ in range(number))


@pytest.mark.slow
def test_of_two_thousand_pushes_by_eight_processes_one_is_stored(store: StoreUnderTest) -> None:
    driver = store.open()
    if not driver.capabilities.shared:
        pytest.skip("the store lives in one process")
    driver.migrate()
    assert sum(run_together(store.settings(), push_many, [(250,)] * 8)) == 1
    assert driver.counts(["default"])[0].pending == 1
    assert len(owners(driver)) == 1
