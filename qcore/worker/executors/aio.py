"""Many attempts at a time on one event loop, which runs beside the worker's own thread.

What is not `async` runs in a pool of threads, so that it cannot hold up the others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from inspect import iscoroutine

from qcore import events
from qcore.envelope import Lease
from qcore.jobs.loops import mind
from qcore.jobs.running import is_async, start, within
from qcore.settlement import Settlement
from qcore.worker.attempt import Attempt
from qcore.worker.deadline import Interrupted
from qcore.worker.ends import handed_back
from qcore.worker.executors.attempts import Entry, UnderWay
from qcore.worker.executors.base import Ended
from qcore.worker.executors.threads import JobThreads, ThreadDeadline, ThreadDeadlines
from qcore.worker.lane import Lane
from qcore.worker.options import WorkerOptions
from qcore.worker.runner import Runner
from qcore.worker.slots import ChildSlots
from qcore.worker.verdict import rules

_log = logging.getLogger("qcore.worker")
_THREADS_MOST = 64
_CLOSE_WITHIN_S = 1.0


class AioExecutor:
    """An event loop in a thread; attempts are handed to it and report back to the worker."""

    def __init__(self, options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> None:
        self.capacity = options.async_jobs
        self._under_way = UnderWay(self.capacity, ended, slots)
        self._usual_timeout_s = rules(None, None, options, None).timeout_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_interrupted = False
        self._is_closed = False
        self._threads = JobThreads(min(self.capacity, _THREADS_MOST))
        self._deadlines: ThreadDeadlines | None = None
        self._loop = _new_loop()
        mind(self._loop)
        self._thread = threading.Thread(target=self._keep_running, name="qcore-loop", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Attempts under way."""
        return self._under_way.running

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Hand an attempt to the loop."""
        self._loop.call_soon_threadsafe(self._begin, runner, self._under_way.begin(lane, lease))

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once an attempt can be submitted, or after so many seconds."""
        self._under_way.wait_for_room(timeout_s)

    def stop_within(self, grace_s: float) -> None:
        """Interrupt what still runs in so many seconds."""
        self._under_way.stop_at = time.monotonic() + grace_s

    def interrupt(self, lane: Lane) -> None:
        """Interrupt each attempt of a lane that runs now, once."""
        for entry in self._under_way.unwanted(lane):
            if isinstance(entry.runs_in, asyncio.Task):
                self._loop.call_soon_threadsafe(entry.runs_in.cancel)
            elif self._deadlines is not None:
                self._deadlines.interrupt(entry.runs_in)

    def cancel(self, lane: Lane, job_id: str) -> bool:
        """Interrupt the attempt of a job, if it runs."""
        return self._under_way.cancel(lane, job_id, self._interrupt)

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return once nothing runs; what outlasts a stop's patience is cancelled, and then not waited for."""
        self._under_way.drain(meanwhile, lambda: self._loop.call_soon_threadsafe(self._interrupt_all))

    def abandon(self) -> bool:
        """Give back what still runs; whether there was any."""
        return self._under_way.abandon()

    def close(self) -> None:
        """End the loop and the threads, but for what sleeps in C: that ends with the process."""
        within_s = 0.0 if self._under_way.has_given_up else _CLOSE_WITHIN_S
        if within_s:
            with suppress(Exception):  # what jobs left behind may end as it likes
                asyncio.run_coroutine_threadsafe(_wind_up(), self._loop).result(within_s)
        self._is_closed = True
        with suppress(RuntimeError):  # it has just ended
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(within_s)
        self._threads.close(within_s)
        if self._deadlines is not None:
            self._deadlines.close()

    def _interrupt(self, entry: Entry) -> bool:
        if isinstance(entry.runs_in, asyncio.Task):
            self._loop.call_soon_threadsafe(entry.runs_in.cancel)
            return True
        return self._deadlines is not None and self._deadlines.cancel(entry)

    # -- on the loop's thread ------------------------------------------------------------------------------------

    def _keep_running(self) -> None:
        while not self._is_closed:
            try:
                self._loop.run_forever()
            except BaseException as error:  # noqa: BLE001  SystemExit, of a task: no job after it may suffer
                _log.error("%s of a task that a job left behind: the event loop goes on", type(error).__name__)
        self._loop.close()

    def _begin(self, runner: Runner, entry: Entry) -> None:
        task = self._loop.create_task(self._attempt(runner, entry), name=entry.lease.id)
        entry.runs_in = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, runner: Runner, entry: Entry) -> None:
        attempt = Attempt(entry.lease)
        entry.place.begin(entry.lease, self._usual_timeout_s)  # before anything of the user's is imported or called
        try:
            settlement = runner.prepare(attempt)
            if settlement is None and not is_async(attempt.job):  # type: ignore[arg-type]  # prepared
                self._hand_over(runner, attempt, entry)
                return
            settlement = settlement or await self._run(runner, attempt, entry)
        except asyncio.CancelledError as error:  # the worker's doing, or the job's own
            settlement = runner.fail(attempt, self._reason(entry) or error)
        except BaseException as error:  # noqa: BLE001  whatever a job raises is its own end, not the worker's
            settlement = runner.fail(attempt, error)
        self._under_way.end(entry, settlement)

    async def _run(self, runner: Runner, attempt: Attempt, entry: Entry) -> Settlement:
        job, context, limit_s = attempt.job, attempt.context, attempt.held.timeout_s
        assert job is not None  # noqa: S101  prepared
        assert context is not None  # noqa: S101  prepared
        if limit_s != self._usual_timeout_s:
            entry.place.begin(entry.lease, limit_s)
        if runner.needs_start(attempt):  # the store may be slow: the loop must not wait for it
            kept_back = await asyncio.to_thread(runner.start, attempt, entry.place)
            if kept_back is not None:
                return kept_back
        runner.begins(attempt)
        result = start(job, context)
        if iscoroutine(result):  # else a middleware left the job out
            result = await within(result, limit_s)
        if attempt.held.options.elsewhere is not None:
            return await _to_its_end(partial(runner.finish, attempt, result))
        return runner.finish(attempt, result)

    def _reason(self, entry: Entry) -> Interrupted | None:
        """Why the worker cancelled a task; None where that was the job's own doing."""
        if self._has_interrupted:
            return Interrupted()
        return entry.unwanted() if entry.unwanted is not None else None

    def _hand_over(self, runner: Runner, attempt: Attempt, entry: Entry) -> None:
        """Let a thread run the job, and tell its end; until one is free it has not begun."""
        entry.place.end()
        entry.runs_in = None
        if self._deadlines is None:
            self._deadlines = ThreadDeadlines()
        self._threads.submit(partial(self._run_in_thread, runner, attempt, entry, self._deadlines))

    def _interrupt_all(self) -> None:
        self._has_interrupted = True
        if self._deadlines is not None:
            self._deadlines.stop_at = self._under_way.stop_at
        for task in list(self._tasks):
            task.cancel()

    # -- on a job's thread ---------------------------------------------------------------------------------------

    def _run_in_thread(self, runner: Runner, attempt: Attempt, entry: Entry, deadlines: ThreadDeadlines) -> None:
        if self._under_way.stop_at:
            self._under_way.end(entry, handed_back(entry.lease))
            return
        if entry.lease.id in entry.lane.cancelled:
            self._under_way.end(entry, runner.left_out(attempt))
            return
        attempt.began = time.perf_counter()
        if attempt.context is not None:
            attempt.context.began = attempt.began
        entry.runs_in = threading.get_ident()
        entry.place.begin(entry.lease, attempt.held.timeout_s)
        deadline = ThreadDeadline(deadlines, entry.lease.id)
        self._under_way.end(entry, runner.run_prepared(attempt, deadline, entry.place))


async def _wind_up() -> None:
    """Let listeners hear the last of it, cancel what jobs left behind, and close their generators."""
    await events.settled()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]  # the extra `fast`
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _to_its_end(call: Callable[[], Settlement]) -> Settlement:
    """Await a call in a thread, though its task be cancelled meanwhile: the job has ended, and is not given back."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        return await work
