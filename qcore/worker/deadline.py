"""The soft timeout of an inline attempt, and the end of a stop's patience: an alarm that raises in the job.

One timer serves all jobs: starting an attempt writes a number, and the alarm looks whether it was due. So a
job that ends in microseconds pays no system call.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any, Self

from qcore.errors import Interruption
from qcore.jobs.running import timed_out


class Interrupted(Interruption):
    """The worker must stop now; the running job is released, uncharged."""


class Cancelled(Interrupted):
    """Somebody cancelled the running job, and wants it to end now."""


class Deadline:
    """Watches the attempt in the main thread; elsewhere it does nothing."""

    def __init__(self) -> None:
        self.job_id = ""
        """Of the attempt that is under way, or about to be."""
        self.is_armed = threading.current_thread() is threading.main_thread()
        self._until = 0.0
        self._limit_s = 0.0
        self._stop_at = 0.0
        self._is_running = False
        self._is_unwanted = False
        self._cancelled = ""
        self._next_alarm = 0.0
        self._before: Any = None

    def __enter__(self) -> Self:
        if self.is_armed:
            self._before = signal.signal(signal.SIGALRM, self._alarm)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_armed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def begin(self, limit_s: float) -> None:
        """Let an attempt begin that may take `limit_s` seconds; 0: any."""
        self._limit_s = limit_s
        self._is_unwanted = False
        self._cancelled = ""
        self._until = time.monotonic() + limit_s if limit_s else 0.0
        self._is_running = True
        if limit_s:
            self._ring_by(self._until)

    def end(self) -> None:
        """Let the attempt be over: nothing is raised from here on."""
        self._is_running = False
        self._until = 0.0

    def interrupt(self) -> bool:
        """Interrupt the attempt under way, and no other; whether there is one. May be called from any thread."""
        self._is_unwanted = self._is_running
        if self._is_unwanted:
            self._ring_by(time.monotonic())
        return self._is_unwanted

    def cancel(self, job_id: str) -> bool:
        """Interrupt the attempt of a job, if it is under way; whether it is. May be called from any thread."""
        if not (self.is_armed and self._is_running and self.job_id == job_id):
            return False
        self._cancelled = job_id
        self._ring_by(time.monotonic())
        return True

    def stop_within(self, grace_s: float) -> None:
        """Interrupt the attempt under way if it still runs in `grace_s` seconds; 0: now."""
        self._stop_at = time.monotonic() + grace_s
        self._ring_by(self._stop_at)

    def _ring_by(self, at: float) -> None:
        """See to it that the alarm rings at this moment at the latest (monotonic seconds)."""
        if self.is_armed and (not self._next_alarm or at < self._next_alarm):
            self._next_alarm = at
            signal.setitimer(signal.ITIMER_REAL, max(1e-4, at - time.monotonic()))

    def _alarm(self, _signum: int, _frame: FrameType | None) -> None:
        self._next_alarm = 0.0
        now = time.monotonic()
        if not self._is_running:
            if self._stop_at:
                self._ring_by(now + 0.05)  # the attempt that a stop waits for is between two steps
            return
        if self._is_unwanted or (self._stop_at and now >= self._stop_at):
            self._is_unwanted = False
            raise Interrupted
        if self._cancelled and self._cancelled == self.job_id:
            self._cancelled = ""
            raise Cancelled
        if self._until and now >= self._until:
            self._until = 0.0
            raise timed_out(self._limit_s)
        waiting = [at for at in (self._until, self._stop_at) if at]
        if waiting:
            self._ring_by(min(waiting))
