"""What is the memory driver's own, and what takes hours elsewhere: its clock is the test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes
from fakes.worker import FakeWorker
from hypothesis import given
from hypothesis import strategies as st

from qcore.config import ConnectionSettings
from qcore.drivers.base import COMPLETED_FRESH_S, COMPLETED_KEPT, COMPLETED_KEPT_S
from qcore.drivers.memory import MemoryDriver, open_memory
from qcore.drivers.shelf.ordered import Key, Ordered
from qcore.errors import ConfigurationError


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def driver(clock: FakeClock, make_settings: Callable[..., ConnectionSettings]) -> MemoryDriver:
    return MemoryDriver(make_settings(lease_s=15.0), clock=clock)


def complete(driver: Any, number: int, **fields: Any) -> list[str]:
    """Let so many jobs complete; returns their ids."""
    jobs = envelopes(number)
    driver.push(jobs)
    worker = FakeWorker(driver)
    while leases := worker.reserve(1000):
        assert not driver.settle([completed(lease, **fields) for lease in leases])
    return [job.id for job in jobs]


def result(driver: Any, job_id: str) -> bytes | None:
    """What is stored of the job's result."""
    found: bytes | None = driver.find(job_id).result
    return found


def test_each_opening_is_a_store_of_its_own(make_settings: Callable[..., ConnectionSettings]) -> None:
    one, other = open_memory(make_settings()), open_memory(make_settings())
    one.push([envelope()])
    assert list(other.counts()) == []


def test_what_it_can_do(driver: MemoryDriver) -> None:
    can = driver.capabilities
    assert (can.durable, can.shared, can.transactional, can.immediate, can.discards) == (False,) * 5
    with pytest.raises(ConfigurationError, match="transactions"):
        driver.push([envelope()], within=object())


def test_completed_jobs_are_kept_for_an_hour(driver: MemoryDriver, clock: FakeClock) -> None:
    (old,) = complete(driver, 1)
    clock.advance(COMPLETED_KEPT_S)
    (new,) = complete(driver, 1)
    assert driver.find(old) is not None
    clock.advance(1)
    complete(driver, 1)
    assert driver.find(old) is None
    assert driver.find(new) is not None
    assert driver.counts()[0].completed == 3


def test_no_more_completed_jobs_than_the_window_holds(driver: MemoryDriver, clock: FakeClock) -> None:
    ids = complete(driver, COMPLETED_KEPT + 5)
    assert driver.find(ids[0]) is not None
    clock.advance(COMPLETED_FRESH_S + 1)
    complete(driver, 1)
    assert [driver.find(job_id) is None for job_id in ids[:7]] == [True] * 6 + [False]


def test_a_result_is_kept_as_long_as_was_asked_for(driver: MemoryDriver, clock: FakeClock) -> None:
    (brief,) = complete(driver, 1, result=b"brief", result_ttl_s=60)
    (long,) = complete(driver, 1, result=b"long", result_ttl_s=2 * HOUR_S)
    clock.advance(61)
    assert [result(driver, job_id) for job_id in (brief, long)] == [None, b"long"]
    clock.advance(HOUR_S)
    complete(driver, 1)
    assert driver.find(brief) is None
    assert result(driver, long) == b"long"
    clock.advance(HOUR_S)
    complete(driver, 1)
    assert driver.find(long) is None


def test_cancelled_jobs_leave_in_time(driver: MemoryDriver, clock: FakeClock) -> None:
    old, new = envelopes(2)
    driver.push([old])
    driver.cancel([old.id])
    clock.advance(COMPLETED_KEPT_S + 1)
    driver.push([new])
    driver.settle([cancelled(FakeWorker(driver).reserve_one())])
    assert driver.find(old.id) is None
    assert driver.counts()[0].cancelled == 2


def test_a_lease_lapses_to_the_second(driver: MemoryDriver, clock: FakeClock) -> None:
    driver.push([envelope()])
    lease = FakeWorker(driver).reserve_one()
    clock.advance(14.9)
    assert list(driver.reclaim()) == []
    clock.advance(0.1)
    assert list(driver.reclaim()) == [lease.id]


def test_a_clock_that_steps_back_confuses_nobody(driver: MemoryDriver, clock: FakeClock) -> None:
    driver.push([envelope(delay_s=10), envelope()])
    clock.advance(20)
    assert driver.counts()[0].pending == 2
    clock.advance(-60)
    worker = FakeWorker(driver)
    assert len(worker.reserve()) == 2
    assert list(driver.reclaim()) == []


def test_the_requests_of_workers_gone_are_forgotten(driver: MemoryDriver) -> None:
    for _ in range(3000):
        FakeWorker(driver).reserve()
    assert len(driver._shelf.requests) < 3000


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("abc"))), st.data())
def test_ordered_is_a_sorted_set(keys: list[Key], data: st.DataObject) -> None:
    ordered = Ordered()
    for key in set(keys):
        ordered.add(key)
    for key in set(data.draw(st.lists(st.sampled_from(keys)))) if keys else ():
        ordered.drop(key)
        keys = [other for other in keys if other != key]
    expected = sorted(set(keys))
    assert (list(ordered), len(ordered)) == (expected, len(expected))
    assert ordered.first() == (expected[0] if expected else None)
    assert ordered.smallest(3) == expected[:3]
    bound = data.draw(st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from("abc")))
    below = [key for key in expected if bound is None or key < bound]
    assert ordered.below(bound, 4) == below[::-1][:4]


def test_ordered_splits_and_joins() -> None:
    ordered = Ordered()
    keys: list[Key] = [(n * 7919 % 5000, 0, "") for n in range(5000)]
    for key in keys:
        ordered.add(key)
    assert list(ordered) == sorted(keys)
    assert ordered.smallest(2000) == sorted(keys)[:2000]
    assert ordered.below((3000, 0, ""), 2500) == sorted(keys)[500:3000][::-1]
    for key in keys[:4990]:
        ordered.drop(key)
    assert list(ordered) == sorted(keys[4990:])
    with pytest.raises(KeyError):
        ordered.drop((-1, 0, ""))
