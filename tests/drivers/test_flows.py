"""Flows: what follows when a member ends, in the same step, on each kind of store."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from fakes.store import StoreUnderTest
from fakes.values import HOUR_S, cancelled, completed, envelope, failed, released
from fakes.worker import FakeWorker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from qcore.drivers.operator import Change, FlowChange
from qcore.drivers.redis import scripts
from qcore.envelope import Envelope
from qcore.errors import JobNotFound, QueueError, QueueFullError
from qcore.flows import Flow, FlowKind, Growth, Hook, Opening, Role, Step, StepState, Weave, hooks_of, membership
from qcore.ids import new_id
from qcore.records import QueueDefinition
from qcore.states import JobState


@pytest.fixture
def worker(driver: Any) -> FakeWorker:
    return FakeWorker(driver)


def opening(flow_id: str, total: int, *hooks: Hook, kind: FlowKind = FlowKind.BATCH, **fields: Any) -> Opening:
    callbacks = tuple((hook, envelope(job=f"app:{hook.name}", flow=membership(flow_id, hook))) for hook in hooks)
    fields.setdefault("has_begun", True)
    flow = Flow(id=flow_id, kind=kind, total=total, hooks=hooks_of(callbacks), **fields)
    return Opening(flow=flow, callbacks=callbacks, options=b"\x80")


def members(flow_id: str, count: int, **fields: Any) -> tuple[Envelope, ...]:
    return tuple(envelope(flow=membership(flow_id), **fields) for _ in range(count))


def batch(driver: Any, count: int, *hooks: Hook, **fields: Any) -> str:
    flow_id = new_id()
    driver.weave(Weave(openings=(opening(flow_id, count, *hooks, **fields),), members=members(flow_id, count)))
    return flow_id


def chain(driver: Any, count: int, *hooks: Hook, **fields: Any) -> tuple[str, list[Step]]:
    flow_id = new_id()
    steps = graph_steps(flow_id, [[place - 1] if place else [] for place in range(count)])
    whole = opening(flow_id, count, *hooks, kind=FlowKind.CHAIN, has_begun=False, **fields)
    driver.weave(Weave(openings=(whole,), steps=tuple(steps)))
    return flow_id, steps


def graph_steps(flow_id: str, parents: list[list[int]]) -> list[Step]:
    jobs = [envelope(flow=membership(flow_id, Role.STEP)) for _ in parents]
    return [
        Step(
            id=job.id,
            flow=flow_id,
            place=place,
            job=job.job,
            waits=len(parents[place]),
            parents=tuple(jobs[one].id for one in parents[place]),
            children=tuple(jobs[one].id for one, of in enumerate(parents) if place in of),
            envelope=job,
        )
        for place, job in enumerate(jobs)
    ]


def flow_of(driver: Any, flow_id: str) -> Flow:
    record = driver.flow(flow_id)
    assert record is not None
    assert record.options == b"\x80"
    return record.flow  # type: ignore[no-any-return]


def numbers(driver: Any, flow_id: str) -> tuple[int, int, int, int]:
    flow = flow_of(driver, flow_id)
    return flow.total, flow.processed, flow.failed, flow.cancelled


def waiting(driver: Any) -> list[str]:
    """Names of the jobs that wait, in the order in which they run."""
    return [job.job.partition(":")[2] for job in reversed(driver.page("pending", limit=100).jobs)]


def test_members_are_counted_as_they_end(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 3, allowed=-1)
    first, second, third = worker.reserve(3)
    assert first.flow == membership(flow_id)
    assert driver.settle([completed(first), failed(second), released(third)]) == []
    assert numbers(driver, flow_id) == (3, 1, 1, 0)
    assert driver.failed_of(flow_id) == [second.id]
    assert flow_of(driver, flow_id).finished_us is None
    assert driver.settle([completed(worker.reserve_one())]) == []
    assert numbers(driver, flow_id) == (3, 2, 1, 0)
    assert flow_of(driver, flow_id).finished_us is not None


def test_what_is_settled_again_counts_once(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 2, Hook.THEN)
    ends = [completed(lease) for lease in worker.reserve(2)]
    assert driver.settle(ends) == []
    assert driver.settle(ends) == []
    assert numbers(driver, flow_id) == (2, 2, 0, 0)
    assert waiting(driver) == ["THEN"]


def test_a_weave_that_is_repeated_is_stored_once(driver: Any) -> None:
    flow_id = new_id()
    weave = Weave(openings=(opening(flow_id, 2),), members=members(flow_id, 2))
    assert driver.weave(weave) == 2
    assert driver.weave(weave) == 0
    more = Weave(extends=flow_id, members=members(flow_id, 3))
    assert driver.weave(more) == 3
    assert driver.weave(more) == 0
    assert flow_of(driver, flow_id).total == 5
    assert driver.counts(["default"])[0].pending == 5


def test_what_ended_meanwhile_is_not_added_again(driver: Any, worker: FakeWorker) -> None:
    flow_id = new_id()
    driver.weave(Weave(openings=(opening(flow_id, 0, is_open=True),)))
    more = Weave(extends=flow_id, members=members(flow_id, 2))
    driver.weave(more)
    driver.settle([completed(lease) for lease in worker.reserve(2)])
    assert driver.weave(more) == 0
    assert numbers(driver, flow_id) == (2, 2, 0, 0)


def test_an_open_flow_waits_for_its_end(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 1, Hook.THEN, is_open=True)
    driver.settle([completed(worker.reserve_one())])
    assert flow_of(driver, flow_id).finished_us is None
    assert driver.close_flow(flow_id)
    assert not driver.close_flow(flow_id)
    assert flow_of(driver, flow_id).finished_us is not None
    assert waiting(driver) == ["THEN"]
    with pytest.raises(QueueError, match="has finished"):
        driver.weave(Weave(extends=flow_id, members=members(flow_id, 1)))
    with pytest.raises(JobNotFound):
        driver.weave(Weave(extends=new_id(), members=members(flow_id, 1)))


def test_a_full_queue_stores_nothing_of_it(driver: Any) -> None:
    driver.define([QueueDefinition(name="default", max_jobs=3)])
    flow_id = new_id()
    weave = Weave(openings=(opening(flow_id, 4),), members=members(flow_id, 4))
    with pytest.raises(QueueFullError):
        driver.weave(weave)
    assert driver.flow(flow_id) is None
    flow_id = batch(driver, 2)
    with pytest.raises(QueueFullError):
        driver.weave(Weave(extends=flow_id, members=members(flow_id, 2)))
    assert flow_of(driver, flow_id).total == 2


def test_callbacks_come_in_their_order(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 1, *Hook, has_begun=False)
    lease = worker.reserve_one()
    driver.settle([completed(lease)])
    assert waiting(driver)[0] == "BEFORE" or lease.job == "app:BEFORE"
    seen = [lease.job]
    while leases := worker.reserve(1):
        seen.append(leases[0].job)
        driver.settle([completed(leases[0])])
    assert seen[-1] == "app:FINALLY"
    assert seen.count("app:THEN") == 1
    assert "app:CATCH" not in seen
    flow = flow_of(driver, flow_id)
    assert (flow.live, flow.progress) == (0, 0)


def test_what_it_keeps_for_later_is_read(driver: Any, worker: FakeWorker) -> None:
    assert list(driver.payloads_of(new_id())) == []
    flow_id = new_id()
    steps = graph_steps(flow_id, [[], [0], [1]])
    for number, size in enumerate((1, 40, 70_000)):
        steps[number].envelope = replace(steps[number].envelope, payload=bytes([200 + number]) * size)
    whole = opening(flow_id, 3, Hook.CATCH, kind=FlowKind.CHAIN, has_begun=False)
    (_, callback) = whole.callbacks[0]
    driver.weave(Weave(openings=(whole,), steps=tuple(steps)))
    later = [steps[1].envelope.payload, steps[2].envelope.payload, callback.payload]
    assert sorted(driver.payloads_of(flow_id)) == sorted(later), "the first is a job by now"
    driver.settle([failed(worker.reserve_one())])
    assert sorted(driver.payloads_of(flow_id)) == sorted(later), "a retry may bring them back"


def test_what_its_steps_returned_is_put_anew(driver: Any, worker: FakeWorker) -> None:
    flow_id, steps = chain(driver, 3)
    other, others = chain(driver, 2)
    for lease in worker.reserve(2):
        driver.settle([completed(lease, result=b"old")])
    changes = [Change(one.id, b"old", b"new") for one in (steps[0], others[0], steps[1])]
    assert driver.reseal_flow(FlowChange(flow_id, {}, results=[Change(steps[0].id, b"older", b"new")])) == 0
    assert driver.reseal_flow(FlowChange(flow_id, {}, results=changes)) == 1, "the others are not its own, or still run"
    assert driver.reseal_flow(FlowChange(flow_id, {}, results=changes)) == 0
    assert [one.result for one in driver.steps(flow_id)] == [b"new", None, None]
    assert [one.result for one in driver.steps(other)] == [b"old", None]
    driver.settle([completed(lease, result=b"two") for lease in worker.reserve(2)])
    assert [one.result for one in driver.steps(flow_id)] == [b"new", b"two", None]


def test_failures_stop_a_flow(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 6, Hook.CATCH, Hook.FINALLY, Hook.THEN, allowed=1)
    first, second, third = worker.reserve(3)
    driver.settle([failed(first)])
    assert flow_of(driver, flow_id).failed_us is None
    driver.settle([failed(second)])
    flow = flow_of(driver, flow_id)
    assert (flow.failed_by, flow.failed, flow.cancelled) == (second.id, 2, 3)
    assert flow.failed_us is not None
    assert waiting(driver) == ["CATCH"]
    assert worker.heartbeat([third]) == {third.id: False}
    driver.settle([completed(third)])
    assert flow_of(driver, flow_id).finished_us is not None
    assert waiting(driver) == ["CATCH"], "the last one waits for it"
    driver.settle([completed(worker.reserve_one())])
    assert waiting(driver) == ["FINALLY"]


def test_excused_failures_do_not_stop_it(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 2, Hook.THEN)
    driver.settle([failed(lease, is_excused=True) for lease in worker.reserve(2)])
    flow = flow_of(driver, flow_id)
    assert (flow.failed, flow.excused, flow.failed_us) == (2, 2, None)
    assert waiting(driver) == ["THEN"]


def test_an_excused_failure_that_is_retried_excuses_no_other(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 3, allowed=1)
    excused, counts, last = worker.reserve(3)
    driver.settle([failed(excused, is_excused=True), failed(counts)])
    assert driver.retry([counts.id]) == [counts.id]
    flow = flow_of(driver, flow_id)
    assert (flow.failed, flow.excused) == (1, 1)
    (again,) = worker.reserve(3)
    driver.settle([failed(again)])
    assert driver.retry([excused.id]) == [excused.id]
    flow = flow_of(driver, flow_id)
    assert (flow.failed, flow.excused, flow.failed_us) == (1, 0, None)
    (again,) = worker.reserve(3)
    driver.settle([failed(again), completed(last)])
    assert flow_of(driver, flow_id).failed_us is not None, "two failed by now that nobody excuses"


def test_a_share_is_judged_when_the_total_is_known(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 3, allowed_ppm=500_000, is_open=True)
    driver.settle([failed(lease) for lease in worker.reserve(2)])
    assert flow_of(driver, flow_id).failed_us is None
    driver.close_flow(flow_id)
    assert flow_of(driver, flow_id).failed_us is not None
    assert numbers(driver, flow_id) == (3, 0, 2, 1)


def test_cancel_marks_what_runs_and_ends_what_waits(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 3, Hook.FINALLY)
    lease = worker.reserve_one()
    assert driver.cancel_flow(flow_id)
    assert not driver.cancel_flow(flow_id)
    assert numbers(driver, flow_id) == (3, 0, 0, 2)
    assert worker.heartbeat([lease]) == {lease.id: False}
    driver.settle([released(lease)])
    (again,) = worker.reserve(5)
    assert again.cancel_requested, "it was to be cancelled, and still is"
    driver.settle([cancelled(again)])
    assert numbers(driver, flow_id) == (3, 0, 0, 3)
    assert waiting(driver) == ["FINALLY"]


def test_to_a_cancelled_flow_nothing_is_added_that_runs(driver: Any, worker: FakeWorker) -> None:
    flow_id = batch(driver, 2, is_open=True)
    lease = worker.reserve_one()
    driver.cancel_flow(flow_id)
    driver.weave(Weave(extends=flow_id, members=members(flow_id, 2)))
    assert numbers(driver, flow_id) == (4, 0, 0, 3)
    driver.settle([completed(lease, growth=Growth(members=members(flow_id, 1)))])
    assert numbers(driver, flow_id) == (5, 1, 0, 4)
    assert worker.reserve(5) == []


def test_a_step_on_another_queue_waits_for_those_who_serve_that(driver: Any) -> None:
    flow_id = new_id()
    jobs = [envelope(queue, flow=membership(flow_id, Role.STEP)) for queue in ("default", "other")]
    steps = [Step(id=job.id, flow=flow_id, place=n, job=job.job, envelope=job) for n, job in enumerate(jobs)]
    steps[0].children, steps[1].parents, steps[1].waits = (jobs[1].id,), (jobs[0].id,), 1
    whole = opening(flow_id, 2, kind=FlowKind.CHAIN, has_begun=False)
    driver.weave(Weave(openings=(whole,), steps=tuple(steps)))
    (lease,) = driver.reserve(["default"], 5, "worker-a", 1)
    refused, leases = driver.settle_and_reserve([completed(lease)], ["default"], 5, "worker-a", 2)
    assert (list(refused), list(leases)) == ([], [])
    assert [one.id for one in driver.reserve(["other"], 5, "worker-b", 1)] == [jobs[1].id]


def test_a_chain_goes_step_by_step(driver: Any, worker: FakeWorker) -> None:
    flow_id, steps = chain(driver, 3, Hook.THEN)
    for step in steps:
        (lease,) = worker.reserve(5)
        assert (lease.id, lease.flow) == (step.id, membership(flow_id, Role.STEP))
        driver.settle([completed(lease, result=step.id.encode(), runtime_s=0.5)])
    found = driver.steps(flow_id)
    assert [(one.id, one.state, one.result, one.runtime_us) for one in found] == [
        (step.id, StepState.PROCESSED, step.id.encode(), 500_000) for step in steps
    ]
    assert [one.parents for one in found] == [step.parents for step in steps]
    assert waiting(driver) == ["THEN"]
    assert {one.id for one in driver.steps_among(flow_id, [steps[0].id, new_id()])} == {steps[0].id}


def test_a_failed_step_skips_the_rest_and_a_retry_brings_it_back(driver: Any, worker: FakeWorker) -> None:
    flow_id, steps = chain(driver, 3, Hook.CATCH, Hook.FINALLY)
    driver.settle([completed(worker.reserve_one())])
    driver.settle([failed(worker.reserve_one())])
    assert [one.state for one in driver.steps(flow_id)] == [StepState.PROCESSED, StepState.FAILED, StepState.SKIPPED]
    assert driver.steps(flow_id)[1].error == "ValueError: no"
    assert numbers(driver, flow_id) == (3, 1, 1, 1)
    for _ in range(2):
        driver.settle([completed(worker.reserve_one())])
    assert driver.retry_flow(flow_id) == [steps[1].id]
    assert numbers(driver, flow_id) == (3, 1, 0, 0)
    assert flow_of(driver, flow_id).finished_us is None
    assert driver.retry_flow(flow_id) == []
    driver.settle([completed(worker.reserve_one())])
    driver.settle([completed(worker.reserve_one())])
    assert numbers(driver, flow_id) == (3, 3, 0, 0)
    assert flow_of(driver, flow_id).finished_us is not None
    assert worker.reserve(5) == [], "callbacks that ran do not run again"


def test_steps_are_added_after_one_and_at_the_end(driver: Any, worker: FakeWorker) -> None:
    flow_id, steps = chain(driver, 2)
    lease = worker.reserve_one()
    after = [envelope(job=f"app:after{n}", flow=membership(flow_id, Role.STEP)) for n in range(2)]
    last = [envelope(job="app:last", flow=membership(flow_id, Role.STEP))]
    driver.settle([completed(lease, growth=Growth(next=tuple(after), last=tuple(last)))])
    assert [one.id for one in driver.steps(flow_id)] == [steps[0].id, after[0].id, after[1].id, steps[1].id, last[0].id]
    seen = []
    while leases := worker.reserve(1):
        seen.append(leases[0].id)
        driver.settle([completed(leases[0])])
    assert seen == [after[0].id, after[1].id, steps[1].id, last[0].id]
    assert numbers(driver, flow_id) == (5, 5, 0, 0)


def nested(driver: Any, outer: list[Hook], inner: list[Hook]) -> tuple[str, str, list[Step]]:
    """A chain whose second step is a batch of two."""
    flow_id, inner_id = new_id(), new_id()
    jobs = [envelope(flow=membership(flow_id, Role.STEP)) for _ in range(2)]
    ids = [jobs[0].id, inner_id, jobs[1].id]
    steps = [
        Step(id=ids[0], flow=flow_id, place=0, job="app:a", children=(ids[1],), envelope=jobs[0]),
        Step(
            id=inner_id,
            flow=flow_id,
            place=1,
            job="batch",
            is_flow=True,
            waits=1,
            parents=(ids[0],),
            children=(ids[2],),
        ),
        Step(id=ids[2], flow=flow_id, place=2, job="app:b", waits=1, parents=(inner_id,), envelope=jobs[1]),
    ]
    parts = [
        Step(id=one.id, flow=inner_id, place=0, strand=number, job=one.job, envelope=one)
        for number, one in enumerate(envelope(flow=membership(inner_id, Role.STEP)) for _ in range(2))
    ]
    openings = (
        opening(flow_id, 3, *outer, kind=FlowKind.CHAIN, has_begun=False),
        opening(inner_id, 2, *inner, has_begun=False, parent=flow_id),
    )
    driver.weave(Weave(openings=openings, steps=(*steps, *parts)))
    return flow_id, inner_id, steps


def test_a_flow_is_a_step(driver: Any, worker: FakeWorker) -> None:
    flow_id, inner_id, _ = nested(driver, [Hook.THEN], [Hook.FINALLY])
    (first,) = worker.reserve(9)
    assert not flow_of(driver, inner_id).has_begun
    driver.settle([completed(first)])
    inside = worker.reserve(9)
    assert {lease.flow for lease in inside} == {membership(inner_id, Role.STEP)}
    driver.settle([completed(lease, result=b"r") for lease in inside])
    leases = worker.reserve(9)
    assert {lease.job for lease in leases} == {"app.jobs:Noop", "app:FINALLY"}
    driver.settle([completed(lease) for lease in leases])
    assert numbers(driver, flow_id) == (3, 3, 0, 0)
    assert driver.steps(flow_id)[1].state is StepState.PROCESSED
    assert waiting(driver) == ["THEN"]


def test_a_flow_that_fails_is_a_failed_step_and_both_come_back(driver: Any, worker: FakeWorker) -> None:
    flow_id, inner_id, _ = nested(driver, [Hook.CATCH], [])
    driver.settle([completed(worker.reserve_one())])
    one, other = worker.reserve(9)
    driver.settle([failed(one)])
    driver.settle([completed(other)])
    assert flow_of(driver, inner_id).failed_us is not None
    outer = flow_of(driver, flow_id)
    assert (outer.failed_by, outer.failed, outer.cancelled) == (inner_id, 1, 1)
    driver.settle([completed(worker.reserve_one())])
    assert driver.retry_flow(inner_id) == [one.id]
    assert numbers(driver, flow_id) == (3, 1, 0, 0)
    for _ in range(2):
        driver.settle([completed(worker.reserve_one())])
    assert numbers(driver, flow_id) == (3, 3, 0, 0)


def test_cancel_reaches_what_is_inside(driver: Any, worker: FakeWorker) -> None:
    flow_id, inner_id, _ = nested(driver, [Hook.FINALLY], [Hook.FINALLY])
    driver.settle([completed(worker.reserve_one())])
    driver.cancel_flow(flow_id)
    assert numbers(driver, inner_id) == (2, 0, 0, 2)
    assert numbers(driver, flow_id) == (3, 1, 0, 2)
    assert waiting(driver) == ["FINALLY", "FINALLY"]
    flow_id, inner_id, _ = nested(driver, [], [])
    driver.cancel_flow(flow_id)
    assert numbers(driver, inner_id) == (2, 0, 0, 2)
    assert numbers(driver, flow_id) == (3, 0, 0, 3)


def test_delete_forgets_what_is_inside(driver: Any) -> None:
    flow_id, inner_id, steps = nested(driver, [], [])
    assert driver.delete_flow(flow_id)
    assert not driver.delete_flow(flow_id)
    assert driver.flow(inner_id) is None
    assert driver.steps(flow_id) == []
    assert driver.steps_among(flow_id, [steps[0].id]) == []


def test_flows_are_listed_newest_first(driver: Any) -> None:
    ids = [batch(driver, 1) for _ in range(3)]
    other, _ = chain(driver, 1)
    page = driver.flows([FlowKind.BATCH], limit=2)
    assert [one.flow.id for one in page.flows] == [ids[2], ids[1]]
    rest = driver.flows([FlowKind.BATCH], limit=2, cursor=page.next_cursor)
    assert ([one.flow.id for one in rest.flows], rest.next_cursor) == ([ids[0]], None)
    assert [one.flow.id for one in driver.flows([FlowKind.CHAIN, FlowKind.BATCH]).flows] == [other, *reversed(ids)]


def test_what_operators_do_to_members_counts(driver: Any, worker: FakeWorker) -> None:
    flow_id = new_id()
    some = members(flow_id, 3)
    later = members(flow_id, 1, delay_s=HOUR_S)
    driver.weave(Weave(openings=(opening(flow_id, 4, allowed=-1),), members=(*some, *later)))
    assert driver.cancel([some[0].id]) == [some[0].id]
    assert numbers(driver, flow_id) == (4, 0, 0, 1)
    driver.settle([failed(worker.reserve_one())])
    assert driver.retry([some[1].id]) == [some[1].id]
    assert numbers(driver, flow_id) == (4, 0, 0, 1)
    assert driver.clear("default") == 3
    assert numbers(driver, flow_id) == (4, 0, 0, 4)
    assert flow_of(driver, flow_id).finished_us is not None


def test_what_finished_long_ago_is_forgotten(
    driver: Any, worker: FakeWorker, store: StoreUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow_id, open_id = batch(driver, 1), batch(driver, 1, is_open=True)
    driver.settle([completed(lease) for lease in worker.reserve(2)])
    driver.reclaim()
    assert driver.flow(flow_id) is not None
    monkeypatch.setattr("qcore.drivers.base.FLOW_KEPT_S", -1)
    monkeypatch.setattr("qcore.drivers.database.upkeep._SWEEP_S", 0)
    monkeypatch.setitem(scripts._GIVEN, "$FLOW_KEPT_S", -1)
    scripts.script.cache_clear()
    store.open().reclaim()
    scripts.script.cache_clear()
    assert driver.flow(flow_id) is None or store.name == "memory"
    assert driver.flow(open_id) is not None


# -- against a model -----------------------------------------------------------------------------------------------


class Model:
    """A graph as its author thinks of it."""

    def __init__(self, parents: list[list[int]], allowed: int | None) -> None:
        self.parents = parents
        self.allowed = allowed
        self.states = [JobState.PENDING] * len(parents)
        self.is_failed = False
        self.counting = 0
        """Failures that nobody excuses."""

    def ready(self) -> set[int]:
        waits = (n for n, state in enumerate(self.states) if state is JobState.PENDING)
        return {n for n in waits if all(self.states[one] is JobState.COMPLETED for one in self.parents[n])}

    def end(self, number: int, how: str) -> None:
        state = self.states[number] = JobState.COMPLETED if how == "well" else JobState.FAILED
        self.counting += how == "fails"
        if state is JobState.FAILED:
            self.is_failed = self.is_failed or (self.allowed is not None and self.counting > self.allowed)
        for n in range(len(self.states)) if self.is_failed else ():
            self.states[n] = JobState.CANCELLED if self.states[n] is JobState.PENDING else self.states[n]
        for n, parents in enumerate(self.parents):  # parents stand before their children
            lost = any(self.states[one] in (JobState.FAILED, JobState.CANCELLED) for one in parents)
            if lost and self.states[n] is JobState.PENDING:
                self.states[n] = JobState.CANCELLED


_Graph = tuple[list[list[int]], list[str], int | str | None]
"""The parents of each step, how each ends, and how many may fail: any number, a number or a share of them all."""


@st.composite
def graphs(draw: st.DrawFn) -> _Graph:
    size = draw(st.integers(1, 30))
    parents = [draw(st.lists(st.integers(0, n - 1), unique=True, max_size=3)) if n else [] for n in range(size)]
    ends = st.sampled_from(["well", "well", "fails", "is excused"])
    ends_of_all = draw(st.lists(ends, min_size=size, max_size=size))
    return parents, ends_of_all, draw(st.none() | st.integers(0, 3) | st.sampled_from(["0%", "5%", "12.5%", "50%"]))


_STATES = {
    JobState.COMPLETED: {StepState.PROCESSED},
    JobState.FAILED: {StepState.FAILED},
    JobState.CANCELLED: {StepState.SKIPPED, StepState.CANCELLED},
}


def follows(driver: Any, parents: list[list[int]], ends: list[str], allowed: int | str | None) -> None:
    """Run a graph a job at a time, and see that the store and the model agree all the way."""
    flow_id = new_id()
    steps = graph_steps(flow_id, parents)
    rule, most = {"allowed": -1 if allowed is None else allowed}, allowed
    if isinstance(allowed, str):
        share = Fraction(allowed.rstrip("%")) / 100
        rule, most = {"allowed_ppm": int(share * 1_000_000)}, int(len(steps) * share)
    whole = opening(flow_id, len(steps), kind=FlowKind.GRAPH, has_begun=False, **rule)
    driver.weave(Weave(openings=(whole,), steps=tuple(steps)))
    places = {step.id: place for place, step in enumerate(steps)}
    model, worker = Model(parents, most), FakeWorker(driver)
    while leases := worker.reserve(1):
        number = places[leases[0].id]
        assert number in model.ready()
        how = ends[number]
        model.end(number, how)
        driver.settle([completed(leases[0]) if how == "well" else failed(leases[0], is_excused=how == "is excused")])
    assert not model.ready()
    found = driver.steps(flow_id)
    assert all(step.state in _STATES[state] for step, state in zip(found, model.states, strict=True))
    counts = [model.states.count(one) for one in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)]
    assert numbers(driver, flow_id) == (len(steps), *counts)
    flow = flow_of(driver, flow_id)
    assert (flow.finished_us is not None, flow.failed_us is not None) == (True, model.is_failed)


@given(graphs())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_graphs_end_as_a_plain_model_says(store: StoreUnderTest, graph: _Graph) -> None:
    follows(opened_once(store), *graph)


def opened_once(store: StoreUnderTest) -> Any:
    """The same driver for each example: flows do not meet."""
    if not hasattr(store, "of_flows"):
        store.of_flows = store.open()  # type: ignore[attr-defined]
    return store.of_flows
