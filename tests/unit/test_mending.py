"""`qctl health --fix`: what is safe to mend is mended, on each store, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.registry import worker_record
from fakes.values import envelopes
from fakes.worker import FakeWorker
from msgspec.structs import replace

from qcore import QueueManager
from qcore.config import load_settings
from qcore.drivers import open_store
from qcore.monitor.health import Check, Observed, Verdict, checks_of
from qcore.monitor.mending import mend
from qcore.monitor.observing import observe
from qcore.records import StoreFacts

SHORT_S = 0.001


@pytest.fixture
def manager(store_url: str) -> Iterator[QueueManager]:
    manager = QueueManager(load_settings({"url": store_url}, environ={}))
    yield manager
    manager.close()


def seen_by(manager: QueueManager, lease_s: float = 15.0) -> tuple[Observed, tuple[Check, ...]]:
    """What is seen by one for whom workers are silent so soon, and what the checks say of it."""
    seen = replace(observe(manager), lease_s=lease_s)
    return seen, checks_of(seen)


def test_jobs_of_silent_workers_are_given_back(manager: QueueManager) -> None:
    store = manager.connection()
    store.push(envelopes(3))
    with_short_leases = open_store(replace(manager.settings.connection(), lease_s=SHORT_S))
    lost, silent = FakeWorker(with_short_leases), worker_record()
    assert len(lost.reserve(2)) == 2
    store.report([silent])

    seen, checks = seen_by(manager, lease_s=0.0)
    assert {one.name: one.verdict for one in checks}["stale"] is Verdict.DEGRADED
    assert mend(manager, seen, checks) == {"stale": "forgot 1 silent; jobs given back: 2"}
    assert [one.pending for one in store.counts()] == [3]
    assert store.workers() == []
    with_short_leases.close()


def test_what_is_well_is_left_alone(manager: QueueManager) -> None:
    store = manager.connection()
    store.push(envelopes(2))
    worker = worker_record()
    FakeWorker(store, name=worker.id).reserve(1)
    store.report([worker])
    assert mend(manager, *seen_by(manager)) == {}
    assert [one.processing for one in store.counts()] == [1]
    assert [one.id for one in store.workers()] == [worker.id]


@pytest.mark.parametrize("facts", [None, StoreFacts(product="Store", version="1", now_us=0, latency_s=0)])
def test_what_no_step_mends_is_left_alone(facts: StoreFacts | None) -> None:
    """A store that is away, and tables of a newer version."""
    newer = None if facts is None else replace(facts, revision="9", wanted_revision="2", is_known_revision=False)
    seen = Observed(connection="default", facts=newer)
    bad = [one for one in checks_of(seen) if one.verdict is Verdict.CRITICAL]
    assert bad
    manager = QueueManager(load_settings({"url": "memory://"}, environ={}))
    assert mend(manager, seen, bad) == {}
