"""The queue manager: where jobs go, what it answers about queues, and jobs that run where they are dispatched."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
import worker_jobs as jobs
from fakes.flaky import FlakyDriver

from qcore import (
    ConfigurationError,
    ConnectionFailed,
    JobNotFound,
    JobRecord,
    JobState,
    PayloadError,
    QueueFullError,
    QueueManager,
    define_queue,
    dispatch_many,
    dispatcher,
)
from qcore.config import load_settings
from qcore.worker import Worker, WorkerOptions

CONFIG = {
    "default": {"driver": "memory", "queue": "main", "max_attempts": 5},
    "second": {"driver": "memory", "queue": "other"},
    "here": {"driver": "sync"},
    "nowhere": {"driver": "null"},
}


@pytest.fixture
def configured() -> Iterator[QueueManager]:
    before = dispatcher.install(None)
    manager = QueueManager.configure(CONFIG)
    yield manager
    manager.close()
    dispatcher.install(before)


def test_a_job_goes_where_it_or_its_queue_says(configured: QueueManager) -> None:
    define_queue("emails", connection="second")
    jobs.Noop.dispatch()
    jobs.Noop().on_connection("second").dispatch()
    jobs.Noop().on_queue("emails").dispatch()
    jobs.Noop().on_queue("emails").on_connection("default").dispatch()
    assert configured.connection("default").counts(["main"])[0].pending == 1
    assert configured.connection("default").counts(["emails"])[0].pending == 1
    assert configured.connection("second").counts(["other"])[0].pending == 1
    assert configured.connection("second").counts(["emails"])[0].pending == 1
    assert QueueManager.size("emails") == 1


def test_many_jobs_of_several_connections_keep_their_order(configured: QueueManager) -> None:
    made = [jobs.Say(str(n)).on_connection("second" if n % 3 else "default") for n in range(10)]
    ids = dispatch_many(made)
    assert ids == [one.job_id for one in made]
    assert JobRecord.find(ids[0], "default").queue == "main"
    assert JobRecord.find(ids[1]).queue == "other"


def test_one_worker_serves_the_connections_of_its_queues(configured: QueueManager, heard: Any) -> None:
    define_queue("emails", connection="second")
    jobs.Say("mail").on_queue("emails").dispatch()
    jobs.Say("plain").on_queue("main").dispatch()
    worker = Worker("emails,main", options=WorkerOptions(stop_when_empty=True))
    assert worker.queues == ["emails", "main"]
    worker.run()
    assert [word for word, *_ in heard] == ["mail", "plain"]


def test_a_sync_connection_runs_jobs_at_once(configured: QueueManager, heard: Any) -> None:
    job_id = jobs.Say("at once").on_connection("here").delay_until(3600).dispatch()
    assert heard == [("at once", job_id, 1)]
    with pytest.raises(ValueError, match="no luck"):
        jobs.Fails().on_connection("here").dispatch()
    (failed,) = configured.connection("here").page("failed").jobs
    assert failed.job == "worker_jobs:Fails"


def test_a_sync_connection_runs_the_rest_after_a_failure(configured: QueueManager, heard: Any) -> None:
    made = [jobs.Say("a"), jobs.Fails("first"), jobs.Say("b"), jobs.Fails("second"), jobs.Say("c")]
    with pytest.raises(ValueError, match="first"):
        dispatch_many(one.on_connection("here") for one in made)
    assert [word for word, *_ in heard if len(word) == 1] == ["a", "b", "c"]
    (counts,) = configured.connection("here").counts()
    assert (counts.completed, counts.failed, counts.processing) == (3, 2, 0)


def test_a_sync_connection_keeps_results(configured: QueueManager) -> None:
    class_given = jobs.Say("kept").on_connection("here").dispatch()
    unkept = jobs.Say("not kept").on_connection("here")
    unkept.result_ttl = 0
    assert JobRecord.find(class_given, "here").result == "KEPT"
    assert JobRecord.find(unkept.dispatch(), "here").result is None
    with pytest.raises(PayloadError, match="the result of"):
        jobs.Unkeepable().on_connection("here").dispatch()


@pytest.mark.parametrize("wish", ["release", "snooze", "delete"])
def test_a_sync_connection_tries_nothing_again(configured: QueueManager, heard: Any, wish: str) -> None:
    job_id = jobs.Asks(wish).on_connection("here").dispatch()
    assert heard == [(wish, 1)]
    assert JobRecord.find(job_id, "here").state is JobState.COMPLETED


@pytest.mark.filterwarnings("error")
def test_an_async_job_is_refused_inside_a_running_loop(configured: QueueManager, heard: Any) -> None:
    async def inside() -> None:
        with pytest.raises(ConfigurationError, match="AsyncSay is async"):
            jobs.AsyncSay.dispatch_now("never")
        with pytest.raises(ConfigurationError, match="AsyncSay is async"):
            jobs.AsyncSay("never").on_connection("here").dispatch()
        assert await asyncio.to_thread(jobs.AsyncSay.dispatch_now, "in a thread") == "in a thread"
        assert jobs.Layered.dispatch_now() == "kept"
        gc.collect()

    asyncio.run(inside())
    assert ("never",) not in heard
    assert jobs.AsyncSay.dispatch_now("outside") == "outside"


def test_an_instance_dispatched_again_is_another_job(configured: QueueManager) -> None:
    one = jobs.Say("again")
    ids = [one.dispatch(), one.dispatch(), *dispatch_many([one, one])]
    assert len(set(ids)) == 4
    assert QueueManager.size("main") == 4
    assert one.job_id == ids[-1]


def test_a_job_may_dispatch_itself(configured: QueueManager, heard: Any) -> None:
    jobs.Respawns(2).dispatch()
    Worker("main", options=WorkerOptions(stop_when_empty=True)).run()
    assert len(heard) == len(set(heard)) == 3


def test_a_null_connection_forgets(configured: QueueManager) -> None:
    job_id = jobs.Noop().on_connection("nowhere").dispatch()
    with pytest.raises(JobNotFound):
        JobRecord.find(job_id, "nowhere")


def test_unknown_connections_are_said(configured: QueueManager) -> None:
    with pytest.raises(ConfigurationError, match="nosuch"):
        jobs.Noop().on_connection("nosuch").dispatch()


def test_capacity_holds_for_dispatch_and_not_for_an_operators_retry(configured: QueueManager) -> None:
    define_queue("small", max_jobs=2)
    dispatch_many(jobs.Fails().with_tries(1).on_queue("small") for _ in range(2))
    with pytest.raises(QueueFullError):
        jobs.Noop().on_queue("small").dispatch()
    Worker("small", options=WorkerOptions(stop_when_empty=True)).run()
    dispatch_many(jobs.Noop().on_queue("small") for _ in range(2))
    assert QueueManager.retry("small") == 2
    assert QueueManager.size("small") == 4


def test_tries_come_from_the_queue_or_the_connection(configured: QueueManager, heard: Any) -> None:
    define_queue("patient", max_attempts=4)
    plain = jobs.Fails().on_queue("patient").with_tries(None)  # type: ignore[arg-type]  # nothing said
    plain.dispatch()
    jobs.Fails().with_tries(None).dispatch()  # type: ignore[arg-type]
    Worker("patient", options=WorkerOptions(stop_when_empty=True, backoff=0.0)).run()
    assert [one for one in heard if one[0] == "fails"] == [("fails", n) for n in (1, 2, 3, 4)]
    heard.clear()
    Worker("main", options=WorkerOptions(stop_when_empty=True, backoff=0.0)).run()
    assert [one for one in heard if one[0] == "fails"] == [("fails", n) for n in (1, 2, 3, 4, 5)]


def test_questions_and_orders(configured: QueueManager) -> None:
    ids = dispatch_many(jobs.Fails().with_tries(1).on_queue("q") for _ in range(3))
    assert QueueManager.queues() == ["q"]
    assert QueueManager.get_stats("q").pending == 3
    assert QueueManager.get_stats("unheard of").pending == 0
    Worker("q", options=WorkerOptions(stop_when_empty=True)).run()
    assert QueueManager.get_stats("q").failed == 3
    assert QueueManager.retry(ids[:1]) == 1
    with pytest.raises(JobNotFound, match=ids[0]):
        QueueManager.retry(ids[:1])
    assert QueueManager.forget(ids[1])
    assert not QueueManager.forget(ids[1])
    assert QueueManager.flush() == 1
    assert QueueManager.clear("q") == 1
    assert QueueManager.size("q") == 0


def test_cancelling_a_job_that_waits(configured: QueueManager, heard: Any) -> None:
    record = JobRecord.find(jobs.Noop.dispatch())
    assert record.cancel()
    assert record.state is JobState.CANCELLED
    assert not record.cancel()
    Worker(options=WorkerOptions(stop_when_empty=True)).run()
    assert heard == []


def test_waiting_for_a_job_that_does_not_come(configured: QueueManager) -> None:
    with pytest.raises(TimeoutError, match=r"still pending after 0\.02 s"):
        JobRecord.find(jobs.Noop.dispatch()).wait(timeout=0.02)


def test_a_push_whose_reply_is_lost_is_repeated_and_stored_once(configured: QueueManager) -> None:
    store = FlakyDriver(configured.connection())
    configured._stores["default"] = store  # type: ignore[assignment]  # whose replies get lost
    store.cut("push", times=2)
    jobs.Noop.dispatch()
    assert QueueManager.size("main") == 1


def test_a_store_that_is_away_is_said_and_names_what_is_stored(
    configured: QueueManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = configured.connection()
    pushed = store.push

    def second_fails(envelopes: Any, **more: Any) -> Any:
        if QueueManager.size("main"):
            raise ConnectionFailed("the store is away")
        return pushed(envelopes, **more)

    monkeypatch.setattr(store, "push", second_fails)
    with pytest.raises(ConnectionFailed, match=r"stored before that: 1,000 jobs") as failed:
        dispatch_many(jobs.Noop() for _ in range(1500))
    assert len(failed.value.stored_ids) == 1000


def test_what_other_connections_stored_is_named(configured: QueueManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise ConnectionFailed("the store is away", is_refusal=True)

    monkeypatch.setattr(configured.connection("second"), "push", away)
    made = [jobs.Noop(), jobs.Noop().on_connection("second"), jobs.Noop()]
    with pytest.raises(ConnectionFailed, match=r"away \(stored on default before that: 2 jobs, ") as failed:
        dispatch_many(made)
    assert failed.value.stored_ids == (made[0].job_id, made[2].job_id)


def test_what_other_connections_stored_is_named_by_a_jobs_own_error_too(configured: QueueManager) -> None:
    made = [jobs.Noop(), jobs.Fails().on_connection("here")]
    with pytest.raises(ValueError, match="no luck") as failed:
        dispatch_many(made)
    assert failed.value.__notes__ == [f"(stored on default before that: 1 job, {made[0].job_id})"]


def test_a_job_that_cannot_travel_stores_nothing_anywhere(configured: QueueManager) -> None:
    unfit: Any = object()
    with pytest.raises(PayloadError) as failed:
        dispatch_many([jobs.Noop(), jobs.Say(unfit).on_connection("second")])
    assert failed.value.stored_ids == ()
    assert QueueManager.size("main") == 0


def test_a_manager_for_a_block(configured: QueueManager) -> None:
    other = QueueManager(load_settings({"url": "memory://"}, environ={}))
    with other.using():
        jobs.Noop.dispatch()
        assert QueueManager.size("default") == 1
    assert QueueManager.size("default") == 0
