"""Start: one conditional write before a job runs that needs something of the store first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.leases import let_pass
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, cancelled, completed, envelope, envelopes, failed, handed_back, released, us
from fakes.worker import FakeWorker

from qcore.drivers.base import ASK_AGAIN_US
from qcore.envelope import Exclusive, Lease, Start, Started, StartVerdict, Unique
from qcore.settlement import Settlement
from qcore.states import LockKind

STARTED, LOST = Started(StartVerdict.STARTED), Started(StartVerdict.LOST)
LATER = Started(StartVerdict.LATER, ASK_AGAIN_US)
ENDS = [completed, failed, released, cancelled, handed_back]


def start_of(lease: Lease, key: str | None = None, *, expire_s: float = 0) -> Start:
    """What a worker asks for before it runs the job, of the key `key` alone."""
    exclusive = None if key is None else Exclusive(key, us(expire_s))
    return Start(id=lease.id, token=lease.token, lock=lease.lock, exclusive=exclusive)


def started(driver: Any, *starts: Start) -> list[Started]:
    return list(driver.start(starts))


def until_start(key: str = "k") -> Any:
    return envelope(unique=Unique(key=key, until_start=True))


def keys(driver: Any) -> dict[str, str]:
    """Who holds which key."""
    return {lock.key: lock.owner for lock in driver.locks().locks}


@pytest.fixture
def worker(driver: Any) -> FakeWorker:
    return FakeWorker(driver)


@pytest.fixture
def leases(driver: Any, worker: FakeWorker) -> list[Lease]:
    """Two jobs in the worker's hands."""
    driver.push(envelopes(2))
    return list(worker.reserve(2))


def test_nothing_is_asked(driver: Any) -> None:
    assert started(driver) == []


def test_a_lock_until_the_start_is_free_then(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := until_start()])
    lease = worker.reserve_one()
    assert keys(driver) == {"k": job.id}
    assert list(driver.push([until_start()])) == [None]
    assert started(driver, start_of(lease)) == [STARTED]
    assert keys(driver) == {}
    assert list(driver.push([next_job := until_start()])) == [next_job.id]
    assert started(driver, start_of(lease)) == [STARTED]  # sent again: the lock is another's by now
    driver.settle([completed(lease)])
    assert keys(driver) == {"k": next_job.id}


def test_a_job_that_never_starts_frees_it_at_its_end(driver: Any, worker: FakeWorker) -> None:
    """As one whose payload cannot be read does."""
    driver.push([until_start()])
    driver.settle([failed(worker.reserve_one())])
    assert keys(driver) == {}


def test_a_start_frees_no_lock_that_lasts_longer(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := envelope(unique=Unique(key="k"))])
    assert started(driver, start_of(worker.reserve_one())) == [STARTED]
    assert keys(driver) == {"k": job.id}


def test_a_lost_lease_starts_nothing_and_changes_nothing(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := until_start()])
    lease = worker.reserve_one()
    stale = msgspec.structs.replace(lease, token="0" * len(lease.token))
    unknown = msgspec.structs.replace(lease, id=envelope().id)
    assert started(driver, start_of(stale, "x"), start_of(unknown, "x")) == [LOST, LOST]
    assert keys(driver) == {"k": job.id}
    driver.settle([handed_back(lease)])
    assert started(driver, start_of(lease, "x")) == [LOST]
    assert keys(driver) == {"k": job.id}


def test_stale_and_right_in_one_call(driver: Any, leases: list[Lease]) -> None:
    stale = msgspec.structs.replace(leases[0], token="0" * len(leases[0].token))
    assert started(driver, start_of(stale, "x"), start_of(leases[0], "y")) == [LOST, STARTED]
    assert keys(driver) == {"y": leases[0].id}


def test_one_of_a_key_runs_at_a_time(driver: Any, leases: list[Lease]) -> None:
    first, second = leases
    assert started(driver, start_of(first, "x"), start_of(second, "x")) == [STARTED, LATER]
    assert started(driver, start_of(first, "x")) == [STARTED]
    assert started(driver, start_of(second, "x")) == [LATER]
    assert started(driver, start_of(second, "y")) == [STARTED]
    assert keys(driver) == {"x": first.id, "y": second.id}
    assert {lock.kind for lock in driver.locks().locks} == {LockKind.EXCLUSIVE}


