"""What an operator does to jobs, with the locks that other connections keep for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from qcore.errors import QueueError
from qcore.jobs.packing import unpack
from qcore.manager.elsewhere import free
from qcore.manager.failures import tell_retried, until_none

if TYPE_CHECKING:
    from qcore.drivers import Store
    from qcore.jobs.options import Elsewhere
    from qcore.manager.connections import Connections
    from qcore.records import StoredJob

_WAITING = ("pending", "delayed", "retrying")
_PAGE = 500


class Operating:
    """Cancels, clears and puts back, as a store does, and sees to locks that it does not keep itself.

    Where one connection alone is configured there are none, and nothing is looked up.

    Args:
        manager: whose connections keep them.
    """

    def __init__(self, manager: Connections) -> None:
        self._manager = manager
        self._may_have_locks = len(manager.settings.connections) > 1

    def cancel(self, store: Store, ids: Sequence[str], *, hard: bool = False) -> Sequence[str]:
        """Cancel jobs of a store; those that end here and now free their locks. Returns their ids.

        Raises:
            ConnectionFailed: the store did not answer.
        """
        locks = self._locks_of(store, ids)
        done = store.cancel(ids, hard=hard)
        self._free(locks, done)
        return done

    def clear(self, store: Store, queue: str, token: str | None = None) -> int:
        """Drop every waiting job of a queue, which frees their locks; returns how many.

        Args:
            store: where the queue is.
            queue: its name.
            token: under which the jobs may be restored; None: for good.

        Raises:
            ConnectionFailed: the store did not answer; what was dropped before stays dropped.
        """
        locks = dict(self._locks_in(store, queue))
        try:
            return until_none(lambda: store.clear(queue, token=token))
        finally:
            self._free(locks, [job_id for job_id in locks if store.find(job_id) is None])

    def put_back(self, store: Store, ids: Sequence[str], delays_us: Mapping[str, int] | None = None) -> Sequence[str]:
        """Put failed jobs of a store back as pending, with their locks, and tell those who listen.

        Returns:
            The ids put back; one whose key another job holds is not among them.

        Raises:
            ConnectionFailed: a store did not answer.
            ConfigurationError: a connection that is to keep a lock is not there.
        """
        locks = self._locks_of(store, ids)
        refused = {job_id for job_id, lock in locks.items() if lock.for_us and not self._take(lock, job_id)}
        granted = [job_id for job_id in ids if job_id not in refused]
        done: Sequence[str] = ()
        try:
            done = store.retry(granted, delays_us=delays_us) if granted else ()
        finally:
            self._free(locks, set(granted).difference(done))
        tell_retried(done)
        return done

    def _take(self, lock: Elsewhere, job_id: str) -> bool:
        return self._manager.connection(lock.connection).take_lock(lock.key, job_id, lock.for_us)

    def _free(self, locks: Mapping[str, Elsewhere], ids: Sequence[str] | set[str]) -> None:
        for job_id in ids:
            if job_id in locks:
                free(self._manager, locks[job_id], job_id)

    def _locks_of(self, store: Store, ids: Sequence[str]) -> dict[str, Elsewhere]:
        if not self._may_have_locks:
            return {}
        found = (job for job in map(store.find, ids) if job is not None)
        return {job.id: lock for job in found if (lock := self._lock_of(store, job)) is not None}

    def _locks_in(self, store: Store, queue: str) -> Iterator[tuple[str, Elsewhere]]:
        for view in _WAITING if self._may_have_locks else ():
            cursor = None
            while True:
                page = store.page(view, queue=queue, cursor=cursor, limit=_PAGE, payloads=True)
                for job in page.jobs:
                    if (lock := self._lock_of(store, job)) is not None:
                        yield job.id, lock
                if (cursor := page.next_cursor) is None:
                    break

    def _lock_of(self, store: Store, job: StoredJob) -> Elsewhere | None:
        """The lock that another connection keeps for a job; None too where that cannot be read."""
        try:
            name = self._manager.name_of(store)
            options = unpack(job, self._manager.keyring(name)).options
            lock = None if options is None else options.elsewhere
            is_its_own = lock is None or self._manager.settings.connection(lock.connection).name == name
        except QueueError:
            return None
        return None if is_its_own else lock
