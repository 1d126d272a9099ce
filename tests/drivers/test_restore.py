"""Restore: what an operator dropped comes back as new, but for what cannot."""

from __future__ import annotations

from typing import Any

from fakes.values import HOUR_S, completed, envelope, envelopes, failed, history, released
from fakes.worker import FakeWorker

from qcore.envelope import Unique
from qcore.flows import Flow, FlowKind, Opening, Weave, membership
from qcore.ids import new_id
from qcore.states import JobState, Refusal

TOKEN = "7f3c"


def restored(driver: Any, token: str = TOKEN, limit: int = 1000) -> tuple[list[str], dict[str, Refusal]]:
    """Bring all back, step by step: the ids that came, and why others did not."""
    ids: list[str] = []
    refused: dict[str, Refusal] = {}
    cursor = None
    while True:
        step = driver.restore(token, cursor=cursor, limit=limit)
        ids += step.ids
        refused.update(step.refused)
        cursor = step.cursor
        if cursor is None:
            return sorted(ids), refused


def fail_one(driver: Any, job: Any) -> None:
    driver.push([job])
    worker = FakeWorker(driver, job.queue)
    driver.settle([failed(worker.reserve_one(), history=history(2))])


class TestOfClear:
    def test_what_waited_waits_again(self, driver: Any) -> None:
        driver.push([tried := envelope()])
        driver.settle([released(FakeWorker(driver).reserve_one(), delay_s=HOUR_S)])
        now = envelope(payload=b"\x00small", priority=-3, tags=("a", "ü"))
        late = envelope(payload=b"x" * 5000, delay_s=HOUR_S)
        driver.push([now, late])
        before = {job.id: driver.find(job.id) for job in (now, late, tried)}
        assert driver.clear("default", token=TOKEN) == 3
        assert restored(driver) == (sorted(before), {})
        for job_id, was in before.items():
            job = driver.find(job_id)
            assert (job.state, job.attempts, job.history) == (JobState.PENDING, 0, None)
            assert (job.payload, job.priority, job.tags, job.job) == (was.payload, was.priority, was.tags, was.job)
            assert (job.due_us, job.created_us >= was.created_us) == (was.due_us, True)
        found = driver.counts(["default"])[0]
        assert (found.pending, found.delayed, found.retrying) == (1, 2, 0)
        lease = FakeWorker(driver).reserve_one()
        assert (lease.id, lease.payload, lease.attempts) == (now.id, b"\x00small", 0)
        assert not driver.settle([completed(lease)])

    def test_in_the_order_it_had(self, driver: Any) -> None:
        jobs = envelopes(5)
        for job in jobs:
            driver.push([job])
        driver.clear("default", token=TOKEN)
        restored(driver)
        assert [lease.id for lease in FakeWorker(driver).reserve(5)] == [job.id for job in jobs]

    def test_in_steps(self, driver: Any) -> None:
        jobs = envelopes(30)
        driver.push(jobs)
        while driver.clear("default", limit=7, token=TOKEN):
            pass
        assert restored(driver, limit=7)[0] == sorted(job.id for job in jobs)
        assert driver.counts(["default"])[0].pending == 30

    def test_many(self, driver: Any) -> None:
        for _ in range(3):
            driver.push(envelopes(700))
        while driver.clear("default", token=TOKEN):
            pass
        assert len(restored(driver)[0]) == 2100
        assert driver.counts(["default"])[0].pending == 2100

    def test_once(self, driver: Any) -> None:
        driver.push(envelopes(2))
        driver.clear("default", token=TOKEN)
        assert len(restored(driver)[0]) == 2
        assert restored(driver) == ([], {})

    def test_by_its_token_alone(self, driver: Any) -> None:
        driver.push([envelope(), other := envelope("other")])
        driver.clear("default", token=TOKEN)
        driver.clear("other", token="another")
        assert restored(driver, "another") == ([other.id], {})
        assert restored(driver, "unknown") == ([], {})

    def test_without_a_token_it_is_for_good(self, driver: Any) -> None:
        driver.push(envelopes(1))
        driver.clear("default")
        assert restored(driver, "") == ([], {})

    def test_a_full_queue_takes_them(self, driver: Any) -> None:
        from qcore.records import QueueDefinition

        driver.push(envelopes(2))
        driver.clear("default", token=TOKEN)
        driver.define([QueueDefinition(name="default", max_jobs=1)])
        driver.push(envelopes(1))
        assert len(restored(driver)[0]) == 2

    def test_wakes_who_waits(self, driver: Any) -> None:
        driver.push(envelopes(1))
        driver.clear("default", token=TOKEN)
        restored(driver)
        assert driver.wait(["default"], 5.0) is True


