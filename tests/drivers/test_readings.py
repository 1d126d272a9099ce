"""What is measured of jobs, on each store: counted in the step in which an attempt ends, whatever is repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fakes.store import StoreUnderTest
from fakes.values import cancelled, completed, envelopes, failed, handed_back, released
from fakes.worker import FakeWorker

from qcore.drivers.base import Driver
from qcore.envelope import Lease
from qcore.histogram import quantiles
from qcore.measures import Measure, Reading, Span

ALWAYS = 2**30


def leases(driver: Driver, number: int, queue: str = "default", **fields: Any) -> list[Lease]:
    driver.push(envelopes(number, queue=queue, **fields))
    return list(FakeWorker(driver, queue).reserve(number))


def read(driver: Any, span: Span = Span.MINUTE) -> list[Reading]:
    return list(driver.readings(span, 0, ALWAYS))


def counted(driver: Any, span: Span = Span.MINUTE) -> dict[str, int]:
    """How many ends of each kind there were, in all."""
    counts: Counter[str] = Counter()
    for reading in read(driver, span):
        for measure, spread in reading.spreads.items():
            counts[Measure(measure).name] += spread.count
    return dict(counts)


def test_each_end_counts_as_what_it_is(driver: Any) -> None:
    held = leases(driver, 6)
    ends: list[Callable[..., Any]] = [completed, failed, cancelled, released, handed_back]
    settlements = [end(lease) for end, lease in zip(ends, held, strict=False)]
    retried = msgspec.structs.replace(released(held[5]), history=failed(held[5]).history)
    assert not driver.settle([*settlements, retried])
    assert counted(driver) == {"COMPLETED": 1, "FAILED": 1, "CANCELLED": 1, "RELEASED": 1, "RETRIED": 1}


def test_runtimes_waits_and_memory_are_spread(driver: Any) -> None:
    held = leases(driver, 100)
    driver.settle(
        [
            completed(lease, runtime_s=(n + 1) / 1000, waited_us=1000 * n, rss_bytes=0 if n else 50_000_000)
            for n, lease in enumerate(held)
        ]
    )
    (reading,) = read(driver)
    runtime, wait, memory = (reading.spreads[m] for m in (Measure.COMPLETED, Measure.WAIT, Measure.MEMORY))
    assert (runtime.count, wait.count, memory.count) == (100, 100, 1)
    assert (runtime.total, wait.total, memory.total) == (5_050_000, 4_950_000, 50_000_000)
    assert quantiles(runtime.buckets, [0.5, 0.95, 0.99]) == pytest.approx([50_000, 95_000, 99_000], rel=0.04)


def test_by_queue_and_class(driver: Any) -> None:
    for queue, job in (("a", "shop:Mail"), ("a", "shop:Bill"), ("b:\n1", "shop:Mail")):
        held = leases(driver, 2, queue, job=job)
        driver.settle([completed(lease) for lease in held])
    found = {(one.queue, one.job): one.spreads[Measure.COMPLETED].count for one in read(driver)}
    assert found == {("a", "shop:Mail"): 2, ("a", "shop:Bill"): 2, ("b:\n1", "shop:Mail"): 2}


def test_what_is_repeated_counts_once(driver: Any) -> None:
    held = leases(driver, 4)
    ends = [completed(lease, runtime_s=0.25, waited_us=0) for lease in held]
    driver.settle(ends[:2])
    driver.settle(ends)
    assert not driver.settle([*ends, *ends])
    assert counted(driver) == {"COMPLETED": 4, "WAIT": 4}
    (reading,) = read(driver)
    assert reading.spreads[Measure.COMPLETED].total == 1_000_000


def test_what_is_refused_does_not_count(driver: Any) -> None:
    held = leases(driver, 3)
    lost = msgspec.structs.replace(held[1], token="0" * len(held[1].token))
    refused = driver.settle([completed(held[0], runtime_s=0.5), completed(lost), failed(held[2], runtime_s=0.125)])
    assert [one.id for one in refused] == [lost.id]
    found = counted(driver)
    assert (found["COMPLETED"], found["FAILED"]) == (1, 1)
    (reading,) = read(driver)
    assert reading.spreads[Measure.COMPLETED].total == 500_000
    assert reading.spreads[Measure.FAILED].total == 125_000


def test_hours_and_days_are_the_same_jobs(driver: Any) -> None:
    driver.settle([completed(lease) for lease in leases(driver, 5)])
    assert [counted(driver, span)["COMPLETED"] for span in Span] == [5, 5, 5]
    (minute,), (hour,), (day,) = (read(driver, span) for span in Span)
    assert hour.minute == Span.HOUR.start_of(minute.minute)
    assert day.minute == Span.DAY.start_of(minute.minute)


def test_a_range_holds_the_spans_that_begin_in_it(driver: Any) -> None:
    driver.settle([completed(lease) for lease in leases(driver, 1)])
    (hour,) = read(driver, Span.HOUR)
    at = hour.minute
    assert len(driver.readings(Span.HOUR, at, at + 1)) == 1
    assert len(driver.readings(Span.HOUR, at - 59, at + 60)) == 1
    assert len(driver.readings(Span.HOUR, at + 1, at + 60)) == 0
    assert len(driver.readings(Span.HOUR, at - 60, at)) == 0


def test_measures_can_be_off(store: StoreUnderTest) -> None:
    driver = store.open(metrics=False)
    driver.settle([completed(lease) for lease in leases(driver, 2)])
    assert counted(driver) == {}
