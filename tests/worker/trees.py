"""A supervisor with its children as a test has them: a real `qctl work`, and all that can be seen of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from qcore import QueueManager
from qcore.monitor import Monitor
from qcore.monitor.snapshots import JobSnapshot, WorkerSnapshot

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
Event = dict[str, Any]


class Tree:
    """One supervisor and what is below it, which tells what it does as lines of JSON.

    Args:
        folder: where it runs.
        url: of its store.
        words: of its command line, after `qctl`.
        env: more variables.
    """

    def __init__(self, folder: Path, url: str, *words: str, **env: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("QCTL_", "PYTEST_"))}
        path = os.pathsep.join([str(folder), str(Path(__file__).parent), str(ROOT)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qctl", *words, "--url", url, "--log", "json"],
            cwd=folder,
            env=kept | {"PYTHONPATH": path, "HOME": str(folder), "QCTL_ALLOWED_MODULES": "*"} | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.pid = self.process.pid
        self.heard: list[Event] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_event(self, event: str, within_s: float = PATIENCE_S, **fields: Any) -> Event:
        """The next event of a kind whose fields hold these values, or texts; those before it are only kept."""
        until = time.monotonic() + within_s
        while True:
            line = self._lines.get(timeout=max(0.1, until - time.monotonic()))
            assert line is not None, f"it ended without {event} {fields}: {self.heard}\n{self.process.stderr.read()}"  # type: ignore[union-attr]
            told = json.loads(line)
            self.heard.append(told)
            if told["event"] == event and all(_matches(told.get(name), value) for name, value in fields.items()):
                return told

    def rest(self) -> list[Event]:
        """All it told, once it has ended."""
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.heard.append(json.loads(line))
        return self.heard

    def children(self) -> list[psutil.Process]:
        """The processes right below it, but for the one that asks the stores."""
        return [one for one in psutil.Process(self.pid).children() if _name(one) != "qctl-pulse"]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group, as a terminal or a service manager does."""
        os.killpg(self.pid, number)

    def end(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(timeout=PATIENCE_S)

    def close(self) -> None:
        if self.process.returncode is None:  # not waited for: the group's number is still its own
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(timeout=5)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)


class Store:
    """The store behind a tree, seen from outside."""

    def __init__(self, manager: QueueManager) -> None:
        self.manager = manager
        self._monitor = Monitor(manager)

    def job(self, job_id: str) -> JobSnapshot:
        return self._monitor.job(job_id)

    def ended(self, job_id: str) -> JobSnapshot:
        """The job, once its end has reached the store."""
        return until(lambda: job if (job := self.job(job_id)).ended_at else None)  # type: ignore[no-any-return]

    def jobs(self, view: str) -> list[JobSnapshot]:
        return list(self._monitor.jobs(view, limit=1000).jobs)

    def workers(self) -> list[WorkerSnapshot]:
        return list(self._monitor.workers())

    def count(self, view: str) -> int:
        number = getattr(self._monitor.stats().totals, view)
        assert isinstance(number, int)
        return number


def until(condition: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Wait for what no event tells; what the condition gave."""
    ends_at = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < ends_at, "it did not come"
        time.sleep(0.01)
    return found


def all_end(processes: Sequence[psutil.Process], within_s: float = PATIENCE_S) -> bool:
    """Whether processes end in time; what nobody has reaped yet has ended, too."""
    ends_at = time.monotonic() + within_s
    while any(_lives(one) for one in processes):
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.01)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _matches(told: Any, wanted: Any) -> bool:
    return bool(told == wanted or (isinstance(told, str) and isinstance(wanted, str) and wanted in told))
