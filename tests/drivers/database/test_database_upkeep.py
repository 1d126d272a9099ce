"""The window of finished jobs stays a window, and the counters stay few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.values import completed, envelopes, released
from fakes.worker import FakeWorker
from sqlalchemy import Engine, text

from qcore.drivers import base
from qcore.drivers.database import dropping, upkeep
from qcore.states import JobState

MakeStore = Callable[..., Any]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window for ten jobs, trimmed every 20 ends, and counters folded from four rows on."""
    monkeypatch.setattr(base, "COMPLETED_KEPT", 10)
    monkeypatch.setattr(base, "COMPLETED_FRESH_S", 0)
    monkeypatch.setattr(upkeep, "_EVERY", 20)
    monkeypatch.setattr(upkeep, "_COUNTERS_KEPT", 4)


def work(store: Any, number: int, queue: str = "default", **fields: Any) -> list[str]:
    """Let so many jobs complete, one after the other; returns their ids, oldest first."""
    store.push(envelopes(number, queue))
    worker = FakeWorker(store, queue)
    leases = [worker.reserve_one() for _ in range(number)]
    for lease in leases:
        store.settle([completed(lease, **fields)])
    return [lease.id for lease in leases]


def listed(store: Any, queue: str = "default") -> list[str]:
    return [job.id for job in store.page("completed", queue=queue, limit=1000).jobs]


def test_the_newest_stay(store: Any) -> None:
    ids = work(store, 60)
    kept = listed(store)
    assert len(kept) < 10 + 20
    assert kept == ids[::-1][: len(kept)]
    assert store.counts()[0].completed == 60


def test_each_queue_has_its_own(store: Any) -> None:
    first = work(store, 5, "first")
    work(store, 60, "second")
    assert listed(store, "first") == first[::-1]


def test_fresh_ones_stay(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "COMPLETED_FRESH_S", 60)
    work(store, 60)
    assert len(listed(store)) == 60


def test_old_ones_go_by_age_alone(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_EVERY", 1)
    work(store, 5)
    monkeypatch.setattr(base, "COMPLETED_KEPT_S", 0)
    work(store, 1, "other")
    assert len(listed(store)) == 5  # nothing of this queue ended
    work(store, 1)
    assert listed(store) == []


def test_a_quiet_queue_is_swept(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    work(store, 5)
    monkeypatch.setattr(base, "COMPLETED_KEPT_S", 0)
    store.reclaim()
    assert len(listed(store)) == 5  # no minute has passed
    monkeypatch.setattr(upkeep, "_SWEEP_S", 0)
    store.reclaim()
    assert listed(store) == []


def test_a_result_keeps_its_job(store: Any) -> None:
    with_result = work(store, 30, result=b"42")
    without = work(store, 40)
    kept = listed(store)
    assert set(with_result) < set(kept)
    assert len(set(kept) & set(without)) < 10 + 20
    assert store.find(with_result[0]).result == b"42"


def test_a_result_that_is_over_keeps_nothing(store: Any) -> None:
    with_result = work(store, 30, result=b"42", result_ttl_s=0)
    assert store.find(with_result[-1]).state is JobState.COMPLETED
    assert store.find(with_result[-1]).result is None
    work(store, 60)
    assert not set(with_result) & set(listed(store))


def test_counters_are_added_up(make_store: MakeStore, engine: Engine) -> None:
    for number in range(8):
        work(make_store(), 1, f"queue-{number % 2}")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM jobs_counters")).scalar_one()
    assert rows <= 4 + 2 + 1
    store = make_store()
    assert [found.completed for found in store.counts()] == [4, 4]


def test_what_is_repeated_is_counted_once(store: Any) -> None:
    store.push(envelopes(2))
    one, other = FakeWorker(store).reserve(2)
    settlements = [completed(one), released(other), completed(one)]
    assert not store.settle(settlements)
    assert not store.settle(settlements)
    assert store.counts()[0].completed == 1


def test_what_was_dropped_is_kept_for_its_time_alone(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_SWEEP_S", 0)
    jobs = envelopes(3)
    store.push(jobs)
    store.clear("default", token="one")
    store.reclaim()
    assert len(store.restore("one").ids) == 3
    store.clear("default", token="two")
    monkeypatch.setattr(dropping, "DROPPED_KEPT_S", -1)
    store.reclaim()
    assert store.restore("two").ids == ()


def test_after_many_were_stored_who_counts_need_not_look_at_each(
    make_store: MakeStore, engine: Engine, bare: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("a count looks at its index alone")
    monkeypatch.setattr(upkeep, "_STORED", 500)
    store = make_store(table=bare)
    pages = []
    for _ in range(2):
        store.push(envelopes(300))
        with engine.connect() as connection:
            asked = f"SELECT relallvisible FROM pg_class WHERE oid = '{bare}'::regclass"
            pages.append(connection.execute(text(asked)).scalar_one())
    assert pages[0] == 0 < pages[1]
    assert store.counts()[0].pending == 600


def test_a_store_that_may_not_spare_readers_stores_all_the_same(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_STORED", 5)
    store = make_store()
    monkeypatch.setattr(store._link.dialect, "spare_readers", lambda table: f"VACUUM no_{table.name}")
    assert len(store.push(envelopes(10))) == 10
    assert store.counts()[0].pending == 10
