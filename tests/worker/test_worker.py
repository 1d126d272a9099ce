"""What becomes of jobs in a worker's hands."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import worker_jobs as jobs

from qcore import JobRecord, JobState, QueueManager, UnknownJobClass, define_queue, dispatch_many
from qcore.logs import json_line
from qcore.states import Outcome
from qcore.worker import StopReason, Worker, WorkerOptions

Work = Callable[..., StopReason]
Heard = list[tuple[Any, ...]]


class Listener:
    """Remembers what a worker told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Outcome, str | None, float]] = []
        self.troubles: list[str] = []
        self.reason: StopReason | None = None
        self.jobs = 0
        self.has_started = threading.Event()

    def started(self, worker_id: str, queues: Any) -> None:
        self.has_started.set()

    def running(self, job_id: str, job: str, queue: str, attempt: int) -> None:
        pass

    def ended(
        self,
        job_id: str,
        job: str,
        queue: str,
        attempt: int,
        outcome: Outcome,
        runtime_s: float,
        error: str | None,
        delay_s: float,
    ) -> None:
        self.ends.append((job, outcome, error, delay_s))

    def trouble(self, text: str) -> None:
        self.troubles.append(text)

    def stopped(self, reason: StopReason, count: int) -> None:
        self.reason, self.jobs = reason, count


def test_what_an_attempt_was_made_of_is_freed_as_it_ends(manager: QueueManager, work: Work, heard: Heard) -> None:
    """A circle would wait for the garbage collector, which then costs more than small jobs do."""
    jobs.Leave.dispatch()
    gc.disable()
    try:
        work(stop_when_empty=True)
        ((_, left),) = heard
        assert left() is None
    finally:
        gc.enable()


def test_a_dispatched_job_runs_and_its_result_is_kept(real_manager: QueueManager, work: Work, heard: Heard) -> None:
    job_id = jobs.Say.dispatch("hello")
    assert JobRecord.find(job_id).state is JobState.PENDING
    assert work() is StopReason.EMPTY
    assert heard == [("hello", job_id, 1)]
    record = JobRecord.find(job_id)
    assert record.state is JobState.COMPLETED
    assert record.result == "HELLO"
    assert record.runtime is not None
    assert record.error is None
    assert record.created_at <= record.reserved_at <= record.finished_at  # type: ignore[operator]


def test_many_jobs_run_in_order(real_manager: QueueManager, work: Work, heard: Heard) -> None:
    ids = dispatch_many(jobs.Say(str(number)) for number in range(1500))
    assert len(set(ids)) == 1500
    work()
    assert [word for word, *_ in heard] == [str(number) for number in range(1500)]
    stats = real_manager.get_stats("default")
    assert (stats.completed, stats.pending, stats.failed) == (1500, 0, 0)


def test_a_job_that_fails_is_tried_again_and_then_kept_with_its_errors(
    real_manager: QueueManager, work: Work, heard: Heard
) -> None:
    job_id = jobs.Fails.dispatch("out of paper")
    work()
    assert heard == [("fails", 1), ("fails", 2), ("failed", "ValueError", "out of paper")]
    record = JobRecord.find(job_id)
    assert record.state is JobState.FAILED
    assert record.attempts == 2
    assert record.error == "ValueError: out of paper"
    assert "raise ValueError(self.text)" in (record.traceback or "")


def test_a_failed_job_is_retried_with_all_its_tries(real_manager: QueueManager, work: Work, heard: Heard) -> None:
    job_id = jobs.Fails.dispatch()
    work()
    heard.clear()
    assert real_manager.retry([job_id]) == 1
    assert JobRecord.find(job_id).state in {JobState.PENDING, JobState.RETRYING}
    work()
    assert [one for one in heard if one[0] == "fails"] == [("fails", 1), ("fails", 2)]


