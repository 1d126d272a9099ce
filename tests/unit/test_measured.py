"""What was measured of jobs, over the time asked for: no store but the one in memory, and a clock of the test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.clock import FakeClock
from fakes.managers import in_use
from fakes.values import completed, envelopes
from fakes.worker import FakeWorker
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from qcore import QueueManager
from qcore.histogram import bucket_of
from qcore.measures import Measure, Reading, Span, Spreads
from qcore.monitor import Metrics, Monitor
from qcore.monitor.measured import Window
from qcore.monitor.prometheus import exposition
from qcore.monitor.snapshots import QueueSnapshot

MINUTE_S = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def manager(clock: FakeClock) -> Iterator[QueueManager]:
    """The process's manager, on a store in memory that goes by the test's clock."""
    with in_use({"url": "memory://"}) as manager:
        manager.settings.connection().options["clock"] = clock
        yield manager


def complete(manager: QueueManager, number: int = 1) -> None:
    store = manager.connection()
    store.push(envelopes(number))
    store.settle([completed(lease, runtime_s=0.01) for lease in FakeWorker(store).reserve(number)])


@pytest.mark.parametrize(("since_s", "span"), [(60.0, Span.MINUTE), (7200.0, Span.MINUTE), (2 * 86400.0, Span.HOUR)])
def test_the_last_minutes_are_whole_when_another_begins(
    manager: QueueManager, clock: FakeClock, since_s: float, span: Span
) -> None:
    clock.advance(span * MINUTE_S - 1)
    complete(manager)
    clock.advance(since_s - 2)
    complete(manager)
    found = Metrics(manager, clock).of(since_s=since_s)
    assert (found.totals.processed, sum(found.totals.trend)) == (2, 2)


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=5))
def test_an_average_is_between_the_extremes(values: list[int]) -> None:
    spreads = Spreads()
    for measure in (Measure.COMPLETED, Measure.MEMORY):
        for value in values:
            spreads.of(measure).add(bucket_of(value), 1, value)
    measured = Window(1, 2.0, 1).measured("", [Reading(minute=1, queue="", job="", spreads=spreads)])
    times, memory = measured.runtime, measured.memory
    assert times is not None
    assert memory is not None
    assert times.min_s <= times.avg_s <= times.max_s
    assert times.min_s <= times.p50_s <= times.p99_s <= times.max_s
    assert memory.avg_bytes <= memory.max_bytes


def seen(manager: QueueManager, clock: FakeClock) -> QueueSnapshot:
    (queue,) = Monitor(manager, clock).stats().queues
    return queue


def test_when_a_queue_clears_is_told(manager: QueueManager, clock: FakeClock) -> None:
    complete(manager, 8)
    clock.advance(4 * MINUTE_S)
    assert (seen(manager, clock).throughput_per_min, seen(manager, clock).clears_in_s) == (2.0, 0.0)
    manager.connection().push(envelopes(6))
    assert seen(manager, clock).clears_in_s == 180.0
    manager.connection().pause("default")
    assert (seen(manager, clock).throughput_per_min, seen(manager, clock).clears_in_s) == (2.0, None)
    manager.connection().resume("default")
    clock.advance(10 * MINUTE_S)
    assert (seen(manager, clock).throughput_per_min, seen(manager, clock).clears_in_s) == (0.0, None)


def test_when_a_queue_clears_nobody_knows_without_metrics(clock: FakeClock) -> None:
    config = {"default": {"driver": "memory", "metrics": False}}
    with in_use({}, app_config={"QUEUE_CONFIG": config}) as manager:
        complete(manager, 8)
        queue = seen(manager, clock)
    assert (queue.completed, queue.throughput_per_min, queue.clears_in_s) == (8, None, None)


def test_prometheus_is_told_the_same(manager: QueueManager, clock: FakeClock) -> None:
    def told(name: str) -> list[float]:
        found = {one.name: one for one in text_string_to_metric_families(exposition(manager).decode())}
        return [sample.value for sample in found[name].samples if sample.name.removesuffix("_total") == name]

    assert told("qctl_store_up") == [1.0]
    complete(manager, 8)
    assert told("qctl_queue_clears_in_seconds") == [0.0]
    assert told("qctl_queue_oldest_seconds") == []
    manager.connection().push(envelopes(6))
    (oldest_s,) = told("qctl_queue_oldest_seconds")
    assert oldest_s > 0
    for _ in range(2):
        clock.advance(MINUTE_S * (Span.DAY.kept + 2 * Span.DAY))
        manager.connection().reclaim()
        complete(manager)
    assert told("qctl_jobs_completed") == [10.0]
