"""Jobs that behave as no job should."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable

from harness.fault_jobs import Sleeps
from harness.jobs import Audited, AuditedAsync
from harness.ledger import Ledger

from qcore import Job, QueueError

_MEGABYTE = 2**20


class HoldsTheGIL(Audited):
    """Is inside a C call for so many seconds, and gives nobody else in its process a turn."""

    timeout = 0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def work(self) -> None:
        hold_the_gil(self.seconds)


class BlocksTheLoop(AuditedAsync):
    """Is asynchronous by name: the event loop stands still for so many seconds."""

    timeout = 0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def work(self) -> None:
        hold_the_gil(self.seconds)


class Loops(Audited):
    """Never ends."""

    max_tries = 1

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def work(self) -> None:
        while True:
            pass


class Swallows(Loops):
    """Never ends, and catches whatever would end it."""

    def work(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(0.01)


class Deadlocks(Loops):
    """Waits in C for what will never come; no signal reaches it."""

    def work(self) -> None:
        library = ctypes.PyDLL(None)
        lock = ctypes.create_string_buffer(128)
        library.pthread_mutex_lock(lock)
        library.pthread_mutex_lock(lock)


class Blocks(Loops):
    """Sleeps in C for longer than any test; an exception meant for its thread waits as long."""

    def work(self) -> None:
        time.sleep(600)


class Heeds(Audited):
    """Takes so many seconds, unless it is told to stop: then it notes that it was."""

    timeout = 0

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def work(self) -> None:
        until = time.monotonic() + self.seconds
        try:
            while time.monotonic() < until:
                time.sleep(0.01)
        except BaseException:
            Ledger.here().note("stopped", self.job_id or "", self.attempts)
            raise


class SwallowsAsync(AuditedAsync):
    """Never ends, and does not heed that it is cancelled."""

    max_tries = 1

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    async def work(self) -> None:
        while True:
            with contextlib.suppress(BaseException):
                await asyncio.sleep(0.01)


class Poison(Audited):
    """Takes its process with it, in one way or another."""

    def __init__(self, way: str, tries: int) -> None:
        self.way = way
        self.max_tries = tries

    def work(self) -> None:
        WAYS[self.way]()


class Says(Audited):
    """Returns, or raises, so many characters."""

    max_tries = 1

    def __init__(self, characters: int, *, raises: bool) -> None:
        self.characters, self.raises = characters, raises

    def work(self) -> str:
        text = "x" * self.characters
        if self.raises:
            raise ValueError(text)
        return text


class Carries(Audited):
    """Has arguments of any size."""

    def __init__(self, load: object) -> None:
        self.load = load


def hold_the_gil(seconds: float) -> None:
    """Sleep in C so many seconds, with the interpreter's lock in hand."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        ctypes.PyDLL(None).usleep(max(1, int(left_s * 1_000_000)))


def _segfault() -> None:
    ctypes.string_at(0)


def _overflow_the_stack() -> None:
    nested: list[object] = []
    for _ in range(1_000_000):
        nested = [nested]
    sys.setrecursionlimit(2**30)
    repr(nested)


def _eat_memory() -> None:
    eaten = []
    while True:
        eaten.append(b"x" * (16 * _MEGABYTE))
        time.sleep(0.02)


def _exceed_the_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**30, most))
    _ = bytes(2**31)


WAYS: dict[str, Callable[[], object]] = {
    "segfault": _segfault,
    "os._exit": lambda: os._exit(3),
    "sys.exit": lambda: sys.exit(4),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stack": _overflow_the_stack,
    "memory": _eat_memory,
    "limit": _exceed_the_limit,
}


class Pushes(Audited):
    """Dispatches so many jobs, one at a time, and notes each as a producer does."""

    timeout = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def work(self) -> None:
        ledger = Ledger.here()
        for _ in range(self.number):
            job = Sleeps()
            try:
                job.dispatch()
            except QueueError as error:
                ledger.dispatched([str(job._id)], "raised", str(error))
            else:
                ledger.dispatched([str(job._id)])


class Quiet(Job):
    """Does nothing, and keeps no books: for what is to be measured."""

    def handle(self) -> None:
        pass


class PushesQuietly(Job):
    """Dispatches so many of them, one at a time."""

    timeout = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def handle(self) -> None:
        for _ in range(self.number):
            Quiet().dispatch()
