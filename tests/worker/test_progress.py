"""How far a job has come is written seldom, from another thread, and the last word of it before the job's end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import worker_jobs as jobs

from qcore import ConfigurationError, Job, JobRecord, JobState, QueueManager, Worker
from qcore.config import ConnectionSettings
from qcore.envelope import Lease
from qcore.errors import ConnectionFailed, QueueError
from qcore.settlement import Settlement
from qcore.states import Outcome
from qcore.worker import StopReason, WorkerOptions
from qcore.worker import progress as progresses
from qcore.worker.lane import Lane

Work = Callable[..., StopReason]


class Store:
    """Notes what it is told, in order; or does not answer."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.is_down = False
        self.refuses = False

    def progress(self, job_id: str, percent: int, note: str | None) -> None:
        if self.is_down:
            raise ConnectionFailed("gone")
        self.told.append((job_id, percent, note))
        if self.refuses:
            raise QueueError("not that")

    def settle(self, settlements: Any) -> Any:
        if self.is_down:
            raise ConnectionFailed("gone")
        self.told += [one.id for one in settlements]
        return []


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    at = [100.0]
    monkeypatch.setattr(progresses.time, "monotonic", lambda: at[0])
    return at


@pytest.fixture
def lane(make_settings: Callable[..., ConnectionSettings], store: Any) -> Lane:
    lane = Lane(store, make_settings(lease_s=15.0), ["q"], "w")
    lane.begin(Lease(id="a", job="m:J", queue="q", payload=b"", token="w/1"))
    return lane


def end(job_id: str) -> Settlement:
    return Settlement(id=job_id, queue="q", job="m:J", token="w/1", outcome=Outcome.COMPLETED)


def test_the_newest_is_written_five_times_a_second(lane: Lane, store: Store, now: list[float]) -> None:
    for step in range(1000):  # one second
        lane.report("a", step // 10, None)
        lane.attend()
        now[0] += 0.001
    assert len(store.told) == 5
    assert [percent for _, percent, _ in store.told] == [0, 20, 40, 60, 80]


def test_the_last_one_is_written_before_the_end(lane: Lane, store: Store, now: list[float]) -> None:
    lane.report("a", 1, None)
    lane.attend()
    lane.report("a", 99, "nearly")
    lane.attend()  # too early for another
    lane.add(end("a"), now[0])
    lane.send()
    assert store.told == [("a", 1, None), ("a", 99, "nearly"), "a"]


def test_what_a_store_out_of_reach_missed_it_hears_before_the_end(lane: Lane, store: Store, now: list[float]) -> None:
    store.is_down = True
    lane.report("a", 50, "half")
    with pytest.raises(ConnectionFailed):
        lane.attend()
    lane.add(end("a"), now[0])
    with pytest.raises(ConnectionFailed):
        lane.send()
    store.is_down = False
    lane.send()
    assert store.told == [("a", 50, "half"), "a"]


def test_what_the_store_refuses_is_dropped_and_the_end_is_settled(lane: Lane, store: Store, now: list[float]) -> None:
    store.refuses = True
    lane.report("a", 50, "half")
    lane.add(end("a"), now[0])
    lane.send()
    assert store.told == [("a", 50, "half"), "a"]


def test_many_reports_hold_up_no_ends(lane: Lane, store: Store, now: list[float]) -> None:
    write = store.progress

    def slowly(*report: Any) -> None:
        write(*report)
        now[0] += 0.003

    store.progress = slowly  # type: ignore[method-assign]
    for number in range(10):
        lane.report(f"job {number}", number, None)
    for looks in range(1, 6):
        lane.attend()
        assert len(store.told) == 2 * looks, "what takes 3 ms is done twice before ends are looked at again"
    assert [percent for _, percent, _ in store.told] == list(range(10)), "and each has its turn"


def test_jobs_that_ended_are_forgotten(lane: Lane, now: list[float]) -> None:
    lane.report("a", 50, None)
    lane.attend()
    lane.end(lane.running["a"])
    lane.add(end("a"), now[0])
    lane.send()
    lane.report("a", 60, None)  # from a thread that the job left behind
    now[0] += 1.0
    lane.attend()
    lane.attend()
    assert not lane._progress


class Counts(Job):
    """Reports every step, and waits in the middle until it was seen."""

    seen = threading.Event()

    def handle(self) -> None:
        for percent in range(41):
            self.update_progress(percent, f"step {percent}")
        jobs.BEGUN.set()
        assert self.seen.wait(20)
        for percent in range(41, 101):
            self.update_progress(percent, f"step {percent}\0")


def test_progress_is_seen_while_the_job_runs_and_after_it(real_manager: QueueManager) -> None:
    Counts.seen.clear()
    jobs.BEGUN = threading.Event()
    job_id = Counts.dispatch()
    worker = threading.Thread(target=Worker(options=WorkerOptions(stop_when_empty=True)).run)
    worker.start()
    assert jobs.BEGUN.wait(20)
    while (record := JobRecord.find(job_id)).progress != 40:
        assert record.state is JobState.PROCESSING
        threading.Event().wait(0.01)
    Counts.seen.set()
    worker.join()
    record = JobRecord.find(job_id)
    assert (record.state, record.progress) == (JobState.COMPLETED, 100)
    assert record.progress_note == "step 100\\x00"


class Reports(Job):
    def __init__(self, percent: float) -> None:
        self.percent = percent

    def handle(self) -> None:
        self.update_progress(self.percent)


@pytest.mark.parametrize(("given", "kept"), [(-1e300, 0), (float("inf"), 100), (49.5, 50), (33.4, 33)])
def test_any_number_is_brought_inside(manager: QueueManager, work: Work, given: float, kept: int) -> None:
    job_id = Reports.dispatch(given)
    work()
    assert JobRecord.find(job_id).progress == kept


def test_nan_is_no_percentage() -> None:
    with pytest.raises(ConfigurationError, match="nan is no percentage"):
        Reports.dispatch_now(float("nan"))


@pytest.mark.parametrize("wrong", ["abc", None, 1j, [50]])
def test_what_is_no_number_is_no_percentage(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"update_progress: .* is no percentage"):
        Reports.dispatch_now(wrong)


def test_a_store_out_of_reach_is_no_matter_of_the_job(
    manager: QueueManager, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = manager.connection()
    write, refusals = store.progress, iter([True] * 3)

    def progress(*report: Any) -> None:
        if next(refusals, False):
            raise ConnectionFailed("gone for a moment")
        write(*report)

    monkeypatch.setattr(store, "progress", progress)
    job_id = Reports.dispatch(70)
    work()
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts, record.progress) == (JobState.COMPLETED, 1, 70)
