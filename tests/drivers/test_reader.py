"""Reader: counts, one job, and pages that neither skip nor repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakes.leases import let_pass
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker

from qcore.records import QueueCounts, QueueDefinition, StoredJob
from qcore.states import JobState

VIEWS = {
    "pending": JobState.PENDING,
    "delayed": JobState.PENDING,
    "processing": JobState.PROCESSING,
    "retrying": JobState.RETRYING,
    "completed": JobState.COMPLETED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
}

_MOST_PAGES = 100


def bring(driver: Any, view: str, number: int, queue: str = "default") -> list[str]:
    """Bring so many new jobs into a view, one after the other; returns their ids, oldest first."""
    return [_bring_one(driver, view, queue) for _ in range(number)]


def _bring_one(driver: Any, view: str, queue: str) -> str:
    delay_s = HOUR_S if view == "delayed" else 0
    job = envelope(queue, payload=b"payload", priority=9, delay_s=delay_s, tags=("tag",))
    driver.push([job])
    if view in {"pending", "delayed"}:
        return job.id
    lease = FakeWorker(driver, queue).reserve_one()
    assert lease.id == job.id
    ends: dict[str, Callable[[], Any]] = {
        "processing": list,
        "retrying": lambda: driver.settle([released(lease, delay_s=HOUR_S, history=history(1))]),
        "completed": lambda: driver.settle([completed(lease, result=b"result", history=history(1))]),
        "failed": lambda: driver.settle([failed(lease)]),
        "cancelled": lambda: driver.settle([cancelled(lease, history=history(1))]),
    }
    assert not ends[view]()
    return job.id


def pages(driver: Any, view: str, limit: int, **filters: Any) -> Iterator[list[StoredJob]]:
    """All pages of a view, each read when it is asked for."""
    cursor = None
    for _ in range(_MOST_PAGES):
        page = driver.page(view, cursor=cursor, limit=limit, **filters)
        assert len(page.jobs) <= limit
        yield list(page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return
    pytest.fail("the pages have no end")


def listed(driver: Any, view: str, limit: int = 1000, **filters: Any) -> list[str]:
    return [job.id for page in pages(driver, view, limit, **filters) for job in page]


class TestCounts:
    def test_an_empty_store(self, driver: Any) -> None:
        assert list(driver.counts()) == []
        assert list(driver.counts(["default"])) == []
        assert list(driver.counts([])) == []

    def test_every_state(self, driver: Any) -> None:
        for number, view in enumerate(reversed(VIEWS), start=1):
            bring(driver, view, number)
        (found,) = driver.counts()
        numbers = [getattr(found, view) for view in VIEWS]
        assert numbers == [7, 6, 5, 4, 3, 2, 1]

    def test_by_name(self, driver: Any) -> None:
        driver.push([envelope("b"), envelope("a"), envelope("c")])
        assert [found.name for found in driver.counts()] == ["a", "b", "c"]
        assert [found.name for found in driver.counts(["c", "unknown", "a"])] == ["a", "c"]

    def test_queues_without_jobs(self, driver: Any) -> None:
        driver.define([QueueDefinition(name="defined")])
        driver.pause("paused")
        driver.push([envelope("used")])
        driver.settle([completed(FakeWorker(driver, "used").reserve_one())])
        driver.push([envelope("cleared")])
        driver.clear("cleared")
        assert [found.name for found in driver.counts()] == ["cleared", "defined", "paused", "used"]

    def test_the_oldest_due(self, driver: Any) -> None:
        assert [found.oldest_due_us for found in driver.counts()] == []
        bring(driver, "delayed", 1)
        assert driver.counts()[0].oldest_due_us is None
        low, high = envelope(priority=-1), envelope(priority=5)
        driver.push([low])
        driver.push([high])
        assert driver.counts()[0].oldest_due_us == driver.find(low.id).due_us
        FakeWorker(driver).reserve()
        assert driver.counts()[0].oldest_due_us is None

    @pytest.mark.parametrize("number", [3, 100])
    def test_the_oldest_due_among_many_priorities(self, driver: Any, number: int) -> None:
        for priority in range(number):
            driver.push([envelope(priority=priority)])
        driver.push([envelope("other", priority=7)])
        (last,) = driver.page("pending", queue="other").jobs
        counts = {found.name: found for found in driver.counts()}
        oldest = min(job.due_us for job in driver.page("pending", queue="default", limit=1000).jobs)
        assert (counts["default"].pending, counts["default"].oldest_due_us) == (number, oldest)
        assert (counts["other"].pending, counts["other"].oldest_due_us) == (1, last.due_us)

    def test_a_delayed_job_that_became_due_is_pending(self, driver: Any) -> None:
        job = envelope(delay_s=0.1)
        driver.push([job])
        assert driver.counts()[0].delayed == 1
        let_pass(driver, 0.15)
        (found,) = driver.counts()
        assert (found.delayed, found.pending) == (0, 1)
        assert found.oldest_due_us == driver.find(job.id).due_us
        assert listed(driver, "pending") == [job.id]
        assert listed(driver, "delayed") == []

    def test_completed_and_cancelled_are_counted_for_good(self, driver: Any) -> None:
        bring(driver, "completed", 2)
        bring(driver, "cancelled", 3)
        driver.clear("default")
        driver.flush()
        (found,) = driver.counts()
        assert (found.completed, found.cancelled) == (2, 3)


class TestFind:
    @pytest.mark.parametrize("view", VIEWS)
    def test_wherever_it_is(self, driver: Any, view: str) -> None:
        (job_id,) = bring(driver, view, 1)
        job = driver.find(job_id)
        assert (job.id, job.job, job.queue, job.state) == (job_id, "app.jobs:Noop", "default", VIEWS[view])
        assert (job.priority, job.tags, job.payload) == (9, ("tag",), b"payload")
        assert job.created_us > 0
        assert (job.ended_us is not None) is job.state.is_final

    def test_who_has_it(self, driver: Any) -> None:
        driver.push([envelope()])
        worker = FakeWorker(driver, name="host-1-größe")
        lease = worker.reserve_one()
        job = driver.find(lease.id)
        assert (job.worker, job.reserved_us) == ("host-1-größe", lease.reserved_us)

    def test_nobody_has_it(self, driver: Any) -> None:
        driver.push([envelope()])
        lease = FakeWorker(driver).reserve_one()
        driver.settle([released(lease)])
        job = driver.find(lease.id)
        assert (job.worker, job.reserved_us) == (None, None)

    def test_no_such_job(self, driver: Any) -> None:
        assert driver.find(envelope().id) is None
        assert driver.find("no id at all 世界") is None


class TestPage:
    @pytest.mark.parametrize("view", VIEWS)
    def test_newest_first(self, driver: Any, view: str) -> None:
        for other in VIEWS:
            if other != view:
                bring(driver, other, 1, f"aside, {other}")
        ids = bring(driver, view, 5)
        assert listed(driver, view) == list(reversed(ids))
        page = driver.page(view)
        assert {job.state for job in page.jobs} == {VIEWS[view]}
        assert page.next_cursor is None

    @pytest.mark.parametrize("view", VIEWS)
    def test_in_steps(self, driver: Any, view: str) -> None:
        ids = bring(driver, view, 5)
        steps = [[job.id for job in page] for page in pages(driver, view, 2)]
        assert [job_id for step in steps for job_id in step] == list(reversed(ids))
        assert [len(step) for step in steps if step] == [2, 2, 1]

    @pytest.mark.parametrize("view", VIEWS)
    def test_of_one_queue(self, driver: Any, view: str) -> None:
        ids = bring(driver, view, 2, "a")
        others = bring(driver, view, 2, "b")
        assert listed(driver, view, 1, queue="a") == list(reversed(ids))
        assert listed(driver, view, 3) == [*reversed(others), *reversed(ids)]
        assert listed(driver, view, queue="unknown") == []

    @pytest.mark.parametrize("view", VIEWS)
    def test_payloads_only_when_asked_for(self, driver: Any, view: str) -> None:
        (job_id,) = bring(driver, view, 1)
        (lean,) = driver.page(view).jobs
        assert (lean.payload, lean.result) == (b"", None)
        assert (lean.tags, lean.priority) == (("tag",), 9)
        (whole,) = driver.page(view, payloads=True).jobs
        assert whole == driver.find(job_id)
        assert whole.payload == b"payload"
        assert lean.history == whole.history

    def test_many_of_one_instant(self, driver: Any) -> None:
        jobs = envelopes(250)
        driver.push(jobs)
        assert listed(driver, "pending", 100) == [job.id for job in reversed(jobs)]
        leases = FakeWorker(driver).reserve(250)
        driver.settle([failed(lease) for lease in leases])
        found = listed(driver, "failed", 100)
        assert len(found) == 250
        assert sorted(found) == sorted(job.id for job in jobs)

    def test_new_jobs_meanwhile_neither_skip_nor_repeat(self, driver: Any) -> None:
        ids = bring(driver, "pending", 7)
        found = []
        for page in pages(driver, "pending", 2):
            found += [job.id for job in page]
            bring(driver, "pending", 3)
        assert found == list(reversed(ids))

    def test_jobs_that_leave_meanwhile_hide_no_other(self, driver: Any) -> None:
        ids = bring(driver, "pending", 9)
        found = []
        for page in pages(driver, "pending", 2):
            found += [job.id for job in page]
            driver.cancel([job.id for job in page[:1]])
            FakeWorker(driver).reserve(1)
        assert len(found) == len(set(found))
        stayed = set(listed(driver, "pending"))
        assert stayed <= set(found)
        assert found == sorted(found, reverse=True)
        assert set(found) <= set(ids)

    def test_failed_jobs_that_are_retried_meanwhile_hide_no_other(self, driver: Any) -> None:
        ids = bring(driver, "failed", 9)
        found = []
        for page in pages(driver, "failed", 2):
            found += [job.id for job in page]
            driver.retry([page[-1].id])
            bring(driver, "failed", 1, "other")
        assert found == list(reversed(ids))

    @pytest.mark.parametrize("view", VIEWS)
    def test_an_empty_view(self, driver: Any, view: str) -> None:
        page = driver.page(view)
        assert (page.jobs, page.next_cursor) == ((), None)


def test_ping(driver: Any) -> None:
    assert 0 <= driver.ping() < 5


def test_a_second_reader_sees_the_same(driver: Any, store: StoreUnderTest) -> None:
    other = store.share(driver)
    for view in VIEWS:
        bring(driver, view, 1, view)
    driver.pause("default", reason="why")
    counts: list[QueueCounts] = list(driver.counts())
    assert list(other.counts()) == counts
    assert [listed(other, view) for view in VIEWS] == [listed(driver, view) for view in VIEWS]
