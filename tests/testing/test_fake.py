"""`QueueFake`: it takes what is dispatched, as a store would, and runs it when it is told to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from testing_jobs import (
    Adds,
    Breaks,
    Follows,
    Hidden,
    Member,
    Once,
    SendEmailJob,
    SendSMSJob,
    call,
    call_later,
    done,
    ended,
    told_of,
)

from qcore import (
    ChainMonitor,
    JobBatch,
    JobRecord,
    PayloadError,
    QueueFullError,
    QueueManager,
    batch,
    chain,
    define_queue,
    dispatch_many,
    dispatcher,
    workflow,
)
from qcore.manager.definitions import defined
from qcore.testing import QueueFake, WorkerTester


def test_as_the_source_document_has_it() -> None:
    """Its example, line by line: nobody stops the fake, the package's plugin does."""
    queue_fake = QueueFake()

    # Dispatch job
    SendEmailJob.dispatch("user@example.com", "Test", "Body")

    # Assertions
    queue_fake.assert_pushed(SendEmailJob)
    queue_fake.assert_pushed_on("emails", SendEmailJob)
    queue_fake.assert_not_pushed(SendSMSJob)


def test_it_takes_from_its_making_on_and_gives_back_what_was_there() -> None:
    before = dispatcher.default()
    fake = QueueFake()
    SendSMSJob.dispatch()
    assert dispatcher.current() is fake
    fake.stop()
    assert dispatcher.default() is before
    with QueueFake() as outer, QueueFake() as inner:
        SendSMSJob.dispatch()
    assert (len(outer.pushes), len(inner.pushes)) == (0, 1)
    assert dispatcher.default() is before


def test_fakes_may_stop_in_any_order() -> None:
    before = dispatcher.default()
    first, second, third = QueueFake(), QueueFake(), QueueFake()
    second.stop()
    first.stop()
    assert dispatcher.default() is third
    third.stop()
    assert dispatcher.default() is before


def test_in_a_block_of_another_manager_it_takes_too() -> None:
    before = dispatcher.default()
    with QueueManager.open({"url": "memory://"}).using() as manager:
        with QueueFake(SendSMSJob) as fake:
            SendSMSJob.dispatch()
            SendEmailJob.dispatch("a@b.c")
            assert [type(job) for job in fake.pushed()] == [SendSMSJob]
        assert manager.get_stats("emails").pending == 1, "what is not faked goes where the block says"
        assert dispatcher.current() is manager
        outer, inner = QueueFake(), QueueFake()
        outer.stop()
        assert dispatcher.current() is inner
        inner.stop()
        assert dispatcher.current() is manager
        QueueFake()  # ends with the block, and with the test
    assert dispatcher.of_block() is None
    dispatcher.install(before)


def test_a_fake_may_be_stopped_in_a_block_of_another() -> None:
    before = dispatcher.default()
    fake = QueueFake()
    with QueueManager.open({"url": "memory://"}).using() as manager:
        fake.stop()
        assert dispatcher.current() is manager
    assert dispatcher.default() is before


