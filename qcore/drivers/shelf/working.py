"""What a worker and a producer ask of the store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.drivers.base import MAX_RESERVE
from qcore.drivers.claims import Holder, ask_again_us, decide, end_of, kind_of
from qcore.drivers.notes import Note, Word, notes_of
from qcore.drivers.shelf.shelf import ended_state
from qcore.envelope import Started, StartVerdict
from qcore.errors import ConfigurationError, QueueFullError
from qcore.flows import flow_in
from qcore.states import JobState, LockKind, Outcome

if TYPE_CHECKING:
    from qcore.drivers.shelf.entry import Entry
    from qcore.drivers.shelf.shelf import Shelf
    from qcore.envelope import Envelope, Lease, Start
    from qcore.flows import Weave
    from qcore.limits import Limit
    from qcore.settlement import Settlement

_RECLAIMED_AT_ONCE = 1000


class Working:
    """The `Driver` face, apart from opening and closing."""

    _shelf: Shelf
    _is_awake = False  # `wake` came while nobody waited

    def push(self, envelopes: Sequence[Envelope], *, within: Any = None, repeat: bool = False) -> Sequence[str | None]:
        """Store all the envelopes or none, each id once; see `Driver.push`."""
        del repeat  # ended jobs are always looked among
        self._refuse_transaction(within)
        with self._shelf.lock:
            now_us = self._shelf.now()
            refused: Collection[str] = ()
            if any(envelope.unique is not None for envelope in envelopes):
                refused = self._push_unique(envelopes, now_us)
            else:
                self._check_room(envelopes)
                self._shelf.enter(envelopes, now_us)
            self._shelf.ring()
        return [None if envelope.id in refused else envelope.id for envelope in envelopes]

    def weave(self, weave: Weave, *, within: Any = None) -> int:
        """Store flows, their steps and members in one step; see `Driver.weave`."""
        self._refuse_transaction(within)
        with self._shelf.lock:
            now_us = self._shelf.now()
            self._check_room(weave.members)
            stored = self._shelf.flows.weave(weave, now_us)
            self._shelf.ring()
            return stored

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease up to `limit` due jobs; see `Driver.reserve`."""
        with self._shelf.lock:
            last, given = self._shelf.requests.get(worker, (None, []))
            if last == request:
                return [entry.lease() for entry in self._held(given)]
            now_us = self._shelf.now()
            entries = list(self._take(queues, min(limit, MAX_RESERVE), worker, now_us))
            self._shelf.remember(worker, request, entries)
            return [entry.lease() for entry in entries]

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Let leased jobs begin that need something first; see `Driver.start`."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            return [self._start(one, now_us) for one in starts]

    def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
        """Read the limits of queues, of those that have one; see `Driver.limited`."""
        with self._shelf.lock:
            return {lane.name: lane.limit for lane in self._shelf.known(queues) if lane.limit is not None}

    def settle(self, settlements: Sequence[Settlement], *, within: Any = None) -> Sequence[Settlement]:
        """Apply the ends of many attempts; see `Driver.settle`."""
        self._refuse_transaction(within)
        with self._shelf.lock:
            now_us = self._shelf.now()
            refused, applied = [], []
            for settlement in settlements:
                is_held = self._leased(settlement.id, settlement.token) is not None
                if not self._settle(settlement, now_us):
                    refused.append(settlement)
                elif is_held:
                    applied.append(settlement)
            self._shelf.flows.move(notes_of(applied), now_us)
            self._shelf.measures.add(applied, now_us)
            self._shelf.ring()
        return refused

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Do both in one step; see `Driver.settle_and_reserve`."""
        with self._shelf.lock:
            return self.settle(settlements), self.reserve(queues, limit, worker, request)

    def session(self) -> Any:
        """There is none; see `Driver.session`."""
        raise self._no_transactions("a job's transaction() needs a database connection")

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Keep leases alive for another term; see `Driver.heartbeat`."""
        cancelled = {}
        with self._shelf.lock:
            now_us = self._shelf.now()
            for lease in leases:
                entry = self._leased(lease.id, lease.token)
                if entry is None or entry.worker != worker:
                    continue
                self._shelf.extend(entry, now_us)
                entry.started = entry.id in started
                if entry.cancel_requested:
                    cancelled[entry.id] = entry.cancel_hard
        return cancelled

    def reclaim(self) -> Sequence[str]:
        """Give back jobs whose lease ran out; see `Driver.reclaim`."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            lapsed = [
                self._shelf.entries[job_id]
                for until_us, _, job_id in self._shelf.leases.smallest(_RECLAIMED_AT_ONCE)
                if until_us <= now_us
            ]
            for entry in lapsed:
                _charge(entry)
                self._shelf.give_back(entry, now_us)
            told = {flow_in(entry.envelope.flow) for entry in lapsed if entry.envelope.flow is not None}
            self._shelf.flows.move([Note(flow, Word.SWEEP) for flow in sorted(told)], now_us)
            self._shelf.limits.forget_over(now_us)
            self._shelf.flows.forget_old(now_us)
            self._shelf.ring()
        return [entry.id for entry in lapsed]

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        """Give back every lease of a dead worker at once; see `Driver.forfeit`."""
        with self._shelf.lock:
            now_us = self._shelf.now()
            leased = [self._shelf.entries[key[-1]] for key in self._shelf.leases]
            held = [entry for entry in leased if entry.worker == worker]
            for entry in held:
                if entry.id in charged:
                    _charge_crash(entry, charged[entry.id])
                self._shelf.give_back(entry, now_us)
            self._shelf.ring()
        return len(held)

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work, or after `timeout_s` seconds; see `Driver.wait`."""
        bell: SimpleQueue[bool] = SimpleQueue()
        until = time.monotonic() + timeout_s
        self._shelf.listeners.add(bell)
        try:
            while (work_in_s := self._work_in_s(queues)) > 0 and not self._is_awake:
                left_s = until - time.monotonic()
                if left_s <= 0 or _rings(bell, min(work_in_s, left_s)):
                    return False
            return work_in_s <= 0
        finally:
            self._is_awake = False
            self._shelf.listeners.discard(bell)

    def get_ready(self) -> None:
        """Build nothing: it is of one process."""

    def wake(self) -> None:
        """End this process's `wait` at once, or the next one; see `Driver.wake`."""
        self._is_awake = True
        self._shelf.ring(wake=True)

    def _push_unique(self, envelopes: Sequence[Envelope], now_us: int) -> Collection[str]:
        """Store those that get their locks; returns the ids of the others."""
        shelf = self._shelf
        new = {envelope.id: envelope for envelope in envelopes if envelope.id not in shelf.entries}
        keys = {envelope.unique.key: kind_of(envelope.unique) for envelope in new.values() if envelope.unique}
        holders = {key: holder for key in keys if (holder := self._holder(key, now_us)) is not None}
        decision = decide(new.values(), holders, now_us)
        self._check_room([envelope for envelope in decision.admitted if envelope.id not in decision.replaced])
        shelf.enter(decision.admitted, now_us)
        for replaced in decision.replaced.values():
            shelf.end(shelf.entries[replaced], JobState.CANCELLED, now_us)
        for key, holder in decision.taken.items():
            shelf.locks.take(key, keys[key], holder, now_us)
        return decision.refused

    def _holder(self, key: str, now_us: int) -> Holder | None:
        holder = self._shelf.locks.holder(key, now_us)
        entry = self._shelf.entries.get(holder.owner) if holder is not None else None
        is_waiting = entry is not None and entry.is_waiting
        return None if holder is None else msgspec.structs.replace(holder, is_waiting=is_waiting)

    def _start(self, start: Start, now_us: int) -> Started:
        locks, exclusive = self._shelf.locks, start.exclusive
        if self._leased(start.id, start.token) is None:
            return Started(StartVerdict.LOST)
        if exclusive is not None:
            holder = locks.holder(exclusive.key, now_us)
            if holder is not None and holder.owner != start.id:
                return Started(StartVerdict.LATER, ask_again_us(holder.until_us, now_us))
        if start.limits:
            ruling = self._shelf.start_by(start, now_us)
            if ruling.is_left or ruling.slot is not None:
                return Started(StartVerdict.LATER, ruling.wait_us, is_slot=not ruling.is_left)
        if exclusive is not None:
            held = Holder(owner=start.id, first_us=now_us, until_us=end_of(exclusive.expire_us, now_us))
            locks.take(exclusive.key, LockKind.EXCLUSIVE, held, now_us)
        if start.lock is not None:
            locks.free_all(start.id, LockKind.UNTIL_START)
        return Started(StartVerdict.STARTED)

    def _check_room(self, envelopes: Sequence[Envelope]) -> None:
        new = {envelope.id: envelope for envelope in envelopes if envelope.id not in self._shelf.entries}
        entering = Counter(envelope.queue for envelope in new.values() if not envelope.bypass_capacity)
        for lane in self._shelf.known(entering):
            if lane.room is not None and entering[lane.name] > lane.room:
                raise QueueFullError(
                    f'queue "{lane.name}" has room for {lane.room} more jobs, not for {entering[lane.name]}; '
                    "nothing was stored",
                    hint="dispatch later, or raise the queue's max_jobs",
                )

    def _take(self, queues: Sequence[str], limit: int, worker: str, now_us: int) -> Iterator[Entry]:
        left = limit
        for lane in self._shelf.known(queues):
            if lane.is_paused(now_us):
                continue
            for _, _, job_id in lane.ready.smallest(left):
                entry = self._shelf.entries[job_id]
                self._shelf.lease(entry, worker, now_us)
                left -= 1
                yield entry

    def _held(self, given: Sequence[tuple[str, str]]) -> Iterator[Entry]:
        for job_id, token in given:
            if (entry := self._leased(job_id, token)) is not None:
                yield entry

    def _leased(self, job_id: str, token: str) -> Entry | None:
        entry = self._shelf.entries.get(job_id)
        held = entry is not None and entry.state is JobState.PROCESSING and entry.token == token
        return entry if held else None

    def _settle(self, settlement: Settlement, now_us: int) -> bool:
        entry = self._leased(settlement.id, settlement.token)
        if entry is None:
            return self._is_settled(settlement)
        entry.attempts, entry.exceptions = settlement.attempts, settlement.exceptions
        entry.history = entry.history if settlement.history is None else settlement.history
        entry.outcome = settlement.outcome
        if settlement.outcome is Outcome.RELEASED:
            has_run = settlement.delay_us >= 0  # else it was handed back
            entry.crash_reason = None if has_run else entry.crash_reason
            due_us = now_us + settlement.delay_us if has_run else entry.due_us
            self._shelf.give_back(entry, now_us, due_us)
        else:
            entry.runtime_s, entry.result = settlement.runtime_s, settlement.result
            entry.result_until_us = now_us + round(settlement.result_ttl_s * 1_000_000)
            self._shelf.end(entry, ended_state(settlement.outcome), now_us)
        self._shelf.enter(settlement.pushes, now_us)
        return True

    def _is_settled(self, settlement: Settlement) -> bool:
        entry = self._shelf.entries.get(settlement.id)
        if entry is None or entry.token != settlement.token:
            return False
        return entry.outcome is settlement.outcome

    def _work_in_s(self, queues: Sequence[str]) -> float:
        with self._shelf.lock:
            now_us = self._shelf.now()
            nearest = min((lane.next_at_us(now_us) for lane in self._shelf.known(queues)), default=None)
        return 3600.0 if nearest is None else (nearest - now_us) / 1_000_000

    def _refuse_transaction(self, within: Any) -> None:
        if within is not None:
            raise self._no_transactions("dispatch without session=, or use a database connection")

    def _no_transactions(self, hint: str) -> ConfigurationError:
        return ConfigurationError(
            f'connection "{self._shelf.settings.name}": its driver has no transactions', hint=hint
        )


def _charge(entry: Entry) -> None:
    if entry.started:
        _charge_crash(entry, None)  # nobody saw why
    else:
        entry.reclaims += 1


def _charge_crash(entry: Entry, reason: str | None) -> None:
    entry.attempts += 1
    entry.crashes += 1
    entry.crash_reason = reason or None


def _rings(bell: SimpleQueue[bool], timeout_s: float) -> bool:
    try:
        return bell.get(timeout=timeout_s)
    except Empty:
        return False
