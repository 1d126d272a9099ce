"""Several attempts at a time, each in a thread of its own that lives as long as the worker."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue

from qcore.envelope import Lease
from qcore.errors import JobTimeout
from qcore.jobs.running import close_loop, timed_out
from qcore.worker.deadline import Interrupted
from qcore.worker.executors.base import Ended
from qcore.worker.lane import Lane
from qcore.worker.options import WorkerOptions
from qcore.worker.place import Place, places
from qcore.worker.runner import Runner
from qcore.worker.slots import ChildSlots

_LOOK_EVERY_S = 0.05

Work = tuple[Lane, Runner, Lease]


class ThreadExecutor:
    """A fixed pool of threads, and one more that raises the timeouts in them."""

    def __init__(self, options: WorkerOptions, ended: Ended, slots: ChildSlots | None) -> None:
        self.capacity = options.threads
        self._ended = ended
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._telling = threading.Lock()
        self._changed = threading.Condition()
        self._running = 0
        self.deadlines = ThreadDeadlines()
        self._threads = [
            threading.Thread(
                target=copy_context().run, args=(self._serve, place), name=f"qcore-job-{number}", daemon=True
            )
            for number, place in enumerate(places(slots, self.capacity))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> int:
        """Attempts under way."""
        return self._running

    def submit(self, lane: Lane, runner: Runner, lease: Lease) -> None:
        """Hand an attempt to a free thread."""
        lane.begin(lease)
        with self._changed:
            self._running += 1
        self._work.put((lane, runner, lease))

    def wait_for_room(self, timeout_s: float) -> None:
        """Return once a thread is free, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._running < self.capacity, timeout_s)

    def stop_within(self, grace_s: float) -> None:
        """Interrupt what still runs in so many seconds."""
        self.deadlines.stop_at = time.monotonic() + grace_s

    def drain(self, meanwhile: Callable[[], None]) -> None:
        """Return once no thread runs a job; short waits let a signal be handled between them."""
        while self._running:
            meanwhile()
            with self._changed:
                self._changed.wait_for(lambda: not self._running, _LOOK_EVERY_S)

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._work.put(None)
        self.deadlines.close()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def _serve(self, place: Place) -> None:
        deadline = ThreadDeadline(self.deadlines)
        while (work := self._work.get()) is not None:
            lane, runner, lease = work
            settlement = runner.run(lease, deadline, place)
            lane.end(lease)
            with self._telling:
                self._ended(lane, lease, settlement)
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
        close_loop()


class ThreadDeadlines:
    """Watches the attempts of all threads, and raises in those that take too long."""

    def __init__(self) -> None:
        self.stop_at = 0.0
        """When whatever runs is interrupted (monotonic seconds); 0: never."""
        self._until: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._look, name="qcore-deadlines", daemon=True)
        self._watch.start()

    def begin(self, thread: int, limit_s: float) -> None:
        """Let an attempt begin in a thread; 0: it may take any time."""
        self._until[thread] = (time.monotonic() + limit_s if limit_s else 0.0, limit_s)

    def end(self, thread: int) -> None:
        """Let the thread's attempt be over; what was raised and has not arrived is taken back."""
        with self._lock:
            self._until.pop(thread, None)
            _raise_in(thread, None)

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(_LOOK_EVERY_S):
            now = time.monotonic()
            with self._lock:
                for thread, (until, limit_s) in list(self._until.items()):
                    if self.stop_at and now >= self.stop_at:
                        _raise_in(thread, Interrupted)
                    elif until and now >= until:
                        _raise_in(thread, timed_out(limit_s))
                        self._until[thread] = (0.0, limit_s)


class ThreadDeadline:
    """The deadline of the thread it was made in."""

    def __init__(self, deadlines: ThreadDeadlines) -> None:
        self._deadlines = deadlines
        self._thread = threading.get_ident()

    def begin(self, limit_s: float) -> None:
        """Let an attempt begin that may take so many seconds; 0: any."""
        self._deadlines.begin(self._thread, limit_s)

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
