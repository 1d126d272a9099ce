"""What is measured of jobs in memory is summed up when another minute begins, and forgotten in its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.values import completed, envelopes
from fakes.worker import FakeWorker

from qcore.config import ConnectionSettings
from qcore.drivers.memory import MemoryDriver
from qcore.measures import EVER, Measure, Span

ALWAYS = 2**30


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def driver(clock: FakeClock, make_settings: Callable[..., ConnectionSettings]) -> MemoryDriver:
    return MemoryDriver(make_settings(lease_s=15.0), clock=clock)


def complete(driver: Any, number: int = 10) -> None:
    driver.push(envelopes(number))
    driver.settle([completed(lease, runtime_s=0.01, waited_us=50) for lease in FakeWorker(driver).reserve(number)])


def completed_in(driver: Any, span: Span, first: int = EVER) -> list[int]:
    return [one.spreads[Measure.COMPLETED].count for one in driver.readings(span, first, ALWAYS)]


def test_another_minute_sums_up_those_before(driver: Any, clock: FakeClock) -> None:
    for _ in range(3):
        complete(driver)
        clock.advance(60)
    assert completed_in(driver, Span.MINUTE) == [10, 10, 10]
    assert completed_in(driver, Span.HOUR) == completed_in(driver, Span.DAY) == [30]


@pytest.mark.parametrize("span", Span)
def test_sums_are_forgotten_in_their_time(driver: Any, clock: FakeClock, span: Span) -> None:
    complete(driver)
    clock.advance(60 * (span.kept + span))
    complete(driver, 1)
    clock.advance(60)
    complete(driver, 1)
    assert sum(completed_in(driver, span, EVER + 1)) == 2


def test_days_that_are_no_longer_kept_are_added_up(driver: Any, clock: FakeClock) -> None:
    for _ in range(3):
        complete(driver)
        clock.advance(60 * (Span.DAY.kept + 2 * Span.DAY))
    complete(driver)
    assert completed_in(driver, Span.DAY) == [30, 10]
    clock.advance(60)
    complete(driver)
    assert completed_in(driver, Span.DAY) == [30, 20]
    ever = driver.readings(Span.DAY, EVER, EVER + 1)[0]
    assert (ever.minute, ever.spreads[Measure.COMPLETED].total) == (EVER, 300_000)


class Walked(dict[int, Any]):
    """Counts how many of its keys were looked at, one after the other."""

    looks = 0

    def __iter__(self) -> Any:
        for key in super().__iter__():
            Walked.looks += 1
            yield key


def test_an_end_looks_at_no_minute_but_its_own(driver: Any, clock: FakeClock) -> None:
    for _ in range(200):
        complete(driver, 1)
        clock.advance(60)
    measures = driver._shelf.measures
    measures._sums = {span: Walked(sums) for span, sums in measures._sums.items()}
    complete(driver, 1)
    complete(driver, 1)
    assert Walked.looks <= len(Span)
