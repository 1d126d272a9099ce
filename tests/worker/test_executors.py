"""The same promises, whether a worker runs its jobs in its own thread, in several, or on an event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import worker_jobs as jobs

from qcore import JobRecord, JobState, QueueManager, dispatch_many
from qcore.worker import StopReason, Worker, WorkerOptions

Work = Callable[..., StopReason]
KINDS: dict[str, dict[str, int]] = {"inline": {}, "threads": {"threads": 4}, "async": {"async_jobs": 20}}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> dict[str, int]:
    return KINDS[request.param]


def test_every_job_runs_once(real_manager: QueueManager, work: Work, heard: Any, kind: dict[str, int]) -> None:
    dispatch_many(jobs.Say(str(n)) if n % 2 else jobs.AsyncSay(str(n)) for n in range(400))
    work(**kind)
    assert sorted(int(word) for word, *_ in heard) == list(range(400))
    assert real_manager.get_stats("default").completed == 400


def test_errors_results_and_wishes(manager: QueueManager, work: Work, heard: Any, kind: dict[str, int]) -> None:
    failing = jobs.Fails.dispatch("out of paper")
    summing = jobs.add.job(1, 2).on_queue("default").dispatch()
    point = jobs.later.dispatch(jobs.Point(1, 2))
    asking = jobs.Asks.dispatch("fail")
    layered = jobs.Layered.dispatch()
    work(**kind)
    assert JobRecord.find(failing).error == "ValueError: out of paper"
    assert JobRecord.find(failing).attempts == 2
    assert JobRecord.find(summing).result == 3
    assert JobRecord.find(point).result == jobs.Point(2, 1)
    assert JobRecord.find(asking).state is JobState.FAILED
    assert JobRecord.find(layered).result == "kept"


@pytest.mark.parametrize("make", [lambda: jobs.Slow(1.5), jobs.AsyncSlow, jobs.Spins], ids=["sleep", "async", "spin"])
def test_timeouts(manager: QueueManager, work: Work, kind: dict[str, int], make: Callable[[], Any]) -> None:
    job_id = make().dispatch()
    others = dispatch_many(jobs.AsyncSay(str(n)) for n in range(10))
    work(**kind)
    assert "JobTimeout: the attempt took longer than its timeout of 0.1 s" in (JobRecord.find(job_id).error or "")
    assert all(JobRecord.find(other).state is JobState.COMPLETED for other in others)


def test_threads_and_loops_run_jobs_side_by_side(manager: QueueManager, work: Work) -> None:
    for kind, together in ((KINDS["threads"], 4), (KINDS["async"], 20)):
        jobs.BARRIER["all"] = threading.Barrier(together)
        dispatch_many(jobs.Meets("all") for _ in range(together))
        work(**kind)  # each waits for all the others: it ends only if they run at the same time
        jobs.BARRIER.clear()
    assert manager.get_stats("default").failed == 0


def test_a_stop_out_of_patience_gives_the_job_back_uncharged(manager: QueueManager, kind: dict[str, int]) -> None:
    job_id = jobs.Spins(0).dispatch()
    worker = Worker(options=WorkerOptions(**kind))
    thread = threading.Thread(target=_stop_soon, args=(worker, job_id))
    thread.start()
    assert worker.run() is StopReason.SIGNAL
    thread.join()
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.PENDING, 0)


def _stop_soon(worker: Worker, job_id: str) -> None:
    """Do what a second signal does, once the job has begun."""
    while ("spins", job_id) not in jobs.HEARD:
        time.sleep(0.005)
    worker._on_stop()
    worker._on_stop()
