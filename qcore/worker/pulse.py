"""What a supervisor tells the stores, and hears from them: leases that live, workers that serve, the dead's jobs.

It has connections of its own, which are closed before a child is made: none may be inherited, least of all SQLite's.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import psutil

from qcore.config import ConnectionSettings
from qcore.drivers import Store, open_store
from qcore.envelope import Lease
from qcore.errors import QueueError
from qcore.records import QueueCounts, RunningRecord, WorkerRecord
from qcore.worker.children import Child
from qcore.worker.outage import Outage

T = TypeVar("T")
_REPORT_EVERY_S = 1.0
_BEAT_AGAIN_S = 1.0
"""After a beat that did not arrive."""
_RECLAIM_AFTER = 3
"""Heartbeats in a row that must have arrived, a whole lease term, before the jobs of others may be taken back."""


class Pulse:
    """Beats for all children of a supervisor.

    Args:
        supervisor: its id.
        connections: that the children serve.
        trouble: told when a store does not answer.
    """

    def __init__(
        self, supervisor: str, connections: Sequence[ConnectionSettings], trouble: Callable[[str], None]
    ) -> None:
        self._supervisor = supervisor
        self._settings = {one.name: one for one in connections}
        self._stores: dict[str, Store] = {}
        self._outage = Outage(trouble)
        self._beat_every_s = min(one.lease_s for one in connections) / 3
        self._next_beat = 0.0
        self._next_report = 0.0
        self._unbroken = dict.fromkeys(self._settings, 0)
        self._unforfeited: list[tuple[str, dict[str, str]]] = []
        self._processes: dict[int, psutil.Process] = {}

    def beat(self, children: Sequence[Child]) -> Mapping[str, str]:
        """Do what is due: renew leases, give back what the dead held, take back what others lost, report.

        Args:
            children: that live.

        Returns:
            Commands that somebody addressed to the supervisor or a child, by id.
        """
        now = time.monotonic()
        if self._unforfeited:
            self._forfeit_again()
        if now >= self._next_beat:
            self._beat_all(now, children)
        if now < self._next_report:
            return {}
        self._next_report = now + _REPORT_EVERY_S
        return self._report(children)

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> None:
        """Give back all that a dead child held: uncharged, but for those named with a reason.

        Where the store does not answer it is done once it does, or by the lease's end.
        """
        if not worker:
            return
        for name in self._settings:
            if self._ask(name, lambda store: store.forfeit(worker, charged)) is None:
                self._unforfeited.append((worker, dict(charged)))
                return

    def dismiss(self, child: Child) -> None:
        """Take a dead child off the registry."""
        worker = child.slots.worker
        if worker and child.duty.home in self._settings:
            self._ask(child.duty.home, lambda store: store.dismiss([worker]))

    def counts(self, name: str, queues: Sequence[str]) -> Sequence[QueueCounts] | None:
        """Count the jobs of queues; None if the store does not answer."""
        return self._ask(name, lambda store: store.counts(queues))

    def rss_mb(self, child: Child) -> float | None:
        """Measure a child's resident memory; None if it is gone."""
        try:
            return float(self._process(child.pid).memory_info().rss) / 2**20
        except psutil.Error:
            return None

    def close(self) -> None:
        """Close the connections; they open anew when needed."""
        for store in self._stores.values():
            store.close()

    # -- stores --------------------------------------------------------------------------------------------------

    def _ask(self, name: str, act: Callable[[Store], T]) -> T | None:
        """Ask one store; what it does not answer is said, and None."""
        try:
            store = self._stores.get(name)
            if store is None:
                store = self._stores[name] = open_store(self._settings[name])
            answer = act(store)
        except QueueError as error:
            self._outage.failed(name, error)
            return None
        self._outage.answered(name)
        return answer

    def _beat_all(self, now: float, children: Sequence[Child]) -> None:
        """Beat on every connection; a beat that comes a term late, after a sleep of this process, begins a new row."""
        if now > self._next_beat + 2 * self._beat_every_s:
            self._unbroken = dict.fromkeys(self._settings, 0)
        arrived = [self._beat_on(name, children) for name in self._settings]
        if all(arrived):
            for child in children:
                child.slots.keep()
        every_s = self._beat_every_s if all(arrived) else min(_BEAT_AGAIN_S, self._beat_every_s)
        self._next_beat = time.monotonic() + every_s

    def _beat_on(self, name: str, children: Sequence[Child]) -> bool:
        """Renew the leases on one connection, and reclaim in time; whether the beat arrived."""
        arrived = bool(self._ask(name, lambda store: self._renew(store, name, children)))
        self._unbroken[name] = self._unbroken[name] + 1 if arrived else 0
        if self._unbroken[name] > _RECLAIM_AFTER:
            self._ask(name, lambda store: store.reclaim())
        return arrived

    def _forfeit_again(self) -> None:
        waiting, self._unforfeited = self._unforfeited, []
        for worker, charged in waiting:
            self.forfeit(worker, charged)

    def _renew(self, store: Store, name: str, children: Sequence[Child]) -> bool:
        for child in children:
            held = [
                Lease(id=job_id, job="", queue="", payload=b"", token=holding.token)
                for holding in child.slots.holdings()
                if holding.connection == name
                for job_id in holding.ids
            ]
            if held:
                started = {job.id for job in child.slots.running()}
                child.slots.cancel(store.heartbeat(child.slots.worker, held, started))
        return True

    # -- the registry --------------------------------------------------------------------------------------------

    def _report(self, children: Sequence[Child]) -> Mapping[str, str]:
        commands: dict[str, str] = {}
        by_home: dict[str, list[WorkerRecord]] = {}
        for child in children:
            if child.slots.worker and child.duty.home in self._settings:
                by_home.setdefault(child.duty.home, []).append(self._record(child))
        for home, records in by_home.items():
            commands |= self._ask(home, partial(_report_to, records)) or {}
        return commands

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


def _report_to(records: Sequence[WorkerRecord], store: Store) -> Mapping[str, str]:
    return store.report(records)
