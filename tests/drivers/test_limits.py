"""Limits by which jobs start, on each store: together or not at all, each sent away to a slot of its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from fakes.leases import let_pass
from fakes.store import StoreUnderTest
from fakes.values import completed, envelope, envelopes, handed_back, us
from fakes.worker import FakeWorker

from qcore import limits
from qcore.envelope import Exclusive, Lease, Start, Started, StartVerdict, Unique
from qcore.limits import SHUT_REASON, Limit
from qcore.records import QueueDefinition
from qcore.states import Strategy

STARTED, LOST = Started(StartVerdict.STARTED), Started(StartVerdict.LOST)
HOUR_US = us(3600)
EVERY = list(Strategy)


def asked(driver: Any, lease: Lease, *by: Limit, key: str | None = None) -> Started:
    """What a worker is answered that wants to run a job."""
    exclusive = None if key is None else Exclusive(key)
    (answer,) = driver.start([Start(id=lease.id, token=lease.token, limits=by, exclusive=exclusive)])
    return answer  # type: ignore[no-any-return]  # of a driver, any


def used(driver: Any) -> dict[str, int]:
    return {one.key: one.used for one in driver.limits().limits}


@pytest.fixture
def leases(driver: Any) -> list[Lease]:
    """Twelve jobs in a worker's hands."""
    driver.push(envelopes(12))
    return list(FakeWorker(driver).reserve(12))


@pytest.mark.parametrize("strategy", EVERY)
def test_so_many_start_and_the_others_get_slots(driver: Any, leases: list[Lease], strategy: Strategy) -> None:
    limit = Limit("k", 3, HOUR_US, strategy)
    answers = [asked(driver, lease, limit) for lease in leases]
    at_once = 1 if strategy is Strategy.LEAKY_BUCKET else 3
    assert answers[:at_once] == [STARTED] * at_once
    later = answers[at_once:]
    assert all(one.verdict is StartVerdict.LATER and one.is_slot for one in later)
    delays = [one.delay_us for one in later]
    assert delays[0] <= HOUR_US + us(1)
    assert delays[-1] > delays[0] + HOUR_US, "three in an hour: the last one waits for hours"
    assert used(driver) == {"k": at_once}


@pytest.mark.parametrize("strategy", EVERY)
def test_who_comes_to_its_slot_starts(driver: Any, leases: list[Lease], strategy: Strategy) -> None:
    limit = Limit("k", 2, us(0.3), strategy)
    answers = driver.start([Start(id=one.id, token=one.token, limits=(limit,)) for one in leases[:4]])
    later, answer = next(pair for pair in zip(leases, answers, strict=False) if pair[1] != STARTED)
    let_pass(driver, answer.delay_us / 1e6 + 0.005)
    assert asked(driver, later, limit) == STARTED


def test_limits_are_taken_together_or_not_at_all(driver: Any, leases: list[Lease]) -> None:
    narrow, wide = Limit("narrow", 1, HOUR_US), Limit("wide", 5, HOUR_US)
    assert asked(driver, leases[0], narrow, wide) == STARTED
    assert asked(driver, leases[1], narrow, wide).verdict is StartVerdict.LATER
    assert asked(driver, leases[2], wide, narrow).verdict is StartVerdict.LATER
    assert used(driver) == {"narrow": 1, "wide": 1}
    assert [asked(driver, lease, wide) for lease in leases[3:7]] == [STARTED] * 4


def test_a_key_that_is_held_takes_no_slot_and_a_limit_that_is_shut_no_key(driver: Any, leases: list[Lease]) -> None:
    limit = Limit("k", 2, HOUR_US)
    assert asked(driver, leases[0], limit, key="x") == STARTED
    later = asked(driver, leases[1], limit, key="x")
    assert (later.verdict, later.is_slot) == (StartVerdict.LATER, False)
    assert used(driver) == {"k": 1}
    assert asked(driver, leases[1], limit, key="y") == STARTED
    assert asked(driver, leases[2], limit, key="z").is_slot
    assert {lock.key for lock in driver.locks().locks} == {"x", "y"}


def test_a_lost_lease_takes_no_slot(driver: Any, leases: list[Lease]) -> None:
    stale = msgspec.structs.replace(leases[0], token="0" * len(leases[0].token))
    assert asked(driver, stale, Limit("k", 1, HOUR_US)) == LOST
    assert used(driver) == {}
    assert asked(driver, leases[1], Limit("k", 1, HOUR_US)) == STARTED


def test_many_in_one_call(driver: Any, leases: list[Lease]) -> None:
    limit, other = Limit("k", 3, HOUR_US), Limit("other", 1, HOUR_US)
    starts = [Start(id=one.id, token=one.token, limits=(limit,)) for one in leases[:5]]
    starts.append(Start(id=leases[5].id, token=leases[5].token, limits=(limit, other)))
    starts.append(Start(id=leases[6].id, token=leases[6].token))
    answers = driver.start(starts)
    assert [one.verdict is StartVerdict.STARTED for one in answers] == [True] * 3 + [False] * 3 + [True]
    assert len({one.delay_us for one in answers[3:5]}) == 1, "a window of three has room for them at the same time"