@pytest.mark.parametrize("end", ENDS)
def test_any_end_of_the_attempt_frees_the_key(driver: Any, leases: list[Lease], end: Callable[..., Settlement]) -> None:
    first, second = leases
    assert started(driver, start_of(first, "x")) == [STARTED]
    once = msgspec.structs.replace(end(first), exclusive="x")
    assert not driver.settle([once])
    assert keys(driver) == {}
    assert started(driver, start_of(second, "x")) == [STARTED]
    assert not driver.settle([once])  # sent again: the key is another's by now
    assert keys(driver) == {"x": second.id}


def test_an_end_that_was_refused_frees_no_key(driver: Any, leases: list[Lease]) -> None:
    first, _ = leases
    started(driver, start_of(first, "x"))
    stale = msgspec.structs.replace(first, token="0" * len(first.token))
    late = msgspec.structs.replace(completed(stale), exclusive="x")
    assert list(driver.settle([late])) == [late]
    assert keys(driver) == {"x": first.id}


def test_a_released_job_keeps_its_unique_lock_and_frees_its_key(driver: Any, worker: FakeWorker) -> None:
    driver.push([job := envelope(unique=Unique(key="k"))])
    lease = worker.reserve_one()
    started(driver, start_of(lease, "x"))
    assert keys(driver) == {"k": job.id, "x": job.id}
    driver.settle([msgspec.structs.replace(released(lease, delay_s=HOUR_S), exclusive="x")])
    assert keys(driver) == {"k": job.id}


def test_a_key_ends_with_its_lease(store: StoreUnderTest) -> None:
    driver = store.open(lease_s=0.05)
    worker = FakeWorker(driver)
    driver.push([job := envelope()])
    assert started(driver, start_of(worker.reserve_one(), "x")) == [STARTED]
    let_pass(driver, 0.1)
    assert keys(driver) == {"x": job.id}  # nobody took the lease: its job may run yet
    assert list(driver.reclaim()) == [job.id]
    assert keys(driver) == {}
    assert started(driver, start_of(worker.reserve_one(), "x")) == [STARTED]
    assert driver.forfeit(worker.name, {}) == 1
    assert keys(driver) == {}


def test_a_key_is_free_after_its_time(driver: Any, leases: list[Lease]) -> None:
    first, second = leases
    assert started(driver, start_of(first, "x", expire_s=0.2)) == [STARTED]
    (later,) = started(driver, start_of(second, "x"))
    assert later.verdict is StartVerdict.LATER
    assert 0 < later.delay_us <= ASK_AGAIN_US
    let_pass(driver, 0.25)
    assert keys(driver) == {}
    assert started(driver, start_of(second, "x")) == [STARTED]
    driver.settle([msgspec.structs.replace(completed(first), exclusive="x")])
    assert keys(driver) == {"x": second.id}


def test_an_operator_may_free_a_key(driver: Any, leases: list[Lease]) -> None:
    first, second = leases
    started(driver, start_of(first, "x"))
    assert driver.release_lock("x")
    assert started(driver, start_of(second, "x")) == [STARTED]


def test_threads_that_start_one_key(driver: Any, worker: FakeWorker) -> None:
    """Never two at a time: who starts ends again, and starts are counted while it runs."""
    driver.push(envelopes(40))
    leases = worker.reserve(40)
    running: list[str] = []

    def run(lease: Lease) -> int:
        (answer,) = started(driver, start_of(lease, "x"))
        if answer.verdict is not StartVerdict.STARTED:
            driver.settle([handed_back(lease)])
            return 0
        running.append(lease.id)
        assert running == [lease.id]
        running.remove(lease.id)
        assert not driver.settle([msgspec.structs.replace(completed(lease), exclusive="x")])
        return 1

    with ThreadPoolExecutor(4) as threads:
        ran = sum(threads.map(run, leases))
    assert keys(driver) == {}
    counts = driver.counts(["default"])[0]
    assert (counts.completed, counts.pending) == (ran, 40 - ran)
    assert ran
