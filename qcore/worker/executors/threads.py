"""Several attempts at a time, each in a thread of its own, which lives as long as the worker."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue

from qcore.envelope import Lease
from qcore.errors import JobTimeout
from qcore.jobs.running import close_loop, timed_out, wake_loop
from qcore.worker.deadline import Cancelled, Interrupted
from qcore.worker.executors.attempts import LOOK_EVERY_S, Entry, UnderWay
from qcore.worker.executors.base import Ended
from qcore.worker.lane import Lane
from qcore.worker.options import WorkerOptions
from qcore.worker.runner import Runner
from qcore.worker.slots import ChildSlots

_log = logging.getLogger("qcore.worker")
_JOIN_WITHIN_S = 1.0
_NONE = (0.0, 0.0, "")


class ThreadExecutor:
    """Threads for jobs, and one more that raises the timeouts in them."""

    def __init__(self, options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> None:
        self.capacity = options.threads
        self._under_way = UnderWay(self.capacity, ended, slots)
        self._threads = JobThreads(self.capacity)
        self._deadlines = ThreadDeadlines()

    @property
    def running(self) -> int:
        """Attempts under way."""
        return self._under_way.running

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Hand an attempt to a free thread."""
        self._threads.submit(partial(self._attempt, runner, self._under_way.begin(lane, lease)))

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once a thread is free, or after so many seconds."""
        self._under_way.wait_for_room(timeout_s)

    def stop_within(self, grace_s: float) -> None:
        """Interrupt what still runs in so many seconds."""
        self._under_way.stop_at = self._deadlines.stop_at = time.monotonic() + grace_s

    def interrupt(self, lane: Lane) -> None:
        """Interrupt each attempt of a lane that runs now, once."""
        for entry in self._under_way.unwanted(lane):
            self._deadlines.interrupt(entry.runs_in)

    def cancel(self, lane: Lane, job_id: str) -> bool:
        """Interrupt the attempt of a job, if it runs."""
        return self._under_way.cancel(lane, job_id, self._deadlines.cancel)

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return once no thread runs a job; what outlasts a stop's patience is not waited for."""
        self._under_way.drain(meanwhile)

    def abandon(self) -> bool:
        """Give back what still runs; whether there was any."""
        return self._under_way.abandon()

    def close(self) -> None:
        """End the threads, but for those that sleep in C: they end with the process."""
        self._deadlines.close()
        self._threads.close(0.0 if self._under_way.has_given_up else _JOIN_WITHIN_S)

    def _attempt(self, runner: Runner, entry: Entry) -> None:
        entry.runs_in = threading.get_ident()
        settlement = runner.run(entry.lease, ThreadDeadline(self._deadlines, entry.lease.id), entry.place)
        self._under_way.end(entry, settlement)


class JobThreads:
    """Threads that are made as they are needed, and hold no process up at its end.

    Args:
        most: threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def submit(self, act: Callable[[], None]) -> None:
        """Let a thread act, in a copy of this context, once one is free; called from one thread alone."""
        self._work.put(partial(copy_context().run, act))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            thread = threading.Thread(target=self._serve, name=f"qcore-job-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self, within_s: float) -> None:
        """Let the threads end, and wait so many seconds at the most for all of them."""
        until = time.monotonic() + within_s
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (act := self._next()) is not None:
            try:
                act()
            except BaseException:  # noqa: BLE001  whoever hears of an end may fail, but the thread is needed
                _log.exception("the end of a job could not be told")
        close_loop()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._work.get_nowait()
        except Empty:
            self._idle.release()
            return self._work.get()


class ThreadDeadlines:
    """Watches the attempts of all threads, and raises in those that take too long."""

    def __init__(self) -> None:
        self.stop_at = 0.0
        """When whatever runs is interrupted (monotonic seconds); 0: never."""
        self._until: dict[int, tuple[float, float, str]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._look, name="qcore-deadlines", daemon=True)
        self._watch.start()

    def begin(self, thread: int, limit_s: float, job_id: str) -> None:
        """Let a job's attempt begin in a thread; 0: it may take any time."""
        self._until[thread] = (time.monotonic() + limit_s if limit_s else 0.0, limit_s, job_id)

    def end(self, thread: int) -> None:
        """Let the thread's attempt be over; what was raised and has not arrived is taken back."""
        with self._lock:
            self._until.pop(thread, None)
            _raise_in(thread, None)

    def interrupt(self, thread: object) -> None:
        """Interrupt the attempt that a thread runs, if it runs one."""
        with self._lock:
            if isinstance(thread, int) and thread in self._until:
                _raise_in(thread, Interrupted)

    def cancel(self, entry: Entry) -> bool:
        """Interrupt an attempt, if it has begun and not ended; whether that is so."""
        thread = entry.runs_in
        with self._lock:
            if not isinstance(thread, int) or self._until.get(thread, _NONE)[2] != entry.lease.id:
                return False
            _raise_in(thread, Cancelled)
            return True

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY_S):
            now = time.monotonic()
            with self._lock:
                for thread, (until, limit_s, job_id) in list(self._until.items()):
                    if self.stop_at and now >= self.stop_at:
                        _raise_in(thread, Interrupted)
                    elif until and now >= until:
                        _raise_in(thread, timed_out(limit_s))
                        self._until[thread] = (0.0, limit_s, job_id)


class ThreadDeadline:
    """The deadline of a job's attempt in the thread it was made in."""

    def __init__(self, deadlines: ThreadDeadlines, job_id: str) -> None:
        self._deadlines = deadlines
        self._job_id = job_id
        self._thread = threading.get_ident()

    def begin(self, limit_s: float) -> None:
        """Let an attempt begin that may take so many seconds; 0: any."""
        self._deadlines.begin(self._thread, limit_s, self._job_id)

    def end(self) -> None:
        """Let the attempt be over."""
        try:
            self._deadlines.end(self._thread)
        except (JobTimeout, Interrupted):
            self._deadlines.end(self._thread)  # it arrived on the last step: the job had ended


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an exception in another thread, at its next step of Python; None takes one back.

    Source: `PyThreadState_SetAsyncExc` of the C API, which takes a class and the thread's identity.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error) if error else None)
    if error is not None:
        wake_loop(thread)
