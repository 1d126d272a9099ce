"""`WithoutOverlapping`: of the jobs of a key one runs at a time, and the others lose no try."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import lock_jobs as jobs
import pytest
from fakes.flaky import FlakyDriver
from trees import until

from qcore import ConfigurationError, Job, JobRecord, JobState, QueueManager, dispatch_many
from qcore.jobs.keys import LONGEST_KEY
from qcore.middleware import WithoutOverlapping
from qcore.states import Outcome
from qcore.worker import StopReason, Worker, WorkerOptions

Work = Callable[..., StopReason]
Heard = list[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    jobs.FREE.clear()
    jobs.RUNNING.clear()
    yield
    jobs.FREE.set()


def work_until_done(work: Work, number: int, heard: Heard, **options: Any) -> None:
    """Jobs that were kept back wait for a moment; a worker that found nothing has stopped by then."""
    until(lambda: work(**options) is not None and len(heard) >= number)


@pytest.mark.parametrize("kind", [jobs.Alone, jobs.AsyncAlone])
@pytest.mark.parametrize("options", [{"threads": 4}, {"async_jobs": 8}], ids=["threads", "async"])
def test_one_at_a_time(
    real_manager: QueueManager, work: Work, heard: Heard, kind: type[jobs.Alone], options: dict[str, int]
) -> None:
    dispatch_many([kind() for _ in range(6)])
    work_until_done(work, 6, heard, **options)
    assert heard == [(1, 1)] * 6  # alone, and at its first try
    assert jobs.held() == []
    assert real_manager.get_stats("default").completed == 6


def test_other_keys_run_beside(manager: QueueManager, work: Work, heard: Heard) -> None:
    dispatch_many([jobs.Alone(f"printer {number}") for number in range(4)])
    work()
    assert len(heard) == 4


def test_a_job_that_fails_frees_its_key(manager: QueueManager, work: Work) -> None:
    jobs.Alone.dispatch(end="badly")
    work()
    assert manager.get_stats("default").failed == 1
    assert jobs.held() == []


def test_who_is_kept_back_waits_and_loses_no_try(real_manager: QueueManager, heard: Heard) -> None:
    holder = jobs.Stubborn.dispatch()
    workers = [Worker(options=WorkerOptions(stop_when_empty=False)) for _ in range(2)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    threads[0].start()
    until(lambda: len(heard) == 1)
    assert heard == [("holds", ["~stubborn"])]
    heir = jobs.Heir.dispatch()
    threads[1].start()
    until(lambda: (JobRecord.find(heir).due_at - JobRecord.find(heir).created_at).total_seconds() > 0)
    assert JobRecord.find(heir).attempts == 0
    jobs.FREE.set()
    until(lambda: len(heard) == 2)
    assert heard[1] == ("inherits", True)
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join(10)
    assert [JobRecord.find(job_id).state for job_id in (holder, heir)] == [JobState.COMPLETED] * 2
    assert jobs.held() == []


def test_a_start_whose_reply_is_lost_is_asked_again(
    manager: QueueManager, work: Work, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = FlakyDriver(manager.connection())
    monkeypatch.setitem(manager._stores, manager.settings.default, flaky)
    jobs.Alone.dispatch()
    flaky.cut("start")
    work()
    assert heard == [(1, 1)]
    assert jobs.held() == []


def test_a_store_that_does_not_answer_sends_the_job_back(
    manager: QueueManager, work: Work, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = FlakyDriver(manager.connection())
    monkeypatch.setitem(manager._stores, manager.settings.default, flaky)
    job_id = jobs.Alone.dispatch()
    flaky.cut("start", times=3)
    work()
    assert heard == []
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.PENDING, 0)
    assert jobs.held() == []  # although the store had given it


def test_a_lost_lease_runs_nothing(manager: QueueManager, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker has the job by now: this one's end is refused, and told as lost."""
    from qcore.worker.lane import Lane
    from qcore.worker.place import Nowhere
    from qcore.worker.runner import Runner

    class NoDeadline:
        def begin(self, limit_s: float) -> None:
            raise AssertionError("the job began")

        def end(self) -> None:
            pass

    job_id = jobs.Alone.dispatch()
    store = manager.connection()
    lane = Lane(store, manager.settings.connection(), ["default"], "worker")
    (lease,) = store.reserve(["default"], 1, "worker", 1)
    store.forfeit("worker", {})
    settlement = Runner(manager, lane, WorkerOptions()).run(lease, NoDeadline(), Nowhere())
    assert (settlement.id, settlement.outcome, settlement.exclusive) == (job_id, Outcome.RELEASED, None)
    assert list(store.settle([settlement])) == [settlement]
    assert heard == []


def test_without_a_worker_it_is_told(tmp_path: Any) -> None:
    from qcore.config import load_settings

    manager = QueueManager(load_settings({"url": "sync://"}, environ={}))
    with manager.using():
        jobs.Alone.dispatch()
        assert jobs.held() == []
        held = jobs.Alone().middleware[0].overlap("lock_jobs:Alone")
        manager.connection().take_lock(held.key, "another", 60_000_000)
        with pytest.raises(Exception, match="must not overlap"):
            jobs.Alone.dispatch()
    manager.close()


def test_two_of_them_on_one_job_are_refused(manager: QueueManager) -> None:
    job: Job = jobs.Alone()
    job.middleware = [WithoutOverlapping("a"), WithoutOverlapping("b")]
    with pytest.raises(ConfigurationError, match="2 middleware"):
        job.dispatch()


def test_keys_are_bounded_and_of_their_class() -> None:
    assert WithoutOverlapping("a").overlap("app:One") != WithoutOverlapping("a").overlap("app:Two")
    assert WithoutOverlapping("a", shared=True).overlap("app:One") == WithoutOverlapping("a", shared=True).overlap(
        "b:B"
    )
    assert len(WithoutOverlapping("x" * 500).overlap("app:One").key) <= LONGEST_KEY
    with pytest.raises(ConfigurationError):
        WithoutOverlapping("a", release_after=-1).overlap("app:One")
