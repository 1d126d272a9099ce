"""What is dropped from a screen can be brought back: it says by which word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.managers import in_use
from screen_jobs import Fails, Works

from qcore import QueueManager, dispatch_many
from qcore.monitor import Actions
from qcore.testing import WorkerTester
from qctl.screens.top.acting import Deed, Deeds


@pytest.fixture
def manager() -> Iterator[QueueManager]:
    with in_use({"url": "memory://"}) as manager:
        yield manager


@pytest.fixture
def deeds(manager: QueueManager) -> Deeds:
    return Deeds(Actions(manager))


def undone(manager: QueueManager, deed: Deed) -> int:
    """Do it, and undo it as it says; how many jobs came back."""
    *_, command, token = deed.do().split()
    assert command == "restore"
    return Actions(manager).restore(token).changed


def test_waiting_jobs(manager: QueueManager, deeds: Deeds) -> None:
    dispatch_many([Works() for _ in range(3)])
    assert undone(manager, deeds.clear(["mail"], 3)) == 3
    assert QueueManager.size("mail") == 3


def test_failed_jobs(manager: QueueManager, deeds: Deeds) -> None:
    job_id = str(Fails.dispatch())
    WorkerTester(manager).work("mail", surface=False)
    assert undone(manager, deeds.forget([job_id], ())) == 1


def test_nothing_dropped_is_nothing_to_undo(deeds: Deeds) -> None:
    assert deeds.clear(["mail"], 0).do() == "dropped 0 jobs"