@pytest.mark.parametrize(
    ("wish", "attempts", "state"),
    [
        ("release", [1, 2, 3], JobState.FAILED),
        ("snooze", [1, 1, 1, 1, 1, 1], JobState.COMPLETED),
        ("fail", [1], JobState.FAILED),
        ("delete", [1], JobState.COMPLETED),
    ],
)
def test_what_a_job_asks_for_itself(
    manager: QueueManager, work: Work, heard: Heard, wish: str, attempts: list[int], state: JobState
) -> None:
    job_id = jobs.Asks.dispatch(wish)
    work()
    assert [attempt for said, attempt in heard if said == wish] == attempts
    assert JobRecord.find(job_id).state is state


def test_a_released_job_without_tries_left_says_why(manager: QueueManager, work: Work) -> None:
    job_id = jobs.Asks.dispatch("release")
    work()
    assert JobRecord.find(job_id).error == "qcore.errors.MaxAttemptsExceeded: all 3 tries are used up"


@pytest.mark.parametrize("job", [jobs.Slow(30), jobs.AsyncSlow()], ids=["sync", "async"])
def test_an_attempt_past_its_timeout_fails(manager: QueueManager, work: Work, job: Any) -> None:
    job_id = job.dispatch()
    began = time.monotonic()
    work()
    assert time.monotonic() - began < 5
    assert "JobTimeout: the attempt took longer than its timeout of 0.1 s" in (JobRecord.find(job_id).error or "")
    jobs.AsyncSay.dispatch("after")
    work()
    assert jobs.HEARD[-1] == ("after",)


def test_async_jobs_and_function_jobs(manager: QueueManager, work: Work, heard: Heard) -> None:
    jobs.AsyncSay.dispatch("async")
    sum_id = jobs.add.dispatch(2, second=3)
    point_id = jobs.later.dispatch(jobs.Point(1, 2))
    assert jobs.add(1, 1) == 2
    heard.clear()
    work("sums,default")
    assert heard == [("add", 2, 3), ("async",)]
    assert JobRecord.find(sum_id).result == 5
    assert JobRecord.find(point_id).result == jobs.Point(2, 1)


def test_middleware_wraps_the_job(manager: QueueManager, work: Work, heard: Heard) -> None:
    job_id = jobs.Layered.dispatch()
    work()
    assert heard == [("before",), ("inside",), ("after",)]
    assert JobRecord.find(job_id).result == "kept"


def test_progress_is_seen(manager: QueueManager, work: Work) -> None:
    job_id = jobs.Progresses.dispatch()
    work()
    assert JobRecord.find(job_id).state is JobState.COMPLETED


def test_a_result_that_cannot_be_kept_fails_the_job_and_says_so(manager: QueueManager, work: Work) -> None:
    job_id = jobs.Unkeepable.dispatch()
    work()
    record = JobRecord.find(job_id)
    assert record.state is JobState.FAILED
    assert "the result of worker_jobs:Unkeepable" in (record.error or "")


def test_a_failing_failed_hook_harms_nothing(manager: QueueManager, work: Work, caplog: Any) -> None:
    job_id = jobs.FailedRaises.dispatch("first")
    jobs.Say.dispatch("second")
    work()
    assert JobRecord.find(job_id).error == "ValueError: first"
    (record,) = (one for one in caplog.records if "failed() raised" in one.message)
    line = json.loads(json_line(record) or "")
    which = {"job_id": job_id, "job": "worker_jobs:FailedRaises", "queue": "default", "attempt": 1, "level": "error"}
    assert which.items() <= line.items()
    assert (line["event"], line["logger"]) == ("failed() raised", "qcore.worker")
    assert line["duration_s"] > 0
    assert "Traceback" in line["exception"]
    assert jobs.HEARD[-1][0] == "second"


def test_delay_and_priority(manager: QueueManager, work: Work, heard: Heard) -> None:
    jobs.Say("low").with_priority(-1).dispatch()
    jobs.Say("normal").dispatch()
    jobs.Say("high").with_priority(10).dispatch()
    late = jobs.Say("late").delay_until(timedelta(hours=1)).dispatch()
    work()
    assert [word for word, *_ in heard] == ["high", "normal", "low"]
    assert JobRecord.find(late).state is JobState.PENDING


