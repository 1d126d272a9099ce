"""How long ended jobs stay: bounded by age and by number, trimmed by those who settle."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import completed, envelope, envelopes
from fakes.worker import FakeWorker

from qcore.drivers.base import COMPLETED_FRESH_S, COMPLETED_KEPT, COMPLETED_KEPT_S
from qcore.states import JobState

pytestmark = pytest.mark.server
COMPLETED = "{qctl}:completed:default"


def complete(driver: Any, count: int, **fields: Any) -> list[str]:
    """Complete so many new jobs; returns their ids."""
    jobs = envelopes(count)
    worker = FakeWorker(driver)
    for first in range(0, count, 1000):
        driver.push(jobs[first : first + 1000])
        driver.settle([completed(lease, **fields) for lease in worker.reserve(1000)])
    return [job.id for job in jobs]


def age(client: Any, seconds: float, name: str = COMPLETED) -> None:
    """Let everything that ended have ended that much earlier."""
    pipeline = client.pipeline()
    for member in client.zrange(name, 0, -1):
        pipeline.zincrby(name, -seconds * 1_000_000, member)
    pipeline.execute()


def test_fresh_ones_stay_whatever_their_number(driver: Any, client: Any) -> None:
    complete(driver, COMPLETED_KEPT + 500)
    assert client.zcard(COMPLETED) == COMPLETED_KEPT + 500


def test_settling_trims_a_little_more_than_it_adds(driver: Any, client: Any) -> None:
    complete(driver, COMPLETED_KEPT + 100)
    age(client, COMPLETED_FRESH_S + 1)
    complete(driver, 1)
    after_one = client.zcard(COMPLETED)
    assert COMPLETED_KEPT < after_one < COMPLETED_KEPT + 100
    for _ in range(10):
        complete(driver, 1)
    assert client.zcard(COMPLETED) == COMPLETED_KEPT
    assert client.hlen("{qctl}:jobs") == client.hlen("{qctl}:ends") == COMPLETED_KEPT
    assert driver.counts()[0].completed == COMPLETED_KEPT + 111


def test_old_ones_go(driver: Any, client: Any) -> None:
    (old,) = complete(driver, 1)
    age(client, COMPLETED_KEPT_S + 1)
    (new,) = complete(driver, 1)
    assert driver.find(old) is None
    assert driver.find(new).state is JobState.COMPLETED


def test_old_ones_go_where_nobody_settles_any_more(driver: Any, client: Any) -> None:
    (old,) = complete(driver, 1)
    age(client, COMPLETED_KEPT_S + 1)
    driver.reclaim()
    assert driver.find(old) is None


def test_one_with_a_result_can_be_found_until_that_ends(driver: Any, client: Any) -> None:
    (old,) = complete(driver, 1, result=b"42", result_ttl_s=7200.0)
    age(client, COMPLETED_KEPT_S + 1)
    driver.reclaim()
    assert driver.find(old).result == b"42"
    assert driver.page("completed").jobs == ()
    age(client, 7200.0, "{qctl}:expiries")
    driver.reclaim()
    assert driver.find(old) is None
    assert client.hlen("{qctl}:results") == 0


def test_a_result_ends_before_its_job(driver: Any, client: Any) -> None:
    (job,) = complete(driver, 1, result=b"42", result_ttl_s=100.0)
    age(client, 101.0, "{qctl}:expiries")
    driver.reclaim()
    assert driver.find(job).result is None
    assert driver.find(job).state is JobState.COMPLETED


def test_a_large_payload_goes_with_its_end(driver: Any, client: Any) -> None:
    large, small = envelope(payload=b"x" * 65_537), envelope(payload=b"x" * 65_536)
    driver.push([large, small])
    driver.settle([completed(lease) for lease in FakeWorker(driver).reserve(2)])
    assert driver.find(large.id).payload == b""
    assert driver.find(small.id).payload == small.payload
