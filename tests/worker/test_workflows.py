"""Batches, chains and graphs, as their authors see them, on each kind of store."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import flow_jobs as jobs
import msgspec
import pytest

from qcore import (
    ChainMonitor,
    ConfigurationError,
    ConnectionFailed,
    JobBatch,
    JobNotFound,
    JobRecord,
    PayloadTooLargeError,
    QueueError,
    QueueManager,
    SignatureError,
    batch,
    chain,
    deferring,
    dispatcher,
    workflow,
)
from qcore.config import load_settings
from qcore.flows import FlowKind, Hook
from qcore.worker import StopReason, Worker, WorkerOptions
from qcore.workflows import sizes
from qcore.workflows.callbacks import Callback, judge_of

Work = Callable[..., StopReason]
Heard = list[tuple[Any, ...]]


@pytest.fixture
def real_manager(store_url: str) -> Iterator[QueueManager]:
    """With a key, as callbacks that are closures need one."""
    settings = load_settings({"url": store_url}, environ={"QCTL_KEY": f"base64:{b64encode(bytes(32)).decode()}"})
    manager = QueueManager(settings)
    before = manager.install()
    yield manager
    manager.close()
    dispatcher.install(before)


@pytest.fixture(autouse=True)
def on_each(real_manager: QueueManager, monkeypatch: pytest.MonkeyPatch) -> QueueManager:
    monkeypatch.setattr(jobs.Mends, "is_mended", False)
    return real_manager


@pytest.fixture
def run(work: Work) -> Callable[..., None]:
    def until_empty(queues: str = "flows,default", **options: Any) -> None:
        work(queues, **options)

    return until_empty


def counted(batch_id: str) -> tuple[int, int, int, int, int]:
    found = JobBatch.find(batch_id)
    assert found.total_jobs == found.pending_jobs + found.processed_jobs + found.failed_jobs + found.cancelled_jobs
    return (found.total_jobs, found.pending_jobs, found.processed_jobs, found.failed_jobs, found.cancelled_jobs)


# -- batches -------------------------------------------------------------------------------------------------------


def test_a_batch_counts_its_jobs_and_calls_back(run: Any, heard: Heard) -> None:
    batch_id = (
        batch([jobs.Says(n) for n in range(5)])
        .name("five")
        .with_option("owner", "me")
        .then(jobs.then)
        .catch(jobs.catch)
        .finally_(jobs.finally_)
        .dispatch()
    )
    assert counted(batch_id) == (5, 5, 0, 0, 0)
    assert JobBatch.find(batch_id).progress() == 0
    run()
    found = JobBatch.find(batch_id)
    assert (found.name, found.options, found.progress(), found.finished()) == ("five", {"owner": "me"}, 100, True)
    assert counted(batch_id) == (5, 0, 5, 0, 0)
    assert sorted(heard[:5]) == [(n,) for n in range(5)]
    assert heard[5:] == [("then", 5, 0), ("finally", True, 0)]
    assert found.finished_at is not None
    assert found.created_at <= found.finished_at
    assert not found.cancelled()
    assert not found.has_failures()


def test_one_failure_too_many_fails_it_and_cancels_the_rest(run: Any, heard: Heard) -> None:
    works = [jobs.Says("a"), jobs.Says("b", fails=True), *(jobs.Says(n) for n in range(500))]
    batch_id = batch(works).then(jobs.then).catch(jobs.catch).finally_(jobs.finally_).dispatch()
    run()
    found = JobBatch.find(batch_id)
    total, pending, processed, failed, cancelled = counted(batch_id)
    assert (total, pending, failed, processed + cancelled) == (502, 0, 1, 501)
    assert cancelled, "what was not in the worker's hands was cancelled"
    assert (found.failed(), found.cancelled(), found.finished()) == (True, True, True)
    assert [one for one in heard if one[0] in ("then", "catch", "finally")] == [
        ("catch", "b is not to be said"),
        ("finally", True, cancelled),
    ]
    assert len(found.failed_job_ids) == 1
    assert JobRecord.find(found.failed_job_ids[0]).error is not None


@pytest.mark.parametrize(
    ("allowed", "failing", "is_failed"),
    [(1, 1, False), (1, 2, True), (None, 4, False), ("50%", 2, False), ("50%", 3, True), ("12.5 %", 1, True)],
)
def test_failures_that_are_allowed(run: Any, heard: Heard, allowed: Any, failing: int, is_failed: bool) -> None:
    works = [jobs.Says(n) for n in range(4 - failing)] + [jobs.Says(9, fails=True) for _ in range(failing)]
    pending = batch(works).allow_failures(allowed).then(jobs.then).catch(jobs.catch)
    batch_id = pending.dispatch()
    run()
    found = JobBatch.find(batch_id)
    assert found.failed() is is_failed
    assert ("then" in [one[0] for one in heard]) is not is_failed
    assert ("catch" in [one[0] for one in heard]) is is_failed
    assert counted(batch_id)[1] == 0


def test_a_function_judges_failures(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Says(1, fails=True), jobs.Says(3, fails=True)]).allow_failures(jobs.is_odd).dispatch()
    run()
    assert not JobBatch.find(batch_id).failed()
    assert counted(batch_id) == (2, 0, 0, 2, 0)
    batch_id = batch([jobs.Says(2, fails=True)]).allow_failures(jobs.is_odd).catch(jobs.catch).dispatch()
    run()
    assert JobBatch.find(batch_id).failed()
    assert heard[-1] == ("catch", "2 is not to be said")


def test_closures_are_called(run: Any, heard: Heard) -> None:
    word = "closure"
    batch([jobs.Says("a")]).then(lambda: jobs.heard(word)).finally_(lambda b: jobs.heard(b.total_jobs)).dispatch()
    run()
    assert heard == [("a",), ("closure",), (1,)]


def test_an_empty_batch_is_complete_at_once(run: Any, heard: Heard) -> None:
    batch_id = batch([]).then(jobs.then).finally_(jobs.finally_).dispatch()
    assert JobBatch.find(batch_id).finished()
    assert JobBatch.find(batch_id).progress() == 100
    run()
    assert heard == [("then", 0, 0), ("finally", True, 0)]


def test_before_comes_first(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Says("a"), [jobs.Says("b"), jobs.Says("c")]]).before(jobs.before).then(jobs.then).dispatch()
    run()
    assert heard[0] == ("before", 3)
    assert heard[-1] == ("then", 3, 0)
    assert counted(batch_id) == (3, 0, 3, 0, 0)


def test_progress_is_told_one_at_a_time_and_up_to_the_end(run: Any, heard: Heard) -> None:
    batch([jobs.Says(n) for n in range(30)]).progress(jobs.progress).finally_(jobs.done).dispatch()
    run()
    told = [one[1] for one in heard if one[0] == "progress"]
    assert told == sorted(told)
    assert told[-1] == 100
    assert len(told) < 30
    assert heard[-1] == ("done",)


def test_a_large_batch_is_stored_in_pieces(run: Any, heard: Heard) -> None:
    told: list[int] = []
    words = (jobs.Says(n) for n in range(2500))
    batch_id = batch(words).then(jobs.then).dispatch(told=told.append)
    assert told == [1000, 2000, 2500]
    assert counted(batch_id) == (2500, 2500, 0, 0, 0)
    assert not JobBatch.find(batch_id).is_open
    run()
    assert counted(batch_id) == (2500, 0, 2500, 0, 0)
    assert heard[-1] == ("then", 2500, 0)


class Deaf:
    """A store whose answer to each first weave gets lost on its way."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.lost = 0

    def weave(self, weave: Any, **more: Any) -> int:
        stored = int(self._store.weave(weave, **more))
        if weave.is_first:
            self.lost += 1
            raise ConnectionFailed("the answer got lost")
        return stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_batch_whose_answers_get_lost_is_stored_once(run: Any, heard: Heard, real_manager: QueueManager) -> None:
    real_manager.connection()
    name = real_manager.settings.connection().name
    deaf = Deaf(real_manager._stores[name])
    real_manager._stores[name] = deaf  # type: ignore[assignment]  # for all but one verb the same
    batch_id = batch([jobs.Says(n) for n in range(2500)]).then(jobs.done).dispatch()
    assert deaf.lost == 3
    assert counted(batch_id) == (2500, 2500, 0, 0, 0)
    run()
    assert counted(batch_id) == (2500, 0, 2500, 0, 0)
    assert heard.count(("done",)) == 1


