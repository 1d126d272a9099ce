"""The same promises, whether a worker runs its jobs in its own thread, in several, or on an event loop."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import executor_jobs as held
import limit_jobs as limited
import pytest
import worker_jobs as jobs
from trees import until

from qcore import JobRecord, JobState, QueueManager, dispatch_many
from qcore.worker import StopReason, Worker, WorkerOptions
from qcore.worker.lane import Lane
from qcore.worker.slots import ChildSlots, SlotMemory
from qcore.worker.starting import Starter

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


@pytest.mark.parametrize("options", [KINDS["threads"], KINDS["async"]], ids=["threads", "async"])
def test_what_comes_back_while_nothing_is_found_is_found(
    manager: QueueManager, work: Work, released: None, monkeypatch: pytest.MonkeyPatch, options: dict[str, int]
) -> None:
    exchange, looks = Lane.exchange, count()

    def then_it_ends(self: Lane, want: int, queues: Any) -> bool:
        asked = exchange(self, want, queues)
        if self.running and next(looks) == 1:  # the first is made where the job was begun, and followed by another
            held.RELEASE.set()
            until(lambda: not self.running and JobRecord.find(job_id).state is JobState.RETRYING)
        return asked

    monkeypatch.setattr(Lane, "exchange", then_it_ends)
    job_id = held.HoldsThenComesBack.dispatch()
    assert work(**options) is StopReason.EMPTY
    assert JobRecord.find(job_id).state is JobState.COMPLETED


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


@pytest.fixture
def cut_off(tmp_path: Path) -> Iterator[QueueManager]:
    """A manager whose workers stop what they are about to lose."""
    file = tmp_path / "qctl.toml"
    file.write_text('[connections.default]\ndriver = "memory"\nlease_s = 0.5\non_lease_loss = "stop"\n')
    manager = QueueManager.open(config_file=file)
    with manager.using():
        yield manager
    manager.close()


@pytest.mark.parametrize(
    ("kind", "job"),
    [(name, made) for name in KINDS for made in (jobs.Spins, jobs.AsyncWaits)],
)
def test_jobs_whose_leases_nobody_renews_are_stopped_uncharged_where_that_is_wished(
    cut_off: QueueManager, kind: str, job: Callable[[float], Any]
) -> None:
    job_id = job(0).dispatch()
    slots = SlotMemory(1, 20).child(0)  # of a supervisor that renews nothing
    worker = Worker(manager=cut_off, options=WorkerOptions(**KINDS[kind]), slots=slots)
    thread = threading.Thread(target=_stop_once_given_back, args=(worker, cut_off, job_id))
    thread.start()
    began = time.monotonic()
    assert worker.run() is StopReason.SIGNAL
    assert time.monotonic() - began < 10, "the job takes 20 s"
    thread.join()
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.PENDING, 0)


def _stop_once_given_back(worker: Worker, manager: QueueManager, job_id: str) -> None:
    """Let the worker end once nothing runs any more."""
    with manager.using():
        until(lambda: job_id in {words[-1] for words in jobs.HEARD})
        until(lambda: JobRecord.find(job_id).state is JobState.PENDING)
    worker.stop()


# -- stops that something does not heed ------------------------------------------------------------------------------


@pytest.fixture
def released() -> Iterator[None]:
    """Let go, at the end, of all that holds on."""
    held.RELEASE.clear()
    held.LEFT.clear()
    held.HANDED_OVER.clear()
    while held.BEGUN.acquire(blocking=False):
        pass
    yield
    held.RELEASE.set()


@pytest.mark.usefixtures("released", "manager")
@pytest.mark.parametrize(
    ("kind", "job"),
    [("threads", held.Holds), ("async", held.Holds), ("async", held.HoldsTheLoop)],
    ids=["threads", "threads of async", "loop"],
)
def test_a_job_that_heeds_nobody_is_given_back_and_left_behind(kind: str, job: type[held.Holds]) -> None:
    job_id = job.dispatch()
    worker = Worker(options=WorkerOptions(**KINDS[kind]))
    thread = threading.Thread(target=_hurry_once_begun, args=(worker,))
    thread.start()
    assert worker.run() is StopReason.SIGNAL
    assert not held.LEFT.is_set(), "the worker waited for it"
    thread.join()
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.PENDING, 0)
    held.RELEASE.set()
    assert held.LEFT.wait(held.PATIENCE_S)
    assert JobRecord.find(job_id).state is JobState.PENDING


def _hurry_once_begun(worker: Worker) -> None:
    assert held.BEGUN.acquire(timeout=held.PATIENCE_S)
    worker._on_stop()
    worker._on_stop()


@pytest.mark.usefixtures("released")
def test_a_stop_gives_back_what_waits_for_a_thread(manager: QueueManager) -> None:
    dispatch_many([*(held.Holds() for _ in range(66)), held.Marks()])
    with _serving(async_jobs=70) as (worker, _):
        _await_all_threads()
        worker._on_stop()
        held.RELEASE.set()
    stats = manager.get_stats("default")
    assert (stats.completed, stats.pending) == (65, 2)
    assert not held.BEGUN.acquire(blocking=False), "none began after the stop"


@pytest.mark.usefixtures("manager")
def test_the_wait_for_leave_to_start_is_not_of_the_jobs_time(
    kind: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, start, seen = SlotMemory(1, 20).child(0), Starter.start, []

    def look(*words: Any) -> Any:
        seen.extend(one.ends_hard_at > 0 for one in slots.running())
        return start(*words) if words[1:] else None

    monkeypatch.setattr(Starter, "start", look)
    monkeypatch.setattr(limited.Mail, "handle", look)
    limited.Mail("ann").dispatch()
    Worker(options=WorkerOptions(stop_when_empty=True, **kind), slots=slots).run()
    assert seen == [False, True], "nothing ends the process while it waits, but while it runs"


# -- an event loop ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("released", "manager")
def test_a_job_that_waits_for_a_thread_has_not_begun() -> None:
    dispatch_many([*(held.Holds() for _ in range(66)), held.Marks()])
    with _serving(async_jobs=70) as (_, slots):
        _await_all_threads()
        until(lambda: len(slots.running()) == 64)
        held.RELEASE.set()


@pytest.mark.usefixtures("released", "manager")
def test_a_constructor_that_hangs_has_the_usual_time() -> None:
    held.HangsWhenBuilt.dispatch()
    with _serving(async_jobs=2, timeout_s=7.0) as (_, slots):
        assert held.BEGUN.acquire(timeout=held.PATIENCE_S)
        [job] = slots.running()
        held.RELEASE.set()
    assert job.ends_hard_at == pytest.approx(job.began_at + 9.0)


@pytest.mark.usefixtures("released", "manager")
def test_what_a_job_leaves_behind_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    first = held.LeavesAnExit.dispatch()
    others = dispatch_many(jobs.AsyncSay(str(n)) for n in range(10))
    with _serving(async_jobs=1):
        pass
    assert all(JobRecord.find(one).state is JobState.COMPLETED for one in (first, *others))
    assert "SystemExit of a task that a job left behind: the event loop goes on" in caplog.text
    gc.collect()  # asyncio tells of the task as well, once it is collected: here, and not in the middle of an import


@pytest.mark.usefixtures("manager")
def test_a_job_that_cancels_its_own_work_has_failed(work: Work) -> None:
    job_id = held.CancelsItsOwn.dispatch()
    work(async_jobs=2, max_jobs=6)
    record = JobRecord.find(job_id)
    assert (record.state, record.attempts) == (JobState.FAILED, 2)
    assert "CancelledError" in (record.error or "")


@contextmanager
def _serving(**options: Any) -> Iterator[tuple[Worker, ChildSlots]]:
    """A worker as a supervisor has it; at the end it has nothing left to do."""
    memory = SlotMemory(1, options["async_jobs"])
    slots = memory.child(0)
    worker = Worker(options=WorkerOptions(stop_when_empty=True, **options), slots=slots)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    yield worker, slots
    thread.join(held.PATIENCE_S)
    assert not thread.is_alive(), f"it still runs {slots.running()}"


def _await_all_threads() -> None:
    """Wait until the loop has handed every job over, and each of its threads has one."""
    assert held.HANDED_OVER.wait(held.PATIENCE_S)
    for _ in range(64):
        assert held.BEGUN.acquire(timeout=held.PATIENCE_S)
