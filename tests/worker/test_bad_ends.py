"""A bad job harms only itself: whatever it raises, returns or asks for, it ends, and those behind it run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import worker_jobs as jobs

from qcore import JobRecord, JobState, QueueManager, dispatch_many
from qcore.config import load_settings
from qcore.errors import PayloadError
from qcore.settlement import Settlement
from qcore.worker import StopReason, Worker, WorkerOptions
from qcore.worker.runner import Runner

Work = Callable[..., StopReason]


@pytest.mark.parametrize(
    "text", ["a\0b", "x\udcff", "\x1b[31m", "\u2603" * 10], ids=["nul", "surrogate", "escape", "snowmen"]
)
def test_errors_that_no_column_holds(real_manager: QueueManager, work: Work, heard: Any, text: str) -> None:
    job_id = jobs.Odd.dispatch(ascii(text))
    jobs.Say.dispatch("behind it")
    work()
    record = JobRecord.find(job_id)
    assert record.state is JobState.FAILED
    assert (record.error or "").startswith("ValueError: ")
    assert heard[-1][0] == "behind it"


@pytest.mark.parametrize("is_broken", [False, True])
def test_an_error_that_cannot_be_described(
    manager: QueueManager, work: Work, heard: Any, monkeypatch: pytest.MonkeyPatch, is_broken: bool
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("no words")

    if is_broken:
        monkeypatch.setattr(Runner, "_failure", breaks)
    job_id = jobs.Indescribable.dispatch()
    jobs.Say.dispatch("behind it")
    work()
    assert JobRecord.find(job_id).state is JobState.FAILED
    assert heard[-1][0] == "behind it"


def test_an_end_that_the_store_refuses_fails_alone(
    manager: QueueManager, work: Work, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = manager.connection()
    settle, both = store.settle, store.settle_and_reserve

    def picky(settlements: Any, **more: Any) -> Any:
        if any(one.result for one in settlements):
            raise PayloadError("no room for results")
        return settle(settlements, **more)

    def picky_both(settlements: list[Settlement], *more: Any) -> Any:
        if any(one.result for one in settlements):
            raise PayloadError("no room for results")
        return both(settlements, *more)

    monkeypatch.setattr(store, "settle", picky)
    monkeypatch.setattr(store, "settle_and_reserve", picky_both)
    bad = jobs.Say.dispatch("has a result")
    dispatch_many(jobs.Noop() for _ in range(5))
    work()
    assert JobRecord.find(bad).error == (
        "qcore.errors.PayloadError: the end of this attempt cannot be stored: no room for results"
    )
    assert manager.get_stats("default").completed == 5


def test_a_retry_after_a_cancelled_attempt_runs(manager: QueueManager, work: Work) -> None:
    job_id = jobs.CancelsItself.dispatch()
    worker = Worker(options=WorkerOptions(max_jobs=2), manager=manager)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert JobRecord.find(job_id).wait(timeout=10).state is JobState.FAILED
    manager.retry([job_id])
    thread.join(timeout=10)
    assert JobRecord.find(job_id).state is JobState.COMPLETED


def test_what_a_job_dispatches_goes_to_its_workers_manager(manager: QueueManager) -> None:
    other = QueueManager(load_settings({"url": "memory://"}, environ={}))
    for options in (
        WorkerOptions(once=True),
        WorkerOptions(once=True, threads=2),
        WorkerOptions(once=True, async_jobs=2),
    ):
        with other.using():
            jobs.DispatchesMore.dispatch()
        Worker("default", manager=other, options=options).run()
    assert other.size("more") == 3
    assert manager.size("more") == 0


def test_a_worker_of_two_idle_connections_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"one": {"driver": "memory"}, "two": {"driver": "memory"}}
    manager = QueueManager(load_settings({}, app_config={"QUEUE_CONFIG": {"default": both["one"], **both}}, environ={}))
    from qcore import define_queue

    define_queue("a", connection="one")
    define_queue("b", connection="two")
    waits = []
    store = manager.connection("one")
    wait = store.wait
    monkeypatch.setattr(store, "wait", lambda *args: (waits.append(time.monotonic()), wait(*args))[1])
    worker = Worker("a,b", manager=manager, options=WorkerOptions(max_time_s=1.0, sleep_s=0.2))
    worker.run()
    assert 1 <= len(waits) <= 10
