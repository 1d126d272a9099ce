"""One attempt under way."""

from __future__ import annotations

import time

from qcore.envelope import Lease
from qcore.jobs.context import JobContext
from qcore.jobs.job import Job
from qcore.jobs.packing import Payload
from qcore.worker.verdict import Rules

_DEFAULT = Rules()


class Attempt:
    """One attempt under way: what it was built from, and since when it runs."""

    __slots__ = ("began", "context", "has_begun", "held", "job", "lease", "payload")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.began = time.perf_counter()
        self.payload: Payload | None = None
        self.held = _DEFAULT
        self.job: Job | None = None
        self.context: JobContext | None = None
        self.has_begun = False
        """Whether those who listen were told that it runs."""

    @property
    def runtime_s(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began
