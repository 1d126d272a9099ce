"""What listeners hear, from dispatch to the end, and that none of them harms anything."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_jobs as jobs
from fakes.worker import FakeWorker
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from qcore import (
    ConfigurationError,
    JobExceptionOccurred,
    JobFailed,
    JobProcessed,
    JobProcessing,
    JobQueued,
    JobRetryRequested,
    JobTimedOut,
    QueueManager,
    Worker,
    WorkerLooping,
    WorkerStopping,
    dispatch_many,
    events,
    on,
)
from qcore.config import load_settings
from qcore.errors import PayloadError
from qcore.monitor.actions import Actions
from qcore.states import Outcome
from qcore.worker import StopReason, WorkerOptions

Work = Callable[..., StopReason]
KINDS: dict[str, dict[str, int]] = {"inline": {}, "threads": {"threads": 2}, "async": {"async_jobs": 4}}
OF_JOBS = (JobQueued, JobProcessing, JobProcessed, JobExceptionOccurred, JobFailed, JobTimedOut, JobRetryRequested)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> dict[str, int]:
    return KINDS[request.param]


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    events.listeners.clear()
    yield
    events.listeners.clear()


@pytest.fixture
def told() -> list[Any]:
    """What was told of jobs."""
    heard: list[Any] = []
    on(*OF_JOBS)(heard.append)
    return heard


def names(told: list[Any]) -> list[str]:
    return [type(event).__name__ for event in told]


def test_a_job_that_does_well(real_manager: QueueManager, work: Work, told: list[Any]) -> None:
    job_id = jobs.Say("one").on_queue("mail").dispatch()
    work("mail")
    queued, before, after = told
    assert queued == JobQueued(job_id=job_id, job="worker_jobs:Say", queue="mail", connection="default")
    assert (before.job_id, before.job, before.queue, before.attempt) == (job_id, "worker_jobs:Say", "mail", 1)
    assert (type(before), type(after)) == (JobProcessing, JobProcessed)
    assert before.worker == after.worker != ""
    assert (after.outcome, after.connection) == (Outcome.COMPLETED, "default")
    assert after.runtime_s > 0


def test_a_job_that_fails(manager: QueueManager, work: Work, told: list[Any], kind: Any) -> None:
    jobs.Fails.dispatch("out of paper")
    work(**kind)
    assert names(told[1:]) == ["JobProcessing", "JobExceptionOccurred"] * 2 + ["JobFailed"]
    first, last = told[2], told[4]
    assert (first.attempt, first.outcome, last.attempt, last.outcome) == (1, Outcome.RELEASED, 2, Outcome.FAILED)
    assert str(first.error) == str(told[5].error) == "out of paper"
    assert told[5].error is last.error


def test_wishes(manager: QueueManager, work: Work, told: list[Any], kind: Any) -> None:
    jobs.Asks.dispatch("fail")
    work(**kind)
    assert names(told[1:]) == ["JobProcessing", "JobFailed"]
    told.clear()
    jobs.Asks.dispatch("release")
    work(**kind)
    assert names(told[1:5]) == ["JobProcessing", "JobProcessed"] * 2
    assert told[2].outcome is Outcome.RELEASED
    assert type(told[-1]) is JobFailed, "its tries are used up: it is not begun again"
    assert "all 3 tries" in str(told[-1].error)


def test_a_timeout(manager: QueueManager, work: Work, told: list[Any], kind: Any) -> None:
    jobs.Spins.dispatch()
    work(**kind)
    assert names(told[1:]) == ["JobProcessing", "JobTimedOut", "JobExceptionOccurred", "JobFailed"]
    assert not told[2].is_hard


@pytest.mark.parametrize(("tries", "then"), [(3, "JobProcessing"), (1, "JobFailed")])
def test_a_timeout_whose_process_was_ended_is_told_by_the_next_worker(
    manager: QueueManager, work: Work, told: list[Any], tries: int, then: str
) -> None:
    job_id = jobs.Say("again").with_tries(tries).dispatch()
    store: Any = manager.connection()
    dead = FakeWorker(store)
    dead.reserve_one()
    store.forfeit(dead.name, {job_id: "JobTimeout: it took longer than 60 s"})
    work()
    assert names(told[1:3]) == ["JobTimedOut", then]
    assert (told[1].is_hard, told[1].attempt) == (True, 1)


def test_a_payload_that_cannot_be_built(manager: QueueManager, work: Work, told: list[Any]) -> None:
    store: Any = manager.connection()
    envelope = manager.seal(jobs.Say("x"), manager.settings.connection())
    store.push([type(envelope)(id=envelope.id, job=envelope.job, queue="default", payload=b"rubbish")])
    work()
    assert names(told) == ["JobExceptionOccurred", "JobFailed"]


def test_a_worker_that_must_stop_gives_the_job_back(manager: QueueManager, told: list[Any], kind: Any) -> None:
    jobs.Spins(0).dispatch()
    worker = Worker(options=WorkerOptions(**kind))

    @on(JobProcessing)
    def stop(_: JobProcessing) -> None:
        thread = threading.Thread(target=_stop_once_it_spins, args=(worker,))
        thread.start()

    worker.run()
    assert names(told[1:]) == ["JobProcessing", "JobProcessed"]
    assert told[2].outcome is Outcome.RELEASED


def _stop_once_it_spins(worker: Worker) -> None:
    while not jobs.HEARD:
        threading.Event().wait(0.005)
    worker._on_stop()
    worker._on_stop()


def test_a_worker_and_its_stop(manager: QueueManager, work: Work) -> None:
    told: list[Any] = []
    QueueManager.looping(told.append)
    QueueManager.stopping(told.append)
    jobs.Noop.dispatch()
    work()
    assert names(told)[0] == "WorkerLooping"
    assert set(names(told)[:-1]) == {"WorkerLooping"}
    assert told[0].queues == ("default",)
    assert (told[-1].reason, told[-1].jobs, told[-1].worker) == ("empty", 1, told[0].worker)
    assert isinstance(told[-1], WorkerStopping)
    assert isinstance(told[0], WorkerLooping)


def test_a_worker_passes_its_turn_while_a_listener_says_so(manager: QueueManager, work: Work) -> None:
    answers: list[bool | None] = [False, False, None, True]
    done: list[int] = []

    @QueueManager.looping
    def may_look(_: WorkerLooping) -> bool | None:
        done.append(manager.get_stats("default").completed)
        return answers.pop(0) if answers else None

    jobs.Noop.dispatch()
    work(sleep_s=0.01)
    assert done[:3] == [0, 0, 0], "nothing runs in a turn that is passed"
    assert manager.get_stats("default").completed == 1


# -- dispatch and retry ------------------------------------------------------------------------------------------------


def test_here_and_now(manager: QueueManager, told: list[Any]) -> None:
    jobs.Say.dispatch_now("now")
    assert names(told) == ["JobProcessing", "JobProcessed"]
    told.clear()
    with pytest.raises(ValueError, match="no luck"):
        jobs.Fails.dispatch_now()
    assert names(told) == ["JobProcessing", "JobExceptionOccurred", "JobFailed"]


def test_on_a_sync_connection(told: list[Any]) -> None:
    manager = QueueManager(load_settings({"url": "sync://"}, environ={}))
    with manager.using():
        job_id = jobs.Say.dispatch("now")
    assert names(told) == ["JobQueued", "JobProcessing", "JobProcessed"]
    assert {event.job_id for event in told} == {job_id}
    assert {event.connection for event in told} == {"default"}


def test_a_result_that_cannot_be_kept_is_an_error_on_a_sync_connection_too(told: list[Any]) -> None:
    manager = QueueManager(load_settings({"url": "sync://"}, environ={}))
    with manager.using(), pytest.raises(PayloadError):
        jobs.Unkeepable.dispatch()
    assert names(told) == ["JobQueued", "JobProcessing", "JobExceptionOccurred", "JobFailed"]


def test_many_are_told_one_by_one(real_manager: QueueManager, told: list[Any]) -> None:
    ids = dispatch_many(jobs.Say(str(number)) for number in range(3))
    assert [(type(event), event.job_id) for event in told] == [(JobQueued, job_id) for job_id in ids]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_what_is_dispatched_in_a_transaction_is_told_after_it(tmp_path: Path, told: list[Any], end: str) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    manager = QueueManager(load_settings({"url": url}, environ={}))
    engine = create_engine(url)
    with manager.using(), Session(engine) as session:
        manager.migrate()
        job_id = jobs.Say("within").send(session=session)
        assert told == []
        getattr(session, end)()
    assert [event.job_id for event in told] == ([job_id] if end == "commit" else [])
    engine.dispose()
    manager.close()


def test_retries_are_told(manager: QueueManager, work: Work, told: list[Any]) -> None:
    ids = dispatch_many(jobs.Fails() for _ in range(3))
    work()
    told.clear()
    QueueManager.retry([ids[0]])
    Actions(manager).retry([ids[1], "nobody"])
    QueueManager.retry("all")
    assert told == [JobRetryRequested(job_id=job_id) for job_id in ids]


# -- listeners ---------------------------------------------------------------------------------------------------------


def test_async_listeners_are_awaited(manager: QueueManager, work: Work, kind: Any) -> None:
    told: list[Any] = []

    @on(JobProcessed, JobFailed)
    async def hear(event: Any) -> None:
        await asyncio.sleep(0.01)
        told.append(event)

    dispatch_many([jobs.Say("sync"), jobs.AsyncSay("async"), jobs.Asks("fail")])
    work(**kind)
    assert sorted(names(told)) == ["JobFailed", "JobProcessed", "JobProcessed"]


def test_a_listener_that_raises_is_logged_and_harms_nothing(
    manager: QueueManager, work: Work, told: list[Any], caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    events.listeners.clear()

    @on(*OF_JOBS)
    def breaks(event: Any) -> None:
        raise SystemExit("a listener's own")

    @on(*OF_JOBS)
    async def breaks_later(event: Any) -> None:
        raise RuntimeError("another's own")

    on(*OF_JOBS)(told.append)
    job_id = jobs.Say.dispatch("well")
    with caplog.at_level(logging.ERROR):
        work(**kind)
    assert names(told) == ["JobQueued", "JobProcessing", "JobProcessed"]
    assert manager.get_stats("default").completed == 1
    assert job_id
    assert {record.message.partition("\n")[0] for record in caplog.records} == {
        f"the listener test_a_listener_that_raises_is_logged_and_harms_nothing.<locals>.{name} raised {error}"
        for name, error in (
            ("breaks", "SystemExit: a listener's own"),
            ("breaks_later", "RuntimeError: another's own"),
        )
    }


class Wordless(Exception):  # noqa: N818  what it is matters
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Own(BaseException):
    pass


class Wildest:
    """A listener without a name that can be printed."""

    def __call__(self, _: Any) -> None:
        raise Wordless

    def __repr__(self) -> str:
        raise RuntimeError("no name")


def raises(error: type[BaseException]) -> Callable[[Any], None]:
    def listener(_: Any) -> None:
        raise error

    return listener


def raises_later(error: type[BaseException]) -> Callable[[Any], Any]:
    async def listener(_: Any) -> None:
        raise error

    return listener


def raise_again(event: Any) -> None:
    raise getattr(event, "error", None) or Own


WILD: dict[str, Any] = {
    "no words": raises(Wordless),
    "no name": Wildest(),
    "own": raises(Own),
    "cancelled": raises(asyncio.CancelledError),
    "generator": raises(GeneratorExit),
    "own, later": raises_later(Own),
    "cancelled, later": raises_later(asyncio.CancelledError),
    "no words, later": raises_later(Wordless),
    "timeout": raise_again,
}


@pytest.mark.parametrize("wild", WILD)
def test_whatever_a_listener_raises_dispatch_worker_and_job_go_on(
    manager: QueueManager, work: Work, told: list[Any], caplog: pytest.LogCaptureFixture, kind: Any, wild: str
) -> None:
    on(*OF_JOBS, WorkerLooping, WorkerStopping)(WILD[wild])
    assert jobs.Say.dispatch("well")
    jobs.Spins.dispatch()
    work(**kind)
    ended = ["JobExceptionOccurred", "JobFailed", "JobProcessed", "JobTimedOut"]
    assert sorted(names(told)) == sorted([*ended, *["JobQueued", "JobProcessing"] * 2])
    assert manager.get_stats("default").completed == 1
    assert len(caplog.records) >= len(told)


@pytest.mark.parametrize("later", [False, True])
def test_a_worker_takes_no_interrupt_from_a_listener(
    manager: QueueManager, work: Work, told: list[Any], kind: Any, later: bool
) -> None:
    on(JobProcessing, JobProcessed, WorkerLooping)((raises_later if later else raises)(KeyboardInterrupt))
    jobs.Say.dispatch("well")
    work(**kind)
    assert names(told) == ["JobQueued", "JobProcessing", "JobProcessed"]


def test_ctrl_c_ends_a_dispatch_also_while_a_listener_runs(manager: QueueManager) -> None:
    on(JobQueued)(raises(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        jobs.Noop.dispatch()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_timeout_strikes_a_job_also_while_a_listener_runs(
    manager: QueueManager, work: Work, told: list[Any], threads: int
) -> None:
    @on(JobQueued)
    def dawdles(event: Any) -> None:
        if event.queue == "next":
            until = time.monotonic() + 30
            while time.monotonic() < until:
                time.sleep(0.005)

    jobs.Passes.dispatch()
    began = time.monotonic()
    work(**({"threads": threads} if threads > 1 else {}))
    assert time.monotonic() - began < 20
    assert "JobTimedOut" in names(told)


def test_shortcuts_give_the_listener_back() -> None:
    shortcuts: dict[str, Any] = {
        "queued": JobQueued,
        "before": JobProcessing,
        "after": JobProcessed,
        "exception_occurred": JobExceptionOccurred,
        "failing": JobFailed,
        "timed_out": JobTimedOut,
        "retry_requested": JobRetryRequested,
        "looping": WorkerLooping,
        "stopping": WorkerStopping,
    }
    for name, kind in shortcuts.items():
        assert getattr(QueueManager, name)(print) is print
        assert events.listeners == {kind: (print,)}
        events.off(print)
        assert events.listeners == {}


def test_one_of_two_listeners_leaves() -> None:
    told: list[Any] = []
    on(JobRetryRequested)(told.append)
    on(JobRetryRequested)(print)
    events.off(print)
    events.tell(JobRetryRequested(job_id="1"))
    assert told == [JobRetryRequested(job_id="1")]


@pytest.mark.parametrize("wrong", [(), ("JobFailed",), (JobFailed, int)])
def test_what_is_no_event(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="no events"):
        on(*wrong)