def test_what_a_partial_fake_lets_through_leaves_the_one_above_in_force(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCTL_URL", "memory://")
    dispatcher.install(None)
    with QueueFake(SendEmailJob), QueueFake(call) as upper:
        SendSMSJob.dispatch()  # past both of them, to a manager that is made for it
        assert dispatcher.current() is upper
    real = QueueManager.current()
    assert not isinstance(real, QueueFake)
    assert real.get_stats("default").pending == 1


def test_what_no_block_fits_around_is_refused() -> None:
    before = dispatcher.default()
    with pytest.raises(TypeError, match="Tests is a class; use `with QueueFake"):

        @QueueFake()
        class Tests: ...

    with pytest.raises(TypeError, match="yields is a generator"):

        @QueueFake()
        def yields() -> Any:
            yield

    assert dispatcher.default() is before


def test_it_decorates_functions_and_coroutines() -> None:
    before = dispatcher.default()

    @QueueFake()
    def sends() -> int:
        SendSMSJob.dispatch()
        fake = QueueFake.current()
        assert isinstance(fake, QueueFake)
        return len(fake.pushes)

    @QueueFake(SendSMSJob)
    async def awaits() -> int:
        await asyncio.sleep(0)
        return sends()

    assert dispatcher.default() is before
    assert (sends(), sends(), asyncio.run(awaits())) == (1, 1, 1)
    assert dispatcher.default() is before


def test_nothing_runs_and_the_store_is_in_memory(queue_fake: QueueFake, ran: list[Any], tmp_path: Any) -> None:
    job_id = SendEmailJob.dispatch("a@b.c")
    assert ran == []
    assert JobRecord.find(job_id).state == "pending"
    assert QueueManager.get_stats("emails").pending == 1
    assert list(tmp_path.iterdir()) == []


def test_only_some_are_faked_and_others_go_where_they_went() -> None:
    with QueueFake() as real:
        with QueueFake(SendEmailJob, call) as fake:
            assert dispatch_many([SendSMSJob(), SendEmailJob("a"), SendSMSJob("2")]) == [
                real.pushes[0].id,
                fake.pushes[0].id,
                real.pushes[1].id,
            ]
            call.dispatch("x")
        assert [type(job) for job in real.pushed()] == [SendSMSJob, SendSMSJob]
        assert [type(job).__name__ for job in fake.pushed()] == ["SendEmailJob", "call"]
        with QueueFake(except_=[SendSMSJob]) as fake:
            SendSMSJob.dispatch()
            SendEmailJob.dispatch("a")
        assert (len(fake.pushes), len(real.pushes)) == (1, 3)


def test_what_a_store_refuses_is_refused(queue_fake: QueueFake) -> None:
    with pytest.raises(PayloadError, match="to_email"):
        SendEmailJob.dispatch(object())
    assert Once.dispatch()
    assert Once.dispatch() is None
    queue_fake.assert_pushed(Once, 1)
    assert queue_fake.release_unique_locks() == 1
    assert Once.dispatch()
    define_queue("tiny", max_jobs=1)
    try:
        SendSMSJob().on_queue("tiny").dispatch()
        with pytest.raises(QueueFullError):
            SendSMSJob().on_queue("tiny").dispatch()
    finally:
        defined.clear()


def test_run_runs_everything_in_order(queue_fake: QueueFake, ran: list[Any]) -> None:
    SendEmailJob("late").delay_until(timedelta(days=2)).dispatch()
    SendEmailJob.dispatch("first")
    Follows.dispatch()
    call_later.dispatch("async")
    assert queue_fake.run(delayed=False) == 4
    assert ran == ["first", "async", "followed"], "as they were pushed, whatever the queue"
    assert queue_fake.run() == 1
    assert ran[-1] == "late"
    assert queue_fake.run() == 0
    queue_fake.assert_pushed(SendSMSJob, where=lambda job: job.number == "followed")


def test_run_heeds_neither_queues_nor_connections_but_priorities(ran: list[Any]) -> None:
    both = {name: {"driver": "memory", "queue": "default"} for name in ("default", "other")}
    settings = QueueManager.open(app_config={"QUEUE_CONFIG": both}).settings
    with QueueFake(settings=settings) as fake:
        for number, (queue, connection) in enumerate([("z", "other"), ("a", "default"), ("z", "default")] * 2):
            SendSMSJob(str(number)).on_queue(queue).on_connection(connection).dispatch()
        SendSMSJob("urgent").on_connection("other").with_priority(1).dispatch()
        SendSMSJob("soon").delay_until(5).dispatch()
        SendSMSJob("late").on_connection("other").delay_until(9).with_priority(9).dispatch()
        assert fake.run() == 9
    assert ran == ["urgent", "0", "1", "2", "3", "4", "5", "soon", "late"]


def test_run_runs_what_a_worker_gave_back(queue_fake: QueueFake, ran: list[Any]) -> None:
    Breaks.backoff, backoff = 30, Breaks.backoff
    try:
        Breaks.dispatch()
        assert WorkerTester().work(surface=False).released == 1
        with pytest.raises(ValueError, match="broken"):
            queue_fake.run()
    finally:
        Breaks.backoff = backoff


def test_run_raises_what_a_job_raised_once_all_have_run(queue_fake: QueueFake, ran: list[Any]) -> None:
    Breaks.dispatch()
    SendSMSJob.dispatch("after")
    with pytest.raises(ValueError, match="broken"):
        queue_fake.run()
    assert ran == [1, "after"]


def test_run_leaves_what_may_not_run(queue_fake: QueueFake) -> None:
    SendSMSJob.dispatch()
    QueueManager.pause("default")
    assert queue_fake.run() == 0
    QueueManager.resume("default")
    assert queue_fake.run() == 1


def test_batches_count_and_call_back(queue_fake: QueueFake, ran: list[Any]) -> None:
    batch_id = batch([Member(1), Member(2), [Member(3), Member(4)]]).then(done).dispatch()
    assert queue_fake.run() == 5
    assert ran[-1] == "done"
    assert sorted(ran[:-1]) == [1, 2, 3, 4]
    assert JobBatch.find(batch_id).finished()


def test_a_batch_that_fails_tells_its_callbacks(queue_fake: QueueFake, ran: list[Any]) -> None:
    work = batch([Member(1), Member(2, fails=True), Member(3)]).then(done).catch(told_of).finally_(ended)
    batch_id = work.dispatch()
    with pytest.raises(ValueError, match="no 2"):
        queue_fake.run()
    assert ran == [1, "no 2", "ended"]
    found = JobBatch.find(batch_id)
    assert (found.processed_jobs, found.failed_jobs, found.cancelled_jobs) == (1, 1, 1)


def test_a_chain_that_fails_tells_its_callbacks(queue_fake: QueueFake, ran: list[Any]) -> None:
    chain_id = chain([Adds(1), Breaks(), Adds(3)]).then(done).catch(told_of).dispatch()
    with pytest.raises(ValueError, match="broken"):
        queue_fake.run()
    assert ran == [1, 1, "broken"], "the second step broke, at its first attempt, and the third never ran"
    assert ChainMonitor(chain_id).get_status().current_step == 2


def test_chains_hand_on_results(queue_fake: QueueFake, ran: list[Any]) -> None:
    chain_id = chain([Adds(1), batch([Adds(2), Adds(3)]), Adds(10)]).then(done).dispatch()
    queue_fake.run()
    assert ran[-2:] == [15, "done"]
    assert ChainMonitor(chain_id).get_status().progress == 100


def test_large_batches_and_what_is_added_are_remembered(queue_fake: QueueFake) -> None:
    batch_id = batch(Member(n) for n in range(1500)).dispatch()
    JobBatch.find(batch_id).add([Member(2000), [Member(2001), Member(2002)]])
    (one,) = queue_fake.batches
    assert (one.id, one.total) == (batch_id, 1503)
    queue_fake.assert_count(1503)


def test_graphs_are_remembered(queue_fake: QueueFake, ran: list[Any]) -> None:
    workflow("two").add("a", Adds(1)).add("b", Adds(2), after="a").dispatch()
    queue_fake.assert_workflow("two")
    queue_fake.assert_workflow(lambda one: one.has_jobs([Adds(1), Adds(2)]))
    queue_fake.run()
    assert ran == [1, 3]


def test_secrets_stay_hidden_and_closures_need_no_key(queue_fake: QueueFake, ran: list[Any]) -> None:
    Hidden.dispatch("the word")
    with pytest.raises(AssertionError) as failure:
        queue_fake.assert_nothing_pushed()
    assert "the word" not in str(failure.value)
    queue_fake.run()
    assert ran == ["the word"]


def test_after_a_response(queue_fake: QueueFake) -> None:
    with dispatcher.deferring():
        job_id = SendSMSJob.dispatch_after_response()
        queue_fake.assert_nothing_pushed()
    assert [one.id for one in queue_fake.pushes] == [job_id]


def test_dispatch_now_runs(queue_fake: QueueFake, ran: list[Any]) -> None:
    assert SendEmailJob.dispatch_now("here") == "here"
    assert ran == ["here"]
    queue_fake.assert_nothing_pushed()


def test_a_clock_that_a_test_moves_is_heeded(queue_fake: QueueFake, ran: list[Any]) -> None:
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False) as traveller:
        SendSMSJob().delay_until(60).dispatch()
        queue_fake.assert_pushed_with_delay(SendSMSJob, datetime(2030, 1, 1, 0, 1, tzinfo=UTC))
        assert queue_fake.run(delayed=False) == 0
        traveller.shift(61)
        assert queue_fake.run(delayed=False) == 1
