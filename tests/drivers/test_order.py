"""Order: queues as named, then priority, then age."""

from __future__ import annotations

import time
from typing import Any

from fakes.values import HOUR_S, envelope, envelopes, handed_back, released, us
from fakes.worker import FakeWorker

from qcore.envelope import Envelope


def ids(jobs: Any) -> list[str]:
    return [job.id for job in jobs]


def test_the_older_first(driver: Any) -> None:
    jobs = envelopes(3)
    for job in jobs:
        driver.push([job])
    assert ids(FakeWorker(driver).reserve()) == ids(jobs)


def test_jobs_of_one_push_by_their_ids(driver: Any) -> None:
    jobs = envelopes(20)
    driver.push(list(reversed(jobs)))
    assert ids(FakeWorker(driver).reserve(20)) == ids(jobs)


def test_the_larger_priority_first(driver: Any) -> None:
    low, none, high = envelope(priority=-5), envelope(), envelope(priority=9)
    for job in (low, none, high):
        driver.push([job])
    assert ids(FakeWorker(driver).reserve()) == ids([high, none, low])


def test_age_within_a_priority(driver: Any) -> None:
    jobs = [envelope(priority=priority) for priority in (1, 2, 1, 2)]
    for job in jobs:
        driver.push([job])
    assert ids(FakeWorker(driver).reserve()) == ids([jobs[1], jobs[3], jobs[0], jobs[2]])


def test_the_earlier_due_first_whatever_was_pushed_first(driver: Any) -> None:
    now_us = time.time_ns() // 1000
    jobs = [envelope(due_us=now_us - us(age_s)) for age_s in (10, 30, 20)]
    driver.push(jobs)
    assert ids(FakeWorker(driver).reserve()) == ids([jobs[1], jobs[2], jobs[0]])


def test_queues_strictly_as_named(driver: Any) -> None:
    jobs: dict[str, list[Envelope]] = {name: envelopes(2, name, priority=9) for name in ("a", "b", "c")}
    for name in ("c", "b", "a"):
        driver.push(jobs[name])
    assert ids(FakeWorker(driver, "b", "a").reserve()) == ids(jobs["b"] + jobs["a"])


def test_the_limit_spans_the_queues(driver: Any) -> None:
    first, second = envelopes(2, "a"), envelopes(2, "b")
    driver.push([*second, *first])
    worker = FakeWorker(driver, "a", "b")
    assert ids(worker.reserve(3)) == ids([*first, second[0]])
    assert ids(worker.reserve(3)) == ids(second[1:])


def test_a_delayed_job_does_not_come_before_its_time(driver: Any) -> None:
    driver.push([envelope(delay_s=HOUR_S, priority=9)])
    soon = envelope(delay_s=0.15)
    driver.push([soon])
    worker = FakeWorker(driver)
    assert ids(worker.reserve()) == []
    lease = worker.await_one()
    assert lease.id == soon.id
    assert lease.reserved_us >= lease.due_us
    assert lease.due_us - lease.created_us == us(0.15)


def test_delayed_jobs_line_up_by_the_instant_they_become_due(driver: Any) -> None:
    late, early = envelope(delay_s=0.2), envelope(delay_s=0.1)
    driver.push([late, early])
    worker = FakeWorker(driver)
    assert ids(worker.await_many(2)) == ids([early, late])


def test_a_due_instant_in_the_past_is_due_now(driver: Any) -> None:
    job = envelope(due_us=1)
    driver.push([envelope(), job])
    assert FakeWorker(driver).reserve_one().id == job.id


def test_a_released_job_queues_up_behind(driver: Any) -> None:
    first, second = envelopes(2)
    driver.push([first, second])
    worker = FakeWorker(driver)
    driver.settle([released(worker.reserve_one())])
    assert ids(worker.reserve()) == ids([second, first])


def test_a_job_that_was_handed_back_keeps_its_place(driver: Any) -> None:
    first, second = envelopes(2)
    driver.push([first])
    driver.push([second])
    worker = FakeWorker(driver)
    lease = worker.reserve_one()
    driver.settle([handed_back(lease)])
    again = worker.reserve()
    assert ids(again) == ids([first, second])
    assert again[0].due_us == lease.due_us


def test_a_job_that_was_handed_back_keeps_its_priority(driver: Any) -> None:
    high = envelope(priority=3)
    driver.push([envelope(), high])
    worker = FakeWorker(driver)
    driver.settle([released(worker.reserve_one())])
    assert worker.reserve_one().id == high.id


def test_many_delayed_jobs_do_not_hide_a_due_one(driver: Any) -> None:
    driver.push(envelopes(300, delay_s=HOUR_S, priority=5))
    due = envelope()
    driver.push([due])
    assert ids(FakeWorker(driver).reserve()) == [due.id]
