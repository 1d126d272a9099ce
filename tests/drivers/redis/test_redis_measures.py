"""What is measured of jobs is summed up when another minute begins, and forgotten in its time."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import completed, envelopes, failed
from fakes.worker import FakeWorker

from qcore.measures import EVER, Measure, Span

pytestmark = pytest.mark.server
ROOT = "{qctl}:"


def complete(driver: Any, number: int = 10) -> None:
    driver.push(envelopes(number))
    worker = FakeWorker(driver)
    driver.settle([completed(lease, runtime_s=0.01, waited_us=50) for lease in worker.reserve(number)])


def age(client: Any, minutes: int) -> None:
    """Let what was measured of late have been measured that much earlier."""
    for minute in client.zrange(f"{ROOT}minutes", 0, -1):
        earlier = int(minute) - minutes
        client.rename(f"{ROOT}minute:{minute}", f"{ROOT}minute:{earlier}")
        client.zrem(f"{ROOT}minutes", minute)
        client.zadd(f"{ROOT}minutes", {str(earlier): earlier})


def completed_in(driver: Any, span: Span) -> list[int]:
    return [one.spreads[Measure.COMPLETED].count for one in driver.readings(span, 0, 2**30)]


def test_another_minute_sums_up_those_before(driver: Any, client: Any) -> None:
    complete(driver)
    complete(driver)
    age(client, 3)
    (before,) = driver.readings(Span.MINUTE, 0, 2**30)
    complete(driver, 5)
    first, second = driver.readings(Span.MINUTE, 0, 2**30)
    assert first.minute == before.minute
    for measure, spread in before.spreads.items():
        assert (first.spreads[measure].total, first.spreads[measure].buckets) == (spread.total, spread.buckets)
    assert second.spreads[Measure.COMPLETED].count == 5
    assert len(client.keys(f"{ROOT}minute:*")) == 1
    assert sum(completed_in(driver, Span.DAY)) == 25


def test_sums_are_added_to(driver: Any, client: Any) -> None:
    for _ in range(3):
        complete(driver)
        age(client, 5000)
    complete(driver)
    assert [sum(completed_in(driver, span)) for span in (Span.HOUR, Span.DAY)] == [40, 40]


def test_one_refused_among_others_is_left_out(driver: Any, client: Any) -> None:
    driver.push(envelopes(3))
    held = FakeWorker(driver).reserve(3)
    ends = [completed(held[0], runtime_s=0.3), failed(held[1], runtime_s=0.7), completed(held[2], runtime_s=0.9)]
    driver.settle(ends[:1])
    driver.settle(ends)
    fields = client.hgetall(client.keys(f"{ROOT}minute:*")[0])
    sums = sorted(int(value) for name, value in fields.items() if name.endswith(("\x000:+", "\x001:+")))
    assert sums == [700_000, 1_200_000]


def test_keys_end_by_themselves(driver: Any, client: Any) -> None:
    complete(driver)
    age(client, 3)
    complete(driver)
    for span in (Span.MINUTE, Span.HOUR):
        (key,) = client.keys(f"{ROOT}sum:{int(span)}:*")
        assert span.kept * 60 <= client.ttl(key) <= (span.kept + span) * 60


def test_days_that_are_no_longer_kept_are_added_up(driver: Any, client: Any) -> None:
    complete(driver)
    (before,) = driver.readings(Span.DAY, EVER, 2**30)
    for _ in range(2):
        age(client, Span.DAY.kept + 2 * Span.DAY)
        complete(driver)
    ever, today = driver.readings(Span.DAY, EVER, 2**30)
    assert ever.minute == EVER
    for measure, spread in before.spreads.items():
        assert ever.spreads[measure].total == 2 * spread.total
        assert ever.spreads[measure].count == 2 * spread.count
    assert [one.minute for one in driver.readings(Span.DAY, EVER + 1, 2**30)] == [today.minute]
    assert client.keys(f"{ROOT}sum:{int(Span.DAY)}:*") == [f"{ROOT}sum:{int(Span.DAY)}:{EVER}"]
    assert client.ttl(f"{ROOT}sum:{int(Span.DAY)}:{EVER}") == client.ttl(f"{ROOT}sums:{int(Span.DAY)}") == -1
