"""Real processes on real stores: a worker that is asked tells where its code is, whatever that does just now."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import tree_jobs as jobs
from gates import Start, began, held, let_go
from trees import Store, until

from qcore.monitor.snapshots import WorkerSnapshot
from qcore.monitor.stacks import Answer, Asked
from qcore.worker.stacks import ASK

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="it needs signals of Linux")]


def told(store: Store, worker: WorkerSnapshot) -> Answer:
    """What a worker tells that is asked."""
    asked = Asked(store.manager, worker)
    asked.ask()
    return until(lambda: answer if (answer := asked.look()).stack or answer.is_gone else None)  # type: ignore[no-any-return]


@pytest.mark.parametrize("flags", [(), ("--threads", "2")], ids=["inline", "threads"])
def test_a_job_in_a_thread_is_found(any_store: Store, start: Start, tmp_path: Path, flags: tuple[str, ...]) -> None:
    job_id = held(tmp_path)
    start(any_store, *flags)
    began(tmp_path)
    [worker] = until(lambda: found if (found := any_store.workers()) and found[0].running else None)
    answer = told(any_store, worker)
    assert [job.id for job in answer.running] == [job_id]
    assert answer.stack is not None
    assert "tree_jobs.py" in answer.stack.text
    assert " in handle\n" in answer.stack.text
    again = told(any_store, until(any_store.workers)[0])
    assert again.stack is not None
    assert again.stack.at > answer.stack.at
    assert again.stack.text.count(" in handle\n") == 1
    let_go(tmp_path)
    assert any_store.ended(job_id).state == "completed"


def test_a_task_that_waits_is_found_down_to_what_it_awaits(any_store: Store, start: Start, tmp_path: Path) -> None:
    job_id = jobs.Awaits.dispatch(str(tmp_path))
    start(any_store, "--async", "4")
    began(tmp_path, "awaits")
    answer = told(any_store, until(any_store.workers)[0])
    assert answer.stack is not None
    _, _, task = answer.stack.text.partition(f"Task {job_id} (most recent call first):\n")
    assert [line.rpartition(" in ")[2] for line in task.splitlines()[:3]] == ["sleep", "until_let_go", "handle"]
    let_go(tmp_path, "awaits")
    assert any_store.ended(job_id).state == "completed"


def test_who_lets_nobody_else_run_tells_when_it_is_over(any_store: Store, start: Start, tmp_path: Path) -> None:
    job_id = jobs.HoldsAll.dispatch(str(tmp_path), 2.0)
    start(any_store, "--threads", "2")
    began(tmp_path, "all")
    answer = told(any_store, until(any_store.workers)[0])
    assert answer.stack is not None
    assert any_store.ended(job_id).state == "completed"


def test_who_is_asked_again_and_again_goes_on(any_store: Store, start: Start, tmp_path: Path) -> None:
    ids = [jobs.Quick.dispatch() for _ in range(300)]
    tree = start(any_store, "--threads", "4")
    [worker] = until(any_store.workers)
    for _ in range(200):
        os.kill(worker.pid, ASK or 0)
    assert all(any_store.ended(str(one)).state == "completed" for one in ids)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0


def test_who_ended_tells_nothing(any_store: Store, start: Start) -> None:
    tree = start(any_store)
    [worker] = until(any_store.workers)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert told(any_store, worker).is_gone
