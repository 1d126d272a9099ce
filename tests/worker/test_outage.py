"""What a worker says of a store that does not answer: a line a second at the most, and the end of what it told."""

from __future__ import annotations

import pytest

from qcore.errors import ConnectionFailed
from qcore.worker import outage as module
from qcore.worker.outage import Outage

DOWN = ConnectionFailed("it is down")
BACK = 'connection "main" answers again'


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_begin_and_end_are_told(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.failed("main", DOWN)
    assert outage.is_on
    clock.now += 1
    outage.answered("main")
    assert not outage.is_on
    assert said == ["it is down", BACK]


def test_an_end_within_a_second_is_told_a_moment_later_and_once(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.failed("main", DOWN)
    outage.answered("main")
    assert not outage.is_on
    assert said == ["it is down"]
    clock.now += 1
    outage.answered("main")
    outage.answered("main")
    assert said == ["it is down", BACK]


def test_a_store_that_comes_and_goes_costs_a_line_a_second(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    for _ in range(100):
        outage.failed("main", DOWN)
        outage.answered("main")
        clock.now += 0.1
    assert 5 <= len(said) <= 10
    clock.now += 1
    outage.answered("main")
    assert said[-1] == BACK


def test_what_was_never_told_to_be_down_is_not_told_to_be_back(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.failed("main", DOWN)
    outage.failed("other", DOWN)
    clock.now += 1
    outage.answered("other")
    outage.answered("main")
    assert said == ["it is down", BACK]


def test_pauses_grow_to_three_seconds(clock: Clock) -> None:
    outage = Outage(lambda _: None)
    pauses = []
    for _ in range(12):
        outage.failed("main", DOWN)
        pauses.append(outage.pause_of("main"))
    assert 0.02 <= pauses[0] <= 0.05
    assert 1.5 <= pauses[-1] <= 3.0
    outage.answered("main")
    assert outage.pause_s == 0


def test_ends_that_came_too_late_are_told_in_one_line_when_there_may_be_one(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.tell()
    outage.failed("main", DOWN)
    for name in ("first", "second", "third"):
        outage.refused(f"the {name} was refused")
        outage.tell()
    assert said == ["it is down"]
    clock.now += 1
    outage.tell()
    outage.tell()
    assert said == ["it is down", "the first was refused; so were 2 more"]


def test_whoever_leaves_tells_at_once_what_was_refused(clock: Clock) -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.failed("main", DOWN)
    outage.refused("the end was refused")
    outage.tell(at_once=True)
    outage.tell(at_once=True)
    assert said == ["it is down", "the end was refused"]
