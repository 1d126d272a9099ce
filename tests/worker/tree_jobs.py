"""Jobs that the tests of processes run; they leave marks in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import threading
import time
from pathlib import Path

from qcore import Job

LOCK = threading.Lock()


class Quick(Job):
    def handle(self) -> None:
        pass


class Holds(Job):
    """Runs until it is let go; a later attempt ends at once."""

    backoff = 0

    def __init__(self, folder: str, name: str = "held") -> None:
        self.folder, self.name = folder, name

    def handle(self) -> str:
        (Path(self.folder) / f"{self.name}.began").touch()
        while self.attempts == 1 and not (Path(self.folder) / f"{self.name}.go").exists():
            time.sleep(0.01)
        return f"attempt {self.attempts}"


class Locked(Job):
    """Needs a lock that a thread of the user's may hold."""

    timeout = 5

    def handle(self) -> str:
        with LOCK:
            return "had the lock"


class Deaf(Job):
    """Does not heed its timeout."""

    timeout = 0.2
    backoff = 0

    def __init__(self, tries: int = 1) -> None:
        self.max_tries = tries

    def handle(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)


class DeafAndFinal(Deaf):
    fail_on_timeout = True


class DeafForEver(Deaf):
    timeout = 0


class Leaves(Job):
    """Ends its process as if all were well."""

    max_tries = 1

    def __init__(self, code: int) -> None:
        self.code = code

    def handle(self) -> None:
        os._exit(self.code)


class Grows(Job):
    max_tries = 1

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes

    def handle(self) -> int:
        held = bytearray(self.megabytes * 2**20)
        time.sleep(20)
        return len(held)


class Awaits(Job):
    """Waits on the loop until it is let go."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    async def handle(self) -> None:
        (Path(self.folder) / "awaits.began").touch()
        await self.until_let_go()

    async def until_let_go(self) -> None:
        while not (Path(self.folder) / "awaits.go").exists():  # noqa: ASYNC110  another process lets it go
            await asyncio.sleep(0.05)


class HoldsAll(Job):
    """Lets no other thread of its process run for a while."""

    def __init__(self, folder: str, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds

    def handle(self) -> None:
        (Path(self.folder) / "all.began").touch()
        self.hold()

    def hold(self) -> None:
        until = time.monotonic() + self.seconds
        while (left_s := until - time.monotonic()) > 0:
            ctypes.PyDLL(None).usleep(max(1, int(left_s * 1e6)))  # a signal ends it early
