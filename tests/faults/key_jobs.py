"""Jobs that hold locks, and keep the books."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from harness import failpoints
from harness.jobs import Audited
from harness.scale import count, seconds
from sqlalchemy import text

from qcore import RateLimit, RateLimited, ShouldBeUnique, ShouldBeUniqueUntilProcessing
from qcore.ids import new_id
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


class Own(Audited, ShouldBeUnique):
    """The only one of its key."""

    def unique_id(self) -> str:
        return new_id()


class Ends(Audited, ShouldBeUnique):
    """One of its key at a time; ends in one way or another."""

    SLOW = ("runs out of time", "hangs")
    max_tries = 1
    max_crashes = 1

    def __init__(self, key: str, way: str = "completes") -> None:
        self.key, self.way = key, way
        self.timeout = 0.5 if way in self.SLOW else 0

    def unique_id(self) -> str:
        return self.key

    def work(self) -> None:
        {
            "completes": lambda: None,
            "fails": self._raise,
            "gives up": lambda: self.fail(ValueError("as it was told")),
            "deletes itself": self.delete,
            "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "runs out of time": lambda: time.sleep(60),
            "hangs": self._hang,
            "heeds": self._heed,
            "waits": lambda: time.sleep(60),
        }[self.way]()

    def _raise(self) -> None:
        raise ValueError("as it was told")

    def _heed(self) -> None:
        while not self.is_cancelled():
            time.sleep(0.01)

    def _hang(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(0.01)


class OfQueue(Audited, ShouldBeUnique):
    """One on its queue at a time."""

    def unique_id(self) -> str:
        return str(self.queue)


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


class Limited(Audited, RateLimited):
    """So many of its class may start in a window of so many seconds."""

    MOST = count(100, least=10)
    WINDOW_S = seconds(10, least=1)
    max_tries = 0
    max_crashes = 1000

    def get_rate_limits(self) -> list[RateLimit]:
        return [RateLimit(self.MOST, self.WINDOW_S)]


class Writes(Audited):
    """Ends in a transaction of its own, with one row, however often it is killed."""

    max_tries = 0
    max_crashes = 1000

    def work(self) -> None:
        with self.transaction() as session:
            session.execute(text("INSERT INTO written (job_id) VALUES (:job_id)"), {"job_id": self.job_id})
            if failpoints.PLAN in os.environ:
                failpoints.pass_by("row.written")


class Apart(Audited):
    """One of its key runs at a time."""

    max_tries = 0
    max_crashes = 1000

    def __init__(self, key: str, seconds: float) -> None:
        self.key, self.seconds = key, seconds
        self.middleware = [WithoutOverlapping(key, release_after=0.05)]

    def work(self) -> None:
        time.sleep(self.seconds)
