"""Two things happen to one leased job, in both orders: each pair of verbs leaves it in one place, counted once.

What is right of a pair is what the store in memory makes of it, which is small enough to be read; and whatever is
left can be worked off. Each pair has a queue and a worker of its own, so that one store serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

import pytest
from fakes.leases import let_pass
from fakes.store import URLS, StoreUnderTest
from fakes.values import completed, envelope, failed, released
from fakes.worker import FakeWorker
from servers.stores import settings_for

from qcore.drivers import open_store
from qcore.envelope import Lease
from qcore.flows import Flow, FlowKind, FlowRecord, Opening, Weave, membership
from qcore.ids import new_id
from qcore.records import QueueCounts

TERM_S = 0.3
PLACES = ("pending", "delayed", "processing", "retrying", "completed", "failed", "cancelled")

LIVE = PLACES[:4]


class Case(NamedTuple):
    """One leased job, alone on its queue."""

    queue: str
    worker: FakeWorker
    lease: Lease
    flow: str
    """A batch of which the job is the only member so far."""


Verb = Callable[[Any, Case], Any]
Told = dict[str, tuple[Any, ...]]


def complete(driver: Any, case: Case) -> bool:
    return not driver.settle([completed(case.lease)])


def fail(driver: Any, case: Case) -> bool:
    return not driver.settle([failed(case.lease)])


def release(driver: Any, case: Case) -> bool:
    return not driver.settle([released(case.lease)])


def heartbeat(driver: Any, case: Case) -> list[str]:
    del driver
    return list(case.worker.heartbeat([case.lease], [case.lease.id]))


def cancel(driver: Any, case: Case) -> bool:
    return bool(driver.cancel([case.lease.id]))


def pause(driver: Any, case: Case) -> bool:
    return bool(driver.pause(case.queue))


def clear(driver: Any, case: Case) -> int:
    return int(driver.clear(case.queue))


def retry(driver: Any, case: Case) -> int:
    return len(driver.retry([case.lease.id]))


def forfeit(driver: Any, case: Case) -> int:
    return int(driver.forfeit(case.worker.name, {case.lease.id: "killed by signal 9"}))


def stop(driver: Any, case: Case) -> bool:
    return bool(driver.cancel_flow(case.flow))


def revive(driver: Any, case: Case) -> int:
    return len(driver.retry_flow(case.flow))


def close(driver: Any, case: Case) -> bool:
    return bool(driver.close_flow(case.flow))


def delete(driver: Any, case: Case) -> bool:
    return bool(driver.delete_flow(case.flow))


VERBS: list[Verb] = [complete, fail, release, heartbeat, cancel, pause, clear, retry, forfeit]
OF_FLOWS: list[Verb] = [stop, revive, close, delete]


def pairs(driver: Any) -> Told:
    """Every two of the verbs that concern one job, one after the other."""
    return _told(driver, {f"{one.__name__}, {other.__name__}": [one, other] for one, other in product(VERBS, VERBS)})


def pairs_of_flows(driver: Any) -> Told:
    """Every two of which one concerns the batch whose only member the job is, in both orders."""
    verbs = [*VERBS, *OF_FLOWS]
    both = [(one, other) for one, other in product(verbs, verbs) if one in OF_FLOWS or other in OF_FLOWS]
    return _told(driver, {f"{one.__name__}, {other.__name__}": [one, other] for one, other in both})


def before_reclaim(driver: Any) -> Told:
    """Each verb, then what has lapsed is taken back."""
    return _told(driver, {f"{one.__name__}, reclaim": [one] for one in [*VERBS, *OF_FLOWS]}, reclaims_after=True)


def after_reclaim(driver: Any) -> Told:
    """What has lapsed is taken back, then each verb comes too late."""
    return _told(driver, {f"reclaim, {one.__name__}": [one] for one in [*VERBS, *OF_FLOWS]}, reclaims_before=True)


@pytest.mark.parametrize("store", URLS, indirect=True)
@pytest.mark.parametrize("scene", [pairs, pairs_of_flows, before_reclaim, after_reclaim])
def test_both_orders(store: StoreUnderTest, scene: Callable[[Any], Told]) -> None:
    reference = open_store(settings_for("", lease_s=TERM_S))
    expected = scene(reference)
    found = scene(store.open(lease_s=TERM_S))
    assert len(found) == len(expected)
    assert {name: told for name, told in found.items() if told != expected[name]} == {}


def _told(
    driver: Any, cases: dict[str, list[Verb]], *, reclaims_before: bool = False, reclaims_after: bool = False
) -> Told:
    """Let verbs happen to a leased job each; returns what they said, and what has become of the job."""
    leased = dict(zip(cases, _leased(driver, len(cases)), strict=True))
    if reclaims_before or reclaims_after:
        let_pass(driver, 1.5 * TERM_S)
    taken = set(driver.reclaim()) if reclaims_before else set()
    said = {name: [verb(driver, leased[name]) for verb in verbs] for name, verbs in cases.items()}
    taken |= set(driver.reclaim()) if reclaims_after else set()
    counts = {one.name: one for one in driver.counts([case.queue for case in leased.values()])}
    told: Told = {}
    for name, case in leased.items():
        job = driver.find(case.lease.id)
        where = _place(name, job, counts[case.queue])
        is_told = where in LIVE and job is not None and job.cancel_requested
        what = None if job is None else (job.attempts, job.crashes, is_told)
        told[name] = (said[name], case.lease.id in taken, where, what, _numbers(name, driver.flow(case.flow)))
    _work_off(driver, leased)
    return told


def _leased(driver: Any, number: int) -> Iterable[Case]:
    cases = []
    for at in range(number):
        queue, flow = f"queue{at}", Flow(id=new_id(), kind=FlowKind.BATCH, total=1, has_begun=True, is_open=True)
        member = envelope(queue, id=f"job{at:03}", flow=membership(flow.id))
        driver.weave(Weave(openings=(Opening(flow=flow),), members=(member,)))
        worker = FakeWorker(driver, queue, name=f"worker{at}")
        cases.append(Case(queue, worker, worker.reserve_one(), flow.id))
    for case in cases:
        case.worker.heartbeat([case.lease], [case.lease.id])
    return cases


def _numbers(name: str, record: FlowRecord | None) -> tuple[Any, ...] | None:
    """What a batch says of its member; it counts it once."""
    if record is None:
        return None
    flow = record.flow
    assert 0 <= flow.ended <= flow.total == 1, f"{name}: of one member {flow.ended} have ended"
    instants = (flow.failed_us, flow.cancelled_us, flow.finished_us)
    return flow.processed, flow.failed, flow.cancelled, flow.is_open, *(us is not None for us in instants)


def _place(name: str, job: Any, counts: QueueCounts) -> str:
    """Where the one job of a queue is; it is in one place."""
    places = [place for place in PLACES if getattr(counts, place)]
    assert sum(getattr(counts, place) for place in PLACES) <= 1, f"{name}: it is in {places} at once"
    if job is None:
        assert not set(places) - {"completed", "cancelled"}, f"{name}: it is counted as {places}, and not found"
    return places[0] if places else "dropped"


def _work_off(driver: Any, leased: dict[str, Case]) -> None:
    """Whatever waits can be run and ended, once; who holds a lease still may end his."""
    for name, case in leased.items():
        driver.resume(case.queue)
        held = driver.counts([case.queue])[0].processing
        again = [case.lease] if held else FakeWorker(driver, case.queue).reserve()
        assert not driver.settle([completed(lease) for lease in again]), f"{name}: its end is refused"
        (counts,) = driver.counts([case.queue])
        left = sum(getattr(counts, place) for place in PLACES)
        assert left == counts.completed + counts.failed + counts.cancelled <= 1, f"{name}: {counts}"
