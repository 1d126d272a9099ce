"""Reseal: a new payload takes the place of an old one, where nobody runs the job and nobody was faster."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.leases import let_pass
from fakes.values import HOUR_S, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker
from msgspec.structs import replace

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


def ended(driver: Any, results: list[bytes | None], **fields: Any) -> list[str]:
    """Jobs that completed and returned those; their ids."""
    driver.push(envelopes(len(results)))
    leases = FakeWorker(driver).reserve(len(results))
    settlements = [completed(one, result=result, **fields) for one, result in zip(leases, results, strict=True)]
    assert not driver.settle(settlements)
    return [lease.id for lease in leases]


def kept(driver: Any, limit: int) -> dict[str, bytes]:
    """All that is listed of results, by id."""
    found, cursor = {}, None
    while True:
        page = driver.results(cursor=cursor, limit=limit)
        found.update((job.id, job.result) for job in page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_results_that_are_kept_are_listed(driver: Any, limit: int) -> None:
    ids = ended(driver, [b"a", None, b"b" * 70_000, b"c"])
    ended(driver, [b"gone"], result_ttl_s=0)
    driver.push(envelopes(1))
    assert kept(driver, limit) == {ids[0]: b"a", ids[2]: b"b" * 70_000, ids[3]: b"c"}
    (job,) = [job for job in driver.results(limit=1000).jobs if job.id == ids[0]]
    assert job == driver.find(ids[0])


def test_many_results_are_listed_each(driver: Any) -> None:
    """More than a server keeps in one piece, and many that end at the same instant."""
    results = [str(number).encode() for number in range(600)]
    ids = ended(driver, results)  # type: ignore[arg-type]
    assert kept(driver, 100) == dict(zip(ids, results, strict=True))


def test_a_result_is_changed_where_the_old_one_still_stands(driver: Any) -> None:
    first, second, third = ended(driver, [b"old", b"not old", b"o" * 2000])
    running = envelope()
    driver.push([running])
    changes = [Change(one, b"old", b"new") for one in (first, second, running.id, "nobody")]
    before = driver.find(first)
    assert driver.reseal_results([*changes, Change(third, b"o" * 2000, b"n" * 70_000)]) == 2
    assert [driver.find(one).result for one in (first, second, third)] == [b"new", b"not old", b"n" * 70_000]
    assert driver.find(first) == replace(before, result=b"new")
    assert driver.reseal_results(changes) == 0
    assert driver.reseal_results([]) == 0


def test_a_result_ends_when_it_would_have(driver: Any) -> None:
    (job_id,) = ended(driver, [b"old"], result_ttl_s=1)
    assert driver.reseal_results([Change(job_id, b"old", b"new")]) == 1
    assert driver.find(job_id).result == b"new"
    let_pass(driver, 1.1)
    assert driver.find(job_id).result is None
    assert kept(driver, 10) == {}
