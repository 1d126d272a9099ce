"""The arithmetic of limits: no window holds too many, and whoever is sent away gets in at its slot."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from itertools import count, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qcore import limits
from qcore.limits import Limit, Slot, State
from qcore.states import Strategy

T0 = 1_764_000_000_000_000
SECOND = 1_000_000
EVERY = list(Strategy)
LIMITS = st.builds(
    Limit,
    st.just("k"),
    st.one_of(st.integers(1, 12), st.integers(250, 600)),
    st.integers(1_000, 5 * SECOND),
    st.sampled_from(EVERY),
)
GAPS = st.lists(st.integers(0, 400_000), min_size=1, max_size=120)


def starts_of(
    limits_of_job: Sequence[Limit], gaps: Sequence[int], lateness: Sequence[int] = (0,), most_asks: int = 200
) -> tuple[list[int], Counter[int]]:
    """Let jobs arrive so far apart, each coming back when it is told to, late as given; when each began, its asks."""
    states = [limits.fresh(limit) for limit in limits_of_job]
    slots: dict[int, Slot | None] = {}
    order, late = count(), 0
    arrivals, now_us = [], T0
    for job, gap in enumerate(gaps):
        now_us += gap
        arrivals.append((now_us, next(order), job))
    begun: list[int] = []
    asks: Counter[int] = Counter()
    heapq.heapify(arrivals)
    clock = T0
    while arrivals:
        at, _, job = heapq.heappop(arrivals)
        clock = max(clock, at)
        asks[job] += 1
        assert asks[job] <= most_asks, f"job {job} is sent away for ever"
        ruling = limits.rule(limits_of_job, states, slots.get(job), clock)
        if ruling.slot is None:
            begun.append(clock)
            continue
        assert ruling.wait_us > 0
        slots[job] = ruling.slot
        late += 1
        heapq.heappush(arrivals, (clock + ruling.wait_us + lateness[late % len(lateness)], next(order), job))
    return begun, asks


def most_in_a_window(begun: Sequence[int], window_us: int) -> int:
    most, first = 0, 0
    for last, at in enumerate(begun):
        while begun[first] <= at - window_us:
            first += 1
        most = max(most, last - first + 1)
    return most


def keeps(limit: Limit, begun: Sequence[int]) -> bool:
    """Whether these starts are what the strategy promises."""
    step_us = -(-limit.window_us // limit.most)
    if limit.strategy is Strategy.SLIDING_WINDOW:
        return most_in_a_window(begun, limit.window_us) <= limit.most
    if limit.strategy is Strategy.FIXED_WINDOW:
        return max(Counter(at // limit.window_us for at in begun).values()) <= limit.most
    if limit.strategy is Strategy.LEAKY_BUCKET:
        return all(following - one >= step_us for one, following in pairwise(begun))
    full_us = 0
    for at in begun:
        full_us = max(full_us, at) + step_us
        if full_us - at > limit.most * step_us:
            return False
    return True


@given(LIMITS, GAPS, st.lists(st.integers(0, 60_000), min_size=1, max_size=10))
def test_no_window_holds_too_many(limit: Limit, gaps: list[int], lateness: list[int]) -> None:
    begun, _ = starts_of([limit], gaps, lateness)
    assert len(begun) == len(gaps)
    assert keeps(limit, begun)


@given(st.lists(LIMITS, min_size=2, max_size=3), GAPS)
def test_several_limits_all_hold(several: list[Limit], gaps: list[int]) -> None:
    begun, _ = starts_of(several, gaps, (0, 900), most_asks=2000)
    assert len(begun) == len(gaps)
    assert all(keeps(limit, begun) for limit in several)


@given(LIMITS, GAPS)
def test_who_is_on_time_is_sent_away_once(limit: Limit, gaps: list[int]) -> None:
    _, asks = starts_of([limit], gaps)
    assert max(asks.values()) <= 2


@pytest.mark.parametrize("strategy", EVERY)
def test_all_of_a_limit_is_used(strategy: Strategy) -> None:
    """A hundred a second, asked by five hundred at once that come back some milliseconds late."""
    limit = Limit("k", 100, SECOND, strategy)
    begun, asks = starts_of([limit], [0] * 500, (0, 3_000, 1_000, 8_000))
    assert keeps(limit, begun)
    lasted_s = (begun[-1] - begun[0]) / SECOND
    assert lasted_s <= 5.2, f"500 took {lasted_s} s"
    if strategy is not Strategy.LEAKY_BUCKET:  # where the next slot is 10 ms away, who is 8 ms late meets others
        assert sum(asks.values()) <= 2 * 500 * 1.1


def test_a_newcomer_stands_behind_those_with_slots() -> None:
    limit = Limit("k", 1, SECOND)
    state = [limits.fresh(limit)]
    assert limits.rule([limit], state, None, T0).slot is None
    second = limits.rule([limit], state, None, T0 + 1)
    third = limits.rule([limit], state, None, T0 + 2)
    assert second.slot is not None
    assert third.slot is not None
    assert third.slot.at_us >= second.slot.at_us + SECOND
    newcomer = limits.rule([limit], state, None, second.slot.at_us)
    assert newcomer.wait_us > SECOND
    assert limits.rule([limit], state, second.slot, second.slot.at_us).slot is None


def test_a_slot_in_one_limit_takes_nothing_of_another_that_was_open() -> None:
    narrow, wide = Limit("a", 1, SECOND), Limit("b", 2, SECOND)
    states = [limits.fresh(narrow), limits.fresh(wide)]
    assert limits.rule([narrow, wide], states, None, T0).slot is None
    refused = [limits.rule([narrow, wide], states, None, T0) for _ in range(5)]
    assert [one.slot.bound for one in refused if one.slot] == [1] * 5
    assert limits.rule([wide], [states[1]], None, T0).slot is None, "the wide one has one left"


@pytest.mark.parametrize("window_us", [SECOND, 3600 * SECOND])
def test_who_comes_much_too_late_asks_anew(window_us: int) -> None:
    limit = Limit("k", 1, window_us)
    slot, late_us = Slot(T0, 1), max(window_us, limits.LATE_US)
    assert slot.holds(0, limit, T0 + late_us)
    assert not slot.holds(0, limit, T0 + late_us + 1)
    assert not slot.holds(1, limit, T0)


@given(LIMITS, GAPS)
@example(Limit("k", 100_000, SECOND // 10), [5_000] * 120)
def test_what_is_known_stays_small(limit: Limit, gaps: list[int]) -> None:
    state = limits.fresh(limit)
    now_us = T0
    for gap in gaps * 5:
        now_us += gap
        limits.rule([limit], [state], None, now_us)
    assert max(len(state.starts), len(state.plan)) <= 2 * min(limit.most, limits.EXACT + 2)
    assert limits.unpack(limits.pack(state)) == state
    assert limits.over_us(state) >= now_us or not state.starts


def test_other_figures_begin_anew_and_another_most_does_not() -> None:
    state = State(Strategy.SLIDING_WINDOW, 2, SECOND, [T0, 2], [T0, 2])
    assert limits.fitting(Limit("k", 3, SECOND), state).starts == [T0, 2]
    assert limits.fitting(Limit("k", 2, 2 * SECOND), state).starts == []
    assert limits.fitting(Limit("k", 2, SECOND, Strategy.FIXED_WINDOW), state).starts == []


@pytest.mark.parametrize("strategy", EVERY)
def test_used_and_left(strategy: Strategy) -> None:
    limit = Limit("k", 4, SECOND, strategy)
    state = limits.fresh(limit)
    at = T0 - T0 % SECOND
    for _ in range(3):
        limits.rule([limit], [state], None, at)
    assert limits.used(state, at) == (1 if strategy is Strategy.LEAKY_BUCKET else 3)
    assert limits.used(state, at + 2 * SECOND) == 0
