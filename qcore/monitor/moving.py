"""How an operator's jobs get to another queue or another time: what `Actions` asks of each store."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from qcore.drivers.operator import Move
from qcore.errors import PayloadError
from qcore.jobs import options
from qcore.jobs.resealing import readdressed
from qcore.manager.failures import still_failed
from qcore.manager.operating import Operating
from qcore.states import JobState, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.drivers import Store
    from qcore.manager import QueueManager
    from qcore.records import StoredJob

_MOVABLE = frozenset({JobState.PENDING, JobState.RETRYING, JobState.FAILED})


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """How failed jobs are put back."""

    queue: str | None = None
    """Where to; None: where they were."""
    delay_s: float = 0.0
    """How long they wait at the least."""
    spread_s: float = 0.0
    """Over how much time they are spread by chance beyond that, so that they do not come all at once."""


AT_ONCE = Again()
_KEY_HELD = f"{Refusal.LOCKED.value}, and it can come back once that job has ended"


class Mover:
    """Lets jobs go to another queue of their own store: read, signed for it, and put there.

    Args:
        manager: whose connections and keys are used.
        to: the queue.
        connection: on which alone; if None the queue's own.

    Raises:
        ConfigurationError: that is no name of a queue.
    """

    def __init__(self, manager: QueueManager, to: str, connection: str | None = None) -> None:
        self.to = options.name(to, "queue")
        self.reasons: dict[str, str] = {}
        """Why a job stays where it is, by its id."""
        self._connection = connection or manager.connection_of(to).name
        self._store = manager.connection(self._connection)
        self._keyring = manager.keyring(self._connection)
        self._encrypts = any(
            one.definition is not None and one.definition.encryption_enabled for one in self._store.counts([to])
        )

    def move(self, store: Store, ids: Sequence[str]) -> Sequence[str]:
        """Let these go; returns the ids of those that did."""
        found = [job for job in map(store.find, ids) if job is not None and job.state in _MOVABLE]
        if store is not self._store:
            why = f"queue {self.to} is on connection {self._connection}, and it is not"
            self.reasons.update((job.id, why) for job in found)
            return []
        moves = [move for job in found if (move := self._move(job)) is not None]
        return store.move(moves) if moves else []

    def _move(self, job: StoredJob) -> Move | None:
        try:
            new = readdressed(
                job.payload, self._keyring, job_id=job.id, queue=job.queue, to=self.to, encrypts=self._encrypts
            )
        except PayloadError as error:
            self.reasons[job.id] = error.message
            return None
        return Move(job.id, self.to, job.payload, new)


class Retrier:
    """Puts failed jobs back as `Again` says.

    Raises:
        ConfigurationError: its values make no sense.
    """

    def __init__(self, manager: QueueManager, again: Again, connection: str | None = None) -> None:
        self._delay_s = options.seconds(again.delay_s, "delay")
        self._spread_s = options.seconds(again.spread_s, "spread")
        self._operating = Operating(manager)
        self._mover = None if again.queue is None else Mover(manager, again.queue, connection)
        self.reasons: dict[str, str] = {} if self._mover is None else self._mover.reasons
        """Why a job stays failed, by its id, where more is known."""

    def put_back(self, store: Store, ids: Sequence[str]) -> Sequence[str]:
        """Put these back; returns the ids of those that were."""
        there = ids
        if self._mover is not None:
            failed = [job.id for job in map(store.find, ids) if job is not None and job.state is JobState.FAILED]
            there = self._mover.move(store, failed)
        done = self._operating.put_back(
            store, there, {job_id: self._delay_us() for job_id in there} if self._waits else None
        )
        if len(done) < len(there):
            self.reasons.update(dict.fromkeys(still_failed(store, there, done), _KEY_HELD))
        return done

    @property
    def _waits(self) -> bool:
        return self._delay_s > 0 or self._spread_s > 0

    def _delay_us(self) -> int:
        return round((self._delay_s + random.uniform(0, self._spread_s)) * 1_000_000)  # noqa: S311  no secret