def test_who_asks_ahead_is_sent_away_or_left(driver: Any, leases: list[Lease]) -> None:
    limit = Limit("k", 1, HOUR_US)

    def ahead(lease: Lease) -> Started:
        (answer,) = driver.start([Start(id=lease.id, token=lease.token, limits=(limit,), ahead=True)])
        return answer  # type: ignore[no-any-return]  # of a driver, any

    left = Started(StartVerdict.LATER)
    assert [ahead(lease) for lease in leases[:3]] == [left] * 3
    assert sum(used(driver).values()) == 0
    assert asked(driver, leases[0], limit) == STARTED
    sent_away = ahead(leases[1])
    assert (sent_away.verdict, sent_away.is_slot) == (StartVerdict.LATER, True)
    assert used(driver) == {"k": 1}


def test_who_asks_ahead_keeps_its_slot(driver: Any, leases: list[Lease]) -> None:
    limit = Limit("k", 1, us(0.3))
    starts = [Start(id=one.id, token=one.token, limits=(limit,)) for one in leases[:3]]
    started, second, third = driver.start(starts)
    assert started == STARTED
    let_pass(driver, second.delay_us / 1e6 + 0.005)
    (answer,) = driver.start([msgspec.structs.replace(starts[1], ahead=True)])
    assert answer == Started(StartVerdict.LATER)
    assert asked(driver, leases[1], limit) == STARTED
    assert third.is_slot


def test_threads_that_start_by_one_limit(driver: Any, leases: list[Lease]) -> None:
    limit = Limit("k", 5, HOUR_US)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda lease: asked(driver, lease, limit), leases))
    assert answers.count(STARTED) == 5
    assert used(driver) == {"k": 5}


def test_a_job_is_due_again_at_its_slot(driver: Any, leases: list[Lease]) -> None:
    limit = Limit("k", 1, us(0.2))
    asked(driver, leases[0], limit)
    later = asked(driver, leases[1], limit)
    driver.settle([completed(leases[0]), msgspec.structs.replace(handed_back(leases[1]), delay_us=later.delay_us)])
    driver.settle([handed_back(lease) for lease in leases[2:]])
    driver.clear("default", limit=1)
    assert asked(driver, leases[1], limit) == LOST


# --- slots that nobody will come for --------------------------------------------------------------------------------


def in_line(driver: Any, number: int, *by: Limit) -> list[str]:
    """Let so many jobs ask, of which none but the first starts, and wait for their slots; returns who waits."""
    driver.push(envelopes(number))
    waiting = []
    for lease in FakeWorker(driver).reserve(number):
        answer = asked(driver, lease, *by)
        if answer == STARTED:
            driver.settle([completed(lease)])
        else:
            driver.settle([msgspec.structs.replace(handed_back(lease), delay_us=answer.delay_us)])
            waiting.append(lease.id)
    return waiting


