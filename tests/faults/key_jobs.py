"""Jobs that hold locks, and keep the books."""

from __future__ import annotations

import time
from pathlib import Path

from harness.jobs import Audited

from qcore import ShouldBeUnique, ShouldBeUniqueUntilProcessing
from qcore.middleware import WithoutOverlapping


class Keyed(Audited, ShouldBeUnique):
    """One of its key at a time; takes so many seconds, and then fails where it is told to."""

    max_tries = 1

    def __init__(self, key: str, seconds: float, *, fails: bool = False) -> None:
        self.key, self.seconds, self.fails = key, seconds, fails

    def unique_id(self) -> str:
        return self.key

    def handle(self) -> None:
        super().handle()
        if self.fails:
            raise ValueError("as it was told")

    def work(self) -> None:
        time.sleep(self.seconds)


class Waiting(Audited, ShouldBeUniqueUntilProcessing):
    """One of its key waits at a time; it runs as long as a file is missing."""

    timeout = 0

    def __init__(self, key: str, gate: str) -> None:
        self.key, self.gate = key, gate

    def unique_id(self) -> str:
        return self.key

    def work(self) -> None:
        while not Path(self.gate).exists():
            time.sleep(0.005)


class Apart(Audited):
    """One of its key runs at a time."""

    max_tries = 1

    def __init__(self, key: str, seconds: float) -> None:
        self.key, self.seconds = key, seconds
        self.middleware = [WithoutOverlapping(key, release_after=0.05)]

    def work(self) -> None:
        time.sleep(self.seconds)
