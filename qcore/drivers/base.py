"""What a store must do, one verb at a time. Values go in, values come out; a job is never seen here.

Promises that hold for every verb:

* It takes many at once: the store is the limit, not the round trip.
* It is atomic: all of it happened or none, whatever crashes.
* It may be repeated. A `push` stores an id once; a `reserve` with the same request number gives the same leases;
  a settlement whose token already ended the job in the same way counts as accepted. So a verb whose reply was
  lost is sent again, and the client library's own retries are off.
* Time is the store's. Due times, leases and windows compare with the store's clock, never with a worker's.
* It raises `ConnectionFailed` when the store does not answer, and no other error of its library.

A job that waits is ordered by priority (larger first), then by `due_us` (the instant it became due), then by id.
A released job gets a new due time, one that was handed back or reclaimed keeps its old one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from qcore.envelope import Envelope, Lease, Start, Started
from qcore.flows import Weave
from qcore.limits import Limit
from qcore.settlement import Settlement

MAX_RECLAIM = 1000
"""Jobs that one `reclaim` gives back."""
MAX_RESERVE = 1000
"""Leases one `reserve` may ask for."""
MAX_PUSH = 1000
"""Envelopes one `push` may carry; `dispatch_many` splits by it, and by `MAX_PUSH_BYTES`."""
MAX_PUSH_BYTES = 8 * 1024 * 1024
COMPLETED_KEPT = 10_000
"""Completed jobs kept for each queue, at the most."""
COMPLETED_KEPT_S = 3600
"""Seconds a completed job is kept, at the most."""
COMPLETED_FRESH_S = 10
"""A job that ended less long ago is never trimmed by count: an ambiguous push may still be repeated."""
FLOW_KEPT_S = 7 * 24 * 3600
"""Seconds a batch, chain or graph is kept that has finished."""
DROPPED_KEPT_S = 24 * 3600
"""Seconds that what an operator dropped can be brought back."""
ASK_AGAIN_US = 100_000
"""After which a job is to ask again that was told to start later, where nobody knows better."""
WORKER_KEPT_TERMS = 3
"""Lease terms after which a worker that reports no more, or a command that nobody took, is forgotten."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a driver can do beyond the protocol; nothing above asks for its name."""

    durable: bool = True
    """What was pushed survives every process."""
    shared: bool = True
    """Several processes may work on one store."""
    transactional: bool = False
    """`push` and `settle` take `within=`, the caller's own open transaction."""
    immediate: bool = False
    """A push is to be run at once by the process that pushed (the sync driver)."""
    discards: bool = False
    """Nothing is stored (the null driver)."""


