"""A manager on an empty store, and a worker that runs in this process until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worker_jobs

from qcore import QueueManager
from qcore.config import load_settings
from qcore.manager.definitions import defined
from qcore.worker import StopReason, Worker, WorkerOptions


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("QCTL_URL", "QCTL_APP", "QCTL_CONFIG", "QCTL_KEY"):
        monkeypatch.delenv(name, raising=False)
    defined.clear()
    worker_jobs.HEARD.clear()
    yield
    defined.clear()


@pytest.fixture
def heard() -> list[tuple[Any, ...]]:
    """What jobs of this process did."""
    return worker_jobs.HEARD


def opened(url: str) -> Iterator[QueueManager]:
    manager = QueueManager(load_settings({"url": url}, environ={}))
    before = manager.install()
    yield manager
    manager.close()
    from qcore import dispatcher

    dispatcher.install(before)


@pytest.fixture
def manager() -> Iterator[QueueManager]:
    """The process's manager, on a store in memory."""
    yield from opened("memory://")


@pytest.fixture
def real_manager(store_url: str) -> Iterator[QueueManager]:
    """The process's manager, on each kind of store that outlives a process."""
    yield from opened(store_url)


@pytest.fixture
def work() -> Callable[..., StopReason]:
    """Run a worker in this process until it finds nothing (or what the options say)."""

    def run(queues: Any = None, *, observer: Any = None, **options: Any) -> StopReason:
        options.setdefault("stop_when_empty", True)
        return Worker(queues, options=WorkerOptions(**options), observer=observer).run()

    return run
