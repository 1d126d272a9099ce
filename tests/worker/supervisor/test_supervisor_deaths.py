"""Real processes on real stores: what becomes of jobs when workers die, and where they cannot be forked."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import tree_jobs as jobs
from gates import Start, began, held, let_go
from trees import Store, all_end, until

from qcore import dispatch_many

pytestmark = pytest.mark.slow

TICKER = """
import threading, time
from tree_jobs import LOCK

def tick():
    while True:
        with LOCK:
            time.sleep(0.05)

threading.Thread(target=tick, name="ticker", daemon=True).start()
"""
HANGS = """
import time
from pathlib import Path
from qcore.worker import Worker, children, watch

watch.SERVES_WITHIN_S = 1.0
children.QUICK_S = 0.5
run = Worker.run

def hang_twice(self):
    for name in ("hung", "hung_again"):
        if not Path(name).exists():
            Path(name).touch()
            time.sleep(60)
    return run(self)

Worker.run = hang_twice
"""
SCARCE = """
import errno, os
from pathlib import Path

fork = os.fork

def fork_where_there_is_room():
    if Path("full").exists():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()

os.fork = fork_where_there_is_room
"""
UNTOLD = "from qcore.worker import spawning\n\nspawning.is_told_of_death = False\n"


def test_a_child_that_is_killed_loses_nothing(any_store: Store, start: Start, tmp_path: Path) -> None:
    holds = jobs.Holds(str(tmp_path))
    dispatch_many([*(jobs.Quick() for _ in range(200)), holds, *(jobs.Quick() for _ in range(100))])
    tree = start(any_store)
    assert not [told for told in tree.heard if "threads run" in told.get("text", "")], "no store leaves a thread behind"
    began(tmp_path)
    assert any_store.count("processing") > 1, "jobs were prefetched behind the one that runs"
    [child] = tree.children()
    killed_at = time.monotonic()
    child.kill()
    tree.await_event("trouble", text=f"worker process {child.pid} was ended by signal 9 (SIGKILL)")
    tree.await_event("started")
    assert time.monotonic() - killed_at < 1.0
    until(lambda: any_store.count("completed") == 301)
    done = any_store.jobs("completed")
    assert len({job.id for job in done}) == 301
    [charged] = [job for job in done if job.attempts != 1]
    assert (charged.name, charged.attempts, charged.crashes) == ("Holds", 2, 1)
    told = any_store.job(charged.id)
    [failure] = told.failures
    assert failure.kind == "qcore.errors.WorkerCrashed"
    assert failure.text == "the worker process was ended by signal 9 (SIGKILL)"
    assert told.result == "attempt 2"


def test_children_die_with_their_supervisor(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--processes", "3", serves=3)
    held(tmp_path)
    began(tmp_path)
    children = tree.children()
    assert len(children) == 3
    tree.process.kill()
    assert all_end(children, within_s=2)


def test_a_child_that_dies_at_once_again_and_again_is_restarted_with_growing_pauses(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "stillborn.py").write_text("import os\nos.register_at_fork(after_in_child=lambda: os._exit(3))\n")
    tree = start(store, "--app", "stillborn", serves=0)
    for pause in ("", "; the next one comes in 0.5 s", "; the next one comes in 1 s", "; the next one comes in 2 s"):
        told = tree.await_event("trouble", text="exited with code 3")
        assert told["text"].endswith(f"exited with code 3{pause}")
    tree.send(signal.SIGTERM)
    assert tree.end() == 0


def test_a_crash_in_a_job_is_no_reason_to_pause(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store)
    for name in ("first", "second", "third"):
        job_id = held(tmp_path, name)
        began(tmp_path, name)
        killed_at = time.monotonic()
        tree.children()[0].kill()
        tree.await_event("started")
        assert time.monotonic() - killed_at < 1.0
        tree.await_event("ended", id=job_id, outcome="completed")


@pytest.mark.parametrize("code", [0, 12])
def test_a_job_that_ends_its_process_in_order_is_charged_all_the_same(code: int, store: Store, start: Start) -> None:
    tree = start(store, "--processes", "2", serves=2)
    for _ in range(3):
        job_id = str(jobs.Leaves.dispatch(code))
        tree.await_event("trouble", text=f"exited with code {code}")
        tree.await_event("started")
        job = store.ended(job_id)
        assert (job.state.value, job.attempts, job.crashes) == ("failed", 1, 1)
        assert job.failures[0].text == f"the worker process exited with code {code}"
        assert len(tree.children()) == 2
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"


def test_a_child_that_does_not_begin_to_serve_is_replaced_with_growing_pauses(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    tree = start(store, "--app", "hangs", serves=0)
    tree.await_event("trouble", text="is ended: it did not begin to serve within 1 s")
    tree.await_event("trouble", text="is ended: it did not begin to serve within 1 s")
    tree.await_event("trouble", text="was ended by signal 9 (SIGKILL); the next one comes in 0.5 s")
    tree.await_event("started")
    assert store.ended(str(jobs.Quick.dispatch())).state.value == "completed"


def test_a_system_without_room_for_processes_keeps_those_there_are(store: Store, start: Start, tmp_path: Path) -> None:
    (tmp_path / "scarce.py").write_text(SCARCE)
    tree = start(store, "--app", "scarce", "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    [busy] = until(lambda: [worker.pid for worker in store.workers() if worker.running])
    [idle] = [child for child in tree.children() if child.pid != busy]
    (tmp_path / "full").touch()
    idle.kill()
    for pause in ("0.5", "1"):
        told = tree.await_event("trouble", text="no worker process could be made: Resource temporarily unavailable")
        assert told["text"].endswith(f"; the next try comes in {pause} s")
    (tmp_path / "full").unlink()
    tree.await_event("started")
    let_go(tmp_path)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)


# -- processes that are not forked ---------------------------------------------------------------------------------


def test_where_threads_run_since_the_import_children_are_started_afresh(
    store: Store, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "ticks.py").write_text(TICKER)
    tree = start(store, "--app", "ticks", "--processes", "2", serves=0)
    tree.await_event("trouble", text="threads run since modules were imported (ticker): ")
    for _ in range(2):
        tree.await_event("started")
    locked = [str(jobs.Locked.dispatch()) for _ in range(4)]
    assert [store.ended(job_id).result for job_id in locked] == ["had the lock"] * 4
    running = held(tmp_path)
    began(tmp_path)
    for child in tree.children():
        child.kill()
    for _ in range(2):
        tree.await_event("started")
    assert (store.ended(running).attempts, store.ended(running).crashes) == (2, 1)
    tree.send(signal.SIGHUP)
    tree.await_event("trouble", text="reloading")
    for _ in range(2):
        tree.await_event("started")
    children = until(lambda: found if len(found := tree.children()) == 2 else None)
    held(tmp_path, "another")
    began(tmp_path, "another")
    tree.process.kill()
    assert all_end(children, within_s=2)


@pytest.mark.parametrize("threads", ["", TICKER], ids=["forked", "started"])
def test_where_the_kernel_tells_no_death_a_pipe_does(threads: str, store: Store, start: Start, tmp_path: Path) -> None:
    (tmp_path / "untold.py").write_text(UNTOLD + threads)
    tree = start(store, "--app", "untold", "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGHUP)  # a supervisor that becomes a new one has not died
    for _ in range(2):
        tree.await_event("started")
    let_go(tmp_path)
    assert (store.ended(running).state.value, store.ended(running).attempts) == ("completed", 1)
    children = until(lambda: found if len(found := tree.children()) == 2 else None)
    held(tmp_path, "another")
    began(tmp_path, "another")
    tree.process.kill()
    assert all_end(children, within_s=2)
