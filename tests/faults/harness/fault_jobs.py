"""The application of the hosts: the usual jobs of the fault tests, and whatever hooks the environment names.

A host imports it before it forks, so that every process of the host has the hooks.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from harness import hooks
from harness.jobs import Audited, AuditedAsync

hooks.install()


class Sleeps(Audited):
    """Takes so many seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def work(self) -> Any:
        time.sleep(self.seconds)


class Hangs(Sleeps):
    """Takes so many seconds, and has a timeout that a test gives it (0: none)."""

    def __init__(self, seconds: float, timeout: float = 0) -> None:
        super().__init__(seconds)
        self.timeout = timeout


class SleepsAsync(AuditedAsync):
    """Takes so many seconds on an event loop."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    async def work(self) -> None:
        await asyncio.sleep(self.seconds)


class Gated(Audited):
    """Takes as long as a file is missing."""

    timeout = 0

    def __init__(self, gate: str) -> None:
        self.gate = gate

    def work(self) -> None:
        while not Path(self.gate).exists():
            time.sleep(0.005)


class GatedByAttempt(Gated):
    """The same, with a file for each attempt: its name ends in the attempt's number."""

    def work(self) -> None:
        self.gate = f"{self.gate}{self.attempts}"
        super().work()


class Returns(Sleeps):
    """Has a result."""

    def work(self) -> str:
        super().work()
        return "done"


class Fails(Sleeps):
    """Fails as often as it is tried."""

    max_tries = 1

    def work(self) -> None:
        super().work()
        raise ValueError("as it was told")


class FailsOnce(Sleeps):
    """Fails at its first try."""

    max_tries = 5
    backoff = 0.01

    def work(self) -> None:
        super().work()
        if self.attempts == 1:
            raise ValueError("as it was told")
