"""What `Tail` tells of jobs, on each kind of store: each event once, and in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.managers import in_use
from fakes.store import URLS, fresh_url
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker

from qcore import QueueManager
from qcore.clock import microseconds
from qcore.filters import Filter, parse
from qcore.monitor.tail import Tail
from qcore.records import Failure, pack_history


@pytest.fixture(params=["memory", *URLS])
def manager(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[QueueManager]:
    url = "memory://" if request.param == "memory" else fresh_url(request.param, tmp_path)
    with in_use({"url": url}) as manager:
        yield manager


def told(tail: Tail) -> list[tuple[str, str]]:
    return [(str(event.what), event.job.id) for event in tail.look()]


def tailing(manager: QueueManager, where: str = "", **more: Any) -> Tail:
    """A tail that has looked once."""
    tail = Tail(manager, parse(where) if where else Filter(), **more)
    tail.look()
    return tail


def an_error() -> bytes:
    now_us = microseconds(datetime.now(UTC))
    return pack_history([Failure(attempt=1, kind="OSError", message="away", traceback="", at_us=now_us)])


def test_a_life_is_told_step_by_step(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    store.push([job := envelope()])
    assert told(tail) == [("dispatched", job.id)]
    lease = FakeWorker(store).reserve_one()
    assert told(tail) == [("started", job.id)]
    assert told(tail) == []
    store.settle([completed(lease)])
    assert told(tail) == [("completed", job.id)]
    assert told(tail) == []


def test_what_came_and_went_is_told_in_full(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    ends = {"completed": completed, "failed": failed, "cancelled": cancelled}
    ids = {}
    for name, end in ends.items():
        store.push([job := envelope()])
        store.settle([end(FakeWorker(store).reserve_one())])
        ids[name] = job.id
    events = told(tail)
    for name, job_id in ids.items():
        assert [what for what, one in events if one == job_id] == ["dispatched", "started", name]


def test_a_try_that_failed_is_told_with_its_error(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    store.push([job := envelope()])
    store.settle([released(FakeWorker(store).reserve_one(), delay_s=HOUR_S, history=an_error(), attempts=1)])
    events = {str(event.what): event for event in tail.look()}
    assert set(events) == {"dispatched", "retrying"}
    assert (events["retrying"].job.id, events["retrying"].attempt) == (job.id, 1)
    assert events["retrying"].error == "OSError: away"
    assert told(tail) == []


def test_a_failure_is_told_with_its_error_and_attempt(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    store.push([envelope()])
    store.settle([failed(FakeWorker(store).reserve_one(), history=history(1))])
    last = tail.look()[-1]
    assert (str(last.what), last.attempt) == ("failed", 1)
    assert last.error is not None


def test_what_was_there_before_is_not_told(manager: QueueManager) -> None:
    store = manager.connection()
    store.push(envelopes(5))
    store.settle([completed(lease) for lease in FakeWorker(store).reserve(3)])
    tail = tailing(manager)
    assert told(tail) == []


def test_from_an_instant_on(manager: QueueManager) -> None:
    store = manager.connection()
    store.push(envelopes(5))
    before = datetime.now(UTC) - timedelta(hours=1)
    assert len(Tail(manager, Filter(), since=before).look()) == 5
    assert Tail(manager, Filter(), since=datetime.now(UTC) + timedelta(hours=1)).look() == []


def test_more_than_a_page(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    store.push(jobs := envelopes(900))
    assert sorted(job_id for _, job_id in told(tail)) == sorted(job.id for job in jobs)
    assert tail.has_skipped is False


@pytest.mark.parametrize(
    ("where", "number"), [("queue:mail", 1), ("tag:eu", 1), ("-queue:mail", 2), ("state:failed", 0)]
)
def test_of_those_that_a_filter_asks_for(manager: QueueManager, where: str, number: int) -> None:
    store, tail = manager.connection(), tailing(manager, where)
    store.push([envelope(), envelope("mail"), envelope(tags=("eu",))])
    assert len(tail.look()) == number


def test_a_retry_by_hand_is_a_new_beginning(manager: QueueManager) -> None:
    store, tail = manager.connection(), tailing(manager)
    store.push([job := envelope()])
    store.settle([failed(FakeWorker(store).reserve_one())])
    tail.look()
    store.retry([job.id])
    assert told(tail) == [("dispatched", job.id)]
