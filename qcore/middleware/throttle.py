"""Middleware that lets jobs wait when there were too many, or too many that failed.

Both count in this process alone, by the job's class or by a key of their own: each worker process has its own count.
A job that must wait loses no try.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from qcore.jobs.job import Job
from qcore.jobs.options import Seconds, count, seconds
from qcore.jobs.running import put_off
from qcore.middleware.retry import Errors, matcher
from qcore.middleware.stack import Around, Next

T = TypeVar("T")


class ThrottleMiddleware:
    """Lets so many jobs begin in any so many seconds, first come; those above are due again when there is room.

    Args:
        max_jobs: jobs, at least 1.
        per_seconds: seconds, or a timedelta.
        key: jobs of one key are counted together; those of a class if None.

    Raises:
        ConfigurationError: a number is none, or a time.

    Source: ours, for one process. Laravel's `RateLimited`, which counts for all and charges a try, is `RateLimit` here.
    """

    def __init__(self, max_jobs: int, per_seconds: Seconds, *, key: str | None = None) -> None:
        self._most = count(max_jobs, "ThrottleMiddleware: max_jobs", 1)
        self._per_s = seconds(per_seconds, "ThrottleMiddleware: per_seconds")
        self._key = key

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job if there is room; returns what it returns. Else put it off.

        Raises:
            QueueError: there is no room, and no worker runs the job, which could let it wait.
        """
        wait_s = _begun.with_value((self._key or type(job), self._most, self._per_s), self._take)
        if wait_s > 0:
            return put_off(job, wait_s, f"{self._most} jobs in {self._per_s:g} s have begun already")
        return next(job)

    def _take(self, begun: deque[float]) -> float:
        """Note that a job begins; or return in how many seconds one may."""
        now = time.monotonic()
        while begun and begun[0] <= now - self._per_s:
            begun.popleft()
        if len(begun) >= self._most:
            return begun[0] + self._per_s - now
        begun.append(now)
        return 0.0


class ThrottlesExceptions(Around):
    """Lets jobs wait when so many in a row raised within so many seconds, until those seconds are over.

    The attempts that raised end as any other that did. One that ends well clears the count.

    Args:
        max_exceptions: in a row, at least 1.
        per_seconds: seconds, or a timedelta, counted from the first of them.
        key: jobs of one key are counted together; those of a class if None.
        errors: that count, as in `FailOnException`.

    Raises:
        ConfigurationError: a number is none, or a time, or `errors` names no errors.

    Source: Laravel's `ThrottlesExceptions`; there a wait costs a try and lasts 3 s more, its backoff is in minutes, and
    all workers count together.
    """

    def __init__(
        self,
        max_exceptions: int = 10,
        per_seconds: Seconds = 600,
        *,
        key: str | None = None,
        errors: Errors = Exception,
    ) -> None:
        self._most = count(max_exceptions, "ThrottlesExceptions: max_exceptions", 1)
        self._per_s = seconds(per_seconds, "ThrottlesExceptions: per_seconds")
        self._key = key
        self._is_meant = matcher(errors, "ThrottlesExceptions")

    def handle(self, job: Job, next: Next) -> Any:  # noqa: A002  the public name is fixed
        """Run the job; returns what it returns. Where too many like it raised, put it off.

        Raises:
            QueueError: it must wait, and no worker runs it, which could let it.
            ConfigurationError: the function that says whether an error counts is async.
        """
        wait_s = self._with_raised(job, self._closed_s)
        if wait_s > 0:
            return put_off(job, wait_s, f"{self._most} in a row raised")
        return super().handle(job, next)

    @contextmanager
    def around(self, job: Job) -> Iterator[None]:
        """Count the error, or clear the count."""
        try:
            yield
        except Exception as error:
            if self._is_meant(error):
                self._with_raised(job, lambda raised: raised.append(time.monotonic()))
            raise
        self._with_raised(job, deque.clear)

    def _with_raised(self, job: Job, act: Callable[[deque[float]], T]) -> T:
        return _raised.with_value((self._key or type(job), self._most, self._per_s), act)

    def _closed_s(self, raised: deque[float]) -> float:
        """Return the seconds for which jobs must wait; forgets errors whose time is over."""
        now = time.monotonic()
        if raised and now - raised[0] >= self._per_s:
            raised.clear()
        return raised[0] + self._per_s - now if len(raised) >= self._most else 0.0


class _Counts:
    """Instants by key, for all instances together: a job makes its middleware anew in each run."""

    def __init__(self) -> None:
        self._by_key: dict[Any, deque[float]] = {}
        self._lock = threading.Lock()

    def with_value(self, key: Any, act: Callable[[deque[float]], T]) -> T:
        with self._lock:
            value = self._by_key.pop(key, None) or deque()
            self._by_key[key] = value  # behind all others
            if len(self._by_key) > _KEYS_MOST:
                del self._by_key[next(iter(self._by_key))]
            return act(value)

    def clear(self) -> None:
        """Forget all (between tests)."""
        with self._lock:
            self._by_key.clear()


_KEYS_MOST = 10_000
"""Keys that are counted; the one that was used longest ago is forgotten."""
_begun = _Counts()
_raised = _Counts()
