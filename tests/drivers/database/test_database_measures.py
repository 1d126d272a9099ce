"""What is measured of jobs is summed up when a minute is over: once, whole, and forgotten in its time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.values import completed, envelopes
from fakes.worker import FakeWorker
from sqlalchemy import Engine, text

from qcore.measures import EVER, Measure, Reading, Span

ALWAYS = 2**30


def complete(store: Any, number: int = 10) -> None:
    store.push(envelopes(number))
    store.settle([completed(lease, runtime_s=0.01, waited_us=50) for lease in FakeWorker(store).reserve(number)])


def age(engine: Engine, minutes: int) -> None:
    """Let what was measured of late have been measured that much earlier."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE jobs_measures SET minute = minute - {minutes}"))


def cells(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM jobs_measures")).scalar_one())


def read(store: Any, span: Span = Span.MINUTE) -> list[Reading]:
    return list(store.readings(span, 0, ALWAYS))


def completed_in(store: Any, span: Span) -> list[int]:
    return [one.spreads[Measure.COMPLETED].count for one in read(store, span)]


def test_a_minute_that_is_over_is_summed_up(store: Any, engine: Engine) -> None:
    complete(store)
    complete(store)
    age(engine, 3)
    before = [(one.minute, one.spreads[Measure.WAIT].total) for one in read(store)]
    store._link.measuring.sum_up()
    assert cells(engine) == 0
    assert [(one.minute, one.spreads[Measure.WAIT].total) for one in read(store)] == before
    assert [completed_in(store, span) for span in Span] == [[20], [20], [20]]


def test_what_comes_late_is_added_to_the_sum(store: Any, engine: Engine) -> None:
    for _ in range(2):
        complete(store)
        age(engine, 3)
        store._link.measuring.sum_up()
    assert [sum(completed_in(store, span)) for span in Span] == [20, 20, 20]
    assert len(completed_in(store, Span.DAY)) == 1


def test_the_minute_under_way_is_left_to_its_writers(store: Any, engine: Engine) -> None:
    complete(store)
    store._link.measuring.sum_up()
    assert cells(engine) > 0
    assert completed_in(store, Span.MINUTE) == [10]


def test_several_who_sum_up_count_nothing_twice(make_store: Callable[..., Any], engine: Engine) -> None:
    stores = [make_store() for _ in range(4)]
    for store in stores:
        complete(store)
    age(engine, 3)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store._link.measuring.sum_up(), stores))
    assert [sum(completed_in(stores[0], span)) for span in Span] == [40, 40, 40]
    assert cells(engine) == 0


@pytest.mark.parametrize("span", Span)
def test_sums_are_forgotten_in_their_time(store: Any, engine: Engine, span: Span) -> None:
    complete(store)
    age(engine, span.kept + 2 * Span.DAY)
    store._link.measuring.sum_up()
    complete(store, 1)
    age(engine, 3)
    store._link.measuring.sum_up()
    assert [one.spreads[Measure.COMPLETED].count for one in store.readings(span, EVER + 1, ALWAYS)] == [1]


def test_days_that_are_no_longer_kept_are_added_up(store: Any, engine: Engine) -> None:
    complete(store)
    before = read(store, Span.DAY)[0].spreads
    for _ in range(2):
        age(engine, Span.DAY.kept + 2 * Span.DAY)
        store._link.measuring.sum_up()
        complete(store)
    ever, today = read(store, Span.DAY)
    assert ever.minute == EVER < today.minute
    for measure, spread in before.items():
        assert ever.spreads[measure].total == 2 * spread.total
        assert ever.spreads[measure].count == 2 * spread.count
    assert sum(completed_in(store, Span.DAY)) == 30


def test_who_was_swept_up_after_sums_up_too(store: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    complete(store)
    age(engine, 3)
    monkeypatch.setattr(store._upkeep, "_swept_at", float("-inf"))
    store.reclaim()
    assert cells(engine) == 0


def test_an_end_that_is_refused_counts_nothing(store: Any) -> None:
    store.push(envelopes(3))
    worker = FakeWorker(store)
    leases = worker.reserve(3)
    store.settle([completed(leases[0], runtime_s=0.01, waited_us=50)])
    late = msgspec.structs.replace(leases[1], token=f"{worker.name}/99")
    ends = [completed(lease, runtime_s=0.01, waited_us=50) for lease in (leases[0], late, leases[2])]
    assert [end.id for end in store.settle(ends)] == [late.id]
    (counts,) = store.counts()
    assert (counts.completed, counts.processing) == (2, 1)
    assert completed_in(store, Span.MINUTE) == [2]
