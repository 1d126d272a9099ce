"""The least that a worker is to a store: a name, a number for each request, and leases in its hands."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

from qcore.envelope import Lease
from qcore.ids import new_id


class FakeWorker:
    """Asks a driver for jobs as a worker does."""

    def __init__(self, driver: Any, *queues: str, name: str | None = None) -> None:
        self.name = name or f"worker-{new_id()}"
        self.queues = queues or ("default",)
        self._driver = driver
        self._numbers = count(1)
        self.request = 0

    def reserve(self, limit: int = 10, *queues: str) -> Sequence[Lease]:
        """Make a new request."""
        self.request = next(self._numbers)
        return self.repeat(limit, *queues)

    def repeat(self, limit: int = 10, *queues: str) -> Sequence[Lease]:
        """Make the last request again."""
        leases: Sequence[Lease] = self._driver.reserve(queues or self.queues, limit, self.name, self.request)
        return leases

    def reserve_one(self, *queues: str) -> Lease:
        """Reserve the next job, which must be there."""
        (lease,) = self.reserve(1, *queues)
        return lease

    def await_one(self, *queues: str, within_s: float = 5.0) -> Lease:
        """Reserve the next job, however soon it becomes due; fails after `within_s`."""
        return self.await_many(1, *queues, within_s=within_s)[0]

    def await_many(self, number: int, *queues: str, within_s: float = 5.0) -> list[Lease]:
        """Reserve so many jobs, waiting for them as a worker does; fails after `within_s`."""
        wanted = queues or self.queues
        leases: list[Lease] = []
        until = time.monotonic() + within_s
        while len(leases) < number and (left_s := until - time.monotonic()) > 0:
            self._driver.wait(wanted, left_s)
            leases.extend(self.reserve(number - len(leases), *wanted))
        assert len(leases) == number, f"{len(leases)} of {number} jobs came within {within_s} s"
        return leases

    def heartbeat(self, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Prove that the leases are alive."""
        cancelled: Mapping[str, bool] = self._driver.heartbeat(self.name, leases, started)
        return cancelled
