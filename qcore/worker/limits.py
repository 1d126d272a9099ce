"""When a worker has done enough: jobs, time, memory, or nothing left to do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from qcore.worker.gauge import rss_bytes
from qcore.worker.observer import StopReason
from qcore.worker.options import WorkerOptions

_LOOK_EVERY_S = 0.5
_MANY = 1 << 30


class Limits:
    """Counts what a worker has done against its options."""

    def __init__(self, options: WorkerOptions) -> None:
        self.jobs = 0
        """Attempts run."""
        self._most = 1 if options.once else options.max_jobs or _MANY
        self._options = options
        self._ends_at = math.inf
        self._next_look = 0.0 if options.memory_mb else math.inf
        self._looks = bool(options.max_time_s or options.memory_mb)
        self._found: StopReason | None = None

    @property
    def left(self) -> int:
        """Attempts that may still be run."""
        return self._most - self.jobs

    @property
    def ends_when_empty(self) -> bool:
        """Whether a worker that finds nothing to do stops."""
        return self._options.once or self._options.stop_when_empty

    @property
    def is_reached(self) -> bool:
        """Whether the worker must stop before the next job."""
        return self._found is not None

    def start(self) -> None:
        """Begin to measure time."""
        if self._options.max_time_s:
            self._ends_at = time.monotonic() + self._options.max_time_s

    def count(self) -> None:
        """Note one attempt."""
        self.jobs += 1
        if self.jobs >= self._most:
            self._found = StopReason.ONCE if self._options.once else StopReason.MAX_JOBS

    def uncount(self) -> None:
        """Take back one attempt, which did not begin after all."""
        self.jobs -= 1
        if self._found in {StopReason.ONCE, StopReason.MAX_JOBS}:
            self._found = None

    def reached(self) -> StopReason | None:
        """Return why the worker must stop, or None; looks at the clock and the memory now and then."""
        if self._looks and self._found is None:
            self._look(time.monotonic())
        return self._found

    def _look(self, now: float) -> None:
        if now >= self._ends_at:
            self._found = StopReason.MAX_TIME
        elif self.jobs and now >= self._next_look:  # one job at least: no idle restarts
            self._next_look = now + _LOOK_EVERY_S
            if rss_bytes() / 2**20 > (self._options.memory_mb or 0.0):
                self._found = StopReason.MEMORY

    def sleep(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Sleep in short steps until the time is over or somebody wants the worker to stop."""
        until = time.monotonic() + seconds
        while not is_over() and (rest := until - time.monotonic()) > 0:
            time.sleep(min(rest, 0.1))
