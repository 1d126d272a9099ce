"""One job, followed by its id: the application's own view of what it dispatched."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Self

from qcore.clock import instant
from qcore.errors import JobNotFound
from qcore.manager import QueueManager
from qcore.manager.operating import Operating
from qcore.monitor.monitor import Monitor
from qcore.monitor.reading import result_of
from qcore.records import StoredJob, unpack_history
from qcore.states import JobState

_FIRST_LOOK_S = 0.005
_SLOWEST_LOOK_S = 0.25


class JobRecord:
    """A job as it was when last looked at; `refresh` looks again.

    Made by `JobRecord.find`.
    """

    def __init__(self, job: StoredJob, connection: str, manager: QueueManager) -> None:
        self._job = job
        self._connection = connection
        self._manager = manager

    @classmethod
    def find(cls, job_id: str, connection: str | None = None) -> Self:
        """Find a job by its id.

        Args:
            job_id: as `dispatch` returned it.
            connection: where to look; on every connection if None.

        Raises:
            JobNotFound: no store knows it (any more).
            ConfigurationError: there is no connection of that name.
            ConnectionFailed: a store did not answer, and none of the others knows it.
        """
        manager = QueueManager.current()
        job, name = Monitor(manager).find(job_id, connection)
        return cls(job, name, manager)

    def __repr__(self) -> str:
        return f"<JobRecord {self.id} {self._job.job} {self.state}>"

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def job(self) -> str:
        """Its class path, `module:QualName`."""
        return self._job.job

    @property
    def state(self) -> JobState:
        """Where it was in its life when last looked at."""
        return self._job.state

    @property
    def queue(self) -> str:
        """Its queue."""
        return self._job.queue

    @property
    def attempts(self) -> int:
        """Tries charged; the one that runs is among them once it has ended."""
        return self._job.attempts

    @property
    def progress(self) -> int | None:
        """Percent, 0 to 100, as the job last reported it; None if it reported none."""
        return self._job.progress

    @property
    def progress_note(self) -> str | None:
        """The words that came with the progress; None if none did."""
        return self._job.progress_note

    @property
    def result(self) -> Any:
        """What `handle` returned; None before it has, and once `result_ttl` is over.

        Raises:
            DecryptionError: it is encrypted, and no key at hand opens it.
            SignatureError: it was altered, is another job's, or names a class and nobody vouches for it.
            PayloadError: it cannot be read.
        """
        return result_of(self._job, self._manager.keyring(self._connection))

    @property
    def error(self) -> str | None:
        """The last attempt's error in one line; None if none failed."""
        failures = unpack_history(self._job.history)
        return failures[-1].summary if failures else None

    @property
    def traceback(self) -> str | None:
        """The last attempt's traceback, as text; None if none failed."""
        failures = unpack_history(self._job.history)
        return failures[-1].traceback if failures else None

    @property
    def created_at(self) -> datetime:
        """When the store took it, aware UTC, by the store's clock as all of these."""
        return instant(self._job.created_us)

    @property
    def due_at(self) -> datetime:
        """From when on it may run, or might when it was last put into its queue, aware UTC."""
        return instant(self._job.due_us)

    @property
    def reserved_at(self) -> datetime | None:
        """When a worker took it last, aware UTC; None if none has."""
        return None if self._job.reserved_us is None else instant(self._job.reserved_us)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended for good, aware UTC; None while it has not."""
        return None if self._job.ended_us is None else instant(self._job.ended_us)

    @property
    def runtime(self) -> float | None:
        """Seconds that its last attempt took; None before one has ended."""
        return self._job.runtime_s

    def refresh(self) -> Self:
        """Look again; returns itself.

        Raises:
            JobNotFound: it has left the store since.
            ConnectionFailed: the store did not answer.
        """
        job = self._manager.connection(self._connection).find(self.id)
        if job is None:
            raise JobNotFound(f"no job {self.id} any more", hint="it ended, and left the window of completed jobs")
        self._job = job
        return self

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until the job has ended for good, by asking the store, at first often and then four times a second.

        Args:
            timeout: seconds; for ever if None.

        Returns:
            The record itself, as the job ended.

        Raises:
            TimeoutError: it had not ended by then; the record shows its last state.
            JobNotFound: it ended and left the window of completed jobs before it was looked at, or was dropped.
            ConnectionFailed: the store did not answer.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause_s = _FIRST_LOOK_S
        while not self.refresh().state.is_final:
            rest_s = pause_s if until is None else min(pause_s, until - time.monotonic())
            if rest_s <= 0:
                raise TimeoutError(f"job {self.id} is still {self.state} after {timeout:g} s")
            time.sleep(rest_s)
            pause_s = min(pause_s * 1.5, _SLOWEST_LOOK_S)
        return self

    def cancel(self, *, hard: bool = False) -> bool:
        """Ask for the job to be cancelled.

        Args:
            hard: interrupt it if it runs, as its timeout would; else it is told, and may heed `is_cancelled()`.

        Returns:
            Whether that won: True, and no worker will run it; False, and it runs (and is told) or had ended.

        Raises:
            JobNotFound: it has left the store.
            ConnectionFailed: the store did not answer.
        """
        store = self._manager.connection(self._connection)
        won = bool(Operating(self._manager).cancel(store, [self.id], hard=hard))
        self.refresh()
        return won
