"""The pass rules: what must hold after every test, whatever was broken.

L  loss: every id for which dispatch returned has an end or a failed record; but for those that the store itself
   was made to forget, and these are listed.
D  duplicates: repeated ends within the test's bound, each after the death of the attempt before; no two attempts of
   a job at once unless the test allows it.
E  effects: the engine counted and measured each job exactly once, stored each failed one once, and sent each callback
   once; what a flow counts is its members.
G  leftovers: no lease, no lock, no live job, nothing else that ends with a job, no worker in the registry that left in
   good order, no process, no connection.
W  work goes on: within the stated time, without a human.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import psutil

from harness.hosts import is_of_test
from harness.ledger import CALLBACK, Event, Ledger
from harness.waiting import until
from qcore.flows import FlowKind, FlowRecord
from qcore.measures import Measure, Span
from qcore.states import JobState

if TYPE_CHECKING:
    from harness.rig import Rig
    from qcore.records import WorkerRecord

_ENDED = {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}
_LEAVE_S = 20.0
"""A server on a busy machine is slow to see that somebody is dead."""
_CAUSE_S = 60.0
"""What was broken so long before an attempt may still be broken when it ends."""
_SHOWN = 5
_PAGE = 1000
_LAST_MINUTE = 2**31 - 1


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    test: str
    store: str
    jobs: int
    kills: int
    lost: int
    repeated: int
    recovery_s: float | None = None
    lost_ids: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True):
    """One run of a job, as the books have it."""

    job_id: str
    pid: int
    began_at: float
    ended_at: float | None
    """None: it was cut off."""
    cut_at: float | None = None
    """When its process was killed, where that is noted."""

    @property
    def over_at(self) -> float | None:
        """When it was over, as far as that is known."""
        return self.cut_at if self.ended_at is None else self.ended_at


def attempts(ledger: Ledger) -> dict[str, list[Attempt]]:
    """Every run of every job, in order of time."""
    killed = {fault.pid: fault.monotonic for fault in ledger.faults("kill")}
    return {job_id: _attempts(events, killed) for job_id, events in ledger.of_jobs().items()}


def unended(rig: Rig) -> set[str]:
    """Ids whose dispatch returned, and that have neither an end nor a failed record yet."""
    open_ids = rig.ledger.returned() - rig.ledger.ids("end", "failed", "cancelled")
    if len(open_ids) > rig.ASK_FOR_MOST:
        return open_ids
    return {job_id for job_id in open_ids if not _is_ended(rig, job_id)}


def repeated(runs: Mapping[str, Sequence[Attempt]]) -> int:
    """How often a job ended that had ended before."""
    return sum(max(0, sum(run.ended_at is not None for run in job) - 1) for job in runs.values())


def overlaps(runs: Mapping[str, Sequence[Attempt]]) -> list[str]:
    """Ids of jobs of which two attempts ran at once."""
    return [
        job_id
        for job_id, job in runs.items()
        if any(one.over_at is not None and following.began_at < one.over_at for one, following in _pairs(job))
    ]


def uncaused(rig: Rig, runs: Mapping[str, Sequence[Attempt]], living: Iterable[int]) -> list[str]:
    """Ids of jobs that ended twice for no reason: the first process lives, and nothing else was broken in between."""
    alive = set(living)
    others = [fault.monotonic for fault in rig.ledger.faults() if fault.kind != "kill"]
    return [job_id for job_id, job in runs.items() if any(_has_no_cause(*pair, alive, others) for pair in _ended(job))]


def effects(rig: Rig, forgotten: Collection[str] = ()) -> list[str]:
    """What the engine counted wrongly; jobs that the store forgot may be counted or not."""
    counts = rig.connection.counts()
    failed = sum(one.failed for one in counts)
    completed = sum(one.completed + one.cancelled for one in counts)
    known = rig.ledger.returned() | rig.ledger.ids("end", "failed", "cancelled")
    found = []
    if not len(known.difference(forgotten)) <= completed + failed <= len(known):
        found.append(f"E: {completed} completed and {failed} failed are counted, of {len(known)} jobs")
    stored = rig.failed_ids()
    if failed != len(stored):
        found.append(f"E: {failed} failed jobs are counted, {len(stored)} are stored")
    if twice := [job_id for job_id, number in Counter(stored).items() if number > 1]:
        found.append(f"E: several failed records has each of {shown(twice)}")
    return [*found, *_measures(rig, sum(one.completed for one in counts), failed), *_flows(rig), *_callbacks(rig)]


def _measures(rig: Rig, completed: int, failed: int) -> Iterator[str]:
    """Each end of a job is measured once; what failed and was put back is so, and counts as failed no more."""
    measured: Counter[int] = Counter()
    for reading in rig.connection.readings(Span.MINUTE, 0, _LAST_MINUTE):
        for measure, spread in reading.spreads.items():
            measured[measure] += spread.count
    if measured[Measure.COMPLETED] != completed:
        yield f"E: {measured[Measure.COMPLETED]} completed jobs are measured, {completed} are counted"
    if measured[Measure.FAILED] < failed:
        yield f"E: {measured[Measure.FAILED]} failed jobs are measured, {failed} are counted"


def _flows(rig: Rig) -> Iterator[str]:
    for record in _every_flow(rig):
        flow = record.flow
        if flow.ended > flow.total or (flow.finished_us is not None and flow.ended != flow.total):
            yield f"E: {flow.kind.value} {flow.id} counts {flow.ended} ends of {flow.total} members"
        if flow.finished_us is None and not flow.is_open:
            yield f"E: {flow.kind.value} {flow.id} never finished: {flow.ended} of {flow.total} members ended"


def _every_flow(rig: Rig) -> Iterator[FlowRecord]:
    cursor: str | None = None
    while True:
        page = rig.connection.flows(list(FlowKind), cursor=cursor, limit=_PAGE)
        yield from page.flows
        cursor = page.next_cursor
        if cursor is None:
            return


def _callbacks(rig: Rig) -> Iterator[str]:
    """A callback may run again, as any job; but it is one job."""
    jobs: defaultdict[str, set[str]] = defaultdict(set)
    for event in rig.ledger.events():
        if event.event.startswith(CALLBACK):
            jobs[event.event].add(event.job_id)
    for what, ids in jobs.items():
        if len(ids) > 1:
            yield f'E: "{what}" was sent {len(ids)} times'


def leftovers(rig: Rig) -> list[str]:
    """What remains though every host has stopped."""
    counts = rig.connection.counts()
    found = [f"G: {one.name} has {one.processing} leased jobs" for one in counts if one.processing]
    found += [
        f"G: {one.name} has {rest} waiting jobs" for one in counts if (rest := one.pending + one.delayed + one.retrying)
    ]
    found += [f"G: {lock.key} is held by {lock.owner}" for lock in rig.connection.locks().locks]
    found += [f"G: {number} of {name} remain" for name, number in rig.store.sizes().items() if number]
    found += [f"G: worker {one.id} of process {one.pid} stays registered" for one in _registered(rig)]
    found += [f"G: process {process.pid} is left: {process.name()}" for process in _processes(rig)]
    rig.close_connections()
    try:
        until(lambda: not rig.store.clients(), _LEAVE_S, "no connection remains")
    except AssertionError:
        found.append(f"G: {rig.store.clients()} connections remain")
    return found


def _registered(rig: Rig) -> Iterable[WorkerRecord]:
    """Workers that left in good order, and are known all the same; the dead are known until they are forgotten."""
    dead = {fault.pid for fault in rig.ledger.faults()} | {host.pid for host in rig.hosts if host.process.returncode}
    return [one for one in rig.connection.workers() if one.pid not in dead]


def _processes(rig: Rig) -> Iterable[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if is_of_test(process, rig.ledger):
                found.append(process)
    return found


def shown(ids: Iterable[str]) -> str:
    """Some of the ids, for people."""
    listed = sorted(ids)
    return ", ".join(listed[:_SHOWN]) + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else "")


def _attempts(events: Sequence[Event], killed: Mapping[int, float]) -> list[Attempt]:
    runs: list[Attempt] = []
    ends = [event for event in events if event.event == "end"]
    for start in (event for event in events if event.event == "start"):
        end = next((e for e in ends if (e.pid, e.attempt) == (start.pid, start.attempt)), None)
        if end is not None:
            ends.remove(end)
        ended_at = None if end is None else end.monotonic
        runs.append(Attempt(start.job_id, start.pid, start.monotonic, ended_at, killed.get(start.pid)))
    return runs


def _ended(job: Sequence[Attempt]) -> Iterable[tuple[Attempt, Attempt]]:
    return pairwise(run for run in job if run.ended_at is not None)


def _has_no_cause(one: Attempt, following: Attempt, alive: set[int], faults: Sequence[float]) -> bool:
    return one.pid in alive and not any(one.began_at - _CAUSE_S <= at <= following.began_at for at in faults)


def _pairs(job: Sequence[Attempt]) -> Iterable[tuple[Attempt, Attempt]]:
    return pairwise(job)


def _is_ended(rig: Rig, job_id: str) -> bool:
    found = rig.connection.find(job_id)
    return found is not None and found.state in _ENDED
