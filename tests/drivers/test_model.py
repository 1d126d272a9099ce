"""Any sequence of verbs leaves a store and the plain model of it in agreement.

Delays are none or an hour, so that nothing hangs on how fast a test runs. Where the store's clock is the test's
own, delays are shorter, and time passes: jobs become due, leases lapse.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from fakes.clock import FakeClock
from fakes.store import URLS, fresh_url
from fakes.values import HOUR_S, envelope, history, settlement, us
from fakes.worker import FakeWorker
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import Model
from servers.stores import settings_for

from qcore.drivers import open_store
from qcore.drivers.memory import MemoryDriver
from qcore.envelope import Lease, Unique
from qcore.states import Outcome

QUEUES = ("a", "b")
QUICK = settings(
    max_examples=12,
    stateful_step_count=25,
    phases=[Phase.generate],  # what fails is short enough to read, and shrinking it would take minutes
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
THOROUGH = settings(QUICK, max_examples=300, stateful_step_count=60, phases=list(Phase), derandomize=False)
PROFILE = THOROUGH if os.environ.get("QCTL_TEST_PROFILE") == "thorough" else QUICK

a_queue = st.sampled_from(QUEUES)
some_queues = st.sampled_from([["a"], ["b"], ["a", "b"], ["b", "a"]])
a_priority = st.sampled_from([-1, 0, 0, 5])
an_end = st.sampled_from([Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELLED])


class StoreMachine(RuleBasedStateMachine):
    """Drives a driver and the model side by side."""

    make_driver: ClassVar[Callable[[], Any]]
    clock: ClassVar[FakeClock | None] = None
    delay_s: ClassVar[float] = HOUR_S
    jobs = Bundle("jobs")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.driver = type(self).make_driver()
        self.model = Model()
        self.worker = FakeWorker(self.driver)
        self.held: dict[str, Lease] = {}

    def teardown(self) -> None:
        try:
            self.every_view_lists_its_own()
        finally:
            self.driver.close()

    @rule(target=jobs, queue=a_queue, priority=a_priority, delayed=st.booleans(), number=st.integers(1, 3))
    def push(self, queue: str, priority: int, number: int, *, delayed: bool) -> Any:
        delay_s = self.delay_s if delayed else 0
        pushed = [envelope(queue, priority=priority, delay_s=delay_s) for _ in range(number)]
        assert list(self.driver.push(pushed)) == [job.id for job in pushed]
        for job in pushed:
            self.model.push(job.id, queue, priority, delayed=delayed)
        self._tick()
        return multiple(*pushed)

    @rule(target=jobs, queue=a_queue, key=st.sampled_from("kl"), replaces=st.booleans(), delayed=st.booleans())
    def push_unique(self, queue: str, key: str, *, replaces: bool, delayed: bool) -> Any:
        unique = Unique(key=key, replaces=replaces)
        job = envelope(queue, delay_s=self.delay_s if delayed else 0, unique=unique)
        (answer,) = self.driver.push([job])
        is_stored = self.model.push_unique(job.id, queue, key, replaces=replaces, delayed=delayed)
        assert answer == (job.id if is_stored else None)
        self._tick()
        return multiple(*[job] * is_stored)

    @rule(job=jobs)
    def push_again(self, job: Any) -> None:
        if job.id in self.model.jobs:
            assert list(self.driver.push([job], repeat=True)) == [job.id]

    @rule(target=leases, queues=some_queues, limit=st.integers(1, 4))
    def reserve(self, queues: list[str], limit: int) -> Any:
        expected = self.model.next_ids(queues, limit)
        found = list(self.worker.reserve(limit, *queues))
        assert [lease.id for lease in found] == expected
        assert list(self.worker.repeat(limit, *queues)) == found
        for lease in found:
            self._take(lease)
        return multiple(*found)

    @rule(lease=leases, outcome=an_end)
    def settle(self, lease: Lease, outcome: Outcome) -> None:
        self._settle(lease, outcome, "none")

    @rule(lease=leases, delay=st.sampled_from(["none", "late", "keep"]))
    def release(self, lease: Lease, delay: str) -> None:
        self._settle(lease, Outcome.RELEASED, delay)

    @rule(lease=leases, outcome=an_end)
    def settle_with_a_forged_token(self, lease: Lease, outcome: Outcome) -> None:
        self._settle(msgspec.structs.replace(lease, token="forged"), outcome, "none")

    @rule(target=leases, lease=leases, queues=some_queues)
    def settle_and_reserve(self, lease: Lease, queues: list[str]) -> Any:
        end = settlement(lease, Outcome.COMPLETED, attempts=lease.attempts + 1)
        accepted = self.model.settle(lease.id, lease.token, "completed", attempts=end.attempts)
        expected = self.model.next_ids(queues, 2)
        self.worker.request += 1000
        refused, found = self.driver.settle_and_reserve([end], queues, 2, self.worker.name, self.worker.request)
        assert list(refused) == ([] if accepted else [end])
        assert [lease.id for lease in found] == expected
        for taken in found:
            self._take(taken)
        return multiple(*found)

    @rule(job=jobs)
    def retry(self, job: Any) -> None:
        expected = [job.id] if self.model.retry(job.id) else []
        assert list(self.driver.retry([job.id])) == expected
        self._tick()

    @rule(job=jobs)
    def forget(self, job: Any) -> None:
        expected = [job.id] if self.model.forget(job.id) else []
        assert list(self.driver.forget([job.id])) == expected

    @rule(job=jobs)
    def cancel(self, job: Any) -> None:
        expected = [job.id] if self.model.cancel(job.id) else []
        assert list(self.driver.cancel([job.id])) == expected

    @rule(queue=a_queue)
    def pause(self, queue: str) -> None:
        assert self.driver.pause(queue) is (queue not in self.model.paused)
        self.model.paused.add(queue)
        self.model.queues.add(queue)

    @rule(queue=a_queue)
    def resume(self, queue: str) -> None:
        assert self.driver.resume(queue) is (queue in self.model.paused)
        self.model.paused.discard(queue)

    @rule(queue=a_queue)
    def clear(self, queue: str) -> None:
        assert self.driver.clear(queue) == self.model.clear(queue)

    @precondition(lambda self: self.clock is not None)
    @rule(data=st.data())
    def let_time_pass(self, data: st.DataObject) -> None:
        """Every lease lapses meanwhile, and every delayed job becomes due."""
        leased = sorted(job.id for job in self.model.jobs.values() if job.state == "processing")
        started = set(data.draw(st.lists(st.sampled_from(leased)))) if leased else set()
        self.worker.heartbeat([self.held[job_id] for job_id in leased], started)
        self._pass(self.delay_s + 1)
        self.model.let_time_pass()
        assert set(self.driver.reclaim()) == self.model.reclaim(started)

    @invariant()
    def they_agree(self) -> None:
        counted = {
            found.name: {view: getattr(found, view) for view in self.model.counts()[found.name]}
            for found in self.driver.counts()
        }
        assert counted == self.model.counts()

    @invariant()
    def locks_are_held_by_the_same(self) -> None:
        assert {lock.key: lock.owner for lock in self.driver.locks().locks} == self.model.locks

    def every_view_lists_its_own(self) -> None:
        for view in ("pending", "delayed", "processing", "retrying", "failed"):
            listed = {job.id for job in self.driver.page(view, limit=1000).jobs}
            assert listed == {job.id for job in self.model.jobs.values() if self.model.view(job) == view}

    def _take(self, lease: Lease) -> None:
        job = self.model.jobs[lease.id]
        assert (lease.attempts, lease.cancel_requested) == (job.attempts, job.cancel_requested)
        self.model.lease(lease.id, lease.token)
        self.held[lease.id] = lease

    def _settle(self, lease: Lease, outcome: Outcome, delay: str) -> None:
        attempts = lease.attempts + (delay != "keep")
        end = settlement(
            lease,
            outcome,
            attempts=attempts,
            delay_us={"none": 0, "late": us(self.delay_s), "keep": -1}[delay],
            history=history(attempts),
        )
        accepted = self.model.settle(lease.id, lease.token, outcome.value, attempts=attempts, delay=delay)
        assert list(self.driver.settle([end])) == ([] if accepted else [end])
        self._tick()

    def _tick(self) -> None:
        """Let what comes next be younger than what was."""
        self._pass(0.000_001)

    def _pass(self, seconds: float) -> None:
        if self.clock is not None:
            self.clock.advance(seconds)


def test_in_memory_with_time_passing() -> None:
    class Machine(StoreMachine):
        clock = FakeClock()
        delay_s = 20.0  # so that no completed job leaves its window meanwhile
        make_driver = staticmethod(lambda: MemoryDriver(settings_for(lease_s=10.0), clock=Machine.clock))

    run_state_machine_as_test(Machine, settings=PROFILE)


@pytest.mark.parametrize("name", URLS)
def test_on_a_store(name: str, tmp_path: Path) -> None:
    class Machine(StoreMachine):
        make_driver = staticmethod(lambda: open_store(settings_for(fresh_url(name, tmp_path))))

    run_state_machine_as_test(Machine, settings=PROFILE)
