"""Push: all or none, each id once, whatever is in it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed
from fakes.worker import FakeWorker

from qcore.drivers.base import MAX_PUSH, MAX_PUSH_BYTES
from qcore.envelope import Unique
from qcore.errors import QueueFullError
from qcore.records import QueueDefinition
from qcore.settlement import Settlement
from qcore.states import JobState

MEGABYTE = 1024 * 1024


def test_returns_the_ids_in_the_order_given(driver: Any) -> None:
    jobs = [envelope("b"), envelope("a"), envelope("b")]
    assert list(driver.push(jobs)) == [job.id for job in jobs]
    assert [(counts.name, counts.pending) for counts in driver.counts()] == [("a", 1), ("b", 2)]


def test_nothing_to_push(driver: Any) -> None:
    assert list(driver.push([])) == []
    assert list(driver.counts()) == []


def test_an_id_is_stored_once(driver: Any) -> None:
    job = envelope()
    assert list(driver.push([job])) == [job.id]
    assert list(driver.push([job])) == [job.id]
    assert job.id in driver.push([job, envelope()], repeat=True)
    assert driver.counts()[0].pending == 2


def test_an_id_twice_in_one_push_is_stored_once(driver: Any) -> None:
    job = envelope()
    assert list(driver.push([job, job])) == [job.id, job.id]
    assert len(FakeWorker(driver).reserve()) == 1


def test_what_is_stored_first_stays(driver: Any) -> None:
    first = envelope(payload=b"first")
    driver.push([first])
    driver.push([envelope("other", id=first.id, payload=b"second")])
    assert driver.find(first.id).payload == b"first"
    assert driver.find(first.id).queue == "default"


def test_a_leased_job_is_not_stored_again(driver: Any) -> None:
    job = envelope()
    driver.push([job])
    worker = FakeWorker(driver)
    worker.reserve_one()
    driver.push([job], repeat=True)
    assert list(worker.reserve()) == []


@pytest.mark.parametrize("end", [completed, failed, cancelled])
@pytest.mark.parametrize("repeat", [False, True], ids=["again", "repeated"])
@pytest.mark.parametrize("others", [0, 2], ids=["alone", "with others"])
def test_a_job_that_ended_is_not_revived(driver: Any, end: Any, repeat: bool, others: int) -> None:
    job = envelope()
    driver.push([job])
    worker = FakeWorker(driver)
    ending: Settlement = end(worker.reserve_one())
    assert not driver.settle([ending])
    new = [envelope() for _ in range(others)]
    assert list(driver.push([*new, job], repeat=repeat)) == [one.id for one in (*new, job)]
    assert sorted(lease.id for lease in worker.reserve(10)) == sorted(one.id for one in new)
    assert driver.find(job.id).state is JobState(ending.outcome.value)


@pytest.mark.parametrize("end", [completed, failed, cancelled])
def test_nor_with_its_unique_lock(driver: Any, end: Any) -> None:
    job = envelope(unique=Unique(key="k"))
    driver.push([job])
    worker = FakeWorker(driver)
    assert not driver.settle([end(worker.reserve_one())])
    assert list(driver.push([job])) == [job.id]
    assert list(worker.reserve()) == []
    assert driver.locks().locks == ()


def test_one_that_is_older_than_others_that_ended_is_new(driver: Any) -> None:
    older, job = envelope(), envelope()
    driver.push([job])
    worker = FakeWorker(driver)
    assert not driver.settle([completed(worker.reserve_one())])
    driver.push([older, envelope()])
    assert older.id in {lease.id for lease in worker.reserve(10)}


def test_all_or_none(driver: Any) -> None:
    driver.define([QueueDefinition(name="small", max_jobs=1)])
    jobs = [envelope("large"), *envelopes(2, "small"), envelope("large")]
    with pytest.raises(QueueFullError):
        driver.push(jobs)
    assert all(driver.find(job.id) is None for job in jobs)
    assert list(FakeWorker(driver, "large", "small").reserve()) == []


def test_the_most_a_push_may_carry(driver: Any) -> None:
    jobs = envelopes(MAX_PUSH)
    assert list(driver.push(jobs)) == [job.id for job in jobs]
    assert [lease.id for lease in FakeWorker(driver).reserve(MAX_PUSH)] == [job.id for job in jobs]


@pytest.mark.parametrize(
    "payload",
    [b"", bytes(range(256)), "grüße, 世界 🐙 \x00".encode(), b"\\x00'\";--", b"x" * 1024, b"x" * 1025, b"x" * MEGABYTE],
    ids=["empty", "every byte", "unicode", "quotes", "1 KiB", "above 1 KiB", "1 MB"],
)
def test_a_payload_comes_back_as_it_was(driver: Any, payload: bytes) -> None:
    job = envelope(payload=payload)
    driver.push([job])
    assert driver.find(job.id).payload == payload
    assert FakeWorker(driver).reserve_one().payload == payload


def test_the_most_bytes_a_push_may_carry(driver: Any) -> None:
    jobs = envelopes(8, payload=b"y" * (MAX_PUSH_BYTES // 8))
    driver.push(jobs)
    assert [lease.payload for lease in FakeWorker(driver).reserve()] == [job.payload for job in jobs]


@pytest.mark.parametrize("name", ["grüße-✉", "a:b{c}", "with space", "100%_'\"`\\", "x" * 100])
def test_a_queue_may_be_called_anything(driver: Any, name: str) -> None:
    job = envelope(name, job="app.gruß:Größe", tags=("größe", "🐙", "a,b"))
    driver.push([job])
    lease = FakeWorker(driver, name).reserve_one()
    stored = driver.find(job.id)
    assert (lease.queue, lease.job) == (name, job.job)
    assert (stored.queue, stored.job, stored.tags) == (name, job.job, job.tags)
    assert [counts.name for counts in driver.counts()] == [name]


def test_queues_that_look_alike_are_different(driver: Any) -> None:
    names = ["mail", "Mail", "máil", "mail ", "mail\u0301"]
    for name in names:
        driver.push([envelope(name)])
    assert sorted(counts.name for counts in driver.counts()) == sorted(names)
    assert [FakeWorker(driver, name).reserve_one().queue for name in names] == names


def test_the_store_tells_the_time(driver: Any) -> None:
    job, later = envelope(), envelope(delay_s=HOUR_S)
    before_us = time.time_ns() // 1000
    driver.push([job, later])
    after_us = time.time_ns() // 1000
    stored = driver.find(job.id)
    slack_us = 50_000  # the store's clock is another program's, on the same host
    assert before_us - slack_us <= stored.created_us <= after_us + slack_us
    assert stored.due_us == stored.created_us
    assert driver.find(later.id).due_us - stored.created_us == pytest.approx(HOUR_S * 1e6, abs=1000)


def test_an_instant_is_kept_to_the_microsecond(driver: Any) -> None:
    due_us = time.time_ns() // 1000 + 3_600_000_123
    job = envelope(due_us=due_us, delay_s=5)
    driver.push([job])
    assert driver.find(job.id).due_us == due_us


def test_priorities_may_be_large(driver: Any) -> None:
    jobs = [envelope(priority=n) for n in (-1_000_000_000, 0, 1_000_000_000)]
    driver.push(jobs)
    leases = FakeWorker(driver).reserve()
    assert [lease.id for lease in leases] == [job.id for job in reversed(jobs)]
    assert driver.find(jobs[0].id).priority == -1_000_000_000
