"""Middleware that tells of jobs and changes nothing about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from qcore.errors import words_of
from qcore.jobs.job import Job
from qcore.middleware.stack import Around


class LoggingMiddleware(Around):
    """Writes a line when an attempt begins and one when it ends, through `job.log`, with its duration."""

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Give a block that writes both lines."""
        log = job.log
        log.info("job begins")
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            log.warning("job raised", duration_s=_since(began), error=_shown(job, error))
            raise
        log.info("job ended", duration_s=_since(began))


class Timing(msgspec.Struct, frozen=True):
    """What an attempt took."""

    wall_s: float
    """Seconds from its begin to its end."""
    cpu_s: float
    """Seconds of its thread: on an event loop also what other jobs used meanwhile."""


class TimingMiddleware(Around):
    """Measures each attempt, also those that raise.

    Args:
        report: told of the job and its `Timing`; if None, a line in `job.log` says it.
        slow_s: seconds; attempts that took less are not reported.
    """

    def __init__(self, report: Callable[[Job, Timing], object] | None = None, *, slow_s: float = 0.0) -> None:
        self._report = report or _log_timing
        self._slow_s = slow_s

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Give a block that measures the attempt."""
        began, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            timing = Timing(_since(began), round(time.thread_time() - cpu, 6))
            if timing.wall_s >= self._slow_s:
                self._report(job, timing)


def _log_timing(job: Job, timing: Timing) -> None:
    job.log.info("job timed", wall_s=timing.wall_s, cpu_s=timing.cpu_s)


def _shown(job: Job, error: BaseException) -> str:
    text = f"{type(error).__name__}: {words_of(error)}"
    return job._context.desk.masked(text) if job._context is not None else text  # noqa: SLF001  of the house


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 6)
