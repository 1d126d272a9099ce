"""Real processes on real stores: workers that are ended, since they hang or grow."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import tree_jobs as jobs
from gates import Start, began, held, let_go
from trees import Store, until

pytestmark = pytest.mark.slow


def test_a_job_that_is_deaf_to_its_timeout_is_ended_and_charged(store: Store, start: Start) -> None:
    tree = start(store)
    job_id = str(jobs.Deaf.dispatch())
    tree.await_event("trouble", text="did not heed its timeout")
    job = store.ended(job_id)
    assert job.state.value == "failed"
    assert (job.attempts, job.crashes) == (1, 1)
    assert job.failures[0].kind == "qcore.errors.JobTimeout"
    assert job.failures[0].text.startswith("the attempt did not end within 2.")


def test_a_job_that_must_not_time_out_is_not_tried_again(store: Store, start: Start) -> None:
    start(store)
    job_id = str(jobs.DeafAndFinal.dispatch(5))
    job = store.ended(job_id)
    assert (job.state.value, job.attempts) == ("failed", 1)
    assert job.failures[-1].kind == "qcore.errors.JobTimeout"


def test_only_the_late_job_of_a_child_is_charged(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--threads", "3")
    other = held(tmp_path)
    began(tmp_path)
    late = str(jobs.Deaf.dispatch())
    tree.await_event("trouble", text="did not heed its timeout")
    let_go(tmp_path)
    assert (store.ended(late).attempts, store.ended(late).crashes) == (1, 1)
    assert (store.ended(other).attempts, store.ended(other).crashes) == (1, 0)


def test_a_child_above_its_memory_is_recycled_between_jobs(store: Store, start: Start) -> None:
    tree = start(store, "--memory", "1")
    before = tree.children()[0].pid
    jobs.Quick.dispatch()
    tree.await_event("stopped", reason="memory")
    tree.await_event("started")
    assert [child.pid != before for child in tree.children()] == [True]
    job_id = jobs.Quick.dispatch()
    tree.await_event("ended", id=job_id, outcome="completed")


def test_a_job_that_outgrows_the_memory_is_ended_and_charged(store: Store, start: Start) -> None:
    tree = start(store, "--memory-hard", "200")
    job_id = str(jobs.Grows.dispatch(400))
    tree.await_event("trouble", text="the process outgrew its memory")
    job = store.ended(job_id)
    assert job.state.value == "failed"
    assert (job.attempts, job.crashes) == (1, 1)
    assert job.failures[0].text.startswith("the process outgrew its memory: ")


def test_a_job_that_is_deaf_to_a_stop_is_ended_uncharged(store: Store, start: Start) -> None:
    tree = start(store, "--grace", "100ms", "--timeout", "0")
    job_id = str(jobs.DeafForEver.dispatch())
    until(lambda: store.job(job_id).state.value == "processing")
    tree.send(signal.SIGTERM)
    tree.await_event("trouble", text="it did not stop in time")
    assert tree.end() == 0
    assert (store.job(job_id).state.value, store.job(job_id).attempts) == ("pending", 0)
