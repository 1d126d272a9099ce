"""What a manager tells of queues, and does to them and to failed jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcore.errors import JobNotFound
from qcore.jobs.options import Seconds, name, seconds
from qcore.jobs.rate_limits import limit_of_queue
from qcore.manager.connections import Connections
from qcore.manager.current import everywhere
from qcore.manager.failures import act_on_all, act_on_ids, still_failed, until_none
from qcore.manager.operating import Operating
from qcore.manager.stats import QueueStats
from qcore.records import QueueCounts

if TYPE_CHECKING:
    from qcore.drivers import Store


class Queues(Connections):
    """The part of a `QueueManager` that is about queues, each on its own connection."""

    @everywhere
    def get_stats(self, queue: str = "default") -> QueueStats:
        """Count a queue's jobs by state; returns zeros for a queue that has had none.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: the store did not answer.
        """
        return QueueStats.of(self._counts(queue) or QueueCounts(name=queue))

    @everywhere
    def size(self, queue: str = "default") -> int:
        """Count the jobs of a queue that wait: pending, delayed and retrying.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: the store did not answer.
        """
        counts = self._counts(queue)
        return counts.pending + counts.delayed + counts.retrying if counts else 0

    @everywhere
    def queues(self, connection: str | None = None) -> list[str]:
        """Name the queues that a connection knows.

        Args:
            connection: whose; the default connection's if None.

        Raises:
            ConfigurationError: there is no such connection.
            ConnectionFailed: the store did not answer.
        """
        return [counts.name for counts in self.connection(connection).counts()]

    @everywhere
    def pause(self, queue: str, *, for_s: float | None = None, reason: str | None = None) -> bool:
        """Let a queue give no jobs to any worker; those that run are left alone.

        Args:
            queue: which.
            for_s: seconds, 10 years at the most; until `resume` if None.
            reason: a few words for the screens.

        Returns:
            Whether that changed anything.

        Raises:
            ConfigurationError: `for_s` is no duration, or the queue's connection is not there.
            ConnectionFailed: the store did not answer.
        """
        pause_s = None if for_s is None else seconds(for_s, "pause")
        return self._store_of(queue).pause(queue, for_s=pause_s, reason=reason)

    @everywhere
    def resume(self, queue: str) -> bool:
        """Let a queue give jobs again; returns whether it had been paused.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: the store did not answer.
        """
        return self._store_of(queue).resume(queue)

    @everywhere
    def rate_limit(
        self, queue: str, max_jobs: int | None, per_seconds: Seconds = 60, strategy: str = "sliding_window"
    ) -> None:
        """Let so many jobs of a queue start in a window, on all hosts together, from within a second on.

        Args:
            queue: which; what its definition says of a limit is overruled.
            max_jobs: in a window. None: as many as can.
            per_seconds: the window, in seconds or a timedelta.
            strategy: as of `RateLimit`.

        Raises:
            ConfigurationError: a value makes no sense, or the queue's connection is not there.
            ConnectionFailed: the store did not answer.
        """
        name(queue, "rate_limit")
        limit = None if max_jobs is None else limit_of_queue(queue, max_jobs, per_seconds, strategy)
        self._store_of(queue).limit(queue, limit)

    @everywhere
    def clear(self, queue: str) -> int:
        """Drop every waiting job of a queue for good; returns how many. Those that run are left alone.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: the store did not answer; what was dropped before stays dropped.
        """
        store = self._store_of(queue)
        return Operating(self).clear(store, queue)

    @everywhere
    def retry(self, which: str | Sequence[str]) -> int:
        """Put failed jobs back as pending, with all their tries; returns how many.

        A unique one whose key another job holds stays failed, and is not counted.

        Args:
            which: a list of ids, "all", or the name of a queue.

        Raises:
            JobNotFound: an id was given that is not in the failed store; the others were put back.
            ConfigurationError: a connection that is asked is not there.
            ConnectionFailed: a store did not answer; what was put back before stays so.
        """
        if isinstance(which, str):
            queue = None if which == "all" else which
            return act_on_all(list(self._stores_for(queue)), Operating(self).put_back, queue=queue)[1]
        done = act_on_ids(self._stores_for(None), which, Operating(self).put_back)
        held = {one for store in self._stores_for(None) for one in still_failed(store, which, done)}
        missing = next((job_id for job_id in which if job_id not in done and job_id not in held), None)
        if missing is not None:
            raise JobNotFound(f"no failed job {missing}", hint="see: qctl failed")
        return len(done)

    @everywhere
    def forget(self, job_id: str) -> bool:
        """Drop one failed job for good; returns whether it was there.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: a store did not answer.
        """
        return bool(act_on_ids(self._stores_for(None), [job_id], lambda store, ids: store.forget(ids)))

    @everywhere
    def flush(self, queue: str | None = None) -> int:
        """Drop every failed job for good, or a queue's; returns how many.

        Raises:
            ConfigurationError: the connection that its definition names is not there.
            ConnectionFailed: a store did not answer; what was dropped before stays dropped.
        """
        return sum(until_none(partial(store.flush, queue=queue)) for store in self._stores_for(queue))

    def _stores_for(self, queue: str | None) -> Iterator[Store]:
        return map(self.connection, self.connections_for(queue))

    def _store_of(self, queue: str | None) -> Store:
        return self.connection(self.connection_of(queue).name)

    def _counts(self, queue: str) -> QueueCounts | None:
        return next(iter(self._store_of(queue).counts([queue])), None)
