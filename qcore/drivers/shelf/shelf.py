"""The jobs of one store and the moves they can make, under one lock."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable
from queue import SimpleQueue
from threading import RLock
from typing import TYPE_CHECKING

from qcore.drivers.base import COMPLETED_FRESH_S, COMPLETED_KEPT, COMPLETED_KEPT_S
from qcore.drivers.claims import Holder, end_of, kind_of
from qcore.drivers.shelf.dropped import Dropped
from qcore.drivers.shelf.entry import Entry
from qcore.drivers.shelf.flows import Flows
from qcore.drivers.shelf.lane import Lane
from qcore.drivers.shelf.limits import Limits
from qcore.drivers.shelf.locks import Locks
from qcore.drivers.shelf.measures import Measures
from qcore.drivers.shelf.ordered import Ordered, at
from qcore.drivers.shelf.registry import Registry
from qcore.states import JobState, LockKind, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qcore.clock import Clock
    from qcore.config import ConnectionSettings
    from qcore.envelope import Envelope, Start
    from qcore.limits import Ruling

_REQUESTS_KEPT = 1024


class Shelf:
    """What every face of a store works on.

    Whoever calls a method holds `lock`, and took `now` once: a verb sees one instant.
    """

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = RLock()
        self.entries: dict[str, Entry] = {}
        self.lanes: dict[str, Lane] = {}
        self.locks = Locks()
        self.limits = Limits()
        self.flows = Flows(self)
        self.dropped = Dropped(self)
        self.measures = Measures(is_on=settings.metrics)
        self.leases = Ordered()
        """All leases: the one that lapses first, first."""
        self.requests: OrderedDict[str, tuple[int, list[tuple[str, str]]]] = OrderedDict()
        """The last request of each worker, and the jobs and tokens it got."""
        self.listeners: set[SimpleQueue[bool]] = set()
        """Waits under way, told whether to end; a `SimpleQueue` may be put to from a signal handler."""
        self.tags: set[str] = set()
        """Those that somebody monitors."""
        self.registry = Registry(settings.lease_s)
        self._now_us = 0  # a host's clock may step back; the store's does not
        self._results = Ordered()  # completed jobs that outlive the window for their result's sake

    def now(self) -> int:
        """Read the store's clock, and let every job that is due by then be given."""
        now_us = self._now_us = max(self._now_us, self.clock.wall_us())
        for lane in self.lanes.values():
            for job_id in lane.due(now_us):
                lane.promote(self.entries[job_id], now_us)
        return now_us

    def lane(self, queue: str) -> Lane:
        """The queue of that name, made at its first use."""
        lane = self.lanes.get(queue)
        if lane is None:
            lane = self.lanes[queue] = Lane(queue)
        return lane

    def known(self, queues: Iterable[str]) -> list[Lane]:
        """The queues among these that were ever used, in the order given."""
        return [self.lanes[queue] for queue in queues if queue in self.lanes]

    def enter(self, envelopes: Iterable[Envelope], now_us: int) -> None:
        """Store those whose id is not there yet."""
        for envelope in envelopes:
            if envelope.id in self.entries:
                continue
            due_us = now_us + envelope.delay_us if envelope.due_us is None else envelope.due_us
            entry = Entry(envelope=envelope, state=JobState.PENDING, created_us=now_us, due_us=due_us)
            self.entries[envelope.id] = entry
            self.lane(envelope.queue).put(entry, now_us)

    def move(self, entry: Entry, state: JobState, now_us: int, *, due_us: int | None = None) -> None:
        """Give the entry another state, and with it another place; a lease it had is over."""
        self._lift(entry, now_us)
        entry.state = state
        entry.due_us = entry.due_us if due_us is None else due_us
        self.lanes[entry.envelope.queue].put(entry, now_us)

    def give_back(self, entry: Entry, now_us: int, due_us: int | None = None) -> None:
        """Let a leased job wait again; tried or not, it shows."""
        self.locks.free_all(entry.id, LockKind.EXCLUSIVE)
        self.move(entry, waiting_state(entry.attempts), now_us, due_us=due_us)
        entry.worker, entry.reserved_us, entry.started = None, None, False

    def lease(self, entry: Entry, worker: str, now_us: int) -> None:
        """Hand a waiting job to a worker."""
        self.move(entry, JobState.PROCESSING, now_us)
        entry.token, entry.outcome = secrets.token_hex(8), None
        entry.worker, entry.reserved_us, entry.started = worker, now_us, False
        self.extend(entry, now_us, fresh=True)

    def extend(self, entry: Entry, now_us: int, *, fresh: bool = False) -> None:
        """Let a lease live for another term."""
        if not fresh:
            self.leases.drop(at(entry.lease_until_us, entry.id))
        entry.lease_until_us = now_us + round(self.settings.lease_s * 1_000_000)
        self.leases.add(at(entry.lease_until_us, entry.id))

    def end(self, entry: Entry, state: JobState, now_us: int) -> None:
        """End the job: a failed one stays until somebody decides, the others for a while."""
        self._lift(entry, now_us)
        self.locks.free_all(entry.id)
        entry.state, entry.ended_us = state, now_us
        lane = self.lanes[entry.envelope.queue]
        lane.put(entry, now_us)
        if state is JobState.COMPLETED:
            lane.completed += 1
        elif state is JobState.CANCELLED:
            lane.cancelled += 1
            self.limits.give_back([entry.id])
        if state is not JobState.FAILED:
            self._trim(lane, state.value, now_us)

    def carry(self, entry: Entry, envelope: Envelope, now_us: int) -> None:
        """Let a job be in the queue that its new envelope names."""
        self._lift(entry, now_us)
        entry.envelope = envelope
        self.lane(envelope.queue).put(entry, now_us)

    def restore(self, entry: Entry, now_us: int, due_us: int) -> bool:
        """Let a failed job begin anew; only its errors stay, and its lock. Whether none holds that but itself."""
        unique = entry.envelope.unique
        holder = None if unique is None else self.locks.holder(unique.key, now_us)
        if holder is not None and holder.owner != entry.id:
            return False
        self._lift(entry, now_us)
        fresh = Entry(envelope=entry.envelope, state=JobState.PENDING, created_us=now_us, due_us=due_us)
        fresh.history = entry.history
        self.entries[entry.id] = fresh
        self.lanes[entry.envelope.queue].put(fresh, now_us)
        if unique is not None:
            holder = Holder(owner=entry.id, first_us=now_us, until_us=end_of(unique.for_us, now_us))
            self.locks.take(unique.key, kind_of(unique), holder, now_us)
        return True

    def drop(self, entry: Entry, now_us: int) -> None:
        """Forget the job as if it had never been."""
        self._lift(entry, now_us)
        self.locks.free_all(entry.id)
        self.limits.give_back([entry.id])
        del self.entries[entry.id]

    def remember(self, worker: str, request: int, entries: Sequence[Entry]) -> None:
        """Note what a worker's request got, so that repeating it gives the same."""
        self.requests[worker] = (request, [(entry.id, entry.token or "") for entry in entries])
        self.requests.move_to_end(worker)
        if len(self.requests) > _REQUESTS_KEPT:
            self.requests.popitem(last=False)

    def start_by(self, start: Start, now_us: int) -> Ruling:
        """Let a job start by its limits or send it away; a queue whose own limit is shut gives nothing meanwhile."""
        ruling = self.limits.start(start, now_us)
        for limit in start.limits if ruling.shut_us else ():
            if limit.queue:
                self.lane(limit.queue).shut(now_us + ruling.shut_us, now_us)
        return ruling

    def ring(self, *, wake: bool = False) -> None:
        """Let every wait under way look again for work, or end."""
        for listener in tuple(self.listeners):
            listener.put(wake)

    def _lift(self, entry: Entry, now_us: int) -> None:
        self.lanes[entry.envelope.queue].take(entry, now_us)
        if entry.state is JobState.PROCESSING:
            self.leases.drop(at(entry.lease_until_us, entry.id))

    def _trim(self, lane: Lane, view: str, now_us: int) -> None:
        ended = lane.views[view]
        while (first := ended.first()) is not None and _is_over(first[0], len(ended), now_us):
            entry = self.entries[first[-1]]
            lane.take(entry, now_us)
            if entry.result is not None and now_us < entry.result_until_us:
                self._results.add(at(entry.result_until_us, entry.id))
            else:
                del self.entries[entry.id]
        while (first := self._results.first()) is not None and first[0] <= now_us:
            self._results.drop(first)
            self.entries.pop(first[-1], None)


def waiting_state(attempts: int) -> JobState:
    """How a job that waits shows: tried or not."""
    return JobState.RETRYING if attempts else JobState.PENDING


def ended_state(outcome: Outcome) -> JobState:
    """The final state of an outcome that is not a release."""
    return JobState(outcome.value)


def _is_over(ended_us: int, kept: int, now_us: int) -> bool:
    age_s = (now_us - ended_us) / 1_000_000
    return age_s > COMPLETED_KEPT_S or (kept > COMPLETED_KEPT and age_s > COMPLETED_FRESH_S)