class Driver(Protocol):
    """Where jobs live."""

    capabilities: Capabilities

    def push(self, envelopes: Sequence[Envelope], *, within: Any = None, repeat: bool = False) -> Sequence[str | None]:
        """Store all the envelopes or none, each id once, as far as the end of its job is remembered.

        Args:
            envelopes: at most 1,000.
            within: the caller's own open transaction (`Capabilities.transactional`): an SQLAlchemy `Session` or
                `Connection` on the same database. Nothing is committed here, and nothing is visible before its owner
                commits.
            repeat: this push may have been stored before, and its jobs may end at this moment: look twice.

        Returns:
            For each envelope its id (also when it was there already), or None where a unique lock refused it. Lock and
            job are stored in the same step; a lock is its job's own, and free when that ends for good.

        Raises:
            QueueFullError: a queue would hold more than its `max_jobs`; nothing was stored.
            ConnectionFailed: the store did not answer; the push may or may not have been stored.
        """
        ...

    def weave(self, weave: Weave, *, within: Any = None) -> int:
        """Store flows, their steps and their first members in one step, or add to a flow that is there.

        May be repeated: a flow is made once, and a step or member is added once, as far as its end is remembered.
        Members take no unique locks. To a flow that was cancelled nothing is added that would run: it counts as
        cancelled.

        Args:
            weave: at most 1,000 members; any number of steps.
            within: the caller's own open transaction, as in `push`.

        Returns:
            How many members are new.

        Raises:
            QueueFullError: a queue would hold more than its `max_jobs`; nothing was stored.
            JobNotFound: the flow to be extended is not there.
            QueueError: it has finished.
            ConnectionFailed: the store did not answer; repeat the same.
        """
        ...

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease up to `limit` due jobs, in queue order, then priority, then due time.

        Paused queues give none. A job is leased to one worker at a time. Jobs with attempts left or not are
        given alike: what to do with them is the worker's to judge.

        Args:
            queues: names, most wanted first.
            limit: jobs, 1 to 1,000; fewer come back when fewer are due.
            worker: id under which the leases are kept alive; new at every start of a worker.
            request: number of this request; the worker raises it each time. Repeating the last one gives
                the same leases again.

        Returns:
            Leases in the order to run them; empty at once, never blocking (see `wait`).

        Raises:
            ConnectionFailed: the store did not answer; leases may have been taken (repeat the request).

        Source: order as in Laravel's `queue:work --queue=a,b`.
        """
        ...

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Let leased jobs begin that need something of the store first: one conditional write just before `handle`.

        It proves that the lease is still held, frees a unique lock that lasts until the start, takes a key that one
        running job holds at a time, and counts in every limit of the job. The key is free again when the lease ends,
        be it settled, reclaimed or forfeited. A job that has started already starts again, in the same way.

        A job that a limit sends away has a slot of its own, in every limit that was shut: it is due at the latest of
        them, and whoever asks for the first time stands behind it. One that asks `ahead` is sent away or left. While
        a queue's own limit is shut (`Limit.queue`), the queue gives no jobs.

        Args:
            starts: at most 1,000, of jobs in hand.

        Returns:
            For each, in order, whether it may run; one that may not took and freed nothing, but for such a slot.

        Raises:
            ConnectionFailed: the store did not answer; ask again.
        """
        ...

    def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
        """Read the limits of queues, of those that have one: what `Operator.limit` says, or else their definition.

        Their jobs name it in `start`; cheap enough to be asked for every second.
        """
        ...

    def settle(self, settlements: Sequence[Settlement], *, within: Any = None) -> Sequence[Settlement]:
        """Apply the ends of many attempts, each with all that follows from it, in one step.

        Args:
            settlements: at most 1,000.
            within: the caller's own open transaction, as in `push`.

        Returns:
            Those refused, because the lease was lost: they changed nothing.

        Raises:
            ConnectionFailed: the store did not answer; repeat the same settlements.
        """
        ...

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Do both in one step and one round trip: the hot loop of a busy worker."""
        ...

    def session(self) -> Any:
        """Open an SQLAlchemy session on the store's database, for rows of a job's own (`Capabilities.transactional`).

        Whoever asks for it closes it. What is settled or pushed `within` it is committed with it.

        Raises:
            ConfigurationError: the store has no transactions.
        """
        ...

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Keep leases alive for another lease term, these and no others.

        A lease that lapsed but that nobody took is revived.

        Args:
            worker: whose leases they are.
            leases: jobs in hand.
            started: ids among them whose `handle` has begun; `reclaim` charges a try for these.

        Returns:
            By id those among them that somebody asked to cancel, and whether they are to be interrupted if they run.

        Raises:
            ConnectionFailed: nothing was extended.
        """
        ...

    def reclaim(self) -> Sequence[str]:
        """Give back jobs whose lease ran out, without reading a payload; at most 1,000 a call.

        A try and a crash are charged to those that the last heartbeat named as started, one `reclaims` to the
        rest. Their due time stays.

        Returns:
            Ids of the jobs given back.
        """
        ...

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        """Give back every lease of a worker that is known to be dead, at once.

        The due times stay, and nothing is counted as reclaimed.

        Args:
            worker: whose leases they are.
            charged: ids among them whose attempt is charged (a try and a crash each), with the reason in one line,
                which the next lease of the job carries as `crash_reason`. The rest is not charged.

        Returns:
            Jobs given back.
        """
        ...

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work in one of the queues, or after `timeout_s` seconds.

        Never polls busily. A job that becomes due ends the wait in time, as does `wake`. May say yes wrongly.

        Returns:
            Whether there may be work.
        """
        ...

    def wake(self) -> None:
        """End this process's `wait` at once; may be called from a signal handler."""
        ...

    def get_ready(self) -> None:
        """Build what workers say again and again, for processes made from this one to share; connects to nothing."""
        ...

    def migrate(self) -> Sequence[str]:
        """Bring the store's schema up to date; returns the revisions applied, none where there is no schema."""
        ...

    def close(self) -> None:
        """Let go of every connection; the driver opens them anew when used again."""
        ...