def test_a_producer_that_breaks_off_leaves_an_open_batch(run: Any, heard: Heard) -> None:
    def broken() -> Any:
        yield from (jobs.Says(n) for n in range(2500))
        yield "no job"

    with pytest.raises(ConfigurationError, match=r"job 2,501 of the batch.*is open with the 2,000 jobs stored"):
        batch(broken()).then(jobs.then).dispatch()
    (record,) = QueueManager.current().connection().flows([FlowKind.BATCH]).flows
    found = JobBatch.find(record.flow.id)
    assert (found.is_open, found.total_jobs) == (True, 2000)
    run()
    assert (found.fresh().finished(), found.fresh().progress()) == (False, 100)
    assert found.add([jobs.Says("more")]) == 1
    assert found.close()
    run()
    assert found.fresh().finished()
    assert heard[-1] == ("then", 2001, 0)


def test_jobs_add_jobs_exactly_once(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Adds(["x", "y"], fails_first=True)]).then(jobs.then).dispatch()
    run()
    assert sorted(heard[:-1]) == [("x",), ("y",)]
    assert heard[-1] == ("then", 3, 0)
    assert counted(batch_id) == (3, 0, 3, 0, 0)


def test_what_is_added_at_once_is_added_once(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.AddsAtOnce()]).then(jobs.then).dispatch()
    run()
    assert counted(batch_id) == (1504, 0, 1504, 0, 0)
    assert sorted(one for (one,) in heard[:-1] if isinstance(one, int)) == list(range(1500))
    assert {"first", "second", "inner"} <= {one[0] for one in heard}
    assert heard[-1] == ("then", 1504, 0)


