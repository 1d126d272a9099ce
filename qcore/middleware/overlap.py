"""One job of a key at a time, across workers and hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qcore.jobs.keys import key_of
from qcore.jobs.options import Overlap, Seconds, seconds

_KEPT_APART = "~"
"""Begins the keys of running jobs: no class path does, so none is the key of a unique job."""


class WithoutOverlapping:
    """Let one job of a key run at a time; another one waits again, and loses no try.

    The store keeps the key: it is taken just before `handle`, read at dispatch, and free when the attempt ends in
    whatever way, also by the death of its worker. `dispatch_now` knows no key.

    Args:
        key: tells what must not overlap; that of one class is not that of another.
        release_after: seconds after which a job that was kept back asks again; 0: as soon as is worth it.
        expire_after: seconds after which a job that still runs keeps nobody back; 0: it always does.
        shared: jobs of other classes with this key, and `shared` too, count as well.

    A time that is none, or a second one on the same job, raises ConfigurationError at dispatch.

    Source: Laravel's `WithoutOverlapping`; there each wait costs a try, one that is kept back asks again at once, and
    the lock of a worker that was killed may stay for ever unless `expireAfter` is said. Not so here, on purpose.
    """

    def __init__(
        self, key: str = "", release_after: Seconds = 0, expire_after: Seconds = 0, *, shared: bool = False
    ) -> None:
        self.key = key
        self.release_after = release_after
        self.expire_after = expire_after
        self.shared = shared

    def overlap(self, job_path: str) -> Overlap:
        """Return what a job of that class path asks of the store.

        Raises:
            ConfigurationError: a time is none.
        """
        parts = [self.key] if self.shared else [job_path, self.key]
        return Overlap(
            key=key_of(_KEPT_APART + parts[0], *parts[1:]),
            release_us=round(seconds(self.release_after, "WithoutOverlapping: release_after") * 1_000_000),
            expire_us=round(seconds(self.expire_after, "WithoutOverlapping: expire_after") * 1_000_000),
        )

    def handle(self, job: Any, call_next: Callable[[Any], Any]) -> Any:
        """Go on, and return what that returns: who may run was settled before."""
        return call_next(job)
