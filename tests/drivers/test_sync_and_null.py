"""The two drivers without a store to speak of: one for jobs that run at once, one for jobs that never do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from fakes.registry import worker_record
from fakes.values import completed, envelope, envelopes, failed
from fakes.worker import FakeWorker

from qcore.config import ConnectionSettings
from qcore.drivers import Store, open_store
from qcore.drivers.operator import Change
from qcore.records import QueueDefinition


@pytest.fixture
def sync(make_settings: Callable[..., ConnectionSettings]) -> Store:
    return open_store(make_settings(driver="sync"))


@pytest.fixture
def null(make_settings: Callable[..., ConnectionSettings]) -> Store:
    return open_store(make_settings(driver="null"))


def test_sync_is_to_be_run_at_once(sync: Store) -> None:
    can = sync.capabilities
    assert (can.immediate, can.durable, can.shared, can.discards) == (True, False, False, False)


def test_sync_works_as_any_store(sync: Store) -> None:
    sync.push(envelopes(2))
    first, second = FakeWorker(sync).reserve()
    assert not sync.settle([completed(first), failed(second)])
    (counts,) = sync.counts()
    assert (counts.completed, counts.failed) == (1, 1)


def test_null_swallows_all(null: Store) -> None:
    jobs = envelopes(3)
    assert null.capabilities.discards
    assert list(null.push(jobs)) == [job.id for job in jobs]
    assert list(FakeWorker(null).reserve()) == []
    assert null.find(jobs[0].id) is None
    assert list(null.counts()) == []
    assert null.page("pending").jobs == ()


def test_null_refuses_every_end(null: Store, sync: Store) -> None:
    sync.push([envelope()])
    end = completed(FakeWorker(sync).reserve_one())
    assert list(null.settle([end])) == [end]
    refused, leases = null.settle_and_reserve([end], ["default"], 1, "worker", 1)
    assert (list(refused), list(leases)) == ([end], [])


def test_null_changes_nothing(null: Store) -> None:
    null.define([QueueDefinition(name="default")])
    null.progress("id", 1, None)
    assert (null.pause("default"), null.resume("default")) == (False, False)
    assert (null.clear("default"), null.flush()) == (0, 0)
    answers = [null.retry(["id"]), null.forget(["id"]), null.cancel(["id"]), null.reclaim(), null.migrate()]
    answers.append(null.reseal([Change("id", b"old", b"new")]))
    assert [list(answer) for answer in answers] == [[]] * 6
    assert list(null.heartbeat("worker", [])) == []
    assert null.forfeit("worker", {"id": "why"}) == 0
    assert list(null.report([worker_record(id="worker")])) == []
    null.dismiss(["nobody"])
    assert (null.command("worker", "pause"), list(null.workers())) == (0, [])
    assert null.ping() >= 0


def test_null_rests_until_it_is_woken(null: Store) -> None:
    began = time.monotonic()
    assert null.wait(["default"], 0.05) is False
    assert time.monotonic() - began >= 0.04
    waking = threading.Timer(0.05, null.wake)
    waking.start()
    assert null.wait(["default"], 20) is False
    waking.join()
    assert time.monotonic() - began < 5
    null.close()
