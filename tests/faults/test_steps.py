"""T4 and T5: death at each single step of a settle and of a push."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from harness.audit import attempts
from harness.failpoints import Plan, Step
from harness.fault_jobs import Fails, FailsOnce, Returns
from harness.producer import Spec
from harness.rig import Rig
from harness.scale import SCALE, count
from harness.waiting import until

from qcore import Job
from qcore.flows import FlowKind
from qcore.states import JobState

_MANY = max(100, round(1000 * SCALE))
_TIMES = max(1, round(100 * SCALE**2))
"""Deaths at each single step: what follows one is no matter of chance, so fewer of them do than SCALE says."""
_LEAST_STEPS = {"sqlite": 8, "postgresql": 6, "mariadb": 8, "redis": 2}
"""Of a settle: before and after a BEGIN, what ends the job (and counts that), and a COMMIT; or a script."""
_LOOKS = 5
"""Jobs that show which steps each of them takes."""
_TRIES = 10
_ASKED = 300
"""Owners of locks that are looked up; there are as many locks as jobs in any case."""
_UNIQUE = "key_jobs:Own"
_JOBS: dict[str, tuple[type[Job], JobState]] = {
    "completed": (Returns, JobState.COMPLETED),
    "released": (FailsOnce, JobState.COMPLETED),
    "failed": (Fails, JobState.FAILED),
}


@pytest.mark.parametrize("outcome", _JOBS)
def test_t4_kill_inside_settle(rig: Rig, outcome: str) -> None:
    kind, state = _JOBS[outcome]
    plan, following_it = rig.plan([])
    rig.host(**following_it)
    for _ in range(_LOOKS):
        _run_one(rig, kind())
    until(lambda: plan.passed["settle.after"] >= _LOOKS, 10, "whoever settled knows of it")
    steps = plan.regular("settle.step", _LOOKS)  # some have more: what else was due is reserved in the same transaction
    assert steps >= _LEAST_STEPS[rig.store.name], f"a settle has {steps} steps only"
    points = [
        Step("settle.before"),
        *(Step("settle.step", number + 1) for number in range(steps)),
        Step("settle.after"),
    ]
    for point in points:
        plan.write([point])
        job_id = _until_somebody_dies(rig, plan, kind, point)
        stored = rig.connection.find(job_id)
        assert stored is not None
        assert stored.state is state, f"after a death at {point}"
        runs = len(attempts(rig.ledger)[job_id])
        if outcome == "completed" and point.point != "settle.step":
            assert runs == (2 if point.point == "settle.before" else 1), f"{runs} runs after a death at {point}"
    most = max(len(job) for job in attempts(rig.ledger).values())
    assert most <= (3 if outcome == "released" else 2), "a death costs one more run at the most"
    rig.verdict(repeats=len(points), kills=len(points))


@pytest.mark.parametrize(
    "spec",
    [
        Spec(),
        Spec(job=_UNIQUE),
        Spec(many=_MANY),
        Spec(many=_MANY, job=_UNIQUE),
        Spec(many=_MANY, batch=True),
    ],
    ids=["dispatch", "dispatch of a unique one", "dispatch_many", "dispatch_many of unique ones", "batch"],
)
def test_t5_kill_inside_dispatch(rig: Rig, spec: Spec) -> None:
    many, is_unique = spec.many, spec.job == _UNIQUE
    plan, following_it = rig.plan([])
    rig.connection.counts()  # makes the tables
    rig.producer(_on(spec, "whole", 1), **following_it).wait()
    last = plan.passed["push.step"]
    once = [
        *(Step("push.before"), Step("push.after"), Step("dispatch.after")),
        *(Step("push.step", number + 1) for number in range(last)),
    ]
    steps = once * _TIMES
    plan.write(steps)
    rig.producer(_on(spec, "cut", len(steps)), **following_it).wait(1500)
    _all_or_nothing(rig, plan, steps, max(1, many))
    _locks_have_jobs(rig, is_unique=is_unique)
    for record in rig.connection.flows([FlowKind.BATCH], limit=1000).flows:
        assert (record.flow.total, record.flow.is_open) == (many, False), "no batch is half there"
    queues = ["whole-0", *(f"cut-{number}" for number in range(len(once)))]
    for one in rig.connection.counts():
        if one.name not in queues:
            rig.connection.clear(one.name)  # as many jobs run as all of one round, however many rounds there were
    rig.host("--queue", ",".join(queues))
    rig.drained(within_s=60)
    rig.settled(within_s=120)
    rig.verdict(kills=len(plan.deaths))


def test_t5_kill_of_a_producer(rig: Rig) -> None:
    """At random moments, while it dispatches as fast as it can."""
    rig.host("--processes", "2", serving=2)
    kills = count(40, least=4)
    for number in range(kills):
        before = len(rig.ledger.dispatches())
        producer = rig.producer(Spec(calls=0, many=0 if number % 2 else 20, pause_s=0.001))
        goal = before + rig.chance.randint(1, 60)
        rig.await_dispatches(goal)
        producer.kill()
        rig.ledger.fault("kill", producer.pid)
    rig.drained(within_s=60)
    rig.settled(within_s=60)
    rig.verdict()


def _on(spec: Spec, queue: str, forks: int) -> Spec:
    return msgspec.structs.replace(spec, options={"queue": queue}, forks=forks)


def _locks_have_jobs(rig: Rig, *, is_unique: bool) -> None:
    """No lock without its job, and no unique job without its lock."""
    owners: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        page = rig.connection.locks(cursor=cursor, limit=1000)
        owners.update(lock.owner for lock in page.locks)
        cursor = page.next_cursor
        if cursor is None:
            break
    for owner in rig.chance.sample(sorted(owners), min(_ASKED, len(owners))):
        assert rig.connection.find(owner) is not None, f"there is a lock of {owner}, and no such job"
    stored = sum(one.pending for one in rig.connection.counts())
    assert owners.total() == len(owners) == (stored if is_unique else 0), f"{owners.total()} locks, {stored} jobs"


def _run_one(rig: Rig, job: Job) -> str:
    (job_id,) = rig.dispatch([job])
    rig.ended(job_id)
    return job_id


def _until_somebody_dies(rig: Rig, plan: Plan, kind: type[Job], point: Step) -> str:
    """Run one job after another until a process died by the plan; returns the id of the last one."""
    for _ in range(_TRIES):
        job_id = _run_one(rig, kind())
        if plan.deaths:
            return job_id
    pytest.fail(f"{_TRIES} jobs ended, and none passed {point}; passed were {dict(plan.passed)}")


def _all_or_nothing(rig: Rig, plan: Plan, steps: Sequence[Step], whole: int) -> None:
    assert len(plan.deaths) == len(steps), "each step was somebody's last one"
    stored = {one.name: one.pending for one in rig.connection.counts()}
    for number, step in enumerate(steps):
        held = stored.get(f"cut-{number}", 0)
        assert held in {0, whole}, f"a death at {step} left {held} jobs of {whole}"
        if step.point in {"push.after", "dispatch.after"}:
            assert held == whole, f"at {step} all {whole} were stored"
        if step.point == "push.before":
            assert not held, "nothing was sent yet"
