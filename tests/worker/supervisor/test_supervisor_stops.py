"""Real processes on real stores: what becomes of jobs when workers are told to stop, or to pause."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import tree_jobs as jobs
from gates import Start, began, held, let_go
from trees import Store, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_running_jobs_end(number: signal.Signals, store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(number)
    tree.await_event("stopped")  # the one that had nothing to do
    waiting = jobs.Quick.dispatch()
    let_go(tmp_path)
    assert tree.end() == 0
    assert (store.job(running).state.value, store.job(running).attempts) == ("completed", 1)
    assert store.job(str(waiting)).state.value == "pending"
    assert store.workers() == []


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)])
def test_a_hard_stop_releases_running_jobs_uncharged(
    numbers: tuple[signal.Signals, ...], store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    for number in numbers:
        tree.send(number)
        time.sleep(0.1)  # two signals of a kind at the same time are one
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes, job.failures) == ("pending", 0, 0, ())


def test_what_outlasts_the_grace_is_released_uncharged(store: Store, start: Start, tmp_path: Path) -> None:
    tree = start(store, "--grace", "200ms")
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert (store.job(running).state.value, store.job(running).attempts) == ("pending", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_the_whole_group_is_one_stop(
    number: signal.Signals, store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store, "--processes", "2", serves=2)
    running = held(tmp_path)
    began(tmp_path)
    tree.send(signal.SIGSTOP)
    tree.send_all(number)
    time.sleep(0.1)  # children hear it before their supervisor does
    tree.send(signal.SIGCONT)
    tree.await_event("stopped")
    let_go(tmp_path)
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes) == ("completed", 1, 0)
    assert store.workers() == []


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)])
def test_a_hard_stop_of_the_whole_group_releases_running_jobs_uncharged(
    numbers: tuple[signal.Signals, ...], store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store)
    running = held(tmp_path)
    began(tmp_path)
    for number in numbers:
        tree.send_all(number)
        time.sleep(0.1)
    assert tree.end() == 0
    job = store.job(running)
    assert (job.state.value, job.attempts, job.crashes, job.failures) == ("pending", 0, 0, ())


def test_a_child_that_somebody_stops_lets_its_job_end_however_often_it_is_told(
    store: Store, start: Start, tmp_path: Path
) -> None:
    tree = start(store)
    running = held(tmp_path)
    began(tmp_path)
    [child] = tree.children()
    for _ in range(3):
        child.terminate()
        time.sleep(0.1)
    let_go(tmp_path)
    assert tree.end() == 0, "its place stays empty"
    assert (store.job(running).state.value, store.job(running).attempts) == ("completed", 1)


# -- pause ---------------------------------------------------------------------------------------------------------


def test_a_paused_tree_takes_no_jobs_until_it_goes_on(store: Store, start: Start) -> None:
    tree = start(store, "--processes", "2", serves=2)
    tree.send(signal.SIGUSR2)
    until(lambda: [worker.state for worker in store.workers()] == ["paused", "paused"])
    job_id = jobs.Quick.dispatch()
    tree.children()[0].kill()
    tree.await_event("started")  # its successor is paused from the start
    until(lambda: [worker.state for worker in store.workers()] == ["paused", "paused"])
    time.sleep(0.3)
    assert store.count("pending") == 1
    tree.send(signal.SIGCONT)
    tree.await_event("ended", id=job_id, outcome="completed")
