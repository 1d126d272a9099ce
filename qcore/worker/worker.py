"""The worker: reserve, run, settle, until it is told to stop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from qcore import events
from qcore.envelope import Lease
from qcore.errors import ConnectionFailed
from qcore.manager import QueueManager
from qcore.settlement import Settlement
from qcore.states import Outcome
from qcore.worker.attendants import Attendants
from qcore.worker.ends import handed_back
from qcore.worker.executors import Executor, open_executor
from qcore.worker.keeping import Keeping
from qcore.worker.lane import Lane
from qcore.worker.lanes import open_lanes
from qcore.worker.limits import Limits
from qcore.worker.naming import new_id
from qcore.worker.observer import StopReason, WorkerObserver, tell_of_end
from qcore.worker.options import WorkerOptions, queue_names
from qcore.worker.outage import Outage
from qcore.worker.prefetch import Prefetch
from qcore.worker.runner import Runner
from qcore.worker.signals import Signals
from qcore.worker.slots import ChildSlots
from qcore.worker.turn import in_turn
from qcore.worker.waiting import wait_for_work

_ROOM_WITHIN_S = 0.25
"""Seconds that a full worker waits before it looks around again."""
_SILENT_MOST_S = 10.0
"""A worker lets its supervisor hear from it at least so often, however long it sleeps."""
_SUSPECT_WAITS_S = 10.0
"""A job under which a process died is put off while others run; one so old is not put off any more."""
_PUT_OFF_US = 2_000_000
_LEAVES_WITHIN_S = 2.0
"""Seconds that a worker told to stop at once, or with no grace left, still tries to send its last ends."""


class Worker:
    """Serves queues in this process.

    Args:
        queues: names, most wanted first, as a list or `"high,default"`; the default connection's queue if None.
        connection: serve the queues on this connection alone; otherwise each on its own.
        manager: whose connections to use; the one in force if None.
        options: how to behave.
        observer: told of everything that happens.
        slots: shared with a supervisor, which then keeps the leases alive; None where there is none.

    Raises:
        ConfigurationError: `queues` names none, or a connection is not there or lacks its client library.
        ConnectionFailed: queues were defined, and the store that is to hear of it did not answer.
    """

    def __init__(
        self,
        queues: Sequence[str] | str | None = None,
        *,
        connection: str | None = None,
        manager: QueueManager | None = None,
        options: WorkerOptions | None = None,
        observer: WorkerObserver | None = None,
        slots: ChildSlots | None = None,
    ) -> None:
        self.id = new_id(options.name if options else None)
        """Host, pid, its name if it has one, and chance: no other process has it, ever."""
        self._manager = manager or QueueManager.current()
        self._options = options or WorkerOptions()
        self._observer = observer
        self._slots = slots
        self._prefetch = Prefetch()
        self._limits = Limits(self._options)
        self._outage = Outage(self._trouble)
        self._executor: Executor | None = None
        self._low = 0
        self._failures = 0
        self._busy_s = 0.0
        self._is_paused = False
        self._is_waiting = False
        self._stops, self._stopped_at = 0, 0.0
        self._lanes = open_lanes(self._manager, queue_names(queues), connection, self.id, self._options.grants)
        self._keeping = Keeping(self._lanes, slots)

    @property
    def queues(self) -> list[str]:
        """The queues served, in order."""
        return [queue for lane in self._lanes for queue in lane.queues]

    def run(self) -> StopReason:
        """Work until told to stop; hands back what has not begun and returns why it stopped.

        In the main thread TERM and INT let running jobs end (a second one does not), USR2 pauses, CONT goes on.
        What jobs dispatch goes to the worker's own manager. A job's error is its own, and a store that does not answer
        is waited for: neither ends the worker. What its observer raises does.
        """
        with self._manager.using():
            return self._run()

    def _run(self) -> StopReason:
        self._executor = executor = open_executor(self._options, self._ended, self._slots)
        attendants = Attendants(
            self._lanes, self._outage, came=self._on_leases, hear=self._hear, beats=self._slots is None
        )
        self._limits.start()
        if self._slots is not None:
            self._slots.open(self.id)
        with Signals(self._on_stop, self._on_pause, self._on_resume), self._keeping.watching(executor.interrupt):
            self._is_paused = self._is_paused or (self._slots is not None and self._slots.is_paused)
            attendants.start()
            if self._observer:
                self._observer.started(self.id, self.queues)
            try:
                reason = self._work(executor, attendants)
                executor.drain(self._tell_slots)
            finally:
                attendants.stop()
                self._leave(executor)
                executor.close()
        if self._observer:
            self._observer.stopped(reason, self._limits.jobs)
        if events.WorkerStopping in events.listeners:
            events.tell(events.WorkerStopping(worker=self.id, reason=reason.value, jobs=self._limits.jobs))
        return reason

    def stop(self) -> None:
        """Ask the worker to stop after the jobs that run; may be called from any thread."""
        self._stops += 1
        self._stopped_at = self._stopped_at or time.monotonic()
        self._wake()

    # -- the loop ------------------------------------------------------------------------------------------------

    def _work(self, executor: Executor, attendants: Attendants) -> StopReason:
        runners = {lane: Runner(self._manager, lane, self._options) for lane in self._lanes}
        while (reason := self._reason()) is None:
            if events.WorkerLooping in events.listeners and not self._may_look():
                continue
            was_idle = not executor.running
            if self._look(executor, attendants, runners):
                continue
            if was_idle:
                if len(self._lanes) == 1 or not self._outage.is_on:
                    attendants.idle()
                if self._is_done():
                    return StopReason.ONCE if self._options.once and self._limits.jobs else StopReason.EMPTY
            elif not executor.running:
                continue  # what ended meanwhile may have come back after the look
            self._wait()
        return reason

    def _look(self, executor: Executor, attendants: Attendants, runners: Mapping[Lane, Runner]) -> bool:
        """Run what the first lane with work has; whether there was any."""
        lane = next((lane for lane in self._lanes if self._has_work(lane, attendants)), None)
        if lane is not None:
            attendants.busy()
            self._feed(lane, runners[lane], executor, attendants)
        return lane is not None

    def _may_look(self) -> bool:
        """Tell those who listen, and pause where one of them wants no jobs to be looked for."""
        if events.tell(events.WorkerLooping(worker=self.id, queues=tuple(self.queues))):
            return True
        self._tell_slots()
        self._limits.sleep(min(self._options.sleep_s, _SILENT_MOST_S), lambda: bool(self._stops))
        return False

    def _has_work(self, lane: Lane, attendants: Attendants) -> bool:
        """Exchange; where one of several stores is out of reach, let another thread knock at its door."""
        if len(self._lanes) == 1 or lane.leases or not self._outage.pause_of(lane.settings.name):
            return self._exchange(lane)
        if not lane.has_wish:
            attendants.busy()
            self._wish(lane, attendants)
        return False

    def _feed(self, lane: Lane, runner: Runner, executor: Executor, attendants: Attendants) -> None:
        """Run what is in hand, asking for more in time, until nothing is left or the worker must stop."""
        while self._reason() is None:
            if executor.running >= executor.capacity:
                executor.wait_for_room(_ROOM_WITHIN_S)
                self._tell_slots()
                continue
            if (lease := self._next(lane)) is None:
                return
            self._begin(lane, runner, lease, executor)
            if self._options.rest_s:
                self._rest()
            if not lane.leases:
                self._exchange(lane)
            elif not lane.has_wish and (len(lane.leases) <= self._low or lane.is_due(time.monotonic())):
                self._wish(lane, attendants)

    def _begin(self, lane: Lane, runner: Runner, lease: Lease, executor: Executor) -> None:
        if executor.capacity == 1 and self._prefetch.is_long(lease.job):
            self._send(lane)  # also waits for one under way: no transaction may stay open while a job holds the GIL
        is_suspect = lease.crashes and executor.capacity > 1
        if is_suspect and not self._is_alone_for(lane, lease, executor):
            return
        if self._observer:
            self._observer.running(lease.id, lease.job, lease.queue, lease.attempts + 1)
        self._limits.count()
        executor.submit(lane, runner, lease)
        if is_suspect:
            executor.drain(self._tell_slots)

    def _is_alone_for(self, lane: Lane, lease: Lease, executor: Executor) -> bool:
        """Whether nothing else runs beside a job whose process died; till then it is put off, if old waited for."""
        if executor.running and lease.reserved_us - lease.created_us < _SUSPECT_WAITS_S * 1e6:
            lane.add(handed_back(lease, _PUT_OFF_US), time.monotonic())
            return False
        lane.begin(lease)  # its lease is kept while it waits
        executor.drain(self._tell_slots)
        if self._stops:
            lane.add(handed_back(lease), time.monotonic())
        return not self._stops  # nothing begins any more

    def _next(self, lane: Lane) -> Lease | None:
        if self._keeping.is_forsaken(lane):
            lane.hand_back()
        return lane.next()

    def _ended(self, lane: Lane, lease: Lease, settlement: Settlement) -> None:
        """Take an attempt's end; called one at a time, from the thread that ran it."""
        lane.add(settlement, time.monotonic())
        if settlement.runtime_s or settlement.outcome is not Outcome.RELEASED:
            self._prefetch.learn(lease.job, settlement.runtime_s)
        else:
            self._limits.uncount()  # it was kept back, or given back: it teaches nothing of how long such jobs take
        self._busy_s += settlement.runtime_s
        self._failures += settlement.outcome is Outcome.FAILED
        if self._observer:
            tell_of_end(self._observer, lease, settlement)
        if self._is_waiting:
            lane.store.wake()

    def _reason(self) -> StopReason | None:
        return StopReason.SIGNAL if self._stops else self._limits.reached()

    def _is_done(self) -> bool:
        """Whether a worker that found nothing to do stops for that."""
        return self._limits.ends_when_empty and not self._is_paused and not self._outage.is_on

    def _exchange(self, lane: Lane) -> bool:
        """Send what is unsent and top up the leases; whether there are any in hand."""
        want = self._wanted(lane)
        try:
            if lane.exchange(want, in_turn(lane.queues, fair=self._options.fair)):
                self._outage.answered(lane.settings.name)
        except ConnectionFailed as error:
            self._failed(lane, error)
        self._tell_lost(lane)
        self._keeping.publish()
        self._tell_slots()
        return bool(lane.leases)

    def _wish(self, lane: Lane, attendants: Attendants) -> None:
        """Let the second thread top up the leases, and send what is due, while the next jobs run."""
        want = self._wanted(lane)
        if want or lane.is_due(time.monotonic()):
            lane.wish(want, in_turn(lane.queues, fair=self._options.fair))
            attendants.call(lane)
            self._tell_lost(lane)
            self._tell_slots()

    def _send(self, lane: Lane) -> bool:
        try:
            lane.send()
        except ConnectionFailed as error:
            self._failed(lane, error)
            return False
        return True

    def _failed(self, lane: Lane, error: ConnectionFailed) -> None:
        self._outage.failed(lane.settings.name, error)

    def _wanted(self, lane: Lane) -> int:
        """How many more jobs to lease: none while most of the target is still in hand."""
        assert self._executor is not None  # noqa: S101  made before the loop
        free = self._executor.capacity - self._executor.running
        target = max(free, self._prefetch.target(self._executor.capacity))
        held = len(lane.leases)
        self._low = target // 2
        if self._stops or self._is_paused or self._keeping.is_forsaken(lane) or held > target - target // 4:
            return 0
        return max(0, min(target - held, self._limits.left - held))

    def _wait(self) -> None:
        """Sleep until there may be work, the pause between two looks is over, or a signal comes."""
        self._tell_slots()
        timeout_s = min(self._outage.pause_s or self._options.sleep_s, _SILENT_MOST_S)
        lanes = self._open_lanes()
        if not lanes:  # until another thread finds that the store is back, or somebody resumes the worker
            self._limits.sleep(timeout_s, lambda: bool(self._stops or self._open_lanes()))
            return
        self._is_waiting = True
        try:
            wait_for_work(lanes, timeout_s, self._failed)
        finally:
            self._is_waiting = False

    def _open_lanes(self) -> list[Lane]:
        """The lanes from which jobs may be reserved now."""
        return [lane for lane in self._lanes if self._can_reserve(lane)]

    def _can_reserve(self, lane: Lane) -> bool:
        return not (self._is_paused or self._outage.pause_of(lane.settings.name) or self._keeping.is_forsaken(lane))

    def _rest(self) -> None:
        """Pause between two jobs, unless a stop comes."""
        until = time.monotonic() + self._options.rest_s
        while not self._stops and (left := until - time.monotonic()) > 0:
            self._limits.sleep(min(left, _SILENT_MOST_S), lambda: bool(self._stops))
            self._tell_slots()

    # -- begin and end -------------------------------------------------------------------------------------------

    def _leave(self, executor: Executor) -> None:
        """Give back what has not begun, and send every end; a store that is down is asked again while there is time."""
        until = self._leaves_by()
        for lane in self._lanes:
            lane.hand_back()
        pause_s = 0.05
        while (failed := [lane for lane in self._lanes if not self._send(lane)]) and time.monotonic() < until:
            pause_s = min(1.0, 2 * pause_s)
            time.sleep(max(0.0, min(pause_s, until - time.monotonic())))
            until = min(until, self._leaves_by())
        if executor.abandon():  # last of all: it runs until this process has ended, a moment from now
            failed = [lane for lane in self._lanes if not self._send(lane)]
        self._keeping.publish()
        for lane in self._lanes:
            self._tell_lost(lane)
        self._outage.tell(at_once=True)
        for lane in failed:
            self._trouble(
                f'connection "{lane.settings.name}" did not answer to the end: {lane.unsent} ends of attempts '
                f"could not be sent, and those jobs come back when their leases run out"
            )

    def _leaves_by(self) -> float:
        """When to leave whatever is unsent (monotonic seconds): within the grace of a stop, unless it was hurried."""
        now = time.monotonic()
        grace_s = 0.0 if self._stops > 1 else self._options.grace_s
        return max(now + _LEAVES_WITHIN_S, (self._stopped_at or now) + grace_s)

    def _on_stop(self) -> None:
        self.stop()
        if self._executor is not None:
            self._executor.stop_within(self._options.grace_s if self._stops == 1 else 0.0)

    def _on_pause(self) -> None:
        self._is_paused = True
        for lane in self._lanes:
            lane.unwish()

    def _on_resume(self) -> None:
        self._is_paused = False
        self._wake()

    def _on_leases(self) -> None:
        """Take note of leases that another thread brought."""
        self._keeping.publish()
        if self._is_waiting:
            self._wake()

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.store.wake()

    # -- telling -------------------------------------------------------------------------------------------------

    def _tell_slots(self) -> None:
        if self._slots is not None:
            self._slots.tell(serves=True, jobs=self._limits.jobs, failures=self._failures, busy_s=self._busy_s)

    def _hear(self) -> None:
        """Take note of cancellations, which the supervisor heard of; it hears of threads' turns, and of leases."""
        if self._slots is not None:
            self._slots.turn()
            self._keeping.refresh()
            cancelled = self._slots.cancelled()
            for lane in self._lanes:
                if cancelled or lane.cancelled:
                    lane.cancel(cancelled)
        for lane in self._lanes:
            if lane.cancelled and self._executor is not None:
                lane.interrupt(self._executor.cancel)

    def _tell_lost(self, lane: Lane) -> None:
        while lane.lost:
            end = lane.lost.popleft()
            self._outage.refused(f"{end.job} {end.id}: its lease was lost, and its end ({end.outcome.value}) refused")
        self._outage.tell()

    def _trouble(self, text: str) -> None:
        if self._observer:
            self._observer.trouble(text)
