"""What a worker does while something does not answer or must wait: it goes on with everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_jobs as jobs
from fakes.worker import FakeWorker

from qcore import JobRecord, QueueManager, Worker, define_queue, dispatch_many
from qcore.config import load_settings
from qcore.errors import ConnectionFailed
from qcore.states import JobState
from qcore.worker import WorkerOptions
from qcore.worker import outage as outages
from qcore.worker import worker as workers
from qcore.worker.slots import SlotMemory

ENDS_WITHIN_S = 15.0


@pytest.fixture
def two_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueueManager]:
    """A manager with a store that answers, and one that does not, where the queue "far" is."""
    urls = '[connections.default]\nurl = "memory://"\n\n[connections.gone]\nurl = "memory://"\n'
    (tmp_path / "qctl.toml").write_text(urls)
    define_queue("far", connection="gone")
    manager = QueueManager(load_settings({}, environ={}, config_file=tmp_path / "qctl.toml"))
    with manager.using():
        monkeypatch.setattr(manager.connection("gone"), "reserve", _refuse)
        yield manager
    manager.close()


@pytest.fixture
def working() -> Iterator[Callable[[Worker], None]]:
    """Run workers in threads; they are stopped at the end."""
    running: list[tuple[Worker, threading.Thread]] = []

    def start(worker: Worker) -> None:
        thread = threading.Thread(target=worker.run)
        thread.start()
        running.append((worker, thread))

    yield start
    for worker, thread in running:
        worker.stop()
        worker.stop()
        thread.join(ENDS_WITHIN_S)
        assert not thread.is_alive()


def test_a_store_out_of_reach_holds_up_no_other(
    two_stores: QueueManager, working: Callable[[Worker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_S", "_MOST_S"):  # its pause would outlast this test
        monkeypatch.setattr(outages, name, 600.0)
    worker = Worker("far,default", manager=two_stores, options=WorkerOptions(sleep_s=0.1))
    has_failed = threading.Event()
    monkeypatch.setattr(worker, "_trouble", lambda _: has_failed.set())
    monkeypatch.setattr(worker._outage, "_trouble", lambda _: has_failed.set())
    working(worker)
    assert has_failed.wait(ENDS_WITHIN_S)
    for word in ("one", "two", "three"):
        job_id = jobs.Say(word).on_queue("default").dispatch()
        assert JobRecord.find(job_id).wait(timeout=ENDS_WITHIN_S).state is JobState.COMPLETED


def test_a_worker_goes_on_as_soon_as_another_thread_of_it_was_answered(
    manager: QueueManager, working: Callable[[Worker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_S", "_MOST_S"):  # its own pause would outlast this test
        monkeypatch.setattr(outages, name, 600.0)
    store: Any = manager.connection("default")
    reserve, has_failed = store.reserve, threading.Event()
    monkeypatch.setattr(store, "reserve", _refuse)
    worker = Worker(manager=manager)
    monkeypatch.setattr(worker._outage, "_trouble", lambda _: has_failed.set())
    working(worker)
    assert has_failed.wait(ENDS_WITHIN_S)
    monkeypatch.setattr(store, "reserve", reserve)
    job_id = jobs.Say("late").dispatch()
    worker._outage.answered("default")
    assert JobRecord.find(job_id).wait(timeout=workers._SILENT_MOST_S / 2).state is JobState.COMPLETED


def test_a_job_that_runs_alone_learns_that_it_is_cancelled(manager: QueueManager) -> None:
    """Its supervisor tells it through shared memory, and the worker's own thread is inside the job."""
    memory = SlotMemory(1, 1)
    slots = memory.child(0)
    begun = threading.Event()
    jobs.BEGUN = begun
    job_id = jobs.WaitsForCancel(ENDS_WITHIN_S).dispatch()

    def cancel() -> None:
        assert begun.wait(ENDS_WITHIN_S)
        slots.cancel("default", {job_id: False})

    thread = threading.Thread(target=cancel)
    thread.start()
    Worker(options=WorkerOptions(stop_when_empty=True), slots=slots).run()
    thread.join()
    assert jobs.HEARD == [("cancelled", True)]
    memory.close()


