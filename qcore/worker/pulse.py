"""What a supervisor tells the stores, and hears from them: leases that live, workers that serve, the dead's jobs.

A process of its own asks the stores (see `courier`): here nothing waits for an answer, and a fork finds no connection
that a child could inherit.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import psutil

from qcore.config import ConnectionSettings
from qcore.records import QueueCounts, RunningRecord, WorkerCommand, WorkerRecord
from qcore.worker.children import Child
from qcore.worker.courier import Answer, Courier
from qcore.worker.errands import Beat, Count, Errand, Held, Report
from qcore.worker.inbox import Inbox
from qcore.worker.line import Arrived, Line
from qcore.worker.outage import Outage
from qcore.worker.slots import ChildSlots

_REPORT_EVERY_S = 1.0
_ALONE_AFTER_S = 3.0
"""A supervisor without a child in the registry for so long is there by itself: somebody may want to stop it."""
_STUCK_AFTER_S = 60.0
"""Every call to a store has a deadline; an errand that takes so long has lost its way."""
_CLOSES_WITHIN_S = 3.0
_Queues = tuple[str, tuple[str, ...]]


class Messenger(Protocol):
    """What a pulse needs of a `Courier`."""

    def give(self, connection: str, errand: Errand) -> int:
        """Let an errand be run; returns its number."""
        ...

    def answers(self) -> list[Answer]:
        """Return what came."""
        ...

    def wait(self, timeout_s: float) -> list[Answer]:
        """Wait for something to come."""
        ...

    def kill(self) -> None:
        """Let all that is under way fail."""
        ...

    def close(self) -> None:
        """Let go of the stores."""
        ...


_ANSWERED_WITHIN_S = 0.01


class Pulse:
    """Beats for all children of a supervisor.

    Args:
        supervisor: its id.
        connections: that the children serve.
        trouble: told when a store does not answer.
        queues: that the children serve.
        messenger: makes what asks the stores.
    """

    def __init__(
        self,
        supervisor: str,
        connections: Sequence[ConnectionSettings],
        trouble: Callable[[str], None],
        queues: Sequence[str] = (),
        messenger: Callable[[Mapping[str, ConnectionSettings]], Messenger] = Courier,
    ) -> None:
        self._supervisor = supervisor
        self.queues = tuple(queues)
        self.served = tuple(connections)
        settings = {one.name: one for one in connections}
        self._messenger = messenger(settings)
        outage = Outage(trouble)
        self._lines = {name: Line(one, self._messenger.give, outage) for name, one in settings.items()}
        self._stuck_after_s = max(_STUCK_AFTER_S, *(10 * one.timeout_s for one in connections))
        self._next_report = 0.0
        self._began_us = time.time_ns() // 1000
        self._alone_since = time.monotonic()
        self._is_listed = False
        """Whether the registry may know the supervisor itself."""
        self.inbox = Inbox()
        self._counts: dict[_Queues, tuple[float, Sequence[QueueCounts] | None]] = {}
        """By connection and queues, and when they were asked for; none while there is no answer."""
        self._processes: dict[int, psutil.Process] = {}

    def beat(self, children: Sequence[Child]) -> Sequence[WorkerCommand]:
        """Do what is due: renew leases, give back what the dead held, take back what others lost, report.

        Args:
            children: that live.

        Returns:
            Commands that somebody addressed to the supervisor or a child; they are taken, and not given again.
        """
        self._turn(children)
        return self.inbox.take()

    def _turn(self, children: Sequence[Child]) -> None:
        self.keep(children)
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + _REPORT_EVERY_S
            self._report(now, children)

    def keep(self, children: Sequence[Child]) -> None:
        """Beat without a word to the registry, or from it: renew leases, give back, take back.

        Args:
            children: that live.
        """
        self._take(self._messenger.answers())
        for line in self._lines.values():
            line.turn(partial(_beat, children, line.name))
        now = time.monotonic()
        if any(now - line.waits_since > self._stuck_after_s for line in self._lines.values()):
            self._messenger.kill()

    def renew(self, children: Sequence[Child], within_s: float) -> None:
        """Beat now, and wait for the answers: nobody beats for a while after this.

        Args:
            children: that live.
            within_s: seconds to wait at the most; a store that is silent is left to its fate.
        """
        for line in self._lines.values():
            line.hurry()
        over = time.monotonic() + within_s
        while True:
            self._turn(children)
            if not any(line.is_asking(Beat) for line in self._lines.values()) or time.monotonic() >= over:
                return
            time.sleep(_ANSWERED_WITHIN_S)

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> None:
        """Give back all that a dead child held: uncharged, but for those named with a reason.

        Where the store does not answer it is done once it does, or by the lease's end.
        """
        for line in self._lines.values() if worker else ():
            line.forfeit(worker, charged)
            line.settle()

    def dismiss(self, child: Child) -> None:
        """Take a dead child off the registry."""
        worker = child.slots.worker
        if worker and child.duty.home in self._lines:
            self._lines[child.duty.home].dismiss(worker)

    def counts(self, name: str, queues: Sequence[str], since: float) -> Sequence[QueueCounts] | None:
        """Count the jobs of queues, as they were at `since` (monotonic seconds) or later.

        Returns:
            None where there is no such answer yet: the store is asked, and says so to who looks again.
        """
        key = name, tuple(queues)
        asked_at, found = self._counts.get(key, (-math.inf, None))
        if asked_at >= since:
            return found
        is_asked = key in self._counts and found is None
        if not is_asked and self._lines[name].is_open:
            self._counts[key] = (time.monotonic(), None)
            self._lines[name].ask(Count(key[1]), partial(self._counted, key), partial(self._counts.pop, key, None))
        return None

    def rss_mb(self, child: Child) -> float | None:
        """Measure a child's resident memory; None if it is gone."""
        try:
            return float(self._process(child.pid).memory_info().rss) / 2**20
        except psutil.Error:
            return None

    def close(self) -> None:
        """See to what is owed to the dead, for 3 s at the most, and let go of the stores; a beat begins anew."""
        if self._is_listed:
            self._unlist()
        until = time.monotonic() + _CLOSES_WITHIN_S
        while any(line.is_owing for line in self._lines.values()) and time.monotonic() < until:
            for line in self._lines.values():
                line.settle()
            self._take(self._messenger.wait(0.1))
        self._messenger.close()
        for line in self._lines.values():
            line.drop()

    def _counted(self, key: _Queues, counts: Sequence[QueueCounts]) -> None:
        self._counts[key] = (self._counts[key][0], counts)

    def _take(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            any(line.take(answer) for line in self._lines.values())

    # -- the registry --------------------------------------------------------------------------------------------

    def _report(self, now: float, children: Sequence[Child]) -> None:
        by_home: dict[str, list[WorkerRecord]] = {name: [] for name in self._lines}
        for child in children:
            if child.slots.worker and child.duty.home in self._lines:
                by_home[child.duty.home].append(self._record(child))
        if any(by_home.values()):
            self._alone_since = now
        elif now - self._alone_since >= _ALONE_AFTER_S:
            by_home = {name: [self._own_record(children)] for name in self._lines}
        for home, records in by_home.items():
            line = self._lines[home]
            if records and line.is_open and not line.is_asking(Report):
                taken = self.inbox.taken(home)
                line.ask(Report(tuple(records), taken), partial(self._hear, home, taken))
        is_listed = self._alone_since != now and now - self._alone_since >= _ALONE_AFTER_S
        if self._is_listed and not is_listed:
            self._unlist()
        self._is_listed = is_listed

    def _hear(self, home: str, taken: Sequence[WorkerCommand], commands: Sequence[WorkerCommand]) -> None:
        self.inbox.told(home, taken)
        self.inbox.hear(home, commands)

    def _unlist(self) -> None:
        for line in self._lines.values():
            line.dismiss(self._supervisor)

    def _own_record(self, children: Sequence[Child]) -> WorkerRecord:
        """Describe the supervisor, which is all there is of it while its children die before they register."""
        cpu_percent, rss_bytes = self._usage(os.getpid())
        return WorkerRecord(
            id=self._supervisor,
            supervisor=self._supervisor,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self.queues,
            started_us=self._began_us,
            state="starting" if children else "crashing",
            cpu_percent=cpu_percent,
            rss_bytes=rss_bytes,
        )

    def _record(self, child: Child) -> WorkerRecord:
        jobs, failures, busy_s = child.slots.counters
        cpu_percent, rss_bytes = self._usage(child.pid)
        now = time.monotonic()
        return WorkerRecord(
            id=child.slots.worker,
            supervisor=self._supervisor,
            host=socket.gethostname(),
            pid=child.pid,
            queues=child.duty.queues,
            started_us=time.time_ns() // 1000 - round((now - child.began_at) * 1e6),
            state=child.state,
            running=tuple(
                RunningRecord(job.id, job.job, job.queue, job.attempt, round(now - job.began_at, 3))
                for job in child.slots.running()
            ),
            places=child.slots.count,
            jobs=jobs,
            failures=failures,
            busy_s=round(busy_s, 3),
            cpu_percent=cpu_percent,
            rss_bytes=rss_bytes,
            stack=child.stack.told(),
        )

    def _usage(self, pid: int) -> tuple[float, int]:
        try:
            process = self._process(pid)
            return process.cpu_percent(), process.memory_info().rss
        except psutil.Error:
            return 0.0, 0

    def _process(self, pid: int) -> psutil.Process:
        if pid not in self._processes:
            self._processes = {known: one for known, one in self._processes.items() if one.is_running()}
            self._processes[pid] = psutil.Process(pid)
        return self._processes[pid]


def _beat(children: Sequence[Child], connection: str) -> tuple[Beat, Arrived]:
    """Make a beat for what children have in hand on a connection."""
    named = [(child.slots, worker) for child in children if (worker := child.slots.worker)]
    held = [_held(slots, worker, connection) for slots, worker in named]
    return Beat(tuple(one for one in held if one.leases)), partial(_arrived, named, connection)


def _held(slots: ChildSlots, worker: str, connection: str) -> Held:
    on_it = [holding for holding in slots.holdings() if holding.connection == connection]
    leases = tuple((job_id, holding.token) for holding in on_it for job_id in holding.ids)
    return Held(worker, leases, frozenset(job.id for job in slots.running()) if leases else frozenset())


def _arrived(
    named: Sequence[tuple[ChildSlots, str]],
    connection: str,
    given_at: float,
    cancelled: Mapping[str, Mapping[str, bool]],
) -> None:
    """Tell children that their leases were renewed, and which jobs somebody cancelled."""
    for slots, worker in named:
        if slots.worker == worker:  # else it died meanwhile, and the block may be another's
            slots.keep(connection, given_at)
            slots.cancel(connection, cancelled.get(worker, {}))
