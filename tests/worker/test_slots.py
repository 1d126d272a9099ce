"""What a supervisor tells a child through its block of shared memory, one connection at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from qcore.worker import slots as module
from qcore.worker.slots import ChildSlots, Holding, SlotMemory


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def sides() -> Iterator[tuple[ChildSlots, ChildSlots]]:
    """The supervisor's view of a block, and the child's."""
    memory = SlotMemory(2, 1)
    supervisor, child = memory.child(1), memory.child(1)
    supervisor.clear()
    yield supervisor, child
    memory.close()


def test_leases_count_as_kept_since_the_child_began_or_since_their_connection_was_renewed(
    clock: Clock, sides: tuple[ChildSlots, ChildSlots]
) -> None:
    supervisor, child = sides
    child.open("w")
    clock.now += 20
    assert (child.unkept_s("a"), child.unkept_s("b"), child.unkept_s()) == (20, 20, 20)
    supervisor.keep("a")
    clock.now += 5
    assert (child.unkept_s("a"), child.unkept_s("b"), child.unkept_s()) == (5, 25, 5)
    supervisor.keep("b", at=clock.now - 9)
    assert (child.unkept_s("a"), child.unkept_s("b"), child.unkept_s()) == (5, 9, 9)


def test_there_is_room_for_many_connections_and_one_too_many_harms_none(
    clock: Clock, sides: tuple[ChildSlots, ChildSlots]
) -> None:
    supervisor, child = sides
    child.open("w")
    child.pause(paused=True)
    for number in range(60):
        clock.now += 1
        supervisor.keep(f"connection {number}")
    assert [child.unkept_s(f"connection {number}") for number in range(48)] == [float(59 - n) for n in range(48)]
    assert child.worker == "w"
    assert child.is_paused
    assert child.cancelled() == {}


def test_a_successor_begins_with_nothing_kept_and_nothing_cancelled(
    clock: Clock, sides: tuple[ChildSlots, ChildSlots]
) -> None:
    supervisor, child = sides
    child.open("w")
    supervisor.keep("a")
    supervisor.cancel("a", {"1": True})
    supervisor.clear()
    clock.now += 30
    child.open("v")
    clock.now += 2
    assert child.unkept_s("a") == 2
    assert child.cancelled() == {}


def test_cancelled_is_what_is_cancelled_on_any_connection(sides: tuple[ChildSlots, ChildSlots]) -> None:
    supervisor, child = sides
    supervisor.cancel("a", {"1": False, "2": True})
    supervisor.cancel("b", {"3": False})
    assert child.cancelled() == {"1": False, "2": True, "3": False}
    supervisor.cancel("a", {})
    assert child.cancelled() == {"3": False}
    supervisor.cancel("b", {})
    assert child.cancelled() == {}


def test_who_is_stopped_while_it_tells_what_it_holds_is_still_known_to_hold_it(
    sides: tuple[ChildSlots, ChildSlots], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, child = sides
    held = [Holding("here", "token", ["a", "b"])]
    child.hold(held)
    assert supervisor.holdings() == held
    put, written = ChildSlots._put, []

    def stopped(slots: ChildSlots, form: struct.Struct, at: int, *values: object) -> None:
        if not written:
            written.append(values)
            put(slots, form, at, *values)

    monkeypatch.setattr(ChildSlots, "_put", stopped)
    child.hold([Holding("here", "other", ["c"])])  # it began to, and came no further
    assert written[0][0] % 2
    assert supervisor.holdings() == held
    supervisor.clear()
    assert supervisor.holdings() == []