def test_what_is_added_waits_for_before_too(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Says("a")]).before(jobs.before).dispatch()
    assert JobBatch.find(batch_id).add([jobs.Says("b"), [jobs.Says("c"), jobs.Says("d")]]) == 2
    run()
    assert heard[0] == ("before", 4)
    assert counted(batch_id) == (4, 0, 4, 0, 0)


def test_adding_is_streamed(run: Any, heard: Heard) -> None:
    def broken() -> Any:
        yield from (jobs.Says(n) for n in range(2500))
        yield "no job"

    batch_id = batch([jobs.Says("a")]).dispatch()
    with pytest.raises(ConfigurationError, match=r"job 2,501 of the batch.*2,000 were added to batch"):
        JobBatch.find(batch_id).add(broken())
    assert counted(batch_id)[0] == 2001


def test_an_interrupted_producer_is_told_which_batch_is_open() -> None:
    def interrupted() -> Any:
        yield from (jobs.Says(n) for n in range(2500))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        batch(interrupted()).dispatch()
    (record,) = QueueManager.current().connection().flows([FlowKind.BATCH]).flows
    assert stopped.value.__notes__ == [f"batch {record.flow.id} is open with the 2,000 jobs stored before that"]


def test_many_long_chains_are_stored_piece_by_piece(run: Any, heard: Heard) -> None:
    batch_id = batch([[jobs.Says(n) for n in range(600)] for _ in range(5)]).then(jobs.then).dispatch()
    assert counted(batch_id) == (3000, 3000, 0, 0, 0)
    run()
    assert heard[-1] == ("then", 3000, 0)


