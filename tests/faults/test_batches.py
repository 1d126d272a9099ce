"""T22: batches and chains, while processes and stores die."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import woven_jobs
from harness.failpoints import Step as Point
from harness.hooks import HOOKS
from harness.ledger import Event
from harness.rig import Rig
from harness.scale import count, seconds
from harness.waiting import until
from woven_jobs import Adds, Breaks, Follows, Lives

from qcore import ChainMonitor, Job, JobBatch, batch, chain
from qcore.flows import Step, StepState

Books = dict[str, list[Event]]

_PAUSE_S = 0.3
_UNSETTLED = 6
"""Jobs of a millisecond that ended in the 5 ms before a worker died, and the one after: so many may run again."""
_ADDED = 5
_STEPS = 5
_ALLOWED = 3
_DRAINED_WITHIN_S = 1200.0


class Kind:
    """What is to become of a batch."""

    def __init__(self, name: str, breaks: int, callbacks: set[str], *, adds: bool = False) -> None:
        self.name, self.breaks, self.callbacks, self.adds = name, breaks, callbacks, adds


KINDS = (
    Kind("well", 0, {"then", "finally"}, adds=True),
    Kind("allowed", _ALLOWED, {"then", "finally"}, adds=True),
    Kind("fails", _ALLOWED + 1, {"catch", "finally"}),
    Kind("cancelled", 0, {"finally"}),
)


def test_t22_batches(rig: Rig) -> None:
    """Batches with chains inside, adds from inside and failures, some of them cancelled, under kills and a restart."""
    host = rig.host("--processes", "4", serving=4, **{HOOKS: "woven_jobs"})
    size = count(1000, least=60)
    kinds = [KINDS[number % len(KINDS)] for number in range(count(50, least=8))]
    with rig.manager.using():
        batches = [(kind, *_dispatched(rig, kind, size)) for kind in kinds]
        over = time.monotonic() + seconds(30, least=3)
        doomed = [flow_id for kind, flow_id, _ in batches if kind.name == "cancelled"]
        has_restarted = rig.store.name == "sqlite"
        while time.monotonic() < over:
            rig.kill(host.child(rig.chance))
            time.sleep(_PAUSE_S)
            if doomed:
                JobBatch.find(doomed.pop()).cancel()
            elif not has_restarted:
                has_restarted = True
                _restart(rig)
        for flow_id in doomed:
            JobBatch.find(flow_id).cancel()
        _all_finish([flow_id for _, flow_id, _ in batches])
        rig.settled(within_s=_DRAINED_WITHIN_S)
        books, spared = rig.ledger.of_jobs(), set[str]()
        for kind, flow_id, jobs in batches:
            steps = rig.connection.steps(flow_id)
            _counts_are_exact(kind, flow_id, len(jobs))
            _chains_went_on(books, steps)
            _know(rig, jobs, steps)
            if kind.name in ("fails", "cancelled"):
                spared.update(str(job.job_id) for job in jobs)
        _callbacks_came(rig, {flow_id: kind.callbacks for kind, flow_id, _ in batches})
    deaths, crashes = len(rig.ledger.faults("kill")), len(rig.ledger.faults("crash"))
    ended = rig.ledger.ids("end", "failed")
    rig.ledger.noted("cancelled", (spared & rig.ledger.returned()) - ended)  # the store counts them
    rig.verdict(repeats=_UNSETTLED * (deaths + 4 * crashes))


def test_t22_chains(rig: Rig) -> None:
    """Of fifty chains every step runs in its turn, with the result of the one before."""
    host = rig.host("--processes", "4", serving=4, **{HOOKS: "woven_jobs"})
    length = 10
    with rig.manager.using():
        chains = [_chained(rig, length) for _ in range(count(50, least=10))]
        over = time.monotonic() + seconds(30, least=3)
        while time.monotonic() < over:
            rig.kill(host.child(rig.chance))
            time.sleep(_PAUSE_S)
        until(
            lambda: all(ChainMonitor(one).get_status().progress == 100 for one, _ in chains),
            _DRAINED_WITHIN_S,
            "every chain ends",
            every_s=0.2,
        )
        rig.settled(within_s=_DRAINED_WITHIN_S)
        books = rig.ledger.of_jobs()
        for chain_id, jobs in chains:
            steps = rig.connection.steps(chain_id)
            assert [step.state for step in steps] == [StepState.PROCESSED] * length
            assert [step.id for step in steps] == [job.job_id for job in jobs]
            _in_turn(books, steps)
            _know(rig, jobs, steps)
        _callbacks_came(rig, {chain_id: {"then", "finally"} for chain_id, _ in chains})
    rig.verdict(repeats=_UNSETTLED * len(rig.ledger.faults("kill")))


@pytest.mark.parametrize("how", ["batch", "chain"])
def test_t22_kill_while_the_last_job_settles(rig: Rig, how: str) -> None:
    """Again and again: the flow finishes, and its callbacks come, once each."""
    host = rig.host("--processes", "1", serving=1, **{HOOKS: "woven_jobs"})
    flows: list[str] = []
    with rig.manager.using():
        for _ in range(count(100, least=10)):
            jobs: list[Job] = [Lives(), Lives()]
            pending: Any = batch(jobs) if how == "batch" else chain(jobs)
            flow_id = pending.then(woven_jobs.then).finally_(woven_jobs.finally_).dispatch()
            flows.append(flow_id)
            rig.ledger.dispatched([str(job.job_id) for job in jobs])
            until(lambda: {str(one.job_id) for one in jobs} <= rig.ledger.ids("end"), 30, "the last one ends")  # noqa: B023  called at once
            rig.kill(rig.chance.choice(host.serving()))
        _all_finish(flows)
        rig.settled(within_s=60)
        _callbacks_came(rig, {flow_id: {"then", "finally"} for flow_id in flows})
    rig.verdict(repeats=_UNSETTLED * len(rig.ledger.faults("kill")))


@pytest.mark.parametrize("how", ["batch", "chain"])
def test_t4_kill_inside_settle_of_a_member(rig: Rig, how: str) -> None:
    """At each statement: the member ended, was counted and what follows it is stored; or none of it happened."""
    plan, following_it = rig.plan([])
    rig.host(**{**following_it, HOOKS: f"{following_it[HOOKS]},woven_jobs"})
    with rig.manager.using():
        _run_flow(rig, how)
        steps = plan.passed["settle.step"]
        points = [Point("settle.step", number + 1) for number in range(steps)]
        died = 0
        for point in points:
            plan.write([point])
            flow_id = _run_flow(rig, how)
            died += bool(plan.deaths)
            flow = JobBatch.find(flow_id)
            assert (flow.total_jobs, flow.processed_jobs) == (2, 2), f"after a death at {point}"
        assert died >= steps // 2, "most of the points were met"
        rig.settled(within_s=60)
    rig.verdict(repeats=len(points), kills=died)


def _run_flow(rig: Rig, how: str) -> str:
    jobs: list[Job] = [Follows(), Follows()]
    pending: Any = batch(jobs) if how == "batch" else chain(jobs)
    flow_id = str(pending.then(woven_jobs.then).dispatch())
    rig.ledger.dispatched([str(job.job_id) for job in jobs])
    _all_finish([flow_id])
    return flow_id


# -- parts ---------------------------------------------------------------------------------------------------------


def _dispatched(rig: Rig, kind: Kind, size: int) -> tuple[str, list[Job]]:
    chains = size // (4 * _STEPS)
    works: list[Any] = [[Follows(0.001) for _ in range(_STEPS)] for _ in range(chains)]
    works += [Breaks() for _ in range(kind.breaks)]
    works += [Adds(_ADDED) for _ in range(2 * kind.adds)]
    works += [Lives(0.001) for _ in range(size - chains * _STEPS - len(works) + chains)]
    rig.chance.shuffle(works)
    flow_id = (
        batch(works)
        .allow_failures(_ALLOWED)
        .then(woven_jobs.then)
        .catch(woven_jobs.catch)
        .finally_(woven_jobs.finally_)
        .dispatch()
    )
    return flow_id, [job for work in works for job in (work if isinstance(work, list) else [work])]


def _chained(rig: Rig, length: int) -> tuple[str, list[Job]]:
    jobs: list[Job] = [Follows(0.002) for _ in range(length)]
    return chain(jobs).then(woven_jobs.then).finally_(woven_jobs.finally_).dispatch(), jobs


def _restart(rig: Rig) -> None:
    rig.ledger.fault("crash")
    rig.store.crash()
    rig.store.start()


def _all_finish(flows: Sequence[str]) -> None:
    left = list(flows)

    def are_finished() -> bool:
        left[:] = [flow_id for flow_id in left if not JobBatch.find(flow_id).finished()]
        return not left

    until(are_finished, _DRAINED_WITHIN_S, lambda: f"every flow finishes; open are {left[:3]}", every_s=0.2)


def _counts_are_exact(kind: Kind, flow_id: str, given: int) -> None:
    found = JobBatch.find(flow_id)
    assert found.processed_jobs + found.failed_jobs + found.cancelled_jobs == found.total_jobs
    if kind.name in ("well", "allowed"):
        assert found.total_jobs == given + 2 * _ADDED, "each of the two added its jobs once"
        assert (found.failed_jobs, found.cancelled_jobs) == (kind.breaks, 0)
    if kind.name == "fails":
        assert found.failed()


def _chains_went_on(books: Books, steps: Sequence[Step]) -> None:
    """Of each chain those steps ran that stand before the first that did not, each in its turn."""
    strands: defaultdict[int, list[Step]] = defaultdict(list)
    for step in steps:
        strands[step.strand].append(step)
    for strand in strands.values():
        _in_turn(books, [step for step in strand if step.state is StepState.PROCESSED])
        states = [step.state is StepState.PROCESSED for step in strand]
        assert states == sorted(states, reverse=True), "none ran whose parent did not"


def _in_turn(books: Books, steps: Sequence[Step]) -> None:
    """Each step began after the one before had ended for the first time."""
    for above, below in pairwise(steps):
        first_end = min(event.monotonic for event in books[above.id] if event.event == "end")
        first_start = min(event.monotonic for event in books[below.id] if event.event == "start")
        assert first_end <= first_start


def _know(rig: Rig, jobs: Sequence[Job], steps: Sequence[Step]) -> None:
    """Note what became jobs at all, for the rules that hold after every test."""
    never = {step.id for step in steps if step.state is StepState.SKIPPED}
    rig.ledger.dispatched([str(job.job_id) for job in jobs if job.job_id not in never])


def _callbacks_came(rig: Rig, wanted: dict[str, set[str]]) -> None:
    """Each that was to come came, and was stored once: a kill after it may have let it run again, but it ended once."""
    told: dict[str, Counter[str]] = {flow_id: Counter() for flow_id in wanted}
    for event in rig.ledger.events():
        if event.event.startswith("flow "):
            _, flow_id, what = event.event.split(" ", 2)
            told[flow_id][what] += 1
    assert {flow_id: set(found) for flow_id, found in told.items()} == wanted
    processed = sum(JobBatch.find(flow_id).processed_jobs for flow_id in wanted)
    completed = sum(queue.completed for queue in rig.connection.counts())
    assert completed == processed + sum(map(len, wanted.values())), "members and callbacks that ended, each once"
