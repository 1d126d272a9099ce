"""Settle: an attempt ends once, whole or not at all, and all that follows from it ends with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.values import (
    HOUR_S,
    cancelled,
    completed,
    envelope,
    envelopes,
    failed,
    handed_back,
    history,
    released,
    us,
)
from fakes.worker import FakeWorker

from qcore.envelope import Lease
from qcore.records import unpack_history
from qcore.settlement import Settlement
from qcore.states import JobState

ENDS = [completed, failed, released, cancelled, handed_back]
MEGABYTE = 1024 * 1024


@pytest.fixture
def worker(driver: Any) -> FakeWorker:
    return FakeWorker(driver)


@pytest.fixture
def lease(driver: Any, worker: FakeWorker) -> Lease:
    """The only job there is, in the worker's hands."""
    driver.push([envelope(payload=b"payload")])
    return worker.reserve_one()


def counts(driver: Any) -> dict[str, int]:
    """The numbers of the queue `default` that are not 0."""
    (found,) = driver.counts(["default"])
    names = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def stale(lease: Lease) -> Lease:
    """The lease with a token that somebody else's reserve has replaced."""
    return msgspec.structs.replace(lease, token="0" * len(lease.token))


def test_completed(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([completed(lease, result=b"42", runtime_s=1.25)])
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.result) == (JobState.COMPLETED, 1, b"42")
    assert job.runtime_s == pytest.approx(1.25)
    assert job.ended_us >= lease.reserved_us
    assert counts(driver) == {"completed": 1}
    assert list(worker.reserve()) == []


def test_completed_without_a_result(driver: Any, lease: Lease) -> None:
    driver.settle([completed(lease)])
    assert driver.find(lease.id).result is None


