"""Release, move, and retries that wait: what a person does to jobs without ending them."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import HOUR_S, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker

from qcore.drivers.operator import Move
from qcore.envelope import Unique
from qcore.records import QueueCounts, QueueDefinition
from qcore.states import JobState

HOUR_US = 3_600_000_000


def counts(driver: Any, queue: str = "default") -> QueueCounts:
    found: QueueCounts = driver.counts([queue])[0]
    return found


def tried(driver: Any, delay_s: float = HOUR_S) -> str:
    """A job that failed once and waits for its next attempt; its id."""
    driver.push([job := envelope()])
    driver.settle([released(FakeWorker(driver).reserve_one(), delay_s=delay_s, history=history(1), attempts=1)])
    return job.id


def fail(driver: Any, **fields: Any) -> Any:
    driver.push([job := envelope(**fields)])
    driver.settle([failed(FakeWorker(driver).reserve_one())])
    return job


class TestRelease:
    def test_what_waits_for_later_is_due_now(self, driver: Any) -> None:
        retrying = tried(driver)
        driver.push([delayed := envelope(delay_s=HOUR_S)])
        assert sorted(driver.release([delayed.id, retrying])) == sorted([delayed.id, retrying])
        assert driver.wait(["default"], 5.0) is True
        leases = {lease.id: lease for lease in FakeWorker(driver).reserve(5)}
        assert set(leases) == {delayed.id, retrying}
        assert (leases[retrying].attempts, leases[retrying].history) == (1, history(1))

    def test_it_shows_where_it_did(self, driver: Any) -> None:
        retrying = tried(driver)
        driver.push([delayed := envelope(delay_s=HOUR_S)])
        driver.release([delayed.id, retrying])
        found = counts(driver)
        assert (found.pending, found.delayed, found.retrying) == (1, 0, 1)
        assert driver.find(retrying).state is JobState.RETRYING

    def test_what_is_due_may_wait(self, driver: Any) -> None:
        driver.push([job := envelope(), other := envelope()])
        before_us = driver.find(job.id).created_us
        assert list(driver.release([job.id], delay_us=HOUR_US)) == [job.id]
        assert driver.find(job.id).due_us >= before_us + HOUR_US
        assert [lease.id for lease in FakeWorker(driver).reserve(5)] == [other.id]
        assert counts(driver).delayed == 1

    def test_what_is_due_already_keeps_its_place(self, driver: Any) -> None:
        driver.push([first := envelope()])
        driver.push([second := envelope()])
        before_us = driver.find(first.id).due_us
        assert list(driver.release([first.id])) == [first.id]
        assert driver.find(first.id).due_us == before_us
        assert [lease.id for lease in FakeWorker(driver).reserve(5)] == [first.id, second.id]

    def test_leaves_out_what_does_not_wait(self, driver: Any) -> None:
        job = fail(driver)
        driver.push(envelopes(1))
        lease = FakeWorker(driver).reserve_one()
        assert list(driver.release([job.id, lease.id, envelope().id], delay_us=HOUR_US)) == []
        assert list(driver.release([])) == []
        assert not driver.settle([completed(lease)])

    def test_many(self, driver: Any) -> None:
        jobs = envelopes(1000, delay_s=HOUR_S)
        driver.push(jobs)
        assert len(driver.release([job.id for job in jobs])) == 1000
        assert counts(driver).pending == 1000


class TestMove:
    @pytest.mark.parametrize("payload", [b"\x00small", b"x" * 5000])
    def test_what_waits_is_given_by_the_other_queue(self, driver: Any, payload: bytes) -> None:
        driver.push([job := envelope(payload=payload, priority=3, tags=("a", "ü"), unique=Unique(key="k"))])
        assert list(driver.move([Move(job.id, "other", payload, b"new" * 900)])) == [job.id]
        assert counts(driver).pending == 0
        assert driver.wait(["other"], 5.0) is True
        assert list(FakeWorker(driver).reserve()) == []
        lease = FakeWorker(driver, "other").reserve_one()
        assert (lease.id, lease.queue, lease.payload, lease.lock) == (job.id, "other", b"new" * 900, "k")
        stored = driver.find(job.id)
        assert (stored.priority, stored.tags, stored.job) == (3, ("a", "ü"), job.job)
        driver.settle([completed(lease, lock="k")])
        assert driver.locks().locks == ()

    def test_times_and_tries_stay(self, driver: Any) -> None:
        retrying = tried(driver)
        driver.push([delayed := envelope(delay_s=HOUR_S)])
        before = {job_id: driver.find(job_id) for job_id in (retrying, delayed.id)}
        driver.move([Move(job_id, "other", b"{}", b"[]") for job_id in before])
        for job_id, was in before.items():
            job = driver.find(job_id)
            assert (job.due_us, job.attempts, job.state, job.history) == (
                was.due_us,
                was.attempts,
                was.state,
                was.history,
            )
        found = counts(driver, "other")
        assert (found.delayed, found.retrying) == (1, 1)
        assert counts(driver).delayed + counts(driver).retrying == 0

    def test_what_failed_stays_failed_there(self, driver: Any) -> None:
        job = fail(driver)
        ended_us = driver.find(job.id).ended_us
        assert list(driver.move([Move(job.id, "other", b"{}", b"[]")])) == [job.id]
        stored = driver.find(job.id)
        assert (stored.state, stored.queue, stored.ended_us) == (JobState.FAILED, "other", ended_us)
        assert (counts(driver).failed, counts(driver, "other").failed) == (0, 1)
        assert [one.id for one in driver.page("failed", queue="other").jobs] == [job.id]
        driver.retry([job.id])
        assert FakeWorker(driver, "other").reserve_one().payload == b"[]"

    def test_leaves_out_what_runs_or_changed(self, driver: Any) -> None:
        driver.push([job := envelope(), ended := envelope()])
        assert list(driver.move([Move(job.id, "other", b"another", b"[]")])) == []
        worker = FakeWorker(driver)
        running, done = worker.reserve(2)
        driver.settle([completed(done)])
        moves = [Move(one, "other", b"{}", b"[]") for one in (running.id, done.id, envelope().id)]
        assert list(driver.move(moves)) == []
        assert list(driver.move([])) == []
        assert (driver.find(job.id).queue, driver.find(ended.id).queue) == ("default", "default")

    def test_a_full_queue_takes_it(self, driver: Any) -> None:
        driver.define([QueueDefinition(name="full", max_jobs=1)])
        driver.push(envelopes(1, "full"))
        driver.push([job := envelope()])
        assert list(driver.move([Move(job.id, "full", b"{}", b"[]")])) == [job.id]
        assert counts(driver, "full").pending == 2

    def test_to_names_of_any_length(self, driver: Any) -> None:
        for queue in ("q" * 31, "q" * 32, "größe: 世界"):
            driver.push([job := envelope(payload=b"y" * 2000)])
            assert list(driver.move([Move(job.id, queue, b"y" * 2000, b"z" * 2000)])) == [job.id]
            lease = FakeWorker(driver, queue).reserve_one()
            assert (lease.queue, lease.payload) == (queue, b"z" * 2000)


class TestRetryLater:
    def test_each_waits_for_its_own_time(self, driver: Any) -> None:
        soon, late = fail(driver), fail(driver)
        now_us = driver.find(late.id).ended_us
        assert len(driver.retry([soon.id, late.id], delays_us={late.id: HOUR_US})) == 2
        assert [lease.id for lease in FakeWorker(driver).reserve(5)] == [soon.id]
        stored = driver.find(late.id)
        assert (stored.state, stored.attempts) == (JobState.PENDING, 0)
        assert stored.due_us >= now_us + HOUR_US
        assert counts(driver).delayed == 1
