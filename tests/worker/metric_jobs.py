"""Jobs whose runtimes are known."""

from __future__ import annotations

import time

from qcore import Job


class Lasts(Job):
    """Runs for a time, and then does what it is told.

    Args:
        seconds: to run.
        ends: "well", "badly" or "again".
    """

    queue = "measured"
    max_tries = 2
    backoff = 0

    def __init__(self, seconds: float, ends: str = "well") -> None:
        super().__init__()
        self.seconds, self.ends = seconds, ends

    def handle(self) -> None:
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            pass
        if self.ends == "badly":
            self.fail(ValueError("badly"))
        if self.ends == "again" and self.attempts == 1:
            raise ValueError("again")
