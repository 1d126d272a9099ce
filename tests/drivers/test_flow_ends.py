"""Members of one flow that end in many groups, at several workers: each counts once, and what follows comes once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, failed
from fakes.worker import FakeWorker
from msgspec.structs import replace

from qcore.envelope import Envelope
from qcore.errors import QueueError
from qcore.flows import Flow, FlowKind, Hook, Opening, Role, Step, StepState, Weave, hooks_of, membership, outcome_of
from qcore.ids import new_id

_MANY = 60


def batch(driver: Any, count: int, *hooks: Hook, is_open: bool = False) -> str:
    """Store a batch of so many members, which may fail; returns its id."""
    flow_id = new_id()
    callbacks = tuple((hook, envelope(job=f"app:{hook.name}", flow=membership(flow_id, hook))) for hook in hooks)
    flow = Flow(
        id=flow_id,
        kind=FlowKind.BATCH,
        total=count,
        hooks=hooks_of(callbacks),
        allowed=-1,
        has_begun=True,
        is_open=is_open,
    )
    driver.weave(Weave(openings=(Opening(flow=flow, callbacks=callbacks),), members=members(flow_id, count)))
    return flow_id


def chain_of(driver: Any, count: int, *hooks: Hook) -> tuple[str, list[Step]]:
    """Store a chain of so many steps; returns its id, and them."""
    flow_id = new_id()
    callbacks = tuple((hook, envelope(job=f"app:{hook.name}", flow=membership(flow_id, hook))) for hook in hooks)
    flow = Flow(id=flow_id, kind=FlowKind.CHAIN, total=count, hooks=hooks_of(callbacks))
    jobs = [envelope(flow=membership(flow_id, Role.STEP)) for _ in range(count)]
    steps = [
        Step(
            id=job.id,
            flow=flow_id,
            place=place,
            job=job.job,
            waits=min(place, 1),
            parents=(jobs[place - 1].id,) if place else (),
            children=(jobs[place + 1].id,) if place < count - 1 else (),
            envelope=job,
        )
        for place, job in enumerate(jobs)
    ]
    driver.weave(Weave(openings=(Opening(flow=flow, callbacks=callbacks),), steps=tuple(steps)))
    return flow_id, steps


def members(flow_id: str, count: int) -> tuple[Envelope, ...]:
    return tuple(envelope(flow=membership(flow_id)) for _ in range(count))


def flow_of(driver: Any, flow_id: str) -> Flow:
    record = driver.flow(flow_id)
    assert record is not None
    return record.flow  # type: ignore[no-any-return]


def waiting(driver: Any) -> list[str]:
    return sorted(job.job.partition(":")[2] for job in driver.page("pending", limit=100).jobs)


def complete(driver: Any, worker: FakeWorker, limit: int) -> int:
    """Let a worker complete so many jobs at once; returns how many there were."""
    leases = worker.reserve(limit)
    assert driver.settle([completed(lease) for lease in leases]) == []
    return len(leases)


@pytest.mark.parametrize("hooks", [(), (Hook.THEN, Hook.FINALLY)], ids=["plain", "with callbacks"])
def test_many_groups_of_one_flow(driver: Any, hooks: Sequence[Hook]) -> None:
    flow_id = batch(driver, _MANY, *hooks)
    worker = FakeWorker(driver)
    done = 0
    for _ in range(_MANY // 6 - 1):
        done += complete(driver, worker, 6)
        flow = flow_of(driver, flow_id)
        assert (flow.processed, flow.finished_us, waiting(driver).count("THEN")) == (done, None, 0)
    complete(driver, worker, 6)
    flow = flow_of(driver, flow_id)
    assert flow.processed == _MANY
    assert flow.finished_us is not None
    assert waiting(driver) == (["THEN"] if hooks else [])


def test_several_workers_at_once(driver: Any, store: StoreUnderTest) -> None:
    """Other jobs end among the members, and other flows."""
    first, second = batch(driver, _MANY, Hook.THEN), batch(driver, 5, Hook.THEN)
    driver.push([envelope() for _ in range(20)])
    stores = [driver, store.share(driver), store.share(driver)]
    together = threading.Barrier(len(stores))

    def work(own: Any) -> int:
        worker, done = FakeWorker(own), 0
        together.wait(10)
        while count := complete(own, worker, 7):
            done += count
        return done

    with ThreadPoolExecutor(len(stores)) as threads:
        ended = sum(threads.map(work, stores))
    assert ended == _MANY + 5 + 20 + 2
    for flow_id, total in ((first, _MANY), (second, 5)):
        flow = flow_of(driver, flow_id)
        assert (flow.total, flow.processed, flow.live) == (total, total, 0)
        assert flow.finished_us is not None


def test_progress_is_told_however_many_groups_end(driver: Any) -> None:
    flow_id = batch(driver, 12, Hook.PROGRESS)
    worker = FakeWorker(driver)
    leases = worker.reserve(12)
    for at in range(0, 12, 4):
        assert driver.settle([completed(lease) for lease in leases[at : at + 4]]) == []
    flow = flow_of(driver, flow_id)
    assert (flow.processed, flow.progress, flow.live) == (12, 2, 1)
    assert waiting(driver) == ["PROGRESS"]


def test_an_open_flow_is_closed_behind_a_workers_back(driver: Any, store: StoreUnderTest) -> None:
    flow_id = batch(driver, 9, Hook.THEN, is_open=True)
    worker = FakeWorker(driver)
    for _ in range(2):
        complete(driver, worker, 3)
    assert store.share(driver).close_flow(flow_id)
    complete(driver, worker, 3)
    assert flow_of(driver, flow_id).finished_us is not None
    assert waiting(driver) == ["THEN"]


def test_a_flow_is_deleted_behind_a_workers_back(driver: Any, store: StoreUnderTest) -> None:
    flow_id = batch(driver, 9)
    worker = FakeWorker(driver)
    for _ in range(2):
        complete(driver, worker, 3)
    store.share(driver).delete_flow(flow_id)
    assert complete(driver, worker, 3) == 3
    assert driver.flow(flow_id) is None
    assert driver.counts(["default"])[0].completed == 9


def test_the_rest_of_a_group_counts_without_the_lease_that_was_lost(driver: Any) -> None:
    flow_id = batch(driver, 9)
    worker = FakeWorker(driver)
    complete(driver, worker, 3)
    leases = list(worker.reserve(6))
    assert driver.settle([completed(leases[0])]) == []
    forged = replace(completed(leases[1]), token="another/1")
    assert driver.settle([forged, *(completed(lease) for lease in leases[2:])]) == [forged]
    assert flow_of(driver, flow_id).processed == 8


# --- what was cancelled ----------------------------------------------------------------------------------------------


def test_a_chain_with_a_cancelled_step_did_not_complete(driver: Any) -> None:
    flow_id, steps = chain_of(driver, 3, Hook.THEN, Hook.FINALLY)
    assert driver.cancel([steps[0].id]) == [steps[0].id]
    flow = flow_of(driver, flow_id)
    assert (flow.total, flow.processed, flow.cancelled) == (3, 0, 3)
    assert flow.finished_us is not None
    assert outcome_of(flow) is StepState.CANCELLED
    assert waiting(driver) == ["FINALLY"]


def test_a_batch_in_which_one_was_cancelled_goes_on(driver: Any) -> None:
    flow_id = batch(driver, 2, Hook.THEN)
    first, _ = driver.page("pending", limit=2).jobs
    driver.cancel([first.id])
    complete(driver, FakeWorker(driver), 1)
    assert outcome_of(flow_of(driver, flow_id)) is StepState.PROCESSED
    assert waiting(driver) == ["THEN"]


def test_an_open_flow_that_is_stopped_ends_and_takes_what_comes_yet(driver: Any) -> None:
    flow_id = batch(driver, 3, Hook.FINALLY, is_open=True)
    assert driver.cancel_flow(flow_id)
    flow = flow_of(driver, flow_id)
    assert (flow.total, flow.cancelled) == (3, 3)
    assert flow.finished_us is not None
    assert waiting(driver) == ["FINALLY"]
    assert driver.weave(Weave(extends=flow_id, members=members(flow_id, 2))) == 2
    flow = flow_of(driver, flow_id)
    assert (flow.total, flow.cancelled, flow.finished_us is None) == (5, 5, False)
    assert driver.close_flow(flow_id)
    assert waiting(driver) == ["FINALLY"]
    with pytest.raises(QueueError, match="has finished"):
        driver.weave(Weave(extends=flow_id, members=members(flow_id, 1)))


def test_the_last_member_of_an_open_flow_that_is_stopped_ends_it(driver: Any) -> None:
    flow_id = batch(driver, 6, Hook.FINALLY, is_open=True)
    worker = FakeWorker(driver)
    complete(driver, worker, 2)
    leases = worker.reserve(2)
    driver.cancel_flow(flow_id)
    assert flow_of(driver, flow_id).finished_us is None
    driver.settle([completed(lease) for lease in leases])
    flow = flow_of(driver, flow_id)
    assert (flow.processed, flow.cancelled, flow.finished_us is None) == (4, 2, False)
    assert waiting(driver) == ["FINALLY"]


def test_a_retry_of_a_graph_brings_back_what_its_failure_cancelled(driver: Any) -> None:
    """`a` fails while `b` waits; `c` waits for `a`, and `d` for `b` and `c`."""
    flow_id = new_id()
    names, after = "abcd", {"c": "a", "d": "bc"}
    jobs = {name: envelope(job=f"app:{name}", flow=membership(flow_id, Role.STEP)) for name in names}
    steps = tuple(
        Step(
            id=jobs[name].id,
            flow=flow_id,
            place=place,
            name=name,
            job=jobs[name].job,
            waits=len(after.get(name, "")),
            parents=tuple(jobs[one].id for one in after.get(name, "")),
            children=tuple(jobs[one].id for one in names if name in after.get(one, "")),
            envelope=jobs[name],
        )
        for place, name in enumerate(names)
    )
    hook = (Hook.THEN, envelope(job="app:THEN", flow=membership(flow_id, Hook.THEN)))
    flow = Flow(id=flow_id, kind=FlowKind.GRAPH, total=4, hooks=hooks_of((hook,)))
    driver.weave(Weave(openings=(Opening(flow=flow, callbacks=(hook,)),), steps=steps))
    worker = FakeWorker(driver)
    first = worker.reserve_one()
    assert driver.settle([failed(first)]) == []
    stopped = flow_of(driver, flow_id)
    assert (stopped.failed, stopped.cancelled) == (1, 3)
    assert driver.retry_flow(flow_id) == [first.id]
    again = flow_of(driver, flow_id)
    assert (again.total, again.ended, again.finished_us) == (4, 0, None)
    assert waiting(driver) == ["a", "b"]
    for _ in range(4):
        complete(driver, worker, 1)
    assert outcome_of(flow_of(driver, flow_id)) is StepState.PROCESSED
    assert waiting(driver) == ["THEN"]
    counts = driver.counts(["default"])[0]
    assert (counts.completed, counts.failed) == (4, 0)
