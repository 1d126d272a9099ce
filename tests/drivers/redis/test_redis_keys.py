"""Every key has an owner and an end: a full life leaves what the table of keys says, and nothing more."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.registry import worker_record
from fakes.values import HOUR_S, completed, envelope, failed, handed_back, released
from fakes.worker import FakeWorker

from qcore.drivers.base import COMPLETED_KEPT_S, DROPPED_KEPT_S
from qcore.drivers.redis import keys
from qcore.envelope import Exclusive, Start, Unique
from qcore.flows import Flow, FlowKind, Opening, Role, Step, Weave, membership
from qcore.ids import new_id
from qcore.limits import Limit
from qcore.records import QueueDefinition

pytestmark = pytest.mark.server
FOR_GOOD = {"queues", "queue:<q>", "tags", "minutes", "minute:<m>"}


def kinds(client: Any) -> dict[str, set[str]]:
    """Rows of the table → the Redis types of the keys that belong to them; "" for strangers."""
    found: dict[str, set[str]] = {}
    for name in client.scan_iter():
        row = keys.kind_of("qctl", name)
        found.setdefault(row.name if row else "", set()).add(client.type(name))
    return found


def live(driver: Any, queue: str) -> None:
    """Let jobs of a queue be everywhere a job can be, and keep everything that can be kept of one."""
    driver.define([QueueDefinition(name=queue, max_jobs=1000)])
    worker = FakeWorker(driver, queue)
    driver.push(
        [envelope(queue, priority=n) for n in range(6)] + [envelope(queue, delay_s=HOUR_S, payload=b"x" * 2000)]
    )
    leases = worker.reserve(6)
    driver.progress(leases[0].id, 50, "half")
    driver.settle(
        [
            completed(leases[0], result=b"1"),
            completed(leases[1], result=b"1", result_ttl_s=0.0),
            released(leases[2], delay_s=HOUR_S, history=b"\x90"),
            handed_back(leases[3]),
            failed(leases[4]),
        ]
    )
    driver.push([envelope(queue, priority=9, unique=Unique(key=f"lock of {queue}", for_us=1))])
    (unique,) = worker.reserve(1)
    driver.start([Start(id=unique.id, token=unique.token, exclusive=Exclusive(f"key of {queue}", 1))])
    limited = Start(id=unique.id, token=unique.token, limits=(Limit(f"limit of {queue}", 1, 3_600_000_000),))
    driver.start([limited, limited])
    driver.push([last := envelope(queue)])
    driver.cancel([last.id])
    driver.push([envelope(queue, priority=9)])
    worker.reserve(1)
    driver.report([worker_record(id=worker.name)])
    driver.command(worker.name, "pause")
    driver.push([envelope(queue, priority=9)])
    (missed,) = worker.reserve(1)
    driver.settle([failed(missed)])
    driver.forget([missed.id], token=f"token of {queue}")
    driver.mark_tags([f"tag of {queue}"], monitored=True)
    flow(driver, queue)


def flow(driver: Any, queue: str) -> None:
    """A batch of which a member lives and one has failed, and a chain with a step that has a result."""
    worker = FakeWorker(driver, queue)
    batch_id, chain_id = new_id(), new_id()
    told, steps = membership(batch_id), [envelope(queue, flow=membership(chain_id, Role.STEP)) for _ in range(2)]
    parts = [
        Step(id=steps[0].id, flow=chain_id, place=0, children=(steps[1].id,), envelope=steps[0]),
        Step(id=steps[1].id, flow=chain_id, place=1, waits=1, parents=(steps[0].id,), envelope=steps[1]),
    ]
    begun = Flow(id=batch_id, kind=FlowKind.BATCH, total=2, allowed=-1, has_begun=True)
    members = tuple(envelope(queue, priority=10, flow=told) for _ in range(2))
    driver.weave(Weave(openings=(Opening(flow=begun),), members=members))
    driver.settle([failed(lease) for lease in worker.reserve(1)])
    driver.weave(Weave(openings=(Opening(flow=Flow(id=chain_id, kind=FlowKind.BATCH, total=2)),), steps=tuple(parts)))
    done = Flow(id=new_id(), kind=FlowKind.BATCH, has_begun=True)
    driver.weave(Weave(openings=(Opening(flow=done),)))
    first = next(lease for lease in worker.reserve(9) if lease.id == steps[0].id)
    driver.settle([completed(first, result=b"1")])


def age(client: Any, seconds: float) -> None:
    """Let the ended jobs, results and leases be older."""
    for name in client.keys("*:completed:*") + client.keys("*:cancelled:*") + ["{qctl}:expiries", "{qctl}:lapses"]:
        for member in client.zrange(name, 0, -1):
            client.zincrby(name, -seconds * 1_000_000, member)
    for name in ("{qctl}:limitends", "{qctl}:slotends"):  # slots are kept for a day
        for member in client.zrange(name, 0, -1):
            client.zincrby(name, -48 * HOUR_S * 1_000_000, member)


def let_a_minute_pass(client: Any) -> None:
    """Let what was measured so far be of the minute before."""
    (minute,) = client.zrange("{qctl}:minutes", 0, -1)
    client.rename(f"{{qctl}}:minute:{minute}", f"{{qctl}}:minute:{int(minute) - 1}")
    client.zrem("{qctl}:minutes", minute)
    client.zadd("{qctl}:minutes", {str(int(minute) - 1): int(minute) - 1})


@pytest.mark.parametrize("queue", ["default", "with:colons: and spaces", "ünïcode"])
def test_what_a_full_life_leaves_is_in_the_table(driver: Any, client: Any, queue: str) -> None:
    live(driver, queue)
    let_a_minute_pass(client)
    driver.push([envelope(queue, priority=11)])
    driver.settle([completed(lease) for lease in FakeWorker(driver, queue).reserve(1)])
    found = kinds(client)
    assert "" not in found
    assert found == {row.name: {row.kind} for row in keys.KEYS}


def test_after_the_end_of_all_only_what_stays_for_good_is_left(driver: Any, client: Any) -> None:
    live(driver, "default")
    assert 0 < client.ttl("{qctl}:dropped:token of default") <= DROPPED_KEPT_S
    driver.restore("token of default")
    while driver.clear("default"):
        pass
    driver.flush()
    age(client, COMPLETED_KEPT_S + 1)
    driver.reclaim()
    while driver.clear("default"):
        pass
    driver.dismiss([worker.id for worker in driver.workers()])
    for record in driver.flows([FlowKind.BATCH]).flows:
        driver.delete_flow(record.flow.id)
    for name in ("request", "commands", "sum", "sums"):  # they end by their own time
        client.delete("", *client.keys(f"*:{name}:*"))
    assert set(kinds(client)) == FOR_GOOD


def test_what_is_remembered_of_a_request_ends_by_itself(driver: Any, client: Any) -> None:
    driver.push([envelope()])
    worker = FakeWorker(driver)
    driver.settle([completed(worker.reserve_one())])
    (name,) = client.keys("*:request:*")
    assert 0 < client.ttl(name) <= 60
    worker.reserve()
    assert client.keys("*:request:*") == []


def test_a_command_that_nobody_takes_ends_by_itself(driver: Any, client: Any) -> None:
    driver.report([worker_record(id="worker")])
    driver.command("worker", "pause")
    (name,) = client.keys("*:commands:*")
    assert 0 < client.ttl(name) <= 3 * 15
    told = driver.report([worker_record(id="worker")])
    assert 0 < client.ttl(name) <= 3 * 15
    driver.report([worker_record(id="worker")], told)
    assert client.keys("*:commands:*") == []


def test_all_keys_carry_one_hash_tag(driver: Any, client: Any) -> None:
    live(driver, "{tags} of a {user}")
    assert {name[: len("{qctl}:")] for name in client.scan_iter()} == {"{qctl}:"}


def test_a_prefix_is_a_store_of_its_own(store: Any) -> None:
    one, other = store.open(prefix="one"), store.open(prefix="other")
    job = envelope()
    one.push([job])
    assert one.find(job.id) is not None
    assert other.find(job.id) is None
    assert other.counts() == []


def test_a_stranger_is_in_no_row() -> None:
    assert keys.kind_of("qctl", "qctl:jobs") is None
    assert keys.kind_of("qctl", "{other}:jobs") is None
