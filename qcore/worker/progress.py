"""What running jobs report of their progress, on its way to the store: the newest of each job, not too often.

A job's thread notes a number and goes on; the threads that speak with the store anyway write it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable
from contextlib import suppress

from qcore.drivers import Store
from qcore.errors import ConnectionFailed, QueueError
from qcore.records import storable

WRITE_EVERY_S = 0.2
"""The progress of one job is written at most so often."""
_WRITE_WITHIN_S = 0.005


class Progress:
    """The reports of one lane.

    Args:
        store: that they are written to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: dict[str, tuple[int, str | None]] = {}
        self._written_at: dict[str, float] = {}
        self._writing = threading.Lock()
        """So that an older report never arrives behind a newer one."""

    def __bool__(self) -> bool:
        """Whether any job reported that has not ended."""
        return bool(self._newest or self._written_at)

    def note(self, job_id: str, percent: int, words: str | None) -> None:
        """Keep a report, instead of the one before; called by the job."""
        self._newest[job_id] = (percent, None if words is None else storable(words))

    def write_due(self, running: Collection[str]) -> None:
        """Write what is new of those jobs whose last write was a while ago; forget jobs that run no more.

        It takes some milliseconds at the most: ends of jobs wait meanwhile. The next call goes on where this one left.

        Raises:
            ConnectionFailed: the rest is written later.
        """
        now = time.monotonic()
        for job_id in list(self._newest):
            if time.monotonic() - now > _WRITE_WITHIN_S:
                break
            if now - self._written_at.get(job_id, 0.0) >= WRITE_EVERY_S:
                self._written_at[job_id] = now
                self._write(job_id)
        for job_id in [one for one in list(self._written_at) if one not in running and one not in self._newest]:
            self._written_at.pop(job_id, None)

    def write_last(self, job_ids: Iterable[str]) -> None:
        """Write what is new of jobs that have ended: nothing will be heard of them once that is settled.

        Raises:
            ConnectionFailed: the rest is written by the next call.
        """
        for job_id in job_ids:
            self._write(job_id)
            self._written_at.pop(job_id, None)

    def _write(self, job_id: str) -> None:
        with self._writing:
            report = self._newest.get(job_id)
            if report is None:
                return
            try:
                self._store.progress(job_id, *report)
            except ConnectionFailed:
                raise
            except QueueError:
                pass  # what the store will not hold is no reason for the job to fail
            with suppress(KeyError):
                if self._newest[job_id] is report:  # else the job has reported again
                    del self._newest[job_id]
