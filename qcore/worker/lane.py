"""One connection that a worker serves: the leases in hand, the settlements not yet sent, and the way to the store.

The worker's own thread runs jobs; a second one exchanges ends for new leases meanwhile, and a heartbeat thread tells
the store that the leases live. They share two deques, whose single steps are atomic, and a lock that no job touches.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from qcore.config import ConnectionSettings
from qcore.drivers import Store
from qcore.envelope import Lease, Start, Started, StartVerdict
from qcore.errors import ConnectionFailed, QueueError
from qcore.jobs.context import JobContext
from qcore.limits import Limit
from qcore.settlement import Settlement
from qcore.states import Outcome
from qcore.worker.ends import handed_back, settle_each
from qcore.worker.gauge import Gauge
from qcore.worker.membership import growth_of, member_of
from qcore.worker.progress import Progress
from qcore.worker.queue_limits import QueueLimits
from qcore.worker.slots import Holding
from qcore.worker.transacting import transaction

if TYPE_CHECKING:
    from qcore.jobs.options import Elsewhere
    from qcore.manager import QueueManager

SEND_WITHIN_S = 0.005
"""A settlement leaves the process within so many seconds."""
_AT_ONCE_S = 0.002
"""The end of an attempt that took so long is due at once: sending it costs little beside."""
HAND_BACK_AFTER_S = 1.0
"""A lease that has waited so long behind a running job is given back."""
_GROUP = 1000


class Lane:
    """A connection, its queues, and what the worker holds of them.

    Args:
        store: the open driver.
        settings: of the connection.
        queues: most wanted first.
        worker: id under which leases are held.
        grants: permissions that jobs may rely on.
    """

    def __init__(
        self,
        store: Store,
        settings: ConnectionSettings,
        queues: Sequence[str],
        worker: str,
        grants: tuple[str, ...] = (),
    ) -> None:
        self.store = store
        self.settings = settings
        self.queues = list(queues)
        self.worker = worker
        self.grants = grants
        self.manager: QueueManager | None = None
        """Whose jobs run here, once they do: it seals what they add to their flows."""
        self._limits = QueueLimits(store, self.queues)
        self.limited: Mapping[str, Limit] = {}
        """The limits of those queues that have one."""
        self.leases: deque[Lease] = deque()
        self.running: dict[str, Lease] = {}
        self._begun_at = 0.0
        self._stale_s = max(HAND_BACK_AFTER_S, settings.lease_s / 2)
        self._started_at = 0.0
        self._progress = Progress(store)
        self._gauge = Gauge()
        self.cancelled: dict[str, bool] = {}
        """Jobs in hand that somebody cancelled, and whether they are to be interrupted."""
        self._interrupted: set[str] = set()
        self._interrupting = threading.Lock()
        self.lost: deque[Settlement] = deque()
        """Ends that the store refused, for the worker to tell of."""
        self.elsewhere: dict[str, Elsewhere] = {}
        """Locks on other connections of jobs that have ended, to be freed once the store knows of the ends."""
        self._unsent: deque[Settlement] = deque()
        self._on_its_way: Sequence[Settlement] = ()
        self._unsent_since = 0.0
        self._sending = threading.Lock()
        self._is_awaited = False
        self.kept_at = time.monotonic()
        """When the leases in hand were last renewed from here, in monotonic seconds."""
        self._request = 1
        self._wish: tuple[int, Sequence[str]] | None = None
        self._exclusive: dict[str, str] = {}
        """Keys that running jobs hold, or may hold, by the job; their ends free them."""

    # -- the worker's thread -------------------------------------------------------------------------------------

    def add(self, settlement: Settlement, now: float) -> None:
        """Keep a settlement until the next exchange; `now` is monotonic seconds."""
        if not self._unsent:
            self._unsent_since = now
        if settlement.runtime_s >= _AT_ONCE_S:
            self._unsent_since = 0.0
        if self._exclusive:
            key = self._exclusive.pop(settlement.id, None)
            settlement = settlement if key is None else msgspec.structs.replace(settlement, exclusive=key)
        self._unsent.append(settlement)

    def is_due(self, now: float) -> bool:
        """Whether the oldest unsent settlement should leave, and nobody sees to it yet."""
        return self._wish is None and now - self._unsent_since >= SEND_WITHIN_S and bool(self._unsent)

    @property
    def unsent(self) -> int:
        """Settlements that wait to be sent."""
        return len(self._unsent)

    def wish(self, want: int, queues: Sequence[str]) -> None:
        """Let `top_up` exchange what is unsent for up to `want` jobs, in another thread."""
        self._wish = (want, queues)

    @property
    def has_wish(self) -> bool:
        """Whether an exchange is wished for or under way."""
        return self._wish is not None

    def exchange(self, want: int, queues: Sequence[str]) -> bool:
        """Send what is unsent and lease up to `want` jobs, in one round trip; whether the store was asked at all.

        One that is under way is waited for: where it brings jobs, they are enough.

        Raises:
            ConnectionFailed: nothing is lost; the next call sends the same again.
        """
        if not want:
            return self.send()
        self._is_awaited = True
        try:
            with self._sending:
                if not self.leases:
                    self._wish = None
                    self._exchange(want, queues)
        finally:
            self._is_awaited = False
        return True

    def next(self) -> Lease | None:
        """Take the next lease to run; None if there is none.

        After a sleep of the whole process (a suspended machine) leases may be others' by now: they are handed back.
        """
        if self.leases and time.monotonic() - self._begun_at > self._stale_s:
            self.hand_back()
        try:
            return self.leases.popleft()
        except IndexError:
            return None

    def begin(self, lease: Lease) -> None:
        """Note that a job begins now."""
        self._begun_at = self._started_at = time.monotonic()
        self.running[lease.id] = lease

    def end(self, lease: Lease) -> None:
        """Note that a job has ended."""
        self.running.pop(lease.id, None)
        if self.cancelled:
            self.cancelled.pop(lease.id, None)  # an operator may retry it: the wish was for this attempt
            self._interrupted.discard(lease.id)

    def holdings(self) -> list[Holding]:
        """List the leases in hand, for the supervisor that keeps them alive; those of unsent ends are among them."""
        by_token: dict[str, list[str]] = {}
        waiting = [*self.leases]  # looked at in the order in which jobs move on: none moves past the look
        held: list[Lease | Settlement] = [*self.running.values(), *waiting, *self._unsettled()]
        for one in held:
            by_token.setdefault(one.token, []).append(one.id)
        return [Holding(self.settings.name, token, ids) for token, ids in by_token.items()]

    # -- a job's thread ------------------------------------------------------------------------------------------

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Ask the store whether jobs may run now.

        Raises:
            ConnectionFailed: it did not answer, and the job may have got what it asked for; its end will free it.
        """
        for start in starts:
            if start.exclusive is not None:
                self._exclusive[start.id] = start.exclusive.key
        answers = self.store.start(starts)
        for start, answer in zip(starts, answers, strict=True):
            if start.exclusive is not None and answer.verdict is not StartVerdict.STARTED:
                self._exclusive.pop(start.id, None)
        return answers

    def end_of(self, context: JobContext) -> Settlement:
        """The end of a job that runs here and completes in a transaction of its own."""
        lease = self.running[context.job_id]
        return Settlement(
            id=lease.id,
            queue=lease.queue,
            job=lease.job,
            token=lease.token,
            outcome=Outcome.COMPLETED,
            attempts=lease.attempts + 1,
            exceptions=lease.exceptions,
            runtime_s=time.perf_counter() - context.began,
            waited_us=lease.reserved_us - lease.due_us,
            lock=lease.lock,
            exclusive=self._exclusive.get(lease.id),
            flow=lease.flow,
            growth=growth_of(self, context),
        )

    def report(self, job_id: str, percent: int, note: str | None) -> None:
        """Keep for the store how far a job is."""
        self._progress.note(job_id, percent, note)

    def transaction(self, context: JobContext) -> AbstractContextManager[Any]:
        """Open a transaction that ends a job; see `qcore.worker.transacting`."""
        return transaction(self, context)

    def is_cancelled(self, job_id: str) -> bool:
        """Whether somebody wants a job to stop."""
        return job_id in self.cancelled

    def membership(self, context: JobContext) -> Any:
        """What a job may ask of its flow; None where it is no member of one."""
        return member_of(self, context)

    def masked(self, text: str) -> str:
        """Nothing is hidden of a job that reports here itself."""
        return text

    # -- any thread ----------------------------------------------------------------------------------------------

    def hand_back(self) -> int:
        """Give every lease that has not started back to its queue, uncharged; returns how many."""
        count = 0
        now = time.monotonic()
        while self.leases:
            try:
                lease = self.leases.pop()
            except IndexError:
                break  # the worker took the last one
            self.add(handed_back(lease), now)
            count += 1
        return count

    def top_up(self) -> bool:
        """Make the exchange that is wished for; whether there was a wish.

        Raises:
            ConnectionFailed: nothing is lost; the next exchange sends the same again.
        """
        with self._sending:
            if self._wish is None:
                return False
            try:
                self._exchange(*self._wish)
            finally:
                self._wish = None
        return True

    def unwish(self) -> None:
        """Take back a wish that nobody has begun to see to."""
        self._wish = None

    def send(self) -> bool:
        """Send what is unsent; whether there was any.

        Raises:
            ConnectionFailed: nothing is lost; the next call sends the same again.
        """
        has_asked = False
        with self._sending:
            for _ in range(-(-len(self._unsent) // _GROUP)):  # what is added meanwhile goes with the next
                batch = self._take()
                try:
                    self._tell_progress(batch)
                    refused = self.store.settle(batch)
                except ConnectionFailed:
                    self._restore(batch)
                    raise
                except QueueError:
                    refused = settle_each(self.store, batch, self._restore)
                self._have_gone(batch, refused)
                has_asked = True
        return has_asked

    def attend(self) -> None:
        """Do what the worker's thread cannot while jobs run: send settlements, hand back leases, write progress."""
        now = time.monotonic()
        if self.leases and now - self._begun_at > HAND_BACK_AFTER_S:
            self.hand_back()
        if now - self._started_at >= SEND_WITHIN_S and self.is_due(now) and not self._is_awaited:
            self.send()  # else the worker's thread is about to see to it, and asks for jobs in the same step
        if self._progress:
            self._progress.write_due(self.running.keys())

    def cancel(self, ids: Mapping[str, bool]) -> None:
        """Take note of which jobs somebody cancelled, and which hard; forget those that are out of hand."""
        left = self.cancelled.keys() - ids.keys() - self.running.keys() if self.cancelled else ()
        waiting = {lease.id for lease in [*self.leases]} if left else ()
        for job_id in left:
            if job_id not in waiting:
                self.cancelled.pop(job_id, None)
        self.cancelled.update(ids)

    def interrupt(self, cancel: Callable[[Lane, str], bool]) -> None:
        """Interrupt those of the cancelled jobs that run and are to be, each once; `cancel` may find that one does not.

        Called from any thread; one at a time does it.
        """
        if not self.cancelled or not self._interrupting.acquire(blocking=False):
            return
        try:
            for job_id, hard in list(self.cancelled.items()):
                if hard and job_id in self.running and job_id not in self._interrupted and cancel(self, job_id):
                    self._interrupted.add(job_id)
        finally:
            self._interrupting.release()

    def beat(self) -> None:
        """Tell the store that the leases in hand live, and hear what was cancelled."""
        waiting = [*self.leases]
        running = dict(self.running)
        unsettled = [Lease(id=s.id, job=s.job, queue=s.queue, payload=b"", token=s.token) for s in self._unsettled()]
        held = [*running.values(), *waiting, *unsettled]
        asked_at = time.monotonic()
        if held:
            self.cancel(self.store.heartbeat(self.worker, held, running.keys()))
        else:
            self.store.ping()  # whoever beats must know that the store answers
        self.kept_at = asked_at

    def _exchange(self, want: int, queues: Sequence[str]) -> None:
        """Settle, and reserve if jobs are wanted; the caller has the lock."""
        if want:
            self.limited = self._limits.look()
        batch = self._take()
        asked_at = time.monotonic()
        try:
            self._tell_progress(batch)
            refused, leases = self._settle_and_reserve(batch, queues, want)
        except ConnectionFailed:
            self._restore(batch)
            raise
        except QueueError:
            refused = settle_each(self.store, batch, self._restore)
            leases = self.store.reserve(queues, want, self.worker, self._request) if want else ()
        self._have_gone(batch, refused)
        if want:
            self._request += 1
            self._begun_at = asked_at  # first: what came with a sleep of this process must look as old as it is
            self.leases.extend(leases)

    def _settle_and_reserve(
        self, batch: Sequence[Settlement], queues: Sequence[str], want: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        if not want:
            return self.store.settle(batch), ()
        if not batch:
            return (), self.store.reserve(queues, want, self.worker, self._request)
        return self.store.settle_and_reserve(batch, queues, want, self.worker, self._request)

    def _tell_progress(self, batch: Sequence[Settlement]) -> None:
        """Let what jobs reported last be stored before they end."""
        if self._progress:
            self._progress.write_last([settlement.id for settlement in batch])

    def _take(self) -> Sequence[Settlement]:
        unsent = self._unsent
        batch = self._gauge.credit([unsent.popleft() for _ in range(min(len(unsent), _GROUP))])
        self._on_its_way = batch
        return batch

    def _restore(self, batch: Sequence[Settlement]) -> None:
        self._unsent.extendleft(reversed(batch))
        self._on_its_way = ()

    def _have_gone(self, batch: Sequence[Settlement], refused: Sequence[Settlement]) -> None:
        self._on_its_way = ()
        self.lost.extend(refused)
        for settlement in batch if self.elsewhere else ():
            lock = self.elsewhere.pop(settlement.id, None)
            if lock is not None and settlement not in refused and self.manager is not None:
                self.manager.free_elsewhere(lock, settlement.id)

    def _unsettled(self) -> list[Settlement]:
        """The ends of which the store has not heard, as far as is known: their leases are still held."""
        return [*self._unsent, *self._on_its_way]
