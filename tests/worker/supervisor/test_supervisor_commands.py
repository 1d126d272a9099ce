"""Real processes on real stores: what somebody tells them from afar is done, and done once, whoever dies on the way."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import tree_jobs as jobs
from fakes.registry import worker_record
from gates import Start
from trees import Store, until

from qcore.monitor.actions import Actions

pytestmark = pytest.mark.slow

FALLS = """
import os, signal
from pathlib import Path
from qcore.worker.errands import Report

ask = Report.__call__

def fall_once(self, store):
    commands = ask(self, store)
    if commands and not Path("fell").exists():
        Path("fell").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return commands

Report.__call__ = fall_once
"""
"""Who asks the store dies, once, between its answer and the supervisor that is to hear it."""


@pytest.fixture
def falls(tmp_path: Path) -> Path:
    """A module of the user's by which a command is lost on its way; the mark it leaves."""
    (tmp_path / "falls.py").write_text(FALLS)
    return tmp_path / "fell"


def is_left(store: Store, supervisor: str) -> bool:
    """Whether a command is still left for a supervisor."""
    connection, spy = store.manager.connection(), worker_record(supervisor)
    left = connection.report([spy])
    connection.dismiss([spy.id])
    return bool(left)


def test_a_stop_is_not_lost_with_who_fetched_it(any_store: Store, start: Start, falls: Path) -> None:
    tree = start(any_store, "--app", "falls")
    until(any_store.workers)
    assert Actions(any_store.manager).command("*", "terminate").changed == 1
    assert tree.end() == 0
    assert falls.exists()


def test_a_restart_that_was_fetched_in_vain_is_done_once(any_store: Store, start: Start, falls: Path) -> None:
    tree = start(any_store, "--app", "falls")
    [worker] = until(any_store.workers)
    assert Actions(any_store.manager).command(worker.supervisor, "restart").changed == 1
    tree.await_event("trouble", text="reloading")
    tree.await_event("started")
    until(lambda: not is_left(any_store, worker.supervisor))
    tree.await_event("stopped")
    job_id = jobs.Quick.dispatch()
    tree.await_event("ended", id=job_id)
    tree.send(signal.SIGTERM)
    assert tree.end() == 0
    assert falls.exists()
    assert sum(told.get("text") == "reloading" for told in tree.rest()) == 1


def test_a_process_more_is_one_more(any_store: Store, start: Start, falls: Path) -> None:
    tree = start(any_store, "--app", "falls", "--processes", "2", serves=2)
    [worker, _] = until(lambda: found if len(found := any_store.workers()) == 2 else None)
    actions = Actions(any_store.manager)
    for _ in range(2):
        actions.command(worker.supervisor, "shrink")
    actions.command(worker.supervisor, "grow")
    for count in (1, 1, 2):
        tree.await_event("trouble", text=f"{count} worker processes from here on")
    assert falls.exists()
    until(lambda: not is_left(any_store, worker.supervisor))
    until(lambda: len(any_store.workers()) == 2)
    assert len(tree.children()) == 2
