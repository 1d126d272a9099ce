"""What tests of jobs need: a fake queue, and assertions about what was pushed to it. No server, no file.

    QueueFake               takes what is dispatched, in place of the stores, and remembers it
    WorkerTester            works through queues in this process; what jobs raise, the test gets
    JobTester               one job outside any queue, and how it asked to end (`job.with_fake_queue()`)
    assert_job_serializable sees that a job arrives at a worker as it was dispatched

Commands are tested with `qctl.testing.CommandTester`; the pytest fixture `queue_fake` comes with the package. Pytest
imports this for every run, so each name is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcore.testing.fake import QueueFake
    from qcore.testing.job import JobTester
    from qcore.testing.pushed import Pushed, PushedFlow
    from qcore.testing.serializing import assert_job_serializable
    from qcore.testing.worker import WorkerTester, WorkReport

__all__ = [
    "JobTester",
    "Pushed",
    "PushedFlow",
    "QueueFake",
    "WorkReport",
    "WorkerTester",
    "assert_job_serializable",
]

_HOMES = {
    "JobTester": "job",
    "Pushed": "pushed",
    "PushedFlow": "pushed",
    "QueueFake": "fake",
    "WorkReport": "worker",
    "WorkerTester": "worker",
    "assert_job_serializable": "serializing",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'qcore.testing' has no attribute {name!r}")
    value = getattr(import_module(f"qcore.testing.{home}"), name)
    globals()[name] = value
    return value
