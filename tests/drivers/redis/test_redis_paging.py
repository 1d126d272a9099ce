"""Pages merge many sorted sets, pass over what belongs elsewhere, and go on from where a job no longer is."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.values import HOUR_S, envelope, envelopes, handed_back, released
from fakes.worker import FakeWorker

pytestmark = pytest.mark.server


def listed(driver: Any, view: str, **fields: Any) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = driver.page(view, cursor=cursor, **fields)
        found += [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_queues_and_priorities_are_merged_by_due_time(driver: Any) -> None:
    jobs = [envelope(f"queue-{n % 3}", priority=n % 5, due_us=1_000_000 + n) for n in range(60)]
    driver.push(jobs)
    newest_first = [job.id for job in reversed(jobs)]
    assert listed(driver, "pending", limit=7) == newest_first
    assert listed(driver, "pending", limit=7, queue="queue-1") == newest_first[1::3]


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_many_of_one_instant_go_by_id(driver: Any, limit: int) -> None:
    jobs = [envelope(id=f"{n:03}-ä-{'x' * (n % 3)}", due_us=1) for n in range(40)]
    driver.push(jobs)
    by_id = sorted((job.id for job in jobs), key=str.encode, reverse=True)
    assert listed(driver, "pending", limit=limit) == by_id


def test_retried_ones_between_are_passed_over(driver: Any) -> None:
    worker = FakeWorker(driver)
    old, new = envelopes(3), envelopes(3)
    driver.push(old)
    handed = worker.reserve(3)
    driver.push(envelopes(1000))
    driver.push(envelopes(1000))
    for leases in (worker.reserve(1000), worker.reserve(1000)):
        driver.settle([released(lease, delay_s=-1e-6) for lease in leases])
    driver.settle([handed_back(lease) for lease in handed])
    driver.push(new)
    assert listed(driver, "pending", limit=2) == [job.id for job in reversed([*old, *new])]
    assert len(driver.page("retrying", limit=1000).jobs) == 1000


def test_pages_go_on_after_a_job_that_is_gone(driver: Any) -> None:
    jobs = [envelope(due_us=5) for _ in range(10)]
    driver.push(jobs)
    first = driver.page("pending", limit=4)
    driver.cancel([job.id for job in first.jobs])
    rest = driver.page("pending", limit=10, cursor=first.next_cursor)
    assert [job.id for job in rest.jobs] == [job.id for job in reversed(jobs[:6])]


def test_delayed_and_due_ones_share_a_set_and_no_page(driver: Any) -> None:
    due, later = envelopes(5), envelopes(5, delay_s=HOUR_S)
    driver.push([*later, *due])
    assert listed(driver, "pending", limit=2) == [job.id for job in reversed(due)]
    assert listed(driver, "delayed", limit=2) == [job.id for job in reversed(later)]


def test_an_unknown_view(driver: Any) -> None:
    with pytest.raises(ValueError, match="no view"):
        driver.page("purple")
