"""Capacity: a queue never holds more than its `max_jobs`, but for what must not be turned away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from fakes.leases import await_reclaim
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, completed, envelope, envelopes, failed, released
from fakes.worker import FakeWorker
from processes import run_together

from qcore.errors import QueueFullError
from qcore.records import QueueCounts, QueueDefinition


@pytest.fixture
def small(driver: Any) -> Any:
    """A driver whose queue `default` holds three jobs, and two are there."""
    driver.define([QueueDefinition(name="default", max_jobs=3)])
    driver.push(envelopes(2))
    return driver


def waiting(driver: Any) -> int:
    counts: QueueCounts = driver.counts(["default"])[0]
    return counts.pending + counts.delayed + counts.retrying


def is_full(driver: Any) -> bool:
    """Whether another job is turned away."""
    before = waiting(driver)
    with suppress(QueueFullError):
        driver.push([envelope()])
        return False
    assert waiting(driver) == before
    return True


def test_a_push_past_the_bound_stores_nothing(small: Any) -> None:
    jobs = envelopes(2)
    with pytest.raises(QueueFullError, match="default"):
        small.push(jobs)
    assert waiting(small) == 2
    assert small.find(jobs[0].id) is None


def test_a_push_up_to_the_bound_is_stored(small: Any) -> None:
    small.push([envelope()])
    assert is_full(small)


def test_another_queue_has_no_bound(small: Any) -> None:
    small.push([envelope(), *envelopes(5, "other")])
    assert [counts.pending for counts in small.counts()] == [3, 5]


def test_delayed_and_leased_jobs_take_room(small: Any) -> None:
    small.push([envelope(delay_s=HOUR_S)])
    FakeWorker(small).reserve(1)
    assert is_full(small)


def test_ended_jobs_take_no_room(small: Any) -> None:
    small.push([envelope()])
    first, second, third = FakeWorker(small).reserve()
    small.settle([completed(first)])
    assert not is_full(small)
    small.settle([failed(second)])
    assert not is_full(small)
    small.cancel([small.page("pending").jobs[0].id])
    assert not is_full(small)
    assert is_full(small)
    assert not small.settle([completed(third)])


def test_cleared_jobs_take_no_room(small: Any) -> None:
    small.push([envelope()])
    small.clear("default")
    small.push(envelopes(3))
    assert is_full(small)


def test_a_job_that_is_there_may_be_pushed_again_when_full(small: Any) -> None:
    job = envelope()
    small.push([job])
    assert list(small.push([job], repeat=True)) == [job.id]
    assert list(small.push([job])) == [job.id]


def test_what_bypasses_the_bound_enters(small: Any) -> None:
    small.push(envelopes(3, bypass_capacity=True))
    assert waiting(small) == 5


def test_next_steps_enter(small: Any) -> None:
    small.push([envelope()])
    lease = FakeWorker(small).reserve_one()
    following = tuple(envelopes(3, bypass_capacity=True))
    assert not small.settle([completed(lease, pushes=following)])
    assert waiting(small) == 5


def test_a_release_enters(small: Any) -> None:
    small.push([envelope()])
    lease = FakeWorker(small).reserve_one()
    small.push(envelopes(2, bypass_capacity=True))
    assert not small.settle([released(lease)])
    assert waiting(small) == 5


def test_a_retry_enters(small: Any) -> None:
    lease = FakeWorker(small).reserve_one()
    small.settle([failed(lease)])
    small.push(envelopes(2))
    assert list(small.retry([lease.id])) == [lease.id]
    assert waiting(small) == 4


def test_a_reclaimed_job_enters(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    driver.define([QueueDefinition(name="default", max_jobs=1)])
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    driver.push([envelope(bypass_capacity=True)])
    assert await_reclaim(driver, 1) == [lease.id]
    assert waiting(driver) == 2


def test_a_new_definition_replaces_the_bound(small: Any) -> None:
    small.define([QueueDefinition(name="default", max_jobs=2)])
    assert is_full(small)
    small.define([QueueDefinition(name="default")])
    assert not is_full(small)
    assert not is_full(small)


def test_the_bound_holds_among_threads(driver: Any) -> None:
    driver.define([QueueDefinition(name="default", max_jobs=30)])
    with ThreadPoolExecutor(4) as threads:
        stored = sum(threads.map(lambda _: push_until_full(driver, 20), range(4)))
    assert stored == 30
    assert waiting(driver) == 30


def test_the_bound_holds_among_processes(store: StoreUnderTest) -> None:
    driver = store.open()
    store.share(driver).define([QueueDefinition(name="default", max_jobs=60)])
    stored = run_together(store.settings(), push_until_full, [(40,)] * 4)
    assert sum(stored) == 60
    assert waiting(driver) == 60


def push_until_full(driver: Any, times: int) -> int:
    """Push single jobs and pairs; returns how many jobs were stored."""
    stored = 0
    for turn in range(times):
        jobs = envelopes(1 + turn % 2)
        with suppress(QueueFullError):
            stored += len(driver.push(jobs))
    return stored