def test_failed(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([failed(lease, runtime_s=0.5)])
    job = driver.find(lease.id)
    assert (job.state, job.attempts, job.payload) == (JobState.FAILED, 1, b"payload")
    assert [failure.message for failure in unpack_history(job.history)] == ["no, 1"]
    assert job.ended_us >= lease.reserved_us
    assert counts(driver) == {"failed": 1}
    assert list(worker.reserve()) == []


def test_released_at_once(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([released(lease, history=history(1))])
    assert counts(driver) == {"retrying": 1}
    assert driver.find(lease.id).state is JobState.RETRYING
    again = worker.reserve_one()
    assert (again.id, again.attempts, again.exceptions) == (lease.id, 1, 1)
    assert again.token != lease.token
    assert again.due_us > lease.due_us
    assert again.created_us == lease.created_us
    assert again.history == history(1)


def test_released_for_later(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([released(lease, delay_s=HOUR_S)])
    assert counts(driver) == {"retrying": 1}
    assert list(worker.reserve()) == []
    job = driver.find(lease.id)
    assert job.due_us >= lease.reserved_us + us(HOUR_S)
    assert job.state is JobState.RETRYING


def test_a_released_job_comes_back_when_it_is_due(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    driver.settle([released(lease, delay_s=0.1)])
    assert list(worker.reserve()) == []
    assert worker.await_one().id == lease.id


def test_released_uncharged(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    driver.settle([released(lease, delay_s=HOUR_S, attempts=0, exceptions=0)])
    assert counts(driver) == {"delayed": 1}
    assert driver.find(lease.id).state is JobState.PENDING


def test_handed_back(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([handed_back(lease)])
    assert counts(driver) == {"pending": 1}
    again = worker.reserve_one()
    assert (again.attempts, again.reclaims, again.due_us) == (0, 0, lease.due_us)


def test_cancelled(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    assert not driver.settle([cancelled(lease)])
    assert driver.find(lease.id).state is JobState.CANCELLED
    assert counts(driver) == {"cancelled": 1}
    assert list(worker.reserve()) == []


def test_nothing_to_settle(driver: Any) -> None:
    assert list(driver.settle([])) == []
    assert driver.settle_and_reserve([], ["default"], 5, "worker", 1) == ([], [])


@pytest.mark.parametrize("end", ENDS)
def test_a_stale_token_is_refused_and_changes_nothing(
    driver: Any, lease: Lease, end: Callable[..., Settlement]
) -> None:
    late = msgspec.structs.replace(end(stale(lease)), pushes=(envelope(bypass_capacity=True),))
    before = driver.find(lease.id)
    assert list(driver.settle([late])) == [late]
    assert driver.find(lease.id) == before
    assert driver.find(late.pushes[0].id) is None
    assert counts(driver) == {"processing": 1}
    assert not driver.settle([completed(lease)])


def test_the_lease_before_is_refused(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    driver.settle([released(lease)])
    again = worker.reserve_one()
    late = completed(lease)
    assert list(driver.settle([late])) == [late]
    assert counts(driver) == {"processing": 1}
    assert not driver.settle([completed(again)])
    assert counts(driver) == {"completed": 1}


def test_an_unknown_job_is_refused(driver: Any, lease: Lease) -> None:
    unknown = completed(msgspec.structs.replace(lease, id=envelope().id))
    assert list(driver.settle([unknown])) == [unknown]


def test_a_job_that_waits_is_not_to_be_settled(driver: Any, lease: Lease) -> None:
    waiting = envelope()
    driver.push([waiting])
    forged = completed(msgspec.structs.replace(lease, id=waiting.id, token=""))
    assert list(driver.settle([forged])) == [forged]
    assert counts(driver) == {"pending": 1, "processing": 1}


@pytest.mark.parametrize("end", ENDS)
def test_a_repeated_settlement_is_accepted_and_counted_once(
    driver: Any, lease: Lease, end: Callable[..., Settlement]
) -> None:
    following = (envelope("next", bypass_capacity=True),)
    settlement = msgspec.structs.replace(end(lease), pushes=following)
    assert not driver.settle([settlement])
    once, job = counts(driver), driver.find(lease.id)
    assert not driver.settle([settlement])
    assert counts(driver) == once
    assert driver.find(lease.id) == job
    assert [lease.id for lease in FakeWorker(driver, "next").reserve()] == [following[0].id]
    assert not driver.settle([settlement])
    assert list(FakeWorker(driver, "next").reserve()) == []


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", [completed, failed, cancelled])
def test_an_attempt_does_not_end_in_two_ways(
    driver: Any, lease: Lease, first: Callable[..., Settlement], second: Callable[..., Settlement]
) -> None:
    if first is second:
        return
    driver.settle([first(lease)])
    once = counts(driver)
    late = second(lease)
    assert list(driver.settle([late])) == [late]
    assert counts(driver) == once


@pytest.mark.parametrize("end", ENDS)
def test_what_follows_is_stored_in_the_same_step(driver: Any, lease: Lease, end: Callable[..., Settlement]) -> None:
    following = (envelope("next", bypass_capacity=True), envelope("next", delay_s=HOUR_S, bypass_capacity=True))
    assert not driver.settle([msgspec.structs.replace(end(lease), pushes=following)])
    (found,) = driver.counts(["next"])
    assert (found.pending, found.delayed) == (1, 1)
    assert driver.find(following[1].id).due_us > driver.find(following[0].id).due_us


def test_a_job_that_follows_is_stored_once(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(2))
    following = (envelope("next", bypass_capacity=True),)
    ends = [completed(lease, pushes=following) for lease in worker.reserve()]
    assert not driver.settle(ends)
    assert driver.counts(["next"])[0].pending == 1


def test_some_refused_the_others_applied(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(5))
    leases = worker.reserve()
    ends = [completed(stale(lease) if n % 2 else lease) for n, lease in enumerate(leases)]
    assert list(driver.settle(ends)) == [ends[1], ends[3]]
    assert counts(driver) == {"completed": 3, "processing": 2}


def test_many_at_once_in_every_way(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(1000))
    leases = worker.reserve(1000)
    ends = [ENDS[n % 5](lease) for n, lease in enumerate(leases)]
    assert not driver.settle(ends)
    assert counts(driver) == dict.fromkeys(("completed", "failed", "retrying", "cancelled", "pending"), 200)


def test_several_queues_in_one_step(driver: Any) -> None:
    driver.push([envelope("a"), envelope("b"), envelope("a")])
    assert not driver.settle([completed(lease) for lease in FakeWorker(driver, "b", "a").reserve()])
    assert [(found.name, found.completed) for found in driver.counts()] == [("a", 2), ("b", 1)]


def test_the_history_stays_where_none_is_given(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    driver.settle([released(lease, history=history(1))])
    driver.settle([released(worker.reserve_one())])
    again = worker.reserve_one()
    assert again.history == history(1)
    driver.settle([completed(again)])
    assert driver.find(lease.id).history == history(1)


def test_results_and_histories_may_be_large(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(2))
    first, second = worker.reserve()
    driver.settle([completed(first, result=b"\x00r" * MEGABYTE), failed(second, history=b"\xffh" * MEGABYTE)])
    assert driver.find(first.id).result == b"\x00r" * MEGABYTE
    assert driver.find(second.id).history == b"\xffh" * MEGABYTE


def test_many_ends_and_reserve_in_one_step(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(300))
    held = [*worker.reserve(100), *worker.reserve(100)]
    lost = stale(held[7])
    ends = [completed(one) for one in held[:50]] + [failed(one) for one in held[50:60]]
    ends += [cancelled(one) for one in held[60:]] + [completed(lost)]
    refused, leases = driver.settle_and_reserve(ends, ["default"], 1000, worker.name, worker.request + 1)
    assert [end.id for end in refused] == [lost.id]
    assert len(leases) == 100
    assert not {lease.id for lease in leases} & {lease.id for lease in held}
    assert counts(driver) == {"processing": 100, "completed": 50, "failed": 10, "cancelled": 140}
    again = driver.settle_and_reserve(ends[:-1], ["default"], 1000, worker.name, worker.request + 1)
    assert again[0] == []
    assert {lease.id for lease in again[1]} == {lease.id for lease in leases}
    assert counts(driver) == {"processing": 100, "completed": 50, "failed": 10, "cancelled": 140}


def test_what_many_ends_set_free_can_be_reserved_in_the_same_step(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(100))
    held = worker.reserve(100)
    ends = [completed(one) for one in held[1:]] + [released(held[0])]
    refused, leases = driver.settle_and_reserve(ends, ["default"], 10, worker.name, worker.request + 1)
    assert not refused
    assert [lease.id for lease in leases] == [held[0].id]


def test_settle_and_reserve_in_one_step(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    following = envelope(bypass_capacity=True)
    refused, leases = driver.settle_and_reserve(
        [completed(lease, pushes=(following,)), completed(stale(lease))], worker.queues, 5, worker.name, 2
    )
    assert [settlement.token for settlement in refused] == [stale(lease).token]
    assert [found.id for found in leases] == [following.id]
    assert counts(driver) == {"completed": 1, "processing": 1}


def test_a_released_job_may_come_back_in_the_same_step(driver: Any, worker: FakeWorker, lease: Lease) -> None:
    refused, leases = driver.settle_and_reserve([released(lease)], worker.queues, 5, worker.name, 2)
    assert not refused
    assert [(found.id, found.attempts) for found in leases] == [(lease.id, 1)]


def test_settle_and_reserve_may_be_repeated(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(5))
    ends = [completed(lease) for lease in worker.reserve(2)]
    once = driver.settle_and_reserve(ends, worker.queues, 2, worker.name, 2)
    again = driver.settle_and_reserve(ends, worker.queues, 2, worker.name, 2)
    assert [list(part) for part in once] == [list(part) for part in again]
    assert counts(driver) == {"completed": 2, "processing": 2, "pending": 1}


def test_threads_that_settle_in_crossed_order(driver: Any, worker: FakeWorker) -> None:
    driver.push(envelopes(300))
    leases = worker.reserve(300)
    groups = [leases[start : start + 30] for start in range(0, 300, 30)]
    following = envelopes(10, "next", bypass_capacity=True)

    def settle(number: int) -> int:
        ends = [completed(lease, pushes=tuple(following)) for lease in groups[number // 2]]
        return len(driver.settle(ends if number % 2 else list(reversed(ends))))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(settle, range(20))) == 0
    assert counts(driver) == {"completed": 300}
    assert driver.counts(["next"])[0].pending == 10
