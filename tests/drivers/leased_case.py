"""One job on a queue of its own, the only member of a batch, and all that may happen to it: for tests of pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fakes.values import completed, envelope, failed, released
from fakes.worker import FakeWorker

from qcore.envelope import Lease
from qcore.flows import Flow, FlowKind, FlowRecord, Opening, Weave, membership
from qcore.ids import new_id
from qcore.records import QueueCounts

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


def complete(driver: Any, case: Case) -> bool:
    return not driver.settle([completed(case.lease)])


def fail(driver: Any, case: Case) -> bool:
    return not driver.settle([failed(case.lease)])


def release(driver: Any, case: Case) -> bool:
    return not driver.settle([released(case.lease)])


def heartbeat(driver: Any, case: Case) -> bool:
    return case.lease.id in driver.heartbeat(case.worker.name, [case.lease], [case.lease.id])


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


def reclaim(driver: Any, case: Case) -> bool:
    return case.lease.id in driver.reclaim()


def stop(driver: Any, case: Case) -> bool:
    return bool(driver.cancel_flow(case.flow))


def revive(driver: Any, case: Case) -> int:
    return len(driver.retry_flow(case.flow))


def close(driver: Any, case: Case) -> bool:
    return bool(driver.close_flow(case.flow))


def delete(driver: Any, case: Case) -> bool:
    return bool(driver.delete_flow(case.flow))


def leased(driver: Any, number: int = 0) -> Case:
    """Make a case, told from others of its store by a number; its job has begun."""
    queue, flow = f"queue{number}", Flow(id=new_id(), kind=FlowKind.BATCH, total=1, has_begun=True, is_open=True)
    member = envelope(queue, id=f"job{number:04}", flow=membership(flow.id))
    driver.weave(Weave(openings=(Opening(flow=flow),), members=(member,)))
    worker = FakeWorker(driver, queue, name=f"worker{number}")
    return Case(queue, worker, worker.reserve_one(), flow.id)


def begin(case: Case) -> None:
    """Tell the store that the job of a case has begun."""
    case.worker.heartbeat([case.lease], [case.lease.id])


def became(driver: Any, case: Case, counts: QueueCounts, name: str) -> tuple[Any, ...]:
    """What has become of the job and its batch; `name` says of which case."""
    job = driver.find(case.lease.id)
    where = _place(name, job, counts)
    is_told = where in LIVE and job is not None and job.cancel_requested
    what = None if job is None else (job.attempts, job.crashes, is_told)
    return where, what, _numbers(name, driver.flow(case.flow))


def work_off(driver: Any, case: Case, name: str) -> None:
    """Whatever waits can be run and ended, once; who holds a lease still may end his."""
    driver.resume(case.queue)
    held = driver.counts([case.queue])[0].processing
    again = [case.lease] if held else FakeWorker(driver, case.queue).reserve()
    assert not driver.settle([completed(lease) for lease in again]), f"{name}: its end is refused"
    (counts,) = driver.counts([case.queue])
    left = sum(getattr(counts, place) for place in PLACES)
    assert left == counts.completed + counts.failed + counts.cancelled <= 1, f"{name}: {counts}"


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
