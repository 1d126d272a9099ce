"""`JobTester`: one job outside any queue, and how it asked to end."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from qcore.clock import SystemClock, microseconds
from qcore.ids import new_id
from qcore.jobs.context import JobContext, Nobody, Wish
from qcore.jobs.job import Job
from qcore.jobs.options import When, due
from qcore.jobs.running import run
from qcore.testing.apart import apart
from qcore.testing.matching import NEAR_S
from qcore.testing.telling import told_delay, told_seconds


class JobTester:
    """Stands in for the worker of one job: `job.with_fake_queue()`. What it asserts raises AssertionError.

        tester = SendEmailJob("a@b.c").with_fake_queue()
        tester.run()                        # or call job.handle() yourself
        tester.assert_released(delay=60)

    Args:
        job: whose attempt this is.
        attempt: its number, from 1.
        queue: from which it comes; the job's own, or `default`, if None.

    Source: Laravel's `withFakeQueueInteractions`.
    """

    def __init__(self, job: Job, *, attempt: int = 1, queue: str | None = None) -> None:
        self.job = job
        """The job that was given."""
        self._desk = _Desk()
        self._id, self._attempt, self._queue = job.job_id or new_id(), attempt, queue or job.queue or "default"
        self._context = self._begin()

    def run(self) -> Any:
        """Run `handle` inside the job's middleware, awaiting what is async; returns and raises what that does.

        Each run is an attempt of its own: what the one before asked for and told is forgotten. While an event loop is
        running, it is run in another thread.
        """
        self._desk.progress = []
        self._context = self._begin()
        return apart(lambda: run(self.job, self._context))

    def cancel(self) -> None:
        """Let `is_cancelled()` tell the job that somebody wants it to stop."""
        self._desk.is_to_stop = True

    @property
    def progress(self) -> list[tuple[int, str | None]]:
        """What `update_progress` told, in order: percent and message."""
        return self._desk.progress

    def assert_released(self, delay: When | None = None) -> None:
        """Fail unless the job asked to be tried again.

        Args:
            delay: that it asked for: seconds, a timedelta, or the datetime of the next try (a second more or less).

        Raises:
            AssertionError: with what it asked for instead.
            ConfigurationError: `delay` is no time.
        """
        self._assert("release", "released", delay)

    def assert_not_released(self) -> None:
        """Fail if the job asked to be tried again."""
        self._assert_not("release", "released")

    def assert_snoozed(self, delay: When | None = None) -> None:
        """Fail unless the job asked to be run again without a try charged.

        Args:
            delay: that it asked for: seconds, a timedelta, or the datetime of the next run (a second more or less).

        Raises:
            AssertionError: with what it asked for instead.
            ConfigurationError: `delay` is no time.
        """
        self._assert("snooze", "snoozed", delay)

    def assert_deleted(self) -> None:
        """Fail unless the job asked to count as done."""
        self._assert("delete", "deleted", None)

    def assert_not_deleted(self) -> None:
        """Fail if the job asked to count as done."""
        self._assert_not("delete", "deleted")

    def assert_failed(self, error: type[BaseException] | str | None = None) -> None:
        """Fail unless the job failed itself by `fail()`.

        Args:
            error: its class, or a part of its words.

        Raises:
            AssertionError: with what the job asked for instead.
            TypeError: `error` is neither.
        """
        if error is not None and not isinstance(error, (str, type)):
            raise TypeError(f"error is a class, or a part of its words, not {error!r}: write {type(error).__name__}")
        self._assert("fail", "failed", None)
        found = self._context.wish.error if self._context.wish is not None else None
        is_meant = error is None or (error in str(found) if isinstance(error, str) else isinstance(found, error))
        wanted = error.__name__ if isinstance(error, type) else repr(error)
        self._check(is_meant, f"failed with {type(found).__name__}: {found}, not with {wanted}")

    def assert_not_failed(self) -> None:
        """Fail if the job failed itself."""
        self._assert_not("fail", "failed")

    def _begin(self) -> JobContext:
        context = JobContext(self._id, self._attempt, self._queue, self._desk, time.perf_counter())
        self.job._context = context
        return context

    def _assert(self, kind: str, word: str, delay: When | None) -> None:
        wish = self._context.wish
        self._check(wish is not None and wish.kind == kind, f"was not {word}: {_said(wish)}")
        if wish is not None and delay is not None:
            words = f"was {word} for {told_seconds(wish.delay_us / 1e6)}, not {told_delay(delay)}"
            self._check(_is_near(wish.delay_us / 1e6, delay), words)

    def _assert_not(self, kind: str, word: str) -> None:
        wish = self._context.wish
        self._check(wish is None or wish.kind != kind, f"was {word}: {_said(wish)}")

    def _check(self, holds: bool, words: str) -> None:
        if not holds:
            raise AssertionError(f"{type(self.job).__qualname__} {words}")


class _Desk(Nobody):
    """Remembers what the job reports."""

    def __init__(self) -> None:
        super().__init__()
        self.progress: list[tuple[int, str | None]] = []
        self.is_to_stop = False

    def report(self, job_id: str, percent: int, note: str | None) -> None:
        del job_id
        self.progress.append((percent, note))

    def is_cancelled(self, job_id: str) -> bool:
        del job_id
        return self.is_to_stop


def _is_near(asked_s: float, expected: When) -> bool:
    """Whether a job asked for this delay.

    A job may have asked for an instant, which has come nearer since, and so may the test. Of what is said in seconds
    a hundredth may be missing, and no more than half a second.
    """
    if isinstance(expected, datetime):
        expected_s = max(0.0, microseconds(expected) / 1e6 - SystemClock().wall_us() / 1e6)
        return abs(asked_s - expected_s) <= NEAR_S
    expected_s = due(expected, "delay")[0] / 1e6
    return 0 <= expected_s - asked_s <= min(NEAR_S / 2, expected_s / 100)


def _said(wish: Wish | None) -> str:
    if wish is None:
        return "it asked for nothing"
    after = f" after {told_seconds(wish.delay_us / 1e6)}" if wish.delay_us else ""
    return f"it called {wish.kind}(){after}" + (f" with {wish.error!r}" if wish.error is not None else "")
