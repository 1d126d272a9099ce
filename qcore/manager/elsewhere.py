"""Unique locks that another connection than the job's keeps: two steps, and the lock's own time ends what is left."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from qcore.envelope import Envelope, Unique
from qcore.errors import ConnectionFailed, QueueError
from qcore.jobs.options import Elsewhere
from qcore.transactions import after_rollback

if TYPE_CHECKING:
    from qcore.manager.connections import Connections
    from qcore.manager.manager import QueueManager

_log = logging.getLogger("qcore")


def has_locks_elsewhere(envelopes: Sequence[Envelope]) -> bool:
    """Whether any of the jobs needs a lock of another connection."""
    return any(envelope.unique is not None and envelope.unique.via is not None for envelope in envelopes)


def free(manager: Connections, lock: Elsewhere, job_id: str) -> None:
    """Free a job's lock; one that cannot be reached is left to its time."""
    try:
        manager.connection(lock.connection).release_lock(lock.key, job_id)
    except QueueError as error:
        _log.warning("the lock %s stays until its time is over: %s", lock.key, error.message)


class LocksElsewhere:
    """The locks of one push, taken one by one; those of jobs that were not stored are freed at the end of the block.

    Args:
        manager: whose connections keep them.
        connection: where the jobs live; a lock that is to be kept there is the store's own business.
        envelopes: all of the push.
        within: the session in whose transaction they are stored: where that is taken back, so are the locks.
    """

    def __init__(self, manager: QueueManager, connection: str, envelopes: Sequence[Envelope], within: Any) -> None:
        self._manager = manager
        self._connection = connection
        self._envelopes = envelopes
        self._within = within
        self._held: dict[str, Elsewhere] = {}
        self.granted: list[Envelope] = []
        """Those to push."""

    def __enter__(self) -> Self:
        """Take the locks.

        Raises:
            QueueError: a connection that is to keep one is not there, or does not answer; none is held then.
        """
        try:
            self.granted = [own for envelope in self._envelopes if (own := self._locked(envelope)) is not None]
        except BaseException:
            self._free(self._held)
            raise
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Free the locks of jobs that surely were not stored, now or when the caller's transaction is taken back."""
        if error is None or (isinstance(error, ConnectionFailed) and error.may_have_reached):
            if self._within is not None and self._held:
                after_rollback(self._within, lambda: self._free(self._held))
            return
        stored = error.stored_ids if isinstance(error, QueueError) else ()
        self._free([job_id for job_id in self._held if job_id not in stored])

    def answer(self, stored: Sequence[str | None]) -> list[str | None]:
        """Put the answers for those pushed beside None for those that got no lock."""
        known = set(stored)
        return [envelope.id if envelope.id in known else None for envelope in self._envelopes]

    def _locked(self, envelope: Envelope) -> Envelope | None:
        """The envelope as its own store is to see it; None where its lock is held by another job."""
        unique = envelope.unique
        if unique is None or unique.via is None:
            return envelope
        name = self._manager.settings.connection(unique.via).name
        if name == self._connection:
            return msgspec.structs.replace(envelope, unique=msgspec.structs.replace(unique, via=None))
        return self._taken(envelope, unique, name)

    def _taken(self, envelope: Envelope, unique: Unique, name: str) -> Envelope | None:
        if not self._manager.connection(name).take_lock(unique.key, envelope.id, unique.for_us):
            return None
        self._held[envelope.id] = Elsewhere(name, unique.key)
        return msgspec.structs.replace(envelope, unique=None)

    def _free(self, ids: Sequence[str] | dict[str, Elsewhere]) -> None:
        for job_id in ids:
            free(self._manager, self._held[job_id], job_id)