def wait_of_next(driver: Any, limit: Limit) -> int:
    """How many windows a new job waits, begun ones included."""
    driver.push(envelopes(1))
    (lease,) = FakeWorker(driver).reserve(1)
    return -(-(asked(driver, lease, limit).delay_us - us(1)) // limit.window_us)


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("way", ["clear", "cancel"])
def test_the_slots_of_jobs_that_are_gone_are_given_back(driver: Any, strategy: Strategy, way: str) -> None:
    limit = Limit("k", 1, HOUR_US, strategy)
    waiting = in_line(driver, 5, limit)
    assert len(waiting) == 4
    if way == "clear":
        assert driver.clear("default", limit=2) + driver.clear("default") == 4
    else:
        assert driver.cancel(waiting) == waiting
    assert wait_of_next(driver, limit) == 1
    assert wait_of_next(driver, limit) == 2, "and its own is kept"


def test_those_who_stay_keep_theirs(driver: Any) -> None:
    limit = Limit("k", 1, HOUR_US)
    waiting = in_line(driver, 5, limit)
    driver.cancel(waiting[-2:])
    assert wait_of_next(driver, limit) == 3
    driver.cancel(waiting[:1])
    assert wait_of_next(driver, limit) == 4, "whoever waits already is not moved up"
    assert used(driver) == {"k": 1}


def test_a_job_that_is_replaced_gives_its_slot_back(driver: Any) -> None:
    limit = Limit("k", 1, HOUR_US)
    in_line(driver, 1, limit)
    for _ in range(3):
        driver.push([envelope(unique=Unique(key="one", replaces=True))])
        (lease,) = FakeWorker(driver).reserve(1)
        answer = asked(driver, lease, limit)
        assert us(3500) < answer.delay_us < us(3602)
        driver.settle([msgspec.structs.replace(handed_back(lease), delay_us=answer.delay_us)])


# --- queues ---------------------------------------------------------------------------------------------------------


def own(most: int, window_s: float = 3600) -> Limit:
    return Limit(f"queue default:{window_s:g}s", most, us(window_s), queue="default")


def test_a_queue_has_the_limit_of_its_definition_or_the_operators(driver: Any) -> None:
    assert driver.limited(["default", "other"]) == {}
    driver.define([QueueDefinition(name="default", limit=own(3)), QueueDefinition(name="other")])
    assert driver.limited(["default", "other"]) == {"default": own(3)}
    driver.limit("default", own(7))
    driver.define([QueueDefinition(name="default", limit=own(3))])
    assert driver.limited(["other", "default"]) == {"default": own(7)}
    driver.limit("default", None)
    assert driver.limited(["default"]) == {}
    assert driver.limited([]) == {}


def test_a_queue_whose_limit_is_used_up_gives_no_jobs(driver: Any) -> None:
    driver.push(envelopes(8))
    worker = FakeWorker(driver)
    driver.limit("default", own(2))
    answers = [asked(driver, lease, own(2)) for lease in worker.reserve(3)]
    assert [one.verdict for one in answers] == [StartVerdict.STARTED, StartVerdict.STARTED, StartVerdict.LATER]
    assert worker.reserve(8) == []
    (counts,) = driver.counts(["default"])
    assert (counts.paused, counts.pause_reason) == (True, SHUT_REASON)
    driver.limit("default", own(100))
    assert len(worker.reserve(8)) == 5, "another limit opens it"


@pytest.mark.parametrize("to", [None, own(100), own(3, 60)], ids=["none", "more", "another"])
def test_another_limit_lets_those_go_that_wait_for_the_old_one(driver: Any, to: Limit | None) -> None:
    driver.limit("default", own(1))
    waiting = in_line(driver, 4, own(1))
    assert FakeWorker(driver).reserve(8) == []
    driver.limit("default", to)
    leases = FakeWorker(driver).reserve(8)
    assert [lease.id for lease in leases] == waiting, "in the order in which they came"
    if to is not None:
        assert all(asked(driver, lease, to) == STARTED for lease in leases[:2])


def test_whoever_waits_for_a_limit_of_its_own_waits_on(driver: Any) -> None:
    driver.limit("default", own(1))
    mine = Limit("k", 1, HOUR_US)
    in_line(driver, 3, mine, own(1))
    driver.limit("default", None)
    assert FakeWorker(driver).reserve(8) == []
    assert wait_of_next(driver, mine) == 3


def test_it_opens_by_itself(driver: Any) -> None:
    driver.push(envelopes(3))
    worker = FakeWorker(driver)
    limit = own(1, 0.3)
    answers = [asked(driver, lease, limit) for lease in worker.reserve(2)]
    assert answers[0] == STARTED
    began = time.monotonic()
    assert len(worker.await_many(1)) == 1
    assert 0.1 < time.monotonic() - began < 3


def test_a_pause_of_an_operator_stays(driver: Any) -> None:
    driver.push(envelopes(3))
    leases = FakeWorker(driver).reserve(2)
    driver.pause("default", reason="mail server down")
    for lease in leases:
        asked(driver, lease, own(1))
    assert driver.counts(["default"])[0].pause_reason == "mail server down"
    driver.limit("default", None)
    assert driver.counts(["default"])[0].pause_reason == "mail server down"


# --- lists ----------------------------------------------------------------------------------------------------------


def test_pages(driver: Any, leases: list[Lease]) -> None:
    names = [f"k{number}" for number in range(5)]
    for lease, name in zip(leases, names, strict=False):
        asked(driver, lease, Limit(name, 2, HOUR_US, Strategy.TOKEN_BUCKET))
    page = driver.limits(limit=2)
    found = list(page.limits)
    while page.next_cursor is not None:
        page = driver.limits(cursor=page.next_cursor, limit=2)
        found += page.limits
    assert [one.key for one in found] == names
    assert {(one.strategy, one.most, one.window_us, one.used) for one in found} == {("token_bucket", 2, HOUR_US, 1)}
    assert all(one.opens_us <= page.now_us for one in found)


def test_what_is_over_is_forgotten(store: StoreUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = store.open()
    driver.push(envelopes(2))
    leases = FakeWorker(driver).reserve(2)
    asked(driver, leases[0], Limit("short", 1, us(0.02)))
    asked(driver, leases[1], Limit("long", 1, HOUR_US))
    let_pass(driver, 0.05)
    if hasattr(driver, "_upkeep"):
        monkeypatch.setattr(driver._upkeep, "_swept_at", float("-inf"))
    driver.reclaim()
    assert list(used(driver)) == ["long"]
    assert us(86_400) == limits.SLOT_KEPT_US