def test_a_lease_that_a_look_missed_is_told_by_the_next(manager: QueueManager) -> None:
    """A job on its way from one place to another may be seen in neither; its lease must not lapse for that."""
    memory = SlotMemory(1, 1)
    slots = memory.child(0)
    jobs.BEGUN = begun = threading.Event()
    job_id = jobs.WaitsForCancel(ENDS_WITHIN_S).dispatch()
    told: list[str] = []

    def miss_it() -> None:
        assert begun.wait(ENDS_WITHIN_S)
        slots.hold([])
        over = time.monotonic() + ENDS_WITHIN_S
        while job_id not in told and time.monotonic() < over:
            told.extend(held for one in slots.holdings() for held in one.ids)
        slots.cancel("default", {job_id: False})

    thread = threading.Thread(target=miss_it)
    thread.start()
    Worker(options=WorkerOptions(stop_when_empty=True), slots=slots).run()
    thread.join()
    assert job_id in told
    memory.close()


def test_who_waits_for_an_idle_worker_holds_up_nobody(
    manager: QueueManager, working: Callable[[Worker], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process died under a job: it runs alone from then on, but the others do not wait for that."""
    monkeypatch.setattr(workers, "_PUT_OFF_US", 10_000)
    store: Any = manager.connection("default")
    suspect = jobs.Say("suspect").dispatch()
    dead = FakeWorker(store)
    dead.reserve_one()
    store.forfeit(dead.name, {suspect: "WorkerCrashed: it died"})
    long_one = jobs.Touch(tmp_path, "long", waits=True).on_queue("first").dispatch()
    worker = Worker("first,default", manager=manager, options=WorkerOptions(threads=3, sleep_s=0.05))
    working(worker)
    while not (tmp_path / "long").exists():
        threading.Event().wait(0.005)
    for job_id in dispatch_many(jobs.Say(f"quick {number}") for number in range(20)):
        assert JobRecord.find(job_id).wait(timeout=ENDS_WITHIN_S).state is JobState.COMPLETED
    waiting = JobRecord.find(suspect)
    assert (waiting.state.value in {"pending", "delayed", "retrying", "processing"}, waiting.attempts) == (True, 1)
    (tmp_path / "long.go").touch()
    assert JobRecord.find(suspect).wait(timeout=ENDS_WITHIN_S).attempts == 2
    assert JobRecord.find(long_one).state is JobState.COMPLETED


def test_ends_are_sent_although_the_store_is_away_when_the_worker_leaves(
    manager: QueueManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = manager.connection("default")
    settle, refusals = store.settle, iter([True] * 6)

    def settles(settlements: Any, **more: Any) -> Any:
        if next(refusals, False):
            raise ConnectionFailed("gone for a moment")
        return settle(settlements, **more)

    monkeypatch.setattr(workers.time, "sleep", lambda _: None)
    monkeypatch.setattr(store, "settle", settles)
    job_id = jobs.Say.dispatch("late")
    Worker(options=WorkerOptions(once=True)).run()
    assert JobRecord.find(job_id).state is JobState.COMPLETED


def test_ends_that_could_not_be_sent_are_told(manager: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = manager.connection("default")
    monkeypatch.setattr(store, "settle", _refuse)
    told: list[str] = []
    worker = Worker(options=WorkerOptions(once=True, grace_s=0.0))
    monkeypatch.setattr(workers, "_LEAVES_WITHIN_S", 0.0)
    monkeypatch.setattr(worker, "_trouble", told.append)
    jobs.Say.dispatch("never heard of")
    worker.run()
    assert "1 ends of attempts could not be sent" in told[-1]


def _refuse(*_: Any, **__: Any) -> Any:
    raise ConnectionFailed("gone for good")
