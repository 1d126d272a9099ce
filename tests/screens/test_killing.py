"""kill -9 ends a process only where it is the worker that was shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from canned import worker

from qcore.monitor.snapshots import WorkerSnapshot
from qctl.screens.top.killing import kill


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield started
    started.kill()
    started.wait()


def test_the_worker_is_killed(process: subprocess.Popen[bytes]) -> None:
    assert kill([_shown(process.pid)]) == "killed 1 process"
    assert process.wait(10) == -9


@pytest.mark.parametrize("began", [timedelta(hours=-3), timedelta(hours=3)])
def test_a_number_that_is_used_again_is_left_alone(process: subprocess.Popen[bytes], began: timedelta) -> None:
    said = kill([_shown(process.pid, began)])
    assert said == f"did not kill 00000001, pid {process.pid}: the process of that number began at another time"
    assert process.poll() is None


def test_one_that_is_gone_is_said(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert kill([_shown(process.pid)]).endswith("there is no such process here")


def _shown(pid: int, began: timedelta = timedelta()) -> WorkerSnapshot:

    return msgspec.structs.replace(worker(1), pid=pid, started_at=datetime.now(UTC) + began)
