"""What a worker holds of a connection: unsent ends, leases that went stale in a sleep, whether anybody was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from qcore.config import ConnectionSettings
from qcore.envelope import Lease
from qcore.errors import ConnectionFailed
from qcore.settlement import Settlement
from qcore.states import Outcome
from qcore.worker import lane as lanes
from qcore.worker.lane import Lane
from qcore.worker.slots import Holding, SlotMemory


class Store:
    """Gives the leases it was made with, and notes what is settled; or does not answer."""

    def __init__(self, *leases: Lease) -> None:
        self.leases = list(leases)
        self.settled: list[Settlement] = []
        self.asked = 0
        self.is_down = False

    def limited(self, queues: Sequence[str]) -> dict[str, Any]:
        return {}

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        self.asked += 1
        given, self.leases = self.leases[:limit], self.leases[limit:]
        return given

    def settle(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        if self.is_down:
            raise ConnectionFailed("gone")
        self.settled += settlements
        return []

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        return self.settle(settlements), self.reserve(queues, limit, worker, request)


def lease(job_id: str) -> Lease:
    return Lease(id=job_id, job="m:J", queue="q", payload=b"", token="w/1")


def end(job_id: str) -> Settlement:
    return Settlement(id=job_id, queue="q", job="m:J", token="w/1", outcome=Outcome.COMPLETED)


@pytest.fixture
def lane_on(make_settings: Callable[..., ConnectionSettings]) -> Callable[[Any], Lane]:
    return lambda store: Lane(store, make_settings(lease_s=15.0), ["q"], "w")


def ids_held(lane: Lane) -> list[str]:
    return [job_id for holding in lane.holdings() for job_id in holding.ids]


def test_the_lease_of_an_unsent_end_is_kept(lane_on: Callable[[Any], Lane]) -> None:
    store = Store()
    lane = lane_on(store)
    lane.add(end("a"), 0.0)
    store.is_down = True
    with pytest.raises(ConnectionFailed):
        lane.send()
    assert ids_held(lane) == ["a"]
    store.is_down = False
    lane.send()
    assert ids_held(lane) == []


def test_leases_are_handed_back_after_a_sleep(lane_on: Callable[[Any], Lane], monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(lease("a"), lease("b"), lease("c"))
    lane = lane_on(store)
    now = 100.0
    monkeypatch.setattr(lanes.time, "monotonic", lambda: now)
    lane.exchange(3, ["q"])
    taken = lane.next()
    assert taken is not None
    lane.begin(taken)
    now += 60.0  # the machine was suspended under it
    assert lane.next() is None
    lane.send()
    assert {(one.id, one.outcome) for one in store.settled} == {("b", Outcome.RELEASED), ("c", Outcome.RELEASED)}


def test_it_tells_whether_the_store_was_asked(lane_on: Callable[[Any], Lane]) -> None:
    lane = lane_on(Store())
    assert not lane.exchange(0, ["q"])
    lane.add(end("a"), 0.0)
    assert lane.exchange(0, ["q"])
    assert lane.exchange(1, ["q"])


def test_the_end_of_an_attempt_that_took_a_while_is_due_at_once(lane_on: Callable[[Any], Lane]) -> None:
    lane = lane_on(Store())
    lane.add(end("quick"), 100.0)
    assert not lane.is_due(100.0)
    lane.add(msgspec.structs.replace(end("slow"), runtime_s=0.004), 100.001)
    assert lane.is_due(100.001)


def test_a_wish_exchanges_ends_for_leases_in_another_thread(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("b"), lease("c"), lease("d"))
    lane = lane_on(store)
    lane.add(end("a"), 0.0)
    assert not lane.top_up()
    lane.wish(2, ["q"])
    assert lane.has_wish
    assert lane.top_up()
    assert not lane.has_wish
    assert [one.id for one in store.settled] == ["a"]
    assert [one.id for one in lane.leases] == ["b", "c"]


def test_jobs_that_came_by_a_wish_are_enough(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("a"), lease("b"))
    lane = lane_on(store)
    lane.wish(1, ["q"])
    lane.top_up()
    assert lane.exchange(1, ["q"])
    assert store.asked == 1
    assert len(lane.leases) == 1


def test_an_exchange_sees_to_what_was_wished_for(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("a"), lease("b"))
    lane = lane_on(store)
    lane.wish(1, ["q"])
    lane.exchange(1, ["q"])
    assert not lane.top_up()
    assert store.asked == 1


def test_a_wish_can_be_taken_back(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("a"))
    lane = lane_on(store)
    lane.wish(1, ["q"])
    lane.unwish()
    assert not lane.top_up()
    assert store.asked == 0


def test_a_wish_that_fails_loses_no_end_and_is_over(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("b"))
    lane = lane_on(store)
    lane.add(end("a"), 0.0)
    lane.wish(1, ["q"])
    store.is_down = True
    with pytest.raises(ConnectionFailed):
        lane.top_up()
    assert not lane.has_wish
    store.is_down = False
    lane.exchange(1, ["q"])
    assert [one.id for one in store.settled] == ["a"]
    assert [one.id for one in lane.leases] == ["b"]


def test_a_wish_for_no_jobs_sends_ends(lane_on: Callable[[Any], Lane]) -> None:
    store = Store(lease("b"))
    lane = lane_on(store)
    lane.add(end("a"), 0.0)
    assert lane.is_due(1.0)
    lane.wish(0, ["q"])
    assert not lane.is_due(1.0)
    lane.top_up()
    assert [one.id for one in store.settled] == ["a"]
    assert store.asked == 0


def test_leases_that_came_before_a_sleep_are_handed_back(
    lane_on: Callable[[Any], Lane], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to a wish had arrived when the machine was suspended, and was read only after."""
    store = Store(lease("a"))
    lane = lane_on(store)
    now = 100.0
    monkeypatch.setattr(lanes.time, "monotonic", lambda: now)

    def asleep(queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        nonlocal now
        now += 60.0
        return [lease("a")]

    monkeypatch.setattr(store, "reserve", asleep)
    lane.wish(1, ["q"])
    lane.top_up()
    assert lane.next() is None
    lane.send()
    assert [(one.id, one.outcome) for one in store.settled] == [("a", Outcome.RELEASED)]


def test_a_block_takes_the_leases_of_all_its_places() -> None:
    memory = SlotMemory(1, 5000)
    child = memory.child(0)
    child.open("w")
    child.hold([Holding("default", f"host:1:{number:040}/1", ["0" * 36]) for number in range(10_000)])
    assert len(child.holdings()) == 10_000
    memory.close()


def test_a_child_knows_how_long_nobody_kept_its_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcore.worker import slots

    now = 100.0
    monkeypatch.setattr(slots.time, "monotonic", lambda: now)
    child = SlotMemory(1, 1).child(0)
    child.open("w")
    now += 20.0
    assert child.unkept_s("default") == pytest.approx(20.0)
    child.keep("default")
    assert child.unkept_s("default") == 0.0


def test_while_a_job_runs_ends_leave_by_another_thread(
    lane_on: Callable[[Any], Lane], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    lane = lane_on(store)
    clock = [100.0]
    monkeypatch.setattr(lanes.time, "monotonic", lambda: clock[0])
    lane.add(end("a"), clock[0])
    clock[0] += 2 * lanes.SEND_WITHIN_S
    lane.begin(lease("b"))
    lane.attend()
    assert not store.settled, "the worker's thread is between two jobs: it sends, and asks for more in the same step"
    clock[0] += 2 * lanes.SEND_WITHIN_S
    lane.attend()
    assert [one.id for one in store.settled] == ["a"]


def test_what_ends_while_others_are_sent_waits_for_the_next_time(lane_on: Callable[[Any], Lane]) -> None:
    lane = lane_on(store := Store())
    settle = store.settle
    store.settle = lambda batch: (lane.add(end(f"after {batch[0].id}"), 0.0), settle(batch))[1]  # type: ignore[method-assign]
    lane.add(end("a"), 0.0)
    lane.send()
    assert [one.id for one in store.settled] == ["a"]
    assert lane.unsent == 1
