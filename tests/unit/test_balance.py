"""How processes are shared among queues: tables, properties, and a pool that runs in no time."""

from __future__ import annotations

import random
from collections import deque
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcore.records import QueueCounts
from qcore.worker.balance import PATIENCE, BalanceOptions, Load, balance, even, ideals
from qcore.worker.scaling import UNKNOWN_S, Runtime, in_hand

NOW_US = 1_700_000_000_000_000


def options(**given: Any) -> BalanceOptions:
    return BalanceOptions(**{"max_processes": 10, "max_shift": 100, **given})


def load(jobs: int = 0, runtime_s: float = 1.0, processes: int = 1) -> Load:
    return Load(jobs=jobs, work_s=jobs * runtime_s, processes=processes)


def settled(loads: dict[str, Load], how: BalanceOptions, looks: int = 60) -> list[dict[str, int]]:
    """What becomes of loads that stay as they are: the processes after each look."""
    recent: deque[dict[str, float]] = deque(maxlen=PATIENCE)
    steps = []
    for _ in range(looks):
        recent.append(ideals(loads, how))
        counts = balance(loads, recent, how)
        loads = {queue: Load(one.jobs, one.work_s, counts[queue]) for queue, one in loads.items()}
        steps.append(counts)
    return steps


# -- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loads", "how", "expected"),
    [
        pytest.param({"a": load(), "b": load()}, {}, {"a": 1, "b": 1}, id="nothing to do"),
        pytest.param({"a": load(), "b": load()}, {"min_processes": 3}, {"a": 3, "b": 3}, id="the floor"),
        pytest.param({"a": load(1000), "b": load()}, {}, {"a": 9, "b": 1}, id="all for the one that has work"),
        pytest.param({"a": load(1000), "b": load(1000)}, {}, {"a": 5, "b": 5}, id="alike"),
        pytest.param({"a": load(1000, 0.01), "b": load(100, 1.0)}, {}, {"a": 1, "b": 9}, id="by time to clear"),
        pytest.param({"a": load(1000, 0.01), "b": load(100, 1.0)}, {"by_size": True}, {"a": 9, "b": 1}, id="by jobs"),
        pytest.param({"a": load(2, 3600.0), "b": load(100, 10.0)}, {}, {"a": 2, "b": 8}, id="no more than jobs"),
        pytest.param({"a": load(50, 0.001), "b": load()}, {}, {"a": 1, "b": 1}, id="cleared in a moment anyway"),
        pytest.param({"a": load(30, 0.1), "b": load()}, {}, {"a": 3, "b": 1}, id="enough to clear within a second"),
        pytest.param({"a": load(40), "b": load()}, {"places": 8}, {"a": 5, "b": 1}, id="places"),
        pytest.param({"all": load(500)}, {"min_processes": 2}, {"all": 10}, id="one group for all queues"),
        pytest.param({"all": load(0)}, {"min_processes": 2}, {"all": 2}, id="one group, idle"),
        pytest.param({"a": load(9), "b": load(9)}, {"max_processes": 2}, {"a": 1, "b": 1}, id="no room to move"),
        pytest.param(
            {"a": load(700), "b": load(200), "c": load(100)}, {}, {"a": 7, "b": 2, "c": 1}, id="in proportion"
        ),
    ],
)
def test_where_it_settles(loads: dict[str, Load], how: dict[str, Any], expected: dict[str, int]) -> None:
    assert settled(loads, options(**how))[-1] == expected


def test_it_moves_no_more_than_the_shift_at_a_time() -> None:
    steps = settled({"a": load(1000), "b": load(processes=1)}, options(max_shift=2))
    assert [step["a"] for step in steps[:6]] == [3, 5, 7, 9, 9, 9]


def test_it_shrinks_only_after_some_looks_in_a_row() -> None:
    steps = settled({"a": load(0, processes=6)}, options(max_shift=1))
    assert [step["a"] for step in steps[:8]] == [6, 6, 5, 4, 3, 2, 1, 1]


def test_one_that_gives_makes_room_for_one_that_takes() -> None:
    steps = settled({"a": load(1, processes=9), "b": load(1000, processes=1)}, options(max_shift=1))
    assert [(step["a"], step["b"]) for step in steps[1:5]] == [(9, 1), (8, 2), (7, 3), (6, 4)]
    assert steps[-1] == {"a": 1, "b": 9}


