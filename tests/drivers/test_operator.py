"""Operator: what a person does to a store, in bounded steps that say what they changed."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import (
    HOUR_S,
    cancelled,
    completed,
    envelope,
    envelopes,
    failed,
    history,
    released,
)
from fakes.worker import FakeWorker

from qcore.records import QueueCounts, QueueDefinition
from qcore.states import JobState


def counts(driver: Any, queue: str = "default") -> QueueCounts:
    found: QueueCounts = driver.counts([queue])[0]
    return found


def fail(driver: Any, number: int, queue: str = "default") -> list[str]:
    """Let so many jobs of the queue fail one after the other; returns their ids, oldest first."""
    driver.push(envelopes(number, queue))
    worker = FakeWorker(driver, queue)
    leases = [worker.reserve_one() for _ in range(number)]
    for lease in leases:
        driver.settle([failed(lease)])
    return [lease.id for lease in leases]


class TestPause:
    def test_gives_no_jobs(self, driver: Any) -> None:
        driver.push([envelope(), envelope("other")])
        assert driver.pause("default") is True
        assert [lease.queue for lease in FakeWorker(driver, "default", "other").reserve()] == ["other"]
        assert counts(driver).pending == 1

    def test_still_takes_jobs(self, driver: Any) -> None:
        driver.pause("default")
        driver.push([envelope()])
        assert list(FakeWorker(driver).reserve()) == []

    def test_lets_leased_jobs_end(self, driver: Any) -> None:
        driver.push([envelope()])
        lease = FakeWorker(driver).reserve_one()
        driver.pause("default")
        assert not driver.settle([completed(lease)])

    def test_tells_whether_that_changed_anything(self, driver: Any) -> None:
        assert driver.pause("default", reason="deploy") is True
        assert driver.pause("default", reason="deploy") is False
        assert driver.resume("default") is True
        assert driver.resume("default") is False
        assert driver.resume("unknown") is False

    def test_is_told_with_its_reason(self, driver: Any) -> None:
        driver.pause("default", reason="größe: 世界")
        found = counts(driver)
        assert (found.paused, found.paused_until_us, found.pause_reason) == (True, None, "größe: 世界")
        driver.resume("default")
        found = counts(driver)
        assert (found.paused, found.paused_until_us, found.pause_reason) == (False, None, None)

    def test_resume_gives_them_again(self, driver: Any) -> None:
        driver.push([envelope()])
        driver.pause("default")
        driver.resume("default")
        assert len(FakeWorker(driver).reserve()) == 1

    def test_for_a_while(self, driver: Any) -> None:
        job = envelope()
        driver.push([job])
        assert driver.pause("default", for_s=0.2, reason="short") is True
        assert list(FakeWorker(driver).reserve()) == []
        until_us = counts(driver).paused_until_us
        lease = FakeWorker(driver).await_one()
        assert until_us is not None
        assert lease.reserved_us >= until_us > lease.created_us
        found = counts(driver)
        assert (found.paused, found.paused_until_us, found.pause_reason) == (False, None, None)
        assert driver.resume("default") is False

    def test_a_later_pause_replaces_it(self, driver: Any) -> None:
        driver.pause("default", for_s=HOUR_S)
        assert driver.pause("default") is True
        assert counts(driver).paused_until_us is None
        assert driver.pause("default", for_s=HOUR_S) is True
        assert counts(driver).paused_until_us is not None

    def test_releases_and_reclaims_stay_in(self, driver: Any) -> None:
        driver.push([envelope()])
        lease = FakeWorker(driver).reserve_one()
        driver.pause("default")
        driver.settle([released(lease)])
        assert list(FakeWorker(driver).reserve()) == []


class TestClear:
    def test_drops_all_that_waits(self, driver: Any) -> None:
        driver.push([envelope(), envelope(), envelope(delay_s=HOUR_S), envelope(delay_s=HOUR_S)])
        worker = FakeWorker(driver)
        kept, back = worker.reserve()
        driver.settle([released(back, delay_s=HOUR_S)])
        driver.push([envelope(), envelope("other")])
        assert driver.clear("default") == 4
        found = counts(driver)
        assert (found.pending, found.delayed, found.retrying, found.processing) == (0, 0, 0, 1)
        assert counts(driver, "other").pending == 1
        assert driver.find(back.id) is None
        assert not driver.settle([completed(kept)])

    def test_in_bounded_steps(self, driver: Any) -> None:
        driver.push(envelopes(5))
        assert [driver.clear("default", limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert list(FakeWorker(driver).reserve()) == []

    def test_a_thousand_by_default(self, driver: Any) -> None:
        driver.push(envelopes(1000))
        driver.push(envelopes(1))
        assert [driver.clear("default") for _ in range(3)] == [1000, 1, 0]

    def test_leaves_failed_ones(self, driver: Any) -> None:
        fail(driver, 1)
        assert driver.clear("default") == 0
        assert counts(driver).failed == 1

    def test_an_unknown_queue(self, driver: Any) -> None:
        assert driver.clear("unknown") == 0


class TestRetry:
    def test_puts_failed_jobs_back(self, driver: Any) -> None:
        first, second = fail(driver, 2)
        before = driver.find(first)
        assert list(driver.retry([first])) == [first]
        job = driver.find(first)
        assert (job.state, job.attempts, job.crashes, job.ended_us) == (JobState.PENDING, 0, 0, None)
        assert job.created_us >= before.ended_us
        assert job.due_us >= before.ended_us
        found = counts(driver)
        assert (found.pending, found.failed) == (1, 1)
        assert driver.find(second).state is JobState.FAILED

    def test_keeps_errors_payload_and_priority(self, driver: Any) -> None:
        job = envelope(payload=b"\x00payload", priority=7, tags=("a", "b"))
        driver.push([job])
        driver.settle([failed(FakeWorker(driver).reserve_one(), history=history(3))])
        driver.retry([job.id])
        lease = FakeWorker(driver).reserve_one()
        assert (lease.payload, lease.history) == (b"\x00payload", history(3))
        assert (lease.attempts, lease.exceptions, lease.crashes, lease.reclaims) == (0, 0, 0, 0)
        stored = driver.find(job.id)
        assert (stored.priority, stored.tags) == (7, ("a", "b"))

    def test_leaves_out_what_did_not_fail(self, driver: Any) -> None:
        (failed_id,) = fail(driver, 1)
        waiting = envelope()
        driver.push([waiting])
        assert list(driver.retry([waiting.id, failed_id, envelope().id])) == [failed_id]
        assert list(driver.retry([failed_id])) == []
        assert list(driver.retry([])) == []
        assert counts(driver).pending == 2

    def test_a_mark_to_cancel_is_gone(self, driver: Any) -> None:
        driver.push([envelope()])
        lease = FakeWorker(driver).reserve_one()
        driver.cancel([lease.id])
        driver.settle([failed(lease)])
        driver.retry([lease.id])
        assert FakeWorker(driver).reserve_one().cancel_requested is False

    def test_it_may_fail_again(self, driver: Any) -> None:
        (job_id,) = fail(driver, 1)
        driver.retry([job_id])
        assert not driver.settle([failed(FakeWorker(driver).reserve_one())])
        assert driver.find(job_id).state is JobState.FAILED
        assert counts(driver).failed == 1

    def test_many(self, driver: Any) -> None:
        driver.push(envelopes(500))
        leases = FakeWorker(driver).reserve(500)
        ids = [lease.id for lease in leases]
        driver.settle([failed(lease) for lease in leases])
        assert sorted(driver.retry(ids)) == sorted(ids)
        assert (counts(driver).pending, counts(driver).failed) == (500, 0)


class TestForget:
    def test_drops_failed_jobs_alone(self, driver: Any) -> None:
        first, second = fail(driver, 2)
        waiting = envelope()
        driver.push([waiting])
        assert list(driver.forget([first, waiting.id, envelope().id])) == [first]
        assert driver.find(first) is None
        assert driver.find(waiting.id) is not None
        assert driver.find(second) is not None
        assert list(driver.forget([first])) == []
        assert list(driver.forget([])) == []
        assert counts(driver).failed == 1


class TestFlush:
    def test_of_a_queue(self, driver: Any) -> None:
        ids = fail(driver, 2)
        fail(driver, 1, "other")
        assert driver.flush(queue="default") == 2
        assert driver.find(ids[0]) is None
        assert (counts(driver).failed, counts(driver, "other").failed) == (0, 1)

    def test_of_all(self, driver: Any) -> None:
        fail(driver, 2)
        fail(driver, 1, "other")
        driver.push([envelope()])
        assert driver.flush() == 3
        assert driver.flush() == 0
        assert counts(driver).pending == 1

    def test_before_an_instant(self, driver: Any) -> None:
        older = fail(driver, 2)
        newer = fail(driver, 1)
        before_us = driver.find(newer[0]).ended_us
        assert driver.flush(before_us=before_us) == 2
        assert [driver.find(job_id) is None for job_id in [*older, *newer]] == [True, True, False]

    @pytest.mark.parametrize("view", ["completed", "cancelled"])
    def test_of_what_ended_otherwise(self, driver: Any, view: str) -> None:
        failed_ids = fail(driver, 1)
        ended = {"completed": completed, "cancelled": cancelled}[view]
        worker = FakeWorker(driver)
        first, other = envelope(), envelope("other")
        for job in (first, other):
            driver.push([job])
            driver.settle([ended(worker.reserve_one() if job is first else FakeWorker(driver, "other").reserve_one())])
        last = envelope()
        driver.push([last])
        driver.settle([ended(worker.reserve_one())])
        before_us = driver.find(last.id).ended_us
        assert driver.flush(view=view, queue="default", before_us=before_us) == 1
        assert [driver.find(job.id) is None for job in (first, other, last)] == [True, False, False]
        assert driver.flush(view=view, limit=1) == 1
        assert driver.flush(view=view) == 1
        assert driver.flush(view=view) == 0
        assert driver.find(failed_ids[0]) is not None

    def test_in_bounded_steps(self, driver: Any) -> None:
        fail(driver, 3)
        fail(driver, 2, "other")
        assert [driver.flush(limit=2) for _ in range(4)] == [2, 2, 1, 0]


class TestCancel:
    def test_ends_what_waits(self, driver: Any) -> None:
        pending, delayed = envelope(), envelope(delay_s=HOUR_S)
        driver.push([envelope("other")])
        driver.push([envelope()])
        driver.settle([released(FakeWorker(driver).reserve_one(), delay_s=HOUR_S)])
        retrying = driver.page("retrying").jobs[0].id
        driver.push([pending, delayed])
        ids = [pending.id, delayed.id, retrying]
        assert sorted(driver.cancel(ids)) == sorted(ids)
        assert {driver.find(job_id).state for job_id in ids} == {JobState.CANCELLED}
        assert driver.find(pending.id).ended_us is not None
        assert counts(driver).cancelled == 3
        assert list(FakeWorker(driver).reserve()) == []
        assert counts(driver, "other").pending == 1

    def test_marks_what_is_leased(self, driver: Any) -> None:
        driver.push([envelope()])
        worker = FakeWorker(driver)
        lease = worker.reserve_one()
        assert list(driver.cancel([lease.id])) == []
        job = driver.find(lease.id)
        assert (job.state, job.cancel_requested) == (JobState.PROCESSING, True)
        assert not driver.settle([completed(lease)])
        assert driver.find(lease.id).state is JobState.COMPLETED

    def test_leaves_what_ended(self, driver: Any) -> None:
        (failed_id,) = fail(driver, 1)
        driver.push(envelopes(2))
        done, dropped = FakeWorker(driver).reserve()
        driver.settle([completed(done), cancelled(dropped)])
        assert list(driver.cancel([failed_id, done.id, envelope().id])) == []
        assert driver.find(failed_id).state is JobState.FAILED
        assert driver.find(done.id).state is JobState.COMPLETED
        assert counts(driver).cancelled == 1
        assert list(driver.cancel([])) == []

    def test_hard_or_not_a_waiting_job_ends(self, driver: Any) -> None:
        job = envelope()
        driver.push([job])
        assert list(driver.cancel([job.id], hard=True)) == [job.id]
        assert driver.find(job.id).state is JobState.CANCELLED

    def test_counts_once(self, driver: Any) -> None:
        job = envelope()
        driver.push([job])
        driver.cancel([job.id])
        driver.cancel([job.id])
        assert counts(driver).cancelled == 1


class TestProgress:
    def test_of_a_running_job(self, driver: Any) -> None:
        driver.push([envelope()])
        lease = FakeWorker(driver).reserve_one()
        driver.progress(lease.id, 40, "größe 世界")
        assert (driver.find(lease.id).progress, driver.find(lease.id).progress_note) == (40, "größe 世界")
        driver.progress(lease.id, 80, None)
        assert (driver.find(lease.id).progress, driver.find(lease.id).progress_note) == (80, None)

    def test_of_one_that_runs_no_more(self, driver: Any) -> None:
        driver.push(envelopes(2))
        lease = FakeWorker(driver).reserve_one()
        driver.settle([completed(lease)])
        driver.progress(lease.id, 40, "late")
        waiting = driver.page("pending").jobs[0].id
        driver.progress(waiting, 40, "early")
        driver.progress(envelope().id, 40, "unknown")
        assert driver.find(lease.id).progress is None
        assert driver.find(waiting).progress is None


class TestDefine:
    def test_publishes_definitions(self, driver: Any) -> None:
        emails = QueueDefinition(
            name="emails",
            connection="tests",
            max_jobs=10,
            priority_weight=3,
            max_attempts=5,
            retry_after=300.0,
            rate_limit_enabled=True,
            rate_limit_max=100,
            rate_limit_window=60.0,
            encryption_enabled=True,
        )
        driver.define([emails, QueueDefinition(name="sms")])
        assert {found.name: found.definition for found in driver.counts()} == {
            "emails": emails,
            "sms": QueueDefinition(name="sms"),
        }

    @pytest.mark.parametrize("times", [1, 2])
    def test_may_be_repeated_and_replaced(self, driver: Any, times: int) -> None:
        driver.push([envelope("emails")])
        driver.pause("emails", reason="mine")
        for _ in range(times):
            driver.define([QueueDefinition(name="emails", max_jobs=1, max_attempts=2)])
            driver.define([QueueDefinition(name="emails", max_jobs=2)])
        found = counts(driver, "emails")
        assert found.definition == QueueDefinition(name="emails", max_jobs=2)
        assert (found.pending, found.pause_reason) == (1, "mine")

    def test_nothing(self, driver: Any) -> None:
        driver.define([])
        assert list(driver.counts()) == []


class TestTags:
    def test_those_that_are_monitored(self, driver: Any) -> None:
        assert list(driver.monitored_tags()) == []
        assert driver.mark_tags(["eu", "größe: 世界"], monitored=True) == 2
        assert driver.mark_tags(["eu", "us"], monitored=True) == 1
        assert list(driver.monitored_tags()) == ["eu", "größe: 世界", "us"]

    def test_and_no_longer(self, driver: Any) -> None:
        driver.mark_tags(["eu", "us"], monitored=True)
        assert driver.mark_tags(["eu", "unknown"], monitored=False) == 1
        assert list(driver.monitored_tags()) == ["us"]
        assert driver.mark_tags([], monitored=True) == 0
        assert list(driver.monitored_tags()) == ["us"]