class TestOfForget:
    def test_what_failed_is_due_at_once(self, driver: Any) -> None:
        job = envelope(payload=b"y" * 5000, tags=("t",))
        fail_one(driver, job)
        ended_us = driver.find(job.id).ended_us
        assert list(driver.forget([job.id], token=TOKEN)) == [job.id]
        assert driver.find(job.id) is None
        assert restored(driver) == ([job.id], {})
        lease = FakeWorker(driver).reserve_one()
        assert (lease.id, lease.payload, lease.history, lease.attempts) == (job.id, job.payload, None, 0)
        assert lease.due_us >= ended_us

    def test_for_good(self, driver: Any) -> None:
        job = envelope()
        fail_one(driver, job)
        driver.forget([job.id])
        assert restored(driver, "") == ([], {})


class TestWhatStays:
    def test_a_job_whose_lock_another_holds(self, driver: Any) -> None:
        unique = Unique(key="one at a time")
        driver.push([first := envelope(unique=unique)])
        driver.clear("default", token=TOKEN)
        driver.push([second := envelope(unique=unique)])
        assert restored(driver) == ([], {first.id: Refusal.LOCKED})
        driver.settle([completed(FakeWorker(driver).reserve_one(), lock="one at a time")])
        assert restored(driver) == ([first.id], {})
        assert driver.push([envelope(unique=unique)]) == [None]
        assert driver.find(second.id).state is JobState.COMPLETED

    def test_two_of_one_lock(self, driver: Any) -> None:
        unique = Unique(key="one at a time")
        jobs = [envelope(unique=unique), envelope(unique=unique)]
        for job in jobs:
            driver.push([job])
            driver.clear("default", token=TOKEN)
        ids, refused = restored(driver)
        assert (len(ids), list(refused.values())) == (1, [Refusal.LOCKED])
        assert {*ids, *refused} == {job.id for job in jobs}

    def test_a_lock_that_came_back_ends_with_its_job(self, driver: Any) -> None:
        driver.push([job := envelope(unique=Unique(key="k"))])
        driver.clear("default", token=TOKEN)
        restored(driver)
        lease = FakeWorker(driver).reserve_one()
        assert (lease.id, lease.lock) == (job.id, "k")
        driver.settle([completed(lease, lock="k")])
        assert driver.locks().locks == ()

    def test_members_of_flows(self, driver: Any) -> None:
        batch = new_id()
        begun = Flow(id=batch, kind=FlowKind.BATCH, total=1, has_begun=True)
        driver.weave(Weave(openings=(Opening(flow=begun),), members=(member := envelope(flow=membership(batch)),)))
        driver.push([free := envelope()])
        driver.clear("default", token=TOKEN)
        assert restored(driver) == ([free.id], {member.id: Refusal.MEMBER})
        assert restored(driver) == ([], {member.id: Refusal.MEMBER})

    def test_a_job_whose_id_is_in_use(self, driver: Any) -> None:
        driver.push([job := envelope()])
        driver.clear("default", token=TOKEN)
        driver.push([job])
        assert restored(driver) == ([], {job.id: Refusal.TAKEN})
        driver.settle([completed(FakeWorker(driver).reserve_one())])
        assert restored(driver) == ([], {job.id: Refusal.TAKEN})