def test_what_no_step_can_store_is_refused() -> None:
    with pytest.raises(PayloadTooLargeError, match="a batch of 10,001 steps"):
        batch([jobs.Says("a"), [jobs.Says(n) for n in range(10_001)]]).dispatch()


def test_large_payloads_are_stored_in_as_many_steps_as_they_need(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MOST_BYTES", 20_000)
    batch_id = batch([jobs.Says("x" * 1000) for _ in range(100)]).then(jobs.done).dispatch()
    assert counted(batch_id) == (100, 100, 0, 0, 0)
    assert not JobBatch.find(batch_id).is_open
    run()
    assert JobBatch.find(batch_id).finished()


def test_several_callbacks_of_a_kind_are_all_called(run: Any, heard: Heard) -> None:
    batch([jobs.Says("a")]).then(jobs.then).then(lambda: jobs.heard("and then")).dispatch()
    run()
    assert heard == [("a",), ("then", 1, 0), ("and then",)]


def test_an_open_batch_without_jobs_has_come_nowhere(real_manager: QueueManager) -> None:
    batch_id = batch([]).before(jobs.before).dispatch()
    assert JobBatch.find(batch_id).progress() == 0


def test_to_a_finished_batch_nothing_is_added(run: Any) -> None:
    batch_id = batch([jobs.Says("a")]).dispatch()
    run()
    with pytest.raises(QueueError, match="has finished"):
        JobBatch.find(batch_id).add([jobs.Says("b")])


def test_cancel_ends_what_waits(run: Any, heard: Heard) -> None:
    pending = batch([jobs.Says("a"), [jobs.Says("b"), jobs.Says("c")], jobs.Says("d").delay_until(3600)])
    batch_id = pending.then(jobs.then).finally_(jobs.finally_).dispatch()
    assert JobBatch.find(batch_id).cancel()
    assert not JobBatch.find(batch_id).cancel()
    assert counted(batch_id) == (4, 0, 0, 0, 4)
    run()
    assert heard == [("finally", True, 4)]
    assert JobBatch.find(batch_id).cancelled_at is not None


def test_a_member_cancels_its_batch(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Cancels(), *(jobs.Says(n) for n in range(500))]).finally_(jobs.finally_).dispatch()
    run()
    total, pending, _, failed, cancelled = counted(batch_id)
    assert (total, pending, failed) == (501, 0, 0)
    assert cancelled
    assert heard[-1] == ("finally", True, cancelled)


def test_a_job_in_hand_is_skipped_where_its_batch_was_cancelled(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Skips("skipped")]).dispatch()
    run()
    assert (heard, counted(batch_id)) == ([], (1, 0, 1, 0, 0))
    batch([jobs.SkipsNot("run")]).dispatch()
    jobs.SkipsNot.dispatch("alone")
    run()
    assert heard == [("run",), ("alone",)]


