"""The jobs that are measured. Each notes in one 16-byte append when it was sent and when it started.

An append of that size is atomic across threads and processes, costs the same everywhere, and counts the runs.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from qcore import Job, RateLimit, RateLimited, ShouldBeEncrypted
from qcore.middleware import LoggingMiddleware, TimingMiddleware

RECORD = struct.Struct("dd")
LOG = "BENCH_LOG"
USER, TEMPLATE = "customer-4711", "welcome-mail"


@cache
def _log() -> int:
    return os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(sent: str) -> None:
    os.write(_log(), RECORD.pack(float(sent), time.time()))


class Hit(Job):
    """Three short strings and nothing to do."""

    def __init__(self, sent: str, user: str, template: str) -> None:
        self.sent, self.user, self.template = sent, user, template

    def handle(self) -> None:
        note(self.sent)


class AsyncHit(Hit):
    async def handle(self) -> None:  # type: ignore[override]
        note(self.sent)


class Sleep(Hit):
    """Waits as for a network, 5 ms."""

    seconds = 0.005

    def handle(self) -> None:
        time.sleep(self.seconds)
        note(self.sent)


class AsyncSleep(Sleep):
    async def handle(self) -> None:  # type: ignore[override]
        await asyncio.sleep(self.seconds)
        note(self.sent)


class Nap(Sleep):
    """Waits as for somebody else's answer, 0.1 s."""

    seconds = 0.1


class AsyncNap(AsyncSleep):
    seconds = Nap.seconds


class Spin(Hit):
    """Computes for 1 ms, and notes when it ended."""

    def handle(self) -> None:
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
        note(self.sent)


class Blob(Job):
    """One large argument."""

    def __init__(self, sent: str, body: str) -> None:
        self.sent, self.body = sent, body

    def handle(self) -> None:
        note(self.sent)


class Fail(Hit):
    """Fails at its only try."""

    def __init__(self, sent: str, user: str, template: str) -> None:
        super().__init__(sent, user, template)
        self.max_tries = 1

    def handle(self) -> None:
        note(self.sent)
        raise ValueError(self.user)


class Sealed(Hit, ShouldBeEncrypted):
    """Its arguments are ciphertext."""


class Limited(Hit, RateLimited):
    """May start as often as it likes, but has to ask."""

    def get_rate_limits(self) -> list[RateLimit]:
        return [RateLimit(1_000_000, 1)]


class Paced(Hit, RateLimited):
    """May start a hundred times a second."""

    PER_SECOND = 100

    def get_rate_limits(self) -> list[RateLimit]:
        return [RateLimit(self.PER_SECOND, 1)]


class Passes:
    """Middleware that does nothing."""

    def handle(self, job: Job, call: Callable[[Job], Any]) -> Any:
        return call(job)


class Wrapped(Hit):
    middleware = (Passes(), Passes(), Passes())


class Told(Hit):
    middleware = (LoggingMiddleware(), TimingMiddleware())


class Ready(Job):
    """Tells by its log's second field which process runs it; slow, so that another takes the next one."""

    def __init__(self, number: int) -> None:
        self.number = number

    def handle(self) -> None:
        time.sleep(0.02)
        os.write(_log(), RECORD.pack(0.0, float(os.getpid())))


def hit(kind: type[Hit] = Hit) -> Hit:
    """A job that knows when it was made."""
    return kind(repr(time.time()), USER, TEMPLATE)