def test_queues_are_served_in_order(manager: QueueManager, work: Work, heard: Heard) -> None:
    jobs.Say("second").on_queue("b").dispatch()
    jobs.Say("first").on_queue("a").dispatch()
    jobs.Say("never").on_queue("c").dispatch()
    work("a, b")
    assert [word for word, *_ in heard] == ["first", "second"]


def test_a_fair_worker_shares_itself_by_weight(manager: QueueManager, work: Work, heard: Heard) -> None:
    define_queue("heavy", priority_weight=9)
    for queue in ("light", "heavy"):
        dispatch_many(jobs.Say(queue).on_queue(queue) for _ in range(300))
    for _ in range(100):  # one job each time, so that each draw is seen
        work("light,heavy", fair=True, once=True)
    words = [word for word, *_ in heard]
    assert words.count("heavy") > 10
    assert words.count("light") < words.count("heavy")
    assert words.count("light") > 0


def test_a_paused_queue_rests(manager: QueueManager, work: Work, heard: Heard) -> None:
    jobs.Say("one").dispatch()
    QueueManager.pause("default")
    work()
    assert heard == []
    QueueManager.resume("default")
    work()
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("options", "reason", "count"),
    [
        ({"once": True}, StopReason.ONCE, 1),
        ({"max_jobs": 3}, StopReason.MAX_JOBS, 3),
        ({"memory_mb": 1}, StopReason.MEMORY, 1),
        ({"max_time_s": 1e-9}, StopReason.MAX_TIME, 0),
    ],
)
def test_limits_of_a_worker(
    manager: QueueManager, work: Work, heard: Heard, options: dict[str, Any], reason: StopReason, count: int
) -> None:
    dispatch_many(jobs.Noop() for _ in range(10))
    assert work(**options) is reason
    assert len(heard) == count
    assert manager.size("default") == 10 - count


def test_an_unknown_class_fails_once_with_the_reason(manager: QueueManager, work: Work, monkeypatch: Any) -> None:
    job_id = jobs.Say.dispatch("x")
    monkeypatch.delattr(jobs, "Say")
    listener = Listener()
    work(observer=listener)
    assert [outcome for _, outcome, *_ in listener.ends] == [Outcome.FAILED]
    assert UnknownJobClass.__name__ in (JobRecord.find(job_id).error or "")


def test_the_observer_hears_each_attempt(manager: QueueManager, work: Work) -> None:
    jobs.Say.dispatch("x")
    jobs.Fails.dispatch("y")
    listener = Listener()
    work(observer=listener)
    assert listener.ends[0] == ("worker_jobs:Say", Outcome.COMPLETED, None, 0.0)
    assert [(outcome, error) for _, outcome, error, _ in listener.ends[1:]] == [
        (Outcome.RELEASED, "ValueError: y"),
        (Outcome.FAILED, "ValueError: y"),
    ]
    assert (listener.reason, listener.jobs) == (StopReason.EMPTY, 3)


def test_an_idle_worker_is_woken_by_a_dispatch_and_stopped_from_outside(
    real_manager: QueueManager, heard: Heard
) -> None:
    listener = Listener()
    worker = Worker(options=WorkerOptions(sleep_s=30), observer=listener)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert listener.has_started.wait(10)
    job_id = jobs.Say.dispatch("wake up")
    assert JobRecord.find(job_id).wait(timeout=10).state is JobState.COMPLETED
    worker.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert listener.reason is StopReason.SIGNAL


def test_dispatch_now_runs_here(manager: QueueManager, heard: Heard) -> None:
    assert jobs.Say.dispatch_now("now") == "NOW"
    assert jobs.add.dispatch_now(1, 2) == 3
    with pytest.raises(ValueError, match="no luck"):
        jobs.Fails.dispatch_now()
    assert heard[-1] == ("failed", "ValueError", "no luck")
    assert manager.size("default") == 0
