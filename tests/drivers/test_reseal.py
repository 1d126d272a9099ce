"""Reseal: a new payload takes the place of an old one, where nobody runs the job and nobody was faster."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import HOUR_S, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker

from qcore.drivers.operator import Change


@pytest.mark.parametrize(
    ("old", "new"),  # bytes: a store may keep small and large ones in different places
    [(1, 1000), (1000, 1025), (1024, 70_000), (1025, 1024), (2000, 3000), (70_000, 1), (70_000, 2000)],
)
def test_a_waiting_job_is_given_out_with_the_new_one(driver: Any, old: int, new: int) -> None:
    job = envelope(payload=b"o" * old, tags=("tag",), priority=3)
    driver.push([job, envelope()])
    assert list(driver.reseal([Change(job.id, job.payload, b"n" * new)])) == [job.id]
    stored = driver.find(job.id)
    assert (stored.payload, stored.tags, stored.priority, stored.job) == (b"n" * new, ("tag",), 3, job.job)
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    assert (lease.id, lease.payload) == (job.id, b"n" * new)
    assert not driver.settle([completed(lease, result=b"r")])
    assert driver.find(job.id).payload in {b"n" * new, b""}


def test_whatever_waits_and_whatever_failed(driver: Any) -> None:
    delayed = envelope(delay_s=HOUR_S, payload=b"old")
    driver.push(envelopes(2, payload=b"old"))
    worker = FakeWorker(driver)
    one, two = worker.reserve()
    driver.settle([failed(one), released(two, delay_s=HOUR_S, history=history(1))])
    driver.push([delayed])
    ids = [one.id, two.id, delayed.id]
    before = [driver.find(job_id) for job_id in ids]
    assert sorted(driver.reseal([Change(job_id, b"old", b"new") for job_id in ids])) == sorted(ids)
    after = [driver.find(job_id) for job_id in ids]
    assert [job.payload for job in after] == [b"new"] * 3
    for old, new in zip(before, after, strict=True):
        assert (new.state, new.history, new.due_us, new.attempts) == (old.state, old.history, old.due_us, old.attempts)
    assert list(driver.retry([one.id])) == [one.id]
    assert worker.reserve_one().payload == b"new"


def test_a_job_that_runs_or_has_ended_keeps_its_own(driver: Any) -> None:
    driver.push(envelopes(2, payload=b"old"))
    runs, ended = FakeWorker(driver).reserve()
    driver.settle([completed(ended, result=b"r")])
    assert list(driver.reseal([Change(runs.id, b"old", b"new"), Change(ended.id, b"old", b"new")])) == []
    assert [driver.find(job_id).payload for job_id in (runs.id, ended.id)] == [b"old", b"old"]
    assert not driver.settle([completed(runs)])


def test_only_where_the_old_one_still_stands(driver: Any) -> None:
    first, second = envelopes(2, payload=b"old")
    driver.push([first, second])
    assert list(driver.reseal([Change(first.id, b"other", b"new"), Change(second.id, b"old", b"new")])) == [second.id]
    assert [driver.find(job.id).payload for job in (first, second)] == [b"old", b"new"]
    assert list(driver.reseal([Change(second.id, b"old", b"newer"), Change("nobody", b"old", b"new")])) == []
    assert driver.find(second.id).payload == b"new"


def test_nothing_to_change(driver: Any) -> None:
    assert list(driver.reseal([])) == []


def test_the_most_it_may_take(driver: Any) -> None:
    jobs = envelopes(1000, payload=b"old")
    driver.push(jobs)
    assert list(driver.reseal([Change(job.id, b"old", b"new") for job in jobs])) == [job.id for job in jobs]
    assert {lease.payload for lease in FakeWorker(driver).reserve(1000)} == {b"new"}
