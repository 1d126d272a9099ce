"""A cancelled job that has not begun is skipped; one that runs is told, or interrupted, and no other with it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_jobs as jobs

from qcore import Job, JobProcessed, JobRecord, JobState, QueueManager, Worker, dispatch_many, events, on
from qcore.monitor.actions import Actions
from qcore.states import Outcome
from qcore.worker import StopReason, WorkerOptions
from qcore.worker.slots import SlotMemory

Work = Callable[..., StopReason]
KINDS: dict[str, dict[str, int]] = {"inline": {}, "threads": {"threads": 4}, "async": {"async_jobs": 4}}
ENDS_WITHIN_S = 20.0


class Waits(Job):
    """Waits in Python until it is interrupted, or for too long."""

    max_tries = 5
    timeout = 0

    def handle(self) -> None:
        jobs.HEARD.append(("begun", self.job_id))
        until = time.monotonic() + ENDS_WITHIN_S
        try:
            while time.monotonic() < until:
                time.sleep(0.002)
        finally:
            jobs.HEARD.append(("ended", self.job_id))


class AsyncWaits(Waits):
    async def handle(self) -> None:  # type: ignore[override]
        jobs.HEARD.append(("begun", self.job_id))
        try:
            await asyncio.sleep(ENDS_WITHIN_S)
        finally:
            jobs.HEARD.append(("ended", self.job_id))


class Stubborn(Waits):
    """Will not be interrupted, and says so."""

    def handle(self) -> None:
        try:
            super().handle()
        except BaseException:  # noqa: BLE001
            return


class BreaksOnTheWay(Waits):
    backoff = 0

    def handle(self) -> None:
        try:
            super().handle()
        finally:
            raise ValueError("while it was cleaning up")


@pytest.fixture(params=[(name, made) for name in KINDS for made in (Waits, AsyncWaits)], ids=str)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, int], type[Job]]:
    name, made = request.param
    return KINDS[name], made


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[QueueManager]:
    """A manager whose workers hear every fifth of a second what was cancelled."""
    file = tmp_path / "qctl.toml"
    file.write_text('[connections.default]\ndriver = "memory"\nlease_s = 1.0\n')
    manager = QueueManager.open(config_file=file)
    with manager.using():
        yield manager
    manager.close()


def run_while(options: dict[str, Any], act: Callable[[], None], **more: Any) -> None:
    """Run a worker until it finds nothing, and something in another thread meanwhile; an error there fails the test."""
    trouble: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            trouble.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    Worker(options=WorkerOptions(stop_when_empty=True, **options), **more).run()
    thread.join()
    if trouble:
        raise trouble[0]


def await_begun(job_id: str) -> None:
    over = time.monotonic() + ENDS_WITHIN_S
    while ("begun", job_id) not in jobs.HEARD:
        assert time.monotonic() < over
        time.sleep(0.002)


def test_a_hard_one_interrupts_a_job(beating: QueueManager, case: tuple[dict[str, int], type[Job]]) -> None:
    options, made = case
    record = JobRecord.find(made.dispatch())
    after = JobRecord.find(jobs.Say.dispatch("after"))

    def cancel() -> None:
        await_begun(record.id)
        assert not record.cancel(hard=True), "it runs: nobody can say yet that it will not"

    began = time.monotonic()
    run_while(options, cancel)
    assert time.monotonic() - began < ENDS_WITHIN_S / 2
    assert (record.refresh().state, record.attempts, record.error) == (JobState.CANCELLED, 1, None)
    assert after.refresh().state is JobState.COMPLETED
    assert jobs.HEARD.count(("ended", record.id)) == 1, "it was interrupted once, and cleaned up"


@pytest.mark.parametrize("made", [Waits, AsyncWaits])
@pytest.mark.parametrize("kind", ["threads", "async"])
def test_those_beside_it_go_on(beating: QueueManager, kind: str, made: type[Job], monkeypatch: Any) -> None:
    wanted, other = (JobRecord.find(made.dispatch()) for _ in range(2))

    def cancel() -> None:
        await_begun(wanted.id)
        await_begun(other.id)
        wanted.cancel(hard=True)
        wanted.wait(timeout=ENDS_WITHIN_S)
        assert other.refresh().state is JobState.PROCESSING
        assert ("ended", other.id) not in jobs.HEARD
        other.cancel(hard=True)

    run_while(KINDS[kind], cancel)
    assert {wanted.refresh().state, other.refresh().state} == {JobState.CANCELLED}


def test_a_soft_one_interrupts_nothing(beating: QueueManager) -> None:
    record = JobRecord.find(jobs.WaitsForCancel.dispatch(ENDS_WITHIN_S))
    jobs.BEGUN.clear()

    def cancel() -> None:
        assert jobs.BEGUN.wait(ENDS_WITHIN_S)
        record.cancel()

    run_while({}, cancel)
    assert jobs.HEARD == [("cancelled", True)]
    assert record.refresh().state is JobState.COMPLETED, "it decided to end well"


def test_one_that_will_not_be_interrupted_ends_as_it_likes(beating: QueueManager) -> None:
    record = JobRecord.find(Stubborn.dispatch())

    def cancel() -> None:
        await_begun(record.id)
        record.cancel(hard=True)

    run_while({}, cancel)
    assert record.refresh().state is JobState.COMPLETED


def test_one_that_raises_on_the_way_is_not_tried_again(beating: QueueManager) -> None:
    record = JobRecord.find(BreaksOnTheWay.dispatch())

    def cancel() -> None:
        await_begun(record.id)
        record.cancel(hard=True)

    run_while({}, cancel)
    assert record.refresh().state is JobState.CANCELLED
    assert jobs.HEARD.count(("begun", record.id)) == 1


def test_a_prefetched_job_is_skipped(beating: QueueManager) -> None:
    """It is in the hands of the worker whose only place another job has."""
    first = JobRecord.find(jobs.WaitsForCancel.dispatch(ENDS_WITHIN_S))
    second = JobRecord.find(jobs.Say.dispatch("never said"))
    jobs.BEGUN.clear()
    store: Any = beating.connection()

    def cancel() -> None:
        assert jobs.BEGUN.wait(ENDS_WITHIN_S)
        store.cancel([second.id])
        first.cancel()

    run_while({}, cancel)
    assert second.refresh().state is JobState.CANCELLED
    assert [entry[0] for entry in jobs.HEARD] == ["cancelled"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_supervisor_passes_it_on(manager: QueueManager, kind: str) -> None:
    memory = SlotMemory(1, 4)
    slots = memory.child(0)
    record = JobRecord.find(Waits.dispatch())

    def cancel() -> None:
        await_begun(record.id)
        slots.cancel("default", {"nobody": True, record.id: True})

    run_while(KINDS[kind], cancel, slots=slots)
    assert record.refresh().state is JobState.CANCELLED
    memory.close()


def test_listeners_hear_of_its_end(beating: QueueManager) -> None:
    told: list[JobProcessed] = []
    on(JobProcessed)(told.append)
    record = JobRecord.find(Waits.dispatch())

    def cancel() -> None:
        await_begun(record.id)
        record.cancel(hard=True)

    try:
        run_while({}, cancel)
    finally:
        events.listeners.clear()
    assert [(event.job_id, event.outcome) for event in told] == [(record.id, Outcome.CANCELLED)]


def test_an_action_tells_apart_what_became_of_each(manager: QueueManager, work: Work) -> None:
    done = jobs.Say.dispatch("done")
    work()
    running, waiting = dispatch_many([jobs.Say("runs"), jobs.Say("waits")])
    store: Any = manager.connection()
    store.reserve(["default"], 1, "w", 1)
    result = Actions(manager).cancel([waiting, running, done, "nobody"], hard=True)
    assert (result.matched, result.changed, result.told) == (4, 1, (running,))
    assert result.failed == ((done, "it is completed already"), ("nobody", "no such job"))