@pytest.mark.parametrize(
    ("queues", "processes", "expected"),
    [("ab", 10, [5, 5]), ("abc", 10, [4, 3, 3]), ("abc", 3, [1, 1, 1]), ("a", 4, [4])],
)
def test_simple_is_an_even_split(queues: str, processes: int, expected: list[int]) -> None:
    assert list(even(list(queues), processes).values()) == expected


# -- properties ----------------------------------------------------------------------------------------------------


@st.composite
def pools(draw: st.DrawFn) -> tuple[dict[str, Load], BalanceOptions]:
    """A pool in any state in which it may be: each queue at its floor or above, all within the most."""
    count = draw(st.integers(1, 6))
    floor = draw(st.integers(1, 3))
    most = draw(st.integers(floor * count, floor * count + 20))
    how = BalanceOptions(
        min_processes=floor,
        max_processes=most,
        max_shift=draw(st.integers(1, 5)),
        by_size=draw(st.booleans()),
        places=draw(st.sampled_from([1, 4, 100])),
    )
    spare = most - floor * count
    loads = {}
    for number in range(count):
        extra = draw(st.integers(0, spare))
        spare -= extra
        jobs = draw(st.integers(0, 100_000))
        loads[f"q{number}"] = load(jobs, draw(st.floats(1e-4, 1e4)), floor + extra)
    return loads, how


@given(pools())
def test_no_queue_starves_and_no_pool_outgrows_its_most(pool: tuple[dict[str, Load], BalanceOptions]) -> None:
    loads, how = pool
    before = {queue: one.processes for queue, one in loads.items()}
    for step in settled(loads, how, looks=20):
        assert sum(step.values()) <= how.max_processes
        assert min(step.values()) >= how.min_processes
        assert all(abs(step[queue] - before[queue]) <= how.max_shift for queue in step)
        before = step


@given(pools())
def test_a_steady_load_comes_to_rest_without_turning_back(pool: tuple[dict[str, Load], BalanceOptions]) -> None:
    loads, how = pool
    steps = settled(loads, how, looks=60)
    assert steps[-1] == steps[-10]
    ideal = ideals(loads, how)
    for queue in loads:
        assert abs(steps[-1][queue] - ideal[queue]) < 2  # the band, a part rounded up, and one that made room
        path = [loads[queue].processes, *(step[queue] for step in steps)]
        moves = [after - before for before, after in pairwise(path) if after != before]
        assert all(move > 0 for move in moves) or all(move < 0 for move in moves) or _waited(moves)


def _waited(moves: list[int]) -> bool:
    """Whether it gave first what others had to take, or took what others gave: one turn, no more."""
    turns = sum((a > 0) != (b > 0) for a, b in pairwise(moves))
    return turns <= 1


@given(pools(), st.randoms(use_true_random=False))
def test_noise_of_a_tenth_of_a_process_moves_nothing_for_long(
    pool: tuple[dict[str, Load], BalanceOptions], chance: random.Random
) -> None:
    loads, how = pool
    recent: deque[dict[str, float]] = deque(maxlen=PATIENCE)
    path = []
    for _ in range(80):
        shaken = {
            queue: Load(one.jobs, one.work_s * chance.uniform(0.995, 1.005), one.processes)
            for queue, one in loads.items()
        }
        recent.append(ideals(shaken, how))
        counts = balance(shaken, recent, how)
        loads = {queue: Load(one.jobs, one.work_s, counts[queue]) for queue, one in loads.items()}
        path.append(counts)
    changes = sum(before != after for before, after in pairwise(path[40:]))
    assert changes <= 2


# -- loads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (QueueCounts(name="q", pending=3, processing=2), 5),
        (QueueCounts(name="q", delayed=7), 0),
        (QueueCounts(name="q", retrying=7), 0),
        (QueueCounts(name="q", retrying=7, oldest_due_us=NOW_US - 500_000), 0),
        (QueueCounts(name="q", retrying=7, oldest_due_us=NOW_US - 5_000_000), 7),
        (QueueCounts(name="q", retrying=7, pending=1, oldest_due_us=NOW_US - 5_000_000), 1),
        (QueueCounts(name="q", pending=3, processing=2, paused=True), 0),
    ],
)
def test_jobs_in_hand(counts: QueueCounts, expected: int) -> None:
    assert in_hand(counts, NOW_US) == expected


def test_the_mean_runtime_is_that_of_late() -> None:
    runtime = Runtime()
    assert runtime.learn(0, 0.0) == UNKNOWN_S
    assert runtime.learn(10, 1.0) == pytest.approx(0.1)
    assert runtime.learn(10, 1.0) == pytest.approx(0.1)
    assert 0.1 < runtime.learn(20, 6.0) < 0.5