def test_retry_reopens_and_no_callback_comes_twice(run: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = batch([jobs.Mends("m"), jobs.Says("a")]).allow_failures(0)
    batch_id = pending.then(jobs.then).catch(jobs.catch).finally_(jobs.finally_).dispatch()
    run()
    assert [one[0] for one in heard if one[0] != "a"] == ["catch", "finally"]
    monkeypatch.setattr(jobs.Mends, "is_mended", True)
    assert JobBatch.find(batch_id).retry() == 1
    assert not JobBatch.find(batch_id).finished()
    run()
    found = JobBatch.find(batch_id)
    assert (found.finished(), found.failed(), found.failed_jobs) == (True, False, 0)
    assert [one[0] for one in heard if one[0] != "a"] == ["catch", "finally", "m", "then"]


def test_what_operators_do_counts(run: Any, real_manager: QueueManager) -> None:
    batch_id = batch([jobs.Says(n) for n in range(3)]).dispatch()
    (first, *_) = real_manager.connection().page("pending").jobs
    assert JobRecord.find(first.id).cancel()
    assert counted(batch_id) == (3, 2, 0, 0, 1)
    assert real_manager.connection().clear("flows") == 2
    assert counted(batch_id) == (3, 0, 0, 0, 3)
    assert JobBatch.find(batch_id).finished()
    batch_id = batch([jobs.Says(1, fails=True)]).allow_failures().dispatch()
    run()
    assert counted(batch_id) == (1, 0, 0, 1, 0)
    assert real_manager.retry("all") == 1
    assert counted(batch_id) == (1, 1, 0, 0, 0)
    assert not JobBatch.find(batch_id).finished()


def test_a_deleted_batch_is_forgotten_and_its_jobs_run(run: Any, heard: Heard) -> None:
    batch_id = batch([jobs.Says("a")]).then(jobs.then).dispatch()
    assert JobBatch.find(batch_id).delete()
    with pytest.raises(JobNotFound, match=batch_id):
        JobBatch.find(batch_id)
    run()
    assert heard == [("a",)]


# -- chains --------------------------------------------------------------------------------------------------------


def test_a_response_comes_first(run: Any, heard: Heard) -> None:
    described = [batch([jobs.Says("b")]), chain([jobs.Says("c")]), workflow().add("g", jobs.Says("g"))]
    with deferring():
        ids = [one.dispatch_after_response() for one in described]
        run()
        assert heard == []
    run()
    assert sorted(heard) == [("b",), ("c",), ("g",)]
    assert JobBatch.find(ids[0]).finished()
    assert [ChainMonitor(one).get_status().state for one in ids[1:]] == ["completed"] * 2
    at_once = described[0].dispatch_after_response()
    assert JobBatch.find(at_once).total_jobs == 1
    assert described[0].dispatch_unless(True) is None
    assert described[2].dispatch_if(True) not in {*ids, at_once}


def test_a_chain_hands_results_on(run: Any, heard: Heard) -> None:
    chain_id = chain([jobs.Sums(1), jobs.Sums(2), jobs.Sums(3)]).name("sums").then(jobs.done).dispatch()
    status = ChainMonitor(chain_id).get_status()
    assert (status.name, status.total_steps, status.current_step, status.progress) == ("sums", 3, 1, 0)
    assert [step.state for step in status.steps] == ["pending"] * 3
    run()
    assert heard == [(1, None), (2, 1), (3, 3), ("done",)]
    status = ChainMonitor(chain_id).get_status()
    assert (status.state, status.progress, status.current_step) == ("completed", 100, 3)
    assert [step.state for step in status.steps] == ["completed"] * 3
    assert all(step.runtime_s is not None for step in status.steps)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_retry_reaches_what_failed_inside(
    run: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    inner: Any = batch([jobs.Mends("m")]).name("inner")
    for _ in range(depth - 1):
        inner = chain([inner, jobs.Says("y")]).name("between")
    chain_id = chain([inner, jobs.Says("z")]).then(jobs.done).dispatch()
    run()
    assert ChainMonitor(chain_id).get_status().state == "failed"
    monkeypatch.setattr(jobs.Mends, "is_mended", True)
    assert ChainMonitor(chain_id).retry()
    assert not ChainMonitor(chain_id).retry(), "nothing of it has failed any more"
    run()
    assert heard == [("m",), *[("y",)] * (depth - 1), ("z",), ("done",)]
    assert ChainMonitor(chain_id).get_status().state == "completed"


def test_a_failed_step_ends_its_chain_until_it_is_retried(
    run: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_id = (
        chain([jobs.Says("a"), jobs.Mends("m"), jobs.Says("z")]).catch(jobs.caught).finally_(jobs.done).dispatch()
    )
    run()
    assert heard == [("a",), ("caught", "m"), ("done",)]
    status = ChainMonitor(chain_id).get_status()
    assert (status.state, status.current_step, status.error) == ("failed", 2, "m")
    assert [step.state for step in status.steps] == ["completed", "failed", "cancelled"]
    monkeypatch.setattr(jobs.Mends, "is_mended", True)
    assert ChainMonitor(chain_id).retry()
    run()
    assert heard == [("a",), ("caught", "m"), ("done",), ("m",), ("z",)]
    assert ChainMonitor(chain_id).get_status().state == "completed"


def test_a_step_adds_steps(run: Any, heard: Heard) -> None:
    chain_id = chain([jobs.Grows(), jobs.Says("third")]).dispatch()
    run()
    assert heard == [("grows",), ("second",), ("third",), ("last",)]
    status = ChainMonitor(chain_id).get_status()
    assert (status.total_steps, status.progress) == (4, 100)


def test_the_only_step_of_a_chain_adds_steps_and_a_member_that_is_none_is_told(run: Any, heard: Heard) -> None:
    chain([jobs.Grows()]).dispatch()
    run()
    assert heard == [("grows",), ("second",), ("last",)]
    batch_id = batch([jobs.Grows()]).dispatch()
    run(tries=1)
    (failed_id,) = JobBatch.find(batch_id).failed_job_ids
    assert "that is no step" in str(JobRecord.find(failed_id).error)


def test_a_batch_is_a_step_and_its_results_are_a_list(run: Any, heard: Heard) -> None:
    inner = batch([jobs.Sums(10), [jobs.Sums(1), jobs.Sums(19)], jobs.Sums(30)]).name("fan").then(jobs.done)
    chain_id = chain([jobs.Sums(5), inner, jobs.Sums(100)]).dispatch()
    run()
    assert heard[0] == (5, None)
    assert (100, [10, 20, 30]) in heard
    assert heard.index(("done",)) >= 5
    status = ChainMonitor(chain_id).get_status()
    assert (status.state, [step.is_flow for step in status.steps]) == ("completed", [False, True, False])


def test_a_chain_within_a_chain_keeps_what_is_said_of_it(run: Any, heard: Heard) -> None:
    inner = chain([jobs.Anywhere("b"), jobs.Anywhere("c")]).name("inner").on_queue("elsewhere").then(jobs.done)
    quiet = chain([jobs.Anywhere("d")]).on_queue("elsewhere")
    chain_id = chain([jobs.Says("a"), inner, quiet, jobs.Tells()]).dispatch()
    run()
    assert heard == [("a",)]
    run(queues="flows,default,elsewhere")
    assert heard[1:] == [("b",), ("c",), ("done",), ("d",), ("d",)]
    status = ChainMonitor(chain_id).get_status()
    assert [(step.job, step.is_flow) for step in status.steps[1:3]] == [("inner", True), ("chain", True)]


def test_a_nested_chain_hands_on_what_its_last_step_returned(run: Any, heard: Heard) -> None:
    inner = chain([jobs.Sums(1), jobs.Sums(2)]).then(jobs.done)
    chain([inner, jobs.Tells()]).dispatch()
    run()
    assert heard[-1] == (3,)


def test_what_is_added_to_a_nested_batch_hands_on_its_result(run: Any, heard: Heard) -> None:
    chain([batch([jobs.AddsSums(), jobs.Sums(2)]), jobs.Tells()]).dispatch()
    run()
    assert heard[-1] == ([1, 2, 7],)


def test_all_of_it_lives_on_one_connection() -> None:
    config = {"here": {"driver": "memory"}, "far": {"driver": "sync"}}
    manager = QueueManager(load_settings({"connection": "here"}, environ={}, app_config={"QUEUE_CONFIG": config}))
    inner = chain([jobs.Says("a")]).name("inner").on_connection("far")
    with manager.using(), pytest.raises(ConfigurationError, match=r'"inner".* goes to connection "far".*on "here"'):
        batch([jobs.Says("b"), inner]).dispatch()
    manager.close()


def test_a_chain_is_cancelled(run: Any, heard: Heard) -> None:
    chain_id = chain([jobs.Says("a"), jobs.Says("b")]).finally_(jobs.done).dispatch()
    assert ChainMonitor(chain_id).cancel()
    run()
    assert heard == [("done",)]
    assert [step.state for step in ChainMonitor(chain_id).get_status().steps] == ["cancelled", "cancelled"]


def test_chains_in_a_batch_count_each_step(run: Any, heard: Heard) -> None:
    works = [[jobs.Says("a"), jobs.Says("b", fails=True), jobs.Says("c")], jobs.Says("d")]
    batch_id = batch(works).allow_failures(1).then(jobs.then).dispatch()
    run()
    assert counted(batch_id) == (4, 0, 2, 1, 1)
    assert heard[-1] == ("then", 2, 1)
    assert ("c",) not in heard


def test_batches_within_batches(run: Any, heard: Heard) -> None:
    inner = batch([jobs.Says("a"), jobs.Says("b", fails=True)]).catch(jobs.catch).finally_(jobs.done)
    batch_id = batch([inner, jobs.Says("c")]).allow_failures(1).then(jobs.then).dispatch()
    run()
    assert counted(batch_id) == (2, 0, 1, 1, 0)
    assert {one[0] for one in heard} >= {"c", "catch", "done", "then"}


# -- graphs --------------------------------------------------------------------------------------------------------


def test_a_graph_runs_in_its_order(run: Any, heard: Heard) -> None:
    graph_id = (
        workflow("diamond")
        .add("c", jobs.Parents(), after=["a", "b"])
        .add("b", jobs.Sums(2), after="a")
        .add("a", jobs.Sums(1))
        .then(jobs.done)
        .dispatch()
    )
    run()
    assert heard == [(1, None), (2, 1), ("parents", {"a": 1, "b": 3}), ("done",)]
    status = ChainMonitor(graph_id).get_status()
    assert {step.name: step.state.value for step in status.steps} == {
        "a": "completed",
        "b": "completed",
        "c": "completed",
    }


def test_circles_and_strangers_are_refused() -> None:
    ring = (
        workflow().add("a", jobs.Plain(), after="c").add("b", jobs.Plain(), after="a").add("c", jobs.Plain(), after="b")
    )
    with pytest.raises(ConfigurationError, match=r"circle: (a → b → c → a|b → c → a → b|c → a → b → c)"):
        ring.dispatch()
    with pytest.raises(ConfigurationError, match='"b" waits for "x"'):
        workflow().add("a", jobs.Plain()).add("b", jobs.Plain(), after="x").dispatch()
    with pytest.raises(ConfigurationError, match='step "a" already'):
        workflow().add("a", jobs.Plain()).add("a", jobs.Plain())


def test_what_waits_for_a_failed_step_is_cancelled(run: Any, heard: Heard) -> None:
    graph_id = (
        workflow()
        .add("a", jobs.Says("a", fails=True))
        .add("b", jobs.Says("b"), after="a")
        .add("c", jobs.Says("c"))
        .allow_failures(1)
        .then(jobs.done)
        .dispatch()
    )
    run()
    states = {step.name: step.state.value for step in ChainMonitor(graph_id).get_status().steps}
    assert states == {"a": "failed", "b": "cancelled", "c": "completed"}
    assert heard[-1] == ("done",)


def test_without_a_key_a_closure_is_refused(store_url: str) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("it makes a key of its own")
    manager = QueueManager(load_settings({"url": store_url}, environ={}))
    with manager.using(), pytest.raises(ConfigurationError) as refused:
        batch([jobs.Says("a")]).then(lambda: None).dispatch()
    manager.close()
    assert "qctl key:generate" in refused.value.hint


def test_without_a_key_a_closure_that_somebody_stored_is_not_run(store_url: str, tmp_path: Path) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("it makes a key of its own")
    ran = tmp_path / "ran"
    code = cloudpickle.dumps(ran.touch)
    manager = QueueManager(load_settings({"url": store_url}, environ={}))
    with manager.using():
        batch_id = batch([jobs.Says("a")]).dispatch()
        callback = Callback(batch_id, Hook.THEN.value, None, code, "{}.{}".format(*sys.version_info))
        (job_id,) = manager.dispatch([callback])
        Worker("default", options=WorkerOptions(stop_when_empty=True)).run()
        failed = JobRecord.find(job_id)
        assert "no key is set to check it with" in str(failed.error)
    manager.close()
    assert not ran.exists()


def test_what_judges_the_failures_of_one_batch_judges_those_of_no_other(real_manager: QueueManager) -> None:
    ids = [batch([jobs.Says("a")]).allow_failures(lambda error, job: True).dispatch() for _ in range(2)]
    store, name = real_manager.connection(), real_manager.settings.connection().name
    one, other = (store.flow(batch_id) for batch_id in ids)
    assert one is not None
    assert other is not None
    assert judge_of(one, real_manager, name)
    with pytest.raises(SignatureError, match="judges failures of"):
        judge_of(msgspec.structs.replace(one, options=other.options), real_manager, name)
    changed = one.options.replace(b"cloudpickle", b"cloudpickla")
    with pytest.raises(SignatureError):
        judge_of(msgspec.structs.replace(one, options=changed), real_manager, name)


def test_closures_can_be_forbidden(store_url: str) -> None:
    manager = QueueManager(load_settings({"url": store_url, "allow_closures": False}, environ={}))
    with manager.using(), pytest.raises(ConfigurationError, match="allow_closures"):
        chain([jobs.Says("a")]).catch(lambda e: None).dispatch()
    manager.close()


# -- beside queues and workers -------------------------------------------------------------------------------------


def test_on_a_sync_connection_all_of_it_runs_at_once(heard: Heard) -> None:
    manager = QueueManager(load_settings({"url": "sync://"}, environ={}))
    with manager.using():
        inner = batch([jobs.Sums(1), jobs.Sums(2)])
        chain_id = chain([jobs.Sums(5), inner, jobs.Sums(10), jobs.Grows()]).then(jobs.done).dispatch()
        assert ChainMonitor(chain_id).get_status().state == "completed"
        assert [one[0] for one in heard] == [5, 1, 2, 10, "grows", "second", "last", "done"]
        assert (10, [1, 2]) in heard
        with pytest.raises(ValueError, match="b is not to be said"):
            batch([jobs.Says("b", fails=True)]).catch(jobs.caught).dispatch()
        assert heard[-1] == ("caught", "b is not to be said")
    manager.close()


def test_in_the_callers_transaction_it_is_stored_with_it(real_manager: QueueManager, tmp_path: Path) -> None:
    if not real_manager.connection().capabilities.transactional:
        pytest.skip("the store has no transactions of the caller's")
    with real_manager.connection().session() as session:
        dropped = batch([jobs.Says("a")]).dispatch(session=session)
        session.rollback()
        kept = chain([jobs.Says("a"), jobs.Says("b")]).dispatch(session=session)
        session.commit()
    with pytest.raises(JobNotFound):
        JobBatch.find(dropped)
    assert ChainMonitor(kept).get_status().total_steps == 2
    assert len(real_manager.connection().page("pending").jobs) == 1


def test_what_an_encrypted_step_returned_is_hidden_and_handed_on(
    real_manager: QueueManager, run: Any, heard: Heard
) -> None:
    chain_id = chain([jobs.Hidden("a secret"), jobs.Tells()]).dispatch()
    run()
    assert heard == [("a secret",)]
    first, _ = real_manager.connection().steps(chain_id)
    assert first.result is not None
    assert b"secret" not in first.result
