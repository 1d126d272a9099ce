"""Jobs that test where attempts run: they hold on, hang, and leave things behind."""

from __future__ import annotations

import asyncio
import threading

from qcore import Job

BEGUN = threading.Semaphore(0)
"""One up for each job that has begun."""
HANDED_OVER = threading.Event()
"""Set once the event loop has seen to all jobs before."""
RELEASE = threading.Event()
"""Lets every job here end."""
LEFT = threading.Event()
"""Set when a job that held on has ended."""
PATIENCE_S = 20.0


class Holds(Job):
    """Waits in C: no exception reaches it before it is released."""

    max_tries = 1
    timeout = 0

    def handle(self) -> None:
        BEGUN.release()
        try:
            RELEASE.wait(PATIENCE_S)
        finally:
            LEFT.set()


class HoldsThenComesBack(Job):
    """Is released at once, once it may end; done at its second try."""

    def handle(self) -> None:
        if self.attempts == 1:
            RELEASE.wait(PATIENCE_S)
            self.release(0)


class HoldsTheLoop(Holds):
    async def handle(self) -> None:  # type: ignore[override]  # sync or async
        super().handle()


class Marks(Job):
    async def handle(self) -> None:
        HANDED_OVER.set()


class HangsWhenBuilt(Job):
    """Its constructor does not return, but for the thread that dispatches it."""

    def __init__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            BEGUN.release()
            RELEASE.wait(PATIENCE_S)

    async def handle(self) -> None:
        pass


class LeavesAnExit(Job):
    """Ends well; what it left behind raises SystemExit on the loop."""

    async def handle(self) -> None:
        self.left = asyncio.get_running_loop().create_task(_exit())


class CancelsItsOwn(Job):
    """Awaits a task that it has cancelled itself."""

    max_tries = 2
    backoff = 0

    async def handle(self) -> None:
        task = asyncio.get_running_loop().create_task(asyncio.sleep(30))
        task.cancel()
        await task


async def _exit() -> None:
    raise SystemExit(3)
