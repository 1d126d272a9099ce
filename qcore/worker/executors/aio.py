"""Many attempts at a time on one event loop, which runs beside the worker's own thread.

What is not `async` runs in a pool of threads, so that it cannot hold up the others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING

from qcore.envelope import Lease
from qcore.jobs.running import is_async, start, within
from qcore.settlement import Settlement
from qcore.worker.deadline import Interrupted
from qcore.worker.executors.base import Ended
from qcore.worker.executors.threads import ThreadDeadline, ThreadDeadlines
from qcore.worker.lane import Lane
from qcore.worker.options import WorkerOptions
from qcore.worker.place import Place, places
from qcore.worker.runner import Attempt, Runner
from qcore.worker.slots import ChildSlots

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_LOOK_EVERY_S = 0.05
_THREADS_MOST = 64


class AioExecutor:
    """An event loop in a thread; attempts are handed to it and report back to the worker."""

    def __init__(self, options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> None:
        self.capacity = options.async_jobs
        self._ended = ended
        self._free = places(slots, self.capacity)
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop_at = 0.0
        self._threads: ThreadPoolExecutor | None = None
        self._deadlines: ThreadDeadlines | None = None
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qcore-loop", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Attempts under way."""
        return self.capacity - len(self._free)

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Hand an attempt to the loop."""
        lane.begin(lease)
        with self._changed:
            place = self._free.pop()
        self._loop.call_soon_threadsafe(self._begin, lane, runner, lease, place)

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once an attempt can be submitted, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._free), timeout_s)

    def stop_within(self, grace_s: float) -> None:
        """Interrupt what still runs in so many seconds."""
        self._stop_at = time.monotonic() + grace_s
        if self._deadlines is not None:
            self._deadlines.stop_at = self._stop_at

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return once nothing runs; what outlasts a stop's patience is cancelled."""
        while self.running:
            meanwhile()
            if self._stop_at and time.monotonic() >= self._stop_at:
                self._loop.call_soon_threadsafe(self._cancel_all)
            with self._changed:
                self._changed.wait_for(lambda: not self.running, _LOOK_EVERY_S)

    def close(self) -> None:
        """End the loop and the pool."""
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._deadlines is not None:
            self._deadlines.close()

    # -- on the loop's thread ------------------------------------------------------------------------------------

    def _begin(self, lane: Lane, runner: Runner, lease: Lease, place: Place) -> None:
        task = self._loop.create_task(self._attempt(lane, runner, lease, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, lane: Lane, runner: Runner, lease: Lease, place: Place) -> None:
        attempt = Attempt(lease)
        place.begin(lease, 0.0)
        try:
            settlement = runner.prepare(attempt) or await self._run(runner, attempt, place)
        except asyncio.CancelledError:
            settlement = runner.fail(attempt, Interrupted())
        except BaseException as error:  # noqa: BLE001  whatever a job raises is its own end, not the worker's
            settlement = runner.fail(attempt, error)
        place.end()
        lane.end(lease)
        self._ended(lane, lease, settlement)
        with self._changed:
            self._free.append(place)
            self._changed.notify_all()

    async def _run(self, runner: Runner, attempt: Attempt, place: Place) -> Settlement:
        job, context, limit_s = attempt.job, attempt.context, attempt.held.timeout_s
        assert job is not None  # noqa: S101  prepared
        assert context is not None  # noqa: S101  prepared
        place.begin(attempt.lease, limit_s)
        if not is_async(job):
            return await self._in_thread(runner, attempt)
        result = await within(start(job, context), limit_s)
        return runner.finish(attempt, result)

    async def _in_thread(self, runner: Runner, attempt: Attempt) -> Settlement:
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(min(self.capacity, _THREADS_MOST), thread_name_prefix="qcore-job")
            self._deadlines = ThreadDeadlines()
            self._deadlines.stop_at = self._stop_at
        deadlines = self._deadlines
        assert deadlines is not None  # noqa: S101  made with the pool
        call = self._loop.run_in_executor(
            self._threads, copy_context().run, lambda: runner.run_prepared(attempt, ThreadDeadline(deadlines))
        )
        return await asyncio.shield(call)

    def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]  # the extra `fast`
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
